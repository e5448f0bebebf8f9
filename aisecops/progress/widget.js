// Draws the progress chart from the `state` that Python sends. No network, no library.

const SVG = "http://www.w3.org/2000/svg";

const number = (value) => String(Math.round(value * 10) / 10);
const share = (value, most) => (most ? Math.min(100, (100 * (value ?? 0)) / most) : 0);
const graded = (points) => (points.graded == null ? "not graded" : `${number(points.graded)} / ${number(points.most)}`);

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (value != null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const drawn = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// A bar is named, so that the next drawing can let it grow from where it stood.
function bar(kind, percent, name) {
  return element("span", { class: "bar", "aria-hidden": "true" },
    element("span", { class: `fill ${kind}`, style: `width: ${percent}%`, "data-name": name }));
}

// A milestone: empty while open, half filled by the learner's own checks, filled by an instructor's grade.
function diamond(evidence) {
  const filled = { graded: "M6 1 11 6 6 11 1 6Z", "self-checked": "M6 1 6 11 1 6Z" }[evidence];
  return drawn("svg", { class: "mark", viewBox: "0 0 12 12", "aria-hidden": "true" },
    drawn("path", { d: "M6 1 11 6 6 11 1 6Z" }), filled ? drawn("path", { class: "filled", d: filled }) : null);
}

// Outer ring: self-checked, solid. Inner ring: graded, dashed. In the middle the number of the phase.
function ring(phase, index) {
  const arc = (kind, radius, percent) => [
    drawn("circle", { class: "track", cx: 26, cy: 26, r: radius }),
    percent ? drawn("circle", { class: `arc ${kind}`, cx: 26, cy: 26, r: radius, pathLength: 100, "stroke-dasharray": kind === "self" ? `${percent} 100` : dashes(percent) }) : null,
  ];
  return drawn("svg", { class: `ring${phase.published ? "" : " later"}`, viewBox: "0 0 52 52", "aria-hidden": "true" },
    ...(phase.published
      ? [...arc("self", 23, share(phase.selfChecked, phase.checkable)), ...arc("graded", 17.5, share(phase.graded, phase.most))]
      : [drawn("circle", { class: "track", cx: 26, cy: 26, r: 23 })]),
    drawn("text", { x: 26, y: 26, "text-anchor": "middle", "dominant-baseline": "central" }, `${index + 1}`));
}

function dashes(percent) {
  const steps = Array.from({ length: Math.floor(percent / 4) }, () => "2.6 1.4");
  return [...steps, `${percent % 4} 100`].join(" ");
}

function monthText(month) {
  const name = `Month ${month.label}, ${month.title}`;
  if (!month.published) return `${name}: not published yet`;
  const grade = month.graded == null ? "nothing graded yet" : `${number(month.graded)} of ${number(month.most)} graded`;
  const milestone = month.evidence ? `reached, ${month.evidence}` : "open";
  return `${name}: ${number(month.selfChecked)} of ${number(month.checkable)} points self-checked, ${grade}. ` +
    `Milestone ${milestone}: ${month.milestone}. Open the notebook.`;
}

function monthCard(month, next, open) {
  const here = next && month.notebooks.includes(next.notebook);
  const card = element("button",
    { class: `month${here ? " here" : ""}`, type: "button", disabled: !month.published, "aria-label": monthText(month), "aria-current": here ? "step" : null, onclick: () => open(month.notebook) },
    element("span", { class: "label" }, `Month ${month.label}`, here ? element("span", { class: "you" }, "you are here") : null,
      month.published ? null : element("span", {}, "not published yet")),
    element("span", { class: "title" }, month.title));
  if (month.published)
    card.append(
      element("span", { class: "meter" }, bar("self", share(month.selfChecked, month.checkable), `${month.label} self`),
        element("span", {}, `${number(month.selfChecked)} / ${number(month.checkable)}`)),
      element("span", { class: "meter" }, bar("graded", share(month.graded, month.most), `${month.label} graded`), element("span", {}, graded(month))),
      element("span", { class: `milestone${month.evidence ? " reached" : ""}` }, diamond(month.evidence), month.milestone));
  return element("li", {}, card);
}

function phaseRow(phase, index, next, open) {
  const said = phase.published ? [`${number(phase.selfChecked)} of ${number(phase.checkable)} self-checked`] : ["not published yet"];
  if (phase.graded != null) said.push(`${number(phase.graded)} of ${number(phase.most)} graded`);
  return element("section", { class: "phase", "aria-label": `Phase ${index + 1}: ${phase.title}` },
    element("div", { class: "head" }, ring(phase, index), element("div", {}, element("h3", {}, phase.title), ...said.map((line) => element("p", {}, line)))),
    element("ul", {}, ...phase.months.map((month) => monthCard(month, next, open))));
}

function table(state) {
  const head = ["month", "exercise", "state", "self-checked", "graded", "attempts", "first passed"];
  const rows = state.phases.flatMap((phase) => phase.months).flatMap((month) =>
    month.exercises.map((exercise) =>
      element("tr", {},
        element("td", {}, month.label),
        element("th", { scope: "row" }, exercise.title),
        element("td", {}, (exercise.done ? "done" : exercise.attempts ? "tried" : "open") + (exercise.revealed ? ", solution seen" : "")),
        element("td", {}, `${number(exercise.selfChecked)} / ${number(exercise.checkable)}`),
        element("td", {}, graded(exercise)),
        element("td", {}, number(exercise.attempts)),
        element("td", {}, exercise.passedAt?.slice(0, 10) ?? "–"))));
  return element("details", {}, element("summary", {}, "The same as a table, exercise by exercise"),
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Exercises" },
      element("table", {},
        element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
        element("tbody", {}, ...rows))));
}

