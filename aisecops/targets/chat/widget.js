// Draws a chat from the `state` that Python sends. No network, no library. Whatever the learner, a document or
// the model wrote only ever becomes text or an attribute, never markup.

const LETTERS = { system: "S", user: "U", document: "D", tool: "T", assistant: "A" };
const WORDS = { system: "system text", user: "user", document: "document", tool: "tool result", assistant: "the model's own words" };
// Keeps JupyterLab's shortcuts, such as ArrowUp, X or Shift+Enter, from acting on the cell: it asks what has the focus.
const QUIET = { "data-lm-suppress-shortcuts": "true" };
const PATIENCE_MS = 10_000;
let views = 0;

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value != null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

function percent(share) {
  if (share > 0 && share < 0.01) return "<1 %";
  return share > 0.99 && share < 1 ? ">99 %" : `${Math.round(100 * share)} %`;
}
const seen = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
const quoted = (text) => `“${seen(text)}”`;
const roleOf = (text) => text.slice(2, -2); // of a role's token, such as <|user|>

function letter(kind) {
  return element("span", { class: `letter ${kind}`, "aria-hidden": "true" }, LETTERS[kind] ?? "·");
}

function bar(share, kind = "") {
  return element("span", { class: "bar", "aria-hidden": "true" },
    element("span", { class: `fill ${kind}`, style: `width: ${100 * share}%` }));
}

// One token that can be pointed at, or reached by arrow keys.
function option(text, kind, mark, attributes) {
  return element("span", { class: `token ${kind}${mark ? " mark" : ""}`, role: "option", tabindex: "-1", ...QUIET, ...attributes }, text);
}

// Arrow keys move among the tokens of a region: left and right one by one, up and down by what lies there.
function goalOf(key, region) {
  const all = [...region.querySelectorAll("[role=option]")];
  const here = document.activeElement;
  const at = all.indexOf(here);
  if (at < 0) return null;
  const own = [...here.closest("[role=listbox]").querySelectorAll("[role=option]")];
  switch (key) {
    case "ArrowRight": return all[at + 1];
    case "ArrowLeft": return all[at - 1];
    case "Home": return own[0];
    case "End": return own.at(-1);
    case "ArrowUp": return beyond(all.slice(0, at).reverse(), here, -1);
    case "ArrowDown": return beyond(all.slice(at + 1), here, 1);
  }
  return null;
}

function beyond(others, here, way) {
  const box = here.getBoundingClientRect();
  const middle = (rect) => (rect.top + rect.bottom) / 2;
  const away = (rect) => way * (middle(rect) - middle(box));
  const boxes = others.map((node) => [node, node.getBoundingClientRect()]).filter(([, rect]) => away(rect) > box.height / 2);
  if (!boxes.length) return null;
  const line = middle(boxes[0][1]);
  const aside = (rect) => Math.abs((rect.left + rect.right - box.left - box.right) / 2);
  return boxes.filter(([, rect]) => Math.abs(middle(rect) - line) < box.height / 2)
    .reduce((best, next) => (aside(next[1]) < aside(best[1]) ? next : best))[0];
}

class View {
  constructor(model, el) {
    this.model = model;
    this.id = `aisecops-chat-${++views}`;
    this.looked = new Map(); // attention by step, as far as it was asked for
    this.chosen = null; // { step, place } of the reply's token that has or had the focus
    this.drawn = { conversation: 0, entries: 0, step: null };
    this.build(el);
    this.update();
  }

