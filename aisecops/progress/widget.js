// Draws the progress chart from the `state` that Python sends. No network, no library.

const number = (value) => (value == null ? "–" : String(Math.round(value * 10) / 10));

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") node.addEventListener("click", value);
    else if (value != null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

function bar(kind, value, most) {
  const share = most ? Math.min(100, (100 * (value ?? 0)) / most) : 0;
  const fill = element("span", { class: `fill ${kind}` });
  fill.style.width = `${share}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, fill);
}

function monthText(month) {
  if (!month.published) return `Month ${month.label}, ${month.title}: not published yet`;
  return (
    `Month ${month.label}, ${month.title}: ${number(month.selfChecked)} of ${number(month.most)} points self-checked, ` +
    (month.graded == null ? "nothing graded yet" : `${number(month.graded)} graded`) +
    `; milestone ${month.reached ? "reached" : "not reached"}: ${month.milestone}. Open the notebook.`
  );
}

function monthCard(month, open) {
  const label = element("span", { class: "label" }, `Month ${month.label}`,
    element("span", { class: `mark${month.reached ? " reached" : ""}`, title: `Milestone: ${month.milestone}` }, month.reached ? "◆" : "◇"));
  const card = element(
    "button",
    { class: "month", type: "button", disabled: !month.published, "aria-label": monthText(month), onclick: () => open(month.notebook) },
    label,
    element("span", { class: "title" }, month.title),
  );
  if (!month.published) card.append(element("span", { class: "later" }, "not published yet"));
  else
    card.append(
      bar("self", month.selfChecked, month.most),
      bar("graded", month.graded, month.most),
      element("span", { class: "points" }, `${number(month.selfChecked)} / ${number(month.most)}`,
        element("span", {}, month.graded == null ? "not graded" : `graded ${number(month.graded)}`)),
    );
  return element("li", {}, card);
}

function phaseRow(phase, index, open) {
  return element("section", { class: "phase", "aria-label": `Phase ${index + 1}: ${phase.title}` },
    element("h3", {}, element("span", {}, `Phase ${index + 1}`), phase.title),
    element("ul", {}, ...phase.months.map((month) => monthCard(month, open))));
}

function table(state) {
  const rows = state.phases.flatMap((phase) => phase.months).filter((month) => month.published).flatMap((month) =>
    month.exercises.map((exercise) =>
      element("tr", {},
        element("td", {}, `Month ${month.label}`),
        element("th", { scope: "row" }, exercise.title),
        element("td", {}, exercise.done ? "done" : exercise.attempts ? "tried" : "open"),
        element("td", {}, number(exercise.selfChecked)),
        element("td", {}, number(exercise.graded)),
        element("td", {}, number(exercise.most)),
        element("td", {}, number(exercise.attempts)))));
  const head = ["", "exercise", "state", "self-checked", "graded", "of", "attempts"].map((text) => element("th", { scope: "col" }, text));
  return element("details", {}, element("summary", {}, "The same as a table, exercise by exercise"),
    element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows))));
}

function draw(root, state, open) {
  const unfolded = root.querySelector("details")?.open;
  const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  const next = state.next;
  root.replaceChildren(
    element("header", {},
      element("div", { class: "total" },
        element("strong", {}, number(state.selfChecked)), ` of ${number(state.most)} published points self-checked`,
        element("span", { class: "pace" }, state.pace ?? "")),
      next
        ? element("button", { class: "next", type: "button", "aria-label": `Next step: ${next.title}. Open ${next.notebook}.`, onclick: () => open(next.notebook) },
            element("span", {}, `Next step, about ${next.minutes} minutes`), element("strong", {}, next.title))
        : element("p", { class: "all" }, "Every published exercise is done.")),
    element("p", { class: "notice", role: "status", "aria-live": "polite" }, state.notice || ""),
    ...(state.phases ?? []).map((phase, index) => phaseRow(phase, index, open)),
    element("p", { class: "legend" },
      element("span", { class: "key" }, bar("self", 1, 1)), "self-checked: visible checks pass",
      element("span", { class: "key" }, bar("graded", 1, 1)), "graded by an instructor",
      element("span", { class: "mark reached" }, "◆"), "milestone reached"),
    table(state),
  );
  if (unfolded) root.querySelector("details").open = true;
  if (focused) [...root.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === focused)?.focus();
}

function show(root, path, notice) {
  const place = root.querySelector(".notice");
  place.textContent = notice || "";
  if (!path) return;
  const app = window.jupyterapp ?? window.jupyterlab;
  if (app) app.commands.execute("docmanager:open", { path });
  else place.replaceChildren(`${notice ? notice + " " : ""}The notebook lies at `, element("code", {}, path));
}

export default {
  render({ model, el }) {
    const root = element("div", { class: "aisecops-progress", role: "group", "aria-label": "Progress through the six phases" });
    el.append(root);
    const open = (notebook) => model.send({ open: notebook });
    const update = () => model.get("state").phases && draw(root, model.get("state"), open);
    const receive = (message) => show(root, message.path, message.notice);
    model.on("change:state", update);
    model.on("msg:custom", receive);
    update();
    return () => {
      model.off("change:state", update);
      model.off("msg:custom", receive);
    };
  },
};