function header(state, open) {
  const next = state.next;
  const total = state.graded == null ? "Nothing graded yet" : `${number(state.graded)} of ${number(state.most)} graded by an instructor`;
  return element("header", {},
    element("div", { class: "total" },
      element("p", {}, element("strong", {}, number(state.selfChecked)), ` of ${number(state.checkable)} points self-checked`),
      element("p", { class: "soft" }, total),
      element("p", { class: "soft" }, state.pace)),
    next
      ? element("button", { class: "next", type: "button", "aria-label": `Next step: ${next.title}, about ${next.minutes} minutes. Open ${next.notebook}.`, onclick: () => open(next.notebook) },
          element("span", {}, `Next step · about ${next.minutes} minutes`), element("strong", {}, next.title))
      : element("p", { class: "all" }, "Every visible check passes."));
}

function legend() {
  return element("p", { class: "legend", "aria-hidden": "true" },
    element("span", {}, bar("self", 100), "self-checked: visible checks pass"),
    element("span", {}, bar("graded", 100), "graded by an instructor"),
    element("span", {}, "milestone", diamond(""), "open", diamond("self-checked"), "self-checked", diamond("graded"), "graded"));
}

function draw(body, state, open) {
  const unfolded = body.querySelector("details")?.open;
  const focused = body.contains(document.activeElement) ? [...body.querySelectorAll("button, summary")].indexOf(document.activeElement) : -1;
  const widths = new Map([...body.querySelectorAll(".fill[data-name]")].map((node) => [node.dataset.name, node.style.width]));
  body.replaceChildren(
    header(state, open),
    ...state.phases.map((phase, index) => phaseRow(phase, index, state.next, open)),
    legend(),
    table(state));
  if (unfolded) body.querySelector("details").open = true;
  body.querySelectorAll("button, summary")[focused]?.focus();
  for (const node of body.querySelectorAll(".fill[data-name]")) {
    const now = node.style.width;
    const before = widths.get(node.dataset.name) ?? now;
    if (before === now) continue;
    node.style.width = before;
    node.getBoundingClientRect(); // lets the browser see the old width first, so that the bar grows
    node.style.width = now;
  }
}

// In JupyterLab the notebook opens beside this one; elsewhere a link, or at least the path, is shown.
async function show(notice, path, text) {
  notice.textContent = text || "";
  if (!path) return;
  const app = window.jupyterapp;
  try {
    if (app) return void (await app.commands.execute("docmanager:open", { path }));
  } catch {
    // the link below serves as well
  }
  const settings = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
  const place = settings.baseUrl && !path.startsWith("/")
    ? element("a", { href: `${settings.baseUrl}lab/tree/${path.split("/").map(encodeURIComponent).join("/")}`, target: "_blank" }, path)
    : element("code", {}, path);
  notice.replaceChildren(text ? `${text} ` : "", "The notebook is ", place, ".");
}

export default {
  render({ model, el }) {
    const notice = element("p", { class: "notice", role: "status", "aria-live": "polite" });
    const body = element("div");
    el.append(element("div", { class: "aisecops-progress", role: "group", "aria-label": "Progress through the six phases" }, notice, body));
    const open = (notebook) => model.send({ open: notebook });
    const update = () => {
      const state = model.get("state");
      notice.textContent = state.notice || "";
      if (state.phases) draw(body, state, open);
    };
    const receive = (message) => show(notice, message.path, message.notice);
    model.on("change:state", update);
    model.on("msg:custom", receive);
    update();
    return () => {
      model.off("change:state", update);
      model.off("msg:custom", receive);
    };
  },
};