  build(el) {
    const id = this.id;
    this.name = element("strong");
    this.transcript = element("ol", { class: "transcript", tabindex: "0", role: "list", "aria-label": "Transcript", ...QUIET });
    this.status = element("p", { class: "unseen", role: "status" });
    this.input = element("textarea", { id: `${id}-say`, rows: "1", placeholder: "Say something", autocomplete: "off", spellcheck: "false", ...QUIET, onkeydown: (event) => this.typed(event), oninput: () => this.grow() });
    this.layers = element("select", { "aria-label": "Attention of", ...QUIET, onchange: () => this.look(this.shown) });
    this.likeliest = element("ul");
    this.shares = element("ul");
    this.hint = element("p", { class: "hint" }, "Point at a token of a reply, or walk there with ", element("kbd", {}, "Tab"), " and the arrow keys: it shows what else might have stood there, and where the model looked.");
    this.odds = element("div", {}, element("h3", {}, "The likeliest tokens here"), this.likeliest);
    this.gaze = element("div", {}, element("h3", {}, "Where the model looked ", this.layers), this.shares);
    this.detail = element("section", { class: "detail", "aria-label": "The chosen token" }, this.hint, this.odds, this.gaze);
    this.summary = element("p", { class: "unseen", id: `${id}-summary` });
    this.count = element("p", { class: "count" });
    this.legend = element("p", { class: "legend" });
    this.context = element("div", { class: "context", role: "listbox", "aria-label": "Context window", "aria-orientation": "horizontal" });
    this.window = element("section", { class: "window", "aria-labelledby": `${id}-window` },
      element("div", { class: "head" }, element("h3", { id: `${id}-window` }, "What the model sees"), this.count),
      this.context, this.legend);
    el.append(element("div", { class: "aisecops-chat", role: "group", "aria-label": "Chat" },
      element("header", {}, element("p", {}, "Chat with ", this.name),
        element("button", { type: "button", class: "again", ...QUIET, onclick: () => this.model.send({ reset: true }) }, "Start over")),
      this.transcript, this.status,
      element("form", { onsubmit: (event) => this.send(event) },
        element("label", { class: "unseen", for: `${id}-say` }, "Your message"), this.input,
        element("button", { type: "submit", class: "send", ...QUIET }, "Send")),
      this.detail, this.summary, this.window));

    for (const region of [this.transcript, this.context]) region.addEventListener("keydown", (event) => this.moved(event, region));
    const tokenAt = (event) => event.target.closest?.("[data-place]");
    this.transcript.addEventListener("focusin", (event) => tokenAt(event) && this.choose(tokenAt(event)));
    this.transcript.addEventListener("pointerover", (event) => tokenAt(event) && this.look(placeOf(tokenAt(event))));
    this.transcript.addEventListener("pointerleave", () => this.look(this.chosen ?? this.shown));
    // a click puts the focus where it lands, which browsers do for tabindex -1 as well
    this.context.addEventListener("focusin", (event) => event.target.role === "option" && rest(this.context, event.target));
  }

  // -- speaking

  typed(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    if (!event.shiftKey) return this.send(event);
    event.preventDefault(); // JupyterLab lets no Shift+Enter break a line within a cell
    this.input.setRangeText("\n", this.input.selectionStart, this.input.selectionEnd, "end");
    this.grow();
  }

  grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight + 2}px`;
  }

  send(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || this.pending) return;
    this.input.value = "";
    this.grow();
    this.pending = element("li", { class: "entry user pending" }, element("p", { class: "who" }, letter("user"), "You"), element("p", { class: "text" }, text));
    this.transcript.append(this.pending);
    this.transcript.scrollTop = this.transcript.scrollHeight;
    this.status.className = "status";
    this.status.textContent = "The model is answering …";
    this.timer = setTimeout(() => {
      this.status.textContent = "No answer yet. The kernel may be busy with a cell, or have been restarted: then run this cell again.";
    }, PATIENCE_MS);
    this.model.send({ say: text });
  }

  settle() {
    clearTimeout(this.timer);
    this.status.className = "unseen"; // what it says stands in the transcript
    this.pending?.remove();
    this.pending = null;
  }

  receive(message, buffers) {
    if (message.done) {
      this.settle();
      const last = this.model.get("state").entries.at(-1);
      this.status.textContent = last ? `${last.label}: ${last.text}` : "";
    }
    if (message.shape) {
      const bytes = buffers[0];
      const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      this.looked.set(message.attention, { shape: message.shape, values });
      this.look(this.shown);
    }
  }

  // -- the transcript: entries are only ever added, until a new conversation starts

  update() {
    const state = this.model.get("state");
    this.state = state;
    this.name.textContent = state.name || "the model";
    if (this.drawn.conversation !== state.conversation) {
      this.drawn = { conversation: state.conversation, entries: 0, step: null };
      this.transcript.replaceChildren();
      this.looked.clear();
      this.settle();
      this.status.textContent = "";
      this.chosen = null;
    }
    const fresh = state.entries.slice(this.drawn.entries);
    if (fresh.length) {
      this.pending?.remove();
      this.transcript.append(...fresh.map((entry) => this.entry(entry)));
      this.drawn.entries = state.entries.length;
      this.transcript.scrollTop = this.transcript.scrollHeight;
      this.transcript.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
      this.chosen = null;
    }
    this.look(this.chosen);
  }

  entry({ kind, label, text, step }) {
    const said = element("p", { class: "text" }, text);
    const tokens = step == null || !this.state.steps[step].odds.length ? null : this.tokens(step);
    if (tokens) said.className = "unseen"; // the tokens show it
    const source = kind === "call" ? "assistant" : kind;
    return element("li", { class: `entry ${kind}` },
      element("p", { class: "who" }, kind === "notice" ? null : letter(source), label), said, tokens);
  }

  tokens(step) {
    const { tokens, marks, odds, start, cut } = this.state.steps[step];
    const answer = this.state.steps.slice(0, step + 1).filter((one) => one.odds.length).length;
    const list = element("div", { class: "said", role: "listbox", "aria-orientation": "horizontal", "aria-label": `Reply ${answer}, token by token` },
      ...odds.map((odd, place) => {
        const text = tokens[start + place];
        const mark = marks.includes(start + place);
        const name = mark ? `${roleOf(text)} mark` : quoted(text);
        return option(mark ? roleOf(text) : text, "", mark, { "aria-label": `${name}, ${percent(odd.chance)}`, "aria-describedby": `${this.id}-summary`, "aria-selected": "false", "data-step": step, "data-place": place });
      }),
      cut ? element("span", { class: "cut", role: "none" }, "cut off at the limit of tokens") : null);
    list.firstChild.tabIndex = 0;
    return list;
  }

  // -- looking

  moved(event, region) {
    if (event.key === "Escape") this.input.focus();
    else {
      const goal = goalOf(event.key, region);
      if (goal === null && !event.key.startsWith("Arrow")) return;
      if (document.activeElement.role !== "option") return; // the arrows scroll the transcript
      goal?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  choose(token) {
    this.transcript.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    token.setAttribute("aria-selected", "true");
    rest(token.parentNode, token);
    this.chosen = placeOf(token);
    this.look(this.chosen);
  }

  // Show a token of a reply, or none: what else might have stood there, and where the model looked.
  look(at) {
    const { steps } = this.state;
    this.shown = at;
    const step = at?.step ?? steps.findLastIndex((one) => one.tokens.length);
    this.offerLayers(steps[step]?.layers ?? 0);
    this.drawContext(step);
    this.detail.hidden = !steps.some((one) => one.odds.length);
    const weights = at && this.weights(at);
    this.shade(at, weights);
    this.transcript.querySelector(".shown")?.classList.remove("shown");
    if (at) this.transcript.querySelector(`[data-step="${at.step}"][data-place="${at.place}"]`)?.classList.add("shown");
    this.drawDetail(at, weights);
  }

  offerLayers(count) {
    if (this.layers.length === count + 1) return;
    const each = Array.from({ length: count }, (_, layer) => element("option", { value: layer }, `layer ${layer + 1}`));
    this.layers.replaceChildren(element("option", { value: "mean" }, "mean of layers"), ...each);
  }

  // Attention from which a token was predicted, for each token before it; null until it is known.
  weights({ step, place }) {
    if (!this.state.steps[step].layers) return null;
    if (!this.looked.has(step)) {
      this.looked.set(step, null);
      this.model.send({ attention: step });
    }
    const known = this.looked.get(step);
    if (!known) return null;
    const [layers, rows, columns] = known.shape;
    const row = (layer) => known.values.subarray((layer * rows + place) * columns, (layer * rows + place + 1) * columns);
    const layer = this.layers.value;
    if (layer !== "mean") return row(Number(layer));
    const mean = new Float32Array(columns);
    for (let one = 0; one < layers; one++) row(one).forEach((weight, column) => (mean[column] += weight / layers));
    return mean;
  }

  drawContext(number) {
    if (this.drawn.step === number) return;
    this.drawn.step = number;
    const step = this.state.steps[number];
    this.window.hidden = !step;
    if (!step) return;
    const messages = [];
    step.tokens.forEach((text, place) => {
      const mark = step.marks.includes(place);
      const { kind, name } = step.names[step.sources[place]];
      if (!messages.length || (mark && roleOf(text) in { ...LETTERS, call: "" })) messages.push(element("div", { class: "message", role: "none" }));
      if (place === 0 || mark !== step.marks.includes(place - 1) || step.sources[place] !== step.sources[place - 1]) {
        if (!mark) messages.at(-1).append(letter(kind));
      }
      const label = `${mark ? `${roleOf(text)} mark` : quoted(text)}, ${name}`;
      messages.at(-1).append(option(mark ? roleOf(text) : seen(text), kind, mark, { "data-label": label }));
    });
    this.context.replaceChildren(...messages);
    const first = this.context.querySelector("[role=option]");
    if (first) first.tabIndex = 0;
    const room = this.state.room ? ` of ${this.state.room}` : "";
    const about = step.layers ? "" : "about "; // another model cuts text in another way
    const which = number === this.state.steps.findLastIndex((one) => one.tokens.length) ? "" : "with an earlier reply · ";
    this.count.replaceChildren(which, `${about}${step.tokens.length}${room} tokens`, ...(this.state.room ? [bar(step.tokens.length / this.state.room)] : []));
    const kinds = new Set(step.names.map((one) => one.kind));
    this.legend.replaceChildren(...Object.keys(LETTERS).filter((kind) => kinds.has(kind)).map((kind) =>
      element("span", {}, letter(kind), element("span", { class: `sample ${kind}` }, WORDS[kind]))),
      element("span", {}, element("span", { class: "token mark" }, "user"), "mark of the chat format"));
  }

  shade(at, weights) {
    const step = this.state.steps[this.drawn.step];
    if (!step) return;
    const words = weights ? weights.filter((_, place) => !step.marks.includes(place)) : [];
    const most = Math.max(1e-9, ...words);
    const here = at ? step.start + at.place : -1;
    this.context.classList.toggle("looking", Boolean(weights));
    this.context.querySelectorAll("[role=option]").forEach((token, place) => {
      const weight = weights && place < here ? weights[place] : null;
      token.style.setProperty("--weight", weight === null ? 0 : Math.min(1, weight / most).toFixed(3));
      token.classList.toggle("here", place === here);
      token.classList.toggle("later", at !== null && place > here);
      const label = token.dataset.label + (weight === null ? "" : `, attention ${percent(weight)}`);
      token.setAttribute("aria-label", label);
      token.title = label;
    });
  }

  drawDetail(at, weights) {
    const step = at && this.state.steps[at.step];
    this.hint.hidden = Boolean(at);
    this.odds.hidden = !at;
    this.gaze.hidden = !step?.layers;
    this.summary.textContent = "";
    if (!at) return;
    const odd = step.odds[at.place];
    const readable = (text) => (/^<\|.*\|>$/.test(text) ? `${roleOf(text)} mark` : quoted(text));
    const here = { text: step.tokens[step.start + at.place], chance: odd.chance, chosen: true };
    const rows = odd.likeliest.some((one) => one.chosen) ? odd.likeliest : [...odd.likeliest, here];
    const shares = weights ? this.sums(step, weights) : [];
    this.likeliest.replaceChildren(...rows.map(({ text, chance, chosen }) =>
      this.row(chosen ? "chosen" : "", [element("code", {}, readable(text)), chosen ? element("span", { class: "said-so" }, "chosen") : null], chance)));
    this.shares.replaceChildren(...shares.map(([kind, name, share]) => this.row("", [letter(kind), name], share, kind)));
    const spoken = [`Likeliest: ${rows.map((one) => `${readable(one.text)} ${percent(one.chance)}`).join(", ")}.`];
    if (shares.length) spoken.push(`Attention: ${shares.map(([, name, share]) => `${name} ${percent(share)}`).join(", ")}.`);
    this.summary.textContent = spoken.join(" ");
  }

  row(kind, name, share, colour) {
    return element("li", { class: kind }, element("span", { class: "name" }, ...name.filter(Boolean)), bar(share, colour), element("span", { class: "share" }, percent(share)));
  }

  // Attention by source; that to the marks of the chat format, where models often rest, is counted apart.
  sums(step, weights) {
    const sums = step.names.map(({ kind, name }) => [kind, name, 0]);
    let marks = 0;
    weights.forEach((weight, place) => {
      if (step.marks.includes(place)) marks += weight;
      else sums[step.sources[place]][2] += weight;
    });
    return [...sums, ["none", "marks of the chat format", marks]];
  }
}

const placeOf = (token) => ({ step: Number(token.dataset.step), place: Number(token.dataset.place) });

// Of a list of tokens one can be reached by Tab: the last that had the focus.
function rest(list, token) {
  list.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
  token.tabIndex = 0;
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    const update = () => view.update();
    const receive = (message, buffers) => view.receive(message, buffers);
    model.on("change:state", update);
    model.on("msg:custom", receive);
    return () => {
      clearTimeout(view.timer);
      model.off("change:state", update);
      model.off("msg:custom", receive);
    };
  },
};
