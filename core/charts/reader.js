// Two shaded texts: pick a word of the answer and see what it read; pick a word of the input and see who read it.
//
// One source for two homes: Streamlit calls the default export (components v2), the self-contained page calls
// mountReader. Text from the data enters the page by textContent only. The matrix stays in typed arrays and only the
// picked rows are computed, so that 500 x 1,000 words stay quick. Data: core/charts/shaded_texts.py.

const STANDS_OUT = 1.5;
// Pixels: type while presenting, and what stands below the texts then (sentence, shares, keys).
const SMALLEST = 22, LARGEST = 104, BELOW = 205;
const NAMES = {
  shown: "all that is shown here",
  sink: "first token (sink)", template: "markup", system: "system message", user: "user messages",
  assistant: "assistant messages", output: "earlier output", query: "the reading token itself",
};

const SUNK = "a sink of this run, left out: nearly every step reads it, and next to nothing stands in it";

function floats(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

function digits(x) {
  if (!Number.isFinite(x)) return "not known";
  return Math.abs(x) >= 1e-6 || x === 0 ? plainDigits(x) : x.toExponential(2);
}

function plainDigits(x) {
  if (x === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(x)));
  return x.toFixed(Math.min(20, Math.max(2 - size, 0)));
}

export function amountText(value, unit) {
  return unit === "share" ? `${digits(100 * value)} %` : unit === "nats" ? `${digits(value)} nats` : `score ${digits(value)}`;
}

export function timesText(value, uniform) {
  return uniform > 0 ? `${digits(value / uniform)} × uniform` : "not readable at this step";
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// What the data says, without any drawing: shares of a picked span, over its steps or over its words.
class Matrix {
  constructor(data) {
    this.rows = data.answer.units.length;
    this.columns = data.input.units.length;
    this.values = floats(data.values);
    this.weight = floats(data.weight);
    this.even = data.uniform.full ? floats(data.uniform.full) : null;
    this.evenRow = this.even ? null : floats(data.uniform.row);
    this.evenColumn = this.even ? null : floats(data.uniform.column);
    this.beside = Object.entries(data.beside).map(([name, b64]) => [name, floats(b64)]);
  }

  uniform(i, j) {
    return this.even ? this.even[i * this.columns + j] : this.evenRow[i] * this.evenColumn[j];
  }

  steps(start, end) {
    let sum = 0;
    for (let i = start; i < end; i++) sum += this.weight[i];
    return sum;
  }

  // Mean over the steps of answer units start..end, for every input unit.
  read(start, end) {
    const total = this.steps(start, end) || 1;
    const values = new Float64Array(this.columns), uniform = new Float64Array(this.columns);
    for (let i = start; i < end; i++) {
      const w = this.weight[i] / total;
      for (let j = 0; j < this.columns; j++) {
        values[j] += w * this.values[i * this.columns + j];
        uniform[j] += w * this.uniform(i, j);
      }
    }
    return { values, uniform };
  }

  // Sum over input units start..end, for every answer unit.
  readBy(start, end) {
    const values = new Float64Array(this.rows), uniform = new Float64Array(this.rows);
    for (let i = 0; i < this.rows; i++) {
      for (let j = start; j < end; j++) {
        values[i] += this.values[i * this.columns + j];
        uniform[i] += this.uniform(i, j);
      }
    }
    return { values, uniform };
  }

  besides(start, end) {
    const total = this.steps(start, end) || 1;
    return this.beside.map(([name, shares]) => {
      let sum = 0;
      for (let i = start; i < end; i++) sum += this.weight[i] * shares[i] / total;
      return [name, sum];
    });
  }
}

class Reader {
  constructor(root, { onPick, globalKeys = false } = {}) {
    this.root = root;
    this.onPick = onPick || (() => {});
    this.globalKeys = globalKeys;
    this.sequence = 0;
    this.keys = (event) => this.key(event);
    this.release = () => this.endDrag();
    root.addEventListener("keydown", this.keys);
    this.outside = (event) => {
      const inside = event.composedPath().includes(root);
      const field = event.composedPath()[0];
      const typing = field instanceof Element && field.closest("input, textarea, select, [contenteditable], [role=slider]");
      if ((this.globalKeys || this.data?.present) && !inside && !typing && !event.defaultPrevented) this.key(event);
    };
    window.addEventListener("keydown", this.outside);
    window.addEventListener("pointerup", this.release);
    this.resized = () => this.fit();
    window.addEventListener("resize", this.resized);
    this.moved = new ResizeObserver(() => root.getBoundingClientRect().top !== this.top && this.fit());
  }

  destroy() {
    window.removeEventListener("resize", this.resized);
    this.moved.disconnect();
    this.root.removeEventListener("keydown", this.keys);
    window.removeEventListener("keydown", this.outside);
    window.removeEventListener("pointerup", this.release);
  }

  update(data) {
    const fresh = !this.data || this.data.version !== data.version;
    this.data = data;
    this.root.toggleAttribute("data-present", Boolean(data.present));
    this.root.style.setProperty("--height", data.height ? `${data.height}px` : "60vh");
    if (fresh) {
      this.matrix = new Matrix(data);
      this.build();
      this.selection = this.whole();
    }
    this.take(data.selection, fresh);
    this.draw();
    this.fit();
  }

  // Presenting: the largest type with which both texts fit the window; a text too long for the smallest one scrolls.
  fit() {
    const { root } = this, panels = root.firstChild;
    this.moved.disconnect();
    if (!this.data?.present || !panels) return;
    this.top = root.getBoundingClientRect().top;
    // The page may lay itself out after the texts are drawn: what is around them growing or shrinking moves them.
    for (let around = root; around; around = around.parentElement ?? around.getRootNode().host) {
      this.moved.observe(around, { box: "border-box" });
    }
    const room = Math.max(window.innerHeight - Math.max(this.top, 0) - BELOW, 240);
    const fits = (size) => {
      root.style.fontSize = `${size}px`;
      return root.offsetHeight <= room && root.scrollWidth <= root.clientWidth;
    };
    panels.style.minHeight = "";
    root.style.setProperty("--height", "none");
    let low = SMALLEST, high = LARGEST;
    while (high - low > 1) {
      const middle = (low + high) / 2;
      if (fits(middle)) low = middle; else high = middle;
    }
    const whole = fits(low), rest = room - (root.offsetHeight - panels.offsetHeight);
    panels.style.minHeight = `${rest}px`;
    if (!whole) root.style.setProperty("--height", `${rest - 3 * low}px`);
  }

  // A selection from Python: an echo of an older click of ours must not undo a newer one.
  take(given, fresh) {
    const text = JSON.stringify(given ?? null);
    const echo = given && given.n !== undefined;
    if (!fresh && (echo ? given.n < this.sequence : text === this.given)) return;
    if (echo) this.sequence = Math.max(this.sequence, given.n);
    this.given = echo ? undefined : text;
    this.selection = given ? this.clip(given) : this.whole();
    if (given && !echo && given.side === "input" && this.words?.input[this.selection.start]) this.reveal("input", this.selection.start);
  }

  whole() {
    const [start, end] = this.data.whole;
    return { side: "answer", start, end };
  }

  clip({ side, start, end }) {
    const n = side === "input" ? this.matrix.columns : this.matrix.rows;
    const a = Math.max(0, Math.min(start, n - 1)), b = Math.max(a + 1, Math.min(end, n));
    return n ? { side: side === "input" ? "input" : "answer", start: a, end: b } : this.whole();
  }

  build() {
    const { data } = this;
    this.words = { answer: [], input: [] };
    const panels = element("div", "panels");
    panels.append(this.panel("answer"), this.panel("input"));
    this.legend = element("div", "legend");
    this.bar = element("span", "bar");
    this.low = element("span", "", "0");
    this.high = element("span");
    this.scaleName = element("span", "name", data.unit === "share" ? `share of ${data.noun}` : data.unit === "nats" ? "nats of the answer" : "score");
    this.legend.append(this.scaleName, this.low, this.bar, this.high);
    this.said = element("p", "said");
    this.said.setAttribute("aria-live", "polite");
    this.said.classList.toggle("unseen", data.sentence === false);
    this.besideLine = element("p", "beside");
    this.tintLegend = element("div", "legend tints");
    this.tip = element("div", "tip");
    this.tip.setAttribute("role", "tooltip");
    this.tip.hidden = true;
    const caption = element("p", "caption", data.caption || "");
    this.root.replaceChildren(panels, this.said, this.legend, this.tintLegend, this.besideLine, caption, this.tip);
  }

  panel(side) {
    const part = this.data[side];
    const section = element("section", `panel ${side}`);
    const head = element("header");
    head.append(element("h3", "", part.title), element("span", "hint", part.hint));
    if (side === "answer") {
      const all = element("button", "whole", "Whole answer");
      all.type = "button";
      all.addEventListener("click", () => this.pick(this.whole()));
      head.append(all);
      this.allButton = all;
    }
    const text = element("div", "text");
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", part.title);
    for (const group of part.groups) text.append(this.group(side, part, group));
    text.addEventListener("click", (event) => this.click(event, side));
    text.addEventListener("pointerdown", (event) => this.startDrag(event, side));
    text.addEventListener("pointerover", (event) => this.over(event, side));
    text.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    text.addEventListener("focusin", (event) => this.over(event, side));
    text.addEventListener("focusout", () => { this.tip.hidden = true; });
    text.addEventListener("scroll", () => { this.tip.hidden = true; }, { passive: true });
    section.append(head, text);
    if (!part.units.length) text.append(element("p", "nothing", part.empty || "Nothing to show."));
    return section;
  }

  group(side, part, group) {
    const box = element("div", "group");
    if (group.head) box.append(element("h4", "", group.head));
    const block = element("div", "block");
    block.dir = "auto";
    for (let i = group.from; i < group.to; i++) {
      const unit = part.units[i];
      if (unit.g) block.append(unit.g);
      const word = element("span", `word ${unit.k || ""}`, unit.t);
      word.dataset.i = i;
      word.tabIndex = i === 0 ? 0 : -1;
      word.setAttribute("role", "button");
      this.words[side].push(word);
      block.append(word);
    }
    if (group.tail) block.append(group.tail);
    box.append(block);
    return box;
  }

  index(event) {
    const word = event.target.closest?.(".word");
    return word ? Number(word.dataset.i) : -1;
  }

  click(event, side) {
    if (this.swallow) { this.swallow = false; return; }
    const i = this.index(event);
    if (i < 0) return;
    this.pick(event.shiftKey ? this.span(side, i) : this.only(side, i));
  }

  // One unit, or back to the whole answer when it was the picked one already.
  only(side, i) {
    const { side: s, start, end } = this.selection;
    if (s === side && start === i && end === i + 1 && this.matrix.rows > 1) return this.whole();
    this.anchor = { side, i };
    return { side, start: i, end: i + 1 };
  }

  span(side, i) {
    const from = this.anchor && this.anchor.side === side ? this.anchor.i : i;
    this.anchor = { side, i: from };
    return { side, start: Math.min(from, i), end: Math.max(from, i) + 1 };
  }

  startDrag(event, side) {
    this.swallow = false;
    const i = this.index(event);
    if (i < 0 || event.button !== 0 || event.pointerType !== "mouse" || event.shiftKey) return;
    this.drag = { side, from: i, moved: false };
  }

  endDrag() {
    const { drag } = this;
    this.drag = null;
    if (!drag?.moved) return;
    this.swallow = true;
    setTimeout(() => { this.swallow = false; }, 0);
    this.report();
  }

  over(event, side) {
    const i = this.index(event);
    if (i < 0) { this.tip.hidden = true; return; }
    const { drag } = this;
    if (drag && drag.side === side && (drag.moved || i !== drag.from)) {
      drag.moved = true;
      this.anchor = { side, i: drag.from };
      this.selection = this.span(side, i);
      this.draw();
    }
    this.showTip(side, i);
  }

  pick(selection) {
    this.selection = this.clip(selection);
    this.draw();
    this.report();
  }

  report() {
    this.sequence += 1;
    this.given = undefined;
    this.onPick({ ...this.selection, n: this.sequence });
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.matrix) return;
    const word = event.composedPath()[0];
    const side = word instanceof Element && word.closest?.(".panel.input") ? "input" : "answer";
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") this.pick(this.whole());
    else if (move && side === "input") this.focus("input", this.focused("input") + move);
    else if (move) this.step(move, event.shiftKey);
    else if ((event.key === "Enter" || event.key === " ") && word.dataset?.i !== undefined && this.root.contains(word)) {
      this.pick(event.shiftKey ? this.span(side, Number(word.dataset.i)) : this.only(side, Number(word.dataset.i)));
    } else return;
    event.preventDefault();
  }

  step(move, extend) {
    const { side, start, end } = this.selection;
    const [first, last] = this.data.whole;
    const all = side !== "answer" || (start === first && end === last && last - first > 1);
    let at = all ? (move > 0 ? first : last - 1) : (move > 0 ? end - 1 : start) + move;
    if (at < 0 || at >= this.matrix.rows) return;
    if (extend && !all) this.pick(this.span("answer", at));
    else {
      this.anchor = { side: "answer", i: at };
      this.pick({ side: "answer", start: at, end: at + 1 });
    }
    if (this.root.contains(this.root.getRootNode().activeElement)) this.focus("answer", at);
    else this.reveal("answer", at);
  }

  focused(side) {
    return this.words[side].findIndex((w) => w.tabIndex === 0);
  }

  focus(side, i) {
    const word = this.words[side][i];
    if (!word) return;
    for (const other of this.words[side]) if (other.tabIndex === 0) other.tabIndex = -1;
    word.tabIndex = 0;
    word.focus({ preventScroll: true });
    this.reveal(side, i);
  }

  // Scrolls the panel, never the page.
  reveal(side, i) {
    const word = this.words[side][i], box = word.closest(".text");
    const inner = word.getBoundingClientRect(), outer = box.getBoundingClientRect();
    if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top + 8;
    else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 8;
  }

  // Marked words of the input, and the signed colour under the answer: set by the page, whatever is picked.
  light() {
    const { data } = this, marks = new Set(data.marks ?? []);
    this.words.input.forEach((word, k) => {
      word.classList.toggle("marked", marks.has(k));
      word.classList.toggle("sunk", this.isSink(k));
    });
    this.tint = data.tint ? floats(data.tint.values) : null;
    this.words.answer.forEach((word, k) => {
      const v = this.tint ? this.tint[k] : NaN;
      if (!Number.isFinite(v) || v === 0) delete word.dataset.tint;
      else {
        word.dataset.tint = v > 0 ? "above" : "below";
        word.style.setProperty("--d", Math.min(1, Math.abs(v) / data.tint.limit).toFixed(3));
      }
    });
    this.tintLegend.hidden = !data.tint;
    if (data.tint) this.explainTint(data.tint);
    const first = (data.marks ?? []).join();
    if (first && first !== this.shownMarks && this.words.input[data.marks[0]]) this.reveal("input", data.marks[0]);
    this.shownMarks = first;
  }

  explainTint({ title, limit, unit, above, below }) {
    const name = element("span", "name", `under the answer: ${title}`);
    const low = element("span", "", `-${digits(limit)} ${unit}`), high = element("span", "", `+${digits(limit)} ${unit}`);
    this.tintLegend.replaceChildren(name, low, element("span", "bar diverging"), high);
    this.tintLegend.append(element("span", "name", `orange: ${above}; blue: ${below}`));
  }

  tintText(k) {
    const v = this.tint ? this.tint[k] : NaN;
    if (!Number.isFinite(v)) return "";
    return `${this.data.tint.title}: ${v < 0 ? "-" : "+"}${digits(Math.abs(v))} ${this.data.tint.unit}`;
  }

  // What a screen reader hears of a word beside its text and share.
  heard(side, k) {
    if (side === "answer") return this.tintText(k) && `. ${this.tintText(k)}`;
    const marked = this.data.marks?.includes(k) ? ", marked" : "";
    const lines = this.data.beside_text?.[k] ?? [];
    return marked + (lines.length ? `. ${lines.join(". ")}` : "");
  }

  draw() {
    this.light();
    const { matrix, data, selection: { side, start, end } } = this;
    const other = side === "answer" ? "input" : "answer";
    this.view = side === "answer" ? matrix.read(start, end) : matrix.readBy(start, end);
    let top = 0, at = -1;
    this.view.values.forEach((v, k) => { if (v > top) { top = v; at = k; } });
    const limit = (data.maximum ?? top) / (data.strength || 1);
    this.words[other].forEach((word, k) => {
      const t = limit > 0 ? Math.max(0, Math.min(1, this.view.values[k] / limit)) : 0;
      word.style.setProperty("--t", t.toFixed(3));
      word.classList.remove("picked");
      word.removeAttribute("aria-pressed");
      const value = this.value(k);
      word.setAttribute("aria-label", `${data[other].units[k].t}${value && ": "}${value}${this.heard(other, k)}`);
    });
    const whole = this.isWhole();
    this.words[side].forEach((word, k) => {
      const picked = k >= start && k < end;
      word.style.setProperty("--t", "0");
      word.classList.toggle("picked", picked && !whole);
      word.setAttribute("aria-pressed", String(picked));
      word.setAttribute("aria-label", `${data[side].units[k].t}${this.heard(side, k)}`);
    });
    this.allButton.setAttribute("aria-pressed", String(whole));
    this.high.textContent = amountText(limit, data.unit) + (data.maximum != null || data.strength > 1 ? " and more" : "");
    this.legend.hidden = data.unit === "none";
    this.said.textContent = data.unit === "none" ? "" : this.sentence(at, top);
    this.besideLine.textContent = this.besideText();
    this.tip.hidden = true;
    this.showMost(other, at);
  }

  // Of a text longer than its panel, the word read most (or that read most) comes into view when another is picked.
  showMost(side, at) {
    const shown = `${side} ${at} ${this.selection.start} ${this.selection.end}`;
    if (at >= 0 && shown !== this.shownMost && !this.data.marks?.length) this.reveal(side, at);
    this.shownMost = shown;
  }

  // Whether a word of the input is a sink of this run, so that its share stands with the sinks and not at the word.
  isSink(k) {
    return this.data.sinks.words.includes(k);
  }

  isWhole() {
    const { side, start, end } = this.selection, [a, b] = this.data.whole;
    return side === "answer" && start === a && end === b;
  }

  // Whose attention the numbers are shares of; ``rest`` is set where the sink was dropped and the rest scaled to one.
  whose(rest = this.data.rest) {
    const { side, start, end } = this.selection;
    const { noun, sinks } = this.data;
    const what = rest ? `${noun} outside the ${sinks.all > 1 ? "sinks" : "sink"}` : noun;
    if (this.isWhole()) return `the answer's ${what} (mean over its steps)`;
    if (side === "input") return `this step's ${what}`;
    const steps = Math.round(this.matrix.steps(start, end));
    return steps > 1 ? `the ${what} of these ${steps} steps (mean)` : `this step's ${what}`;
  }

  value(k) {
    if (this.data.unit === "none") return "";  // nothing may be read off these texts (yet)
    if (this.selection.side === "answer" && this.isSink(k)) return SUNK;
    const share = this.data.unit === "share";
    let whose = this.whose();
    if (this.selection.side === "input" && this.matrix.weight[k] > 1.5) whose = whose.replace("step's", "word's") + " (mean over its steps)";
    const v = this.view.values[k], u = this.view.uniform[k];
    return amountText(v, this.data.unit) + (share ? ` of ${whose}` : "") + (share || u > 0 ? `, ${timesText(v, u)}` : "");
  }

  name(side, start, end) {
    const { units } = this.data[side];
    let text = "";
    for (let i = start; i < end && text.length < 60; i++) text += (i > start ? units[i].g ?? "" : "") + units[i].t;
    text = text.trim() || text;
    return text.length > 60 ? text.slice(0, 58) + "…" : text;
  }

  // What was read most; no word stands out below 1.5 times uniform.
  sentence(at, top) {
    const { side, start, end } = this.selection;
    const other = side === "answer" ? "input" : "answer";
    const picked = `“${this.name(side, start, end)}”`;
    const among = this.data.input.own ? "your words " : "what is shown ";
    const where = (this.isWhole() ? "Over the whole answer" : `At ${picked}`) + `, of ${among}`;
    if (side === "input" && end === start + 1 && this.isSink(start)) return `${picked} is ${SUNK}.`;
    if (at < 0 || !(top > 0)) return side === "input" ? `${picked} was not read.` : `${where}nothing was read.`;
    const most = `“${this.name(other, at, at + 1)}” (${this.value(at)})`;
    const verb = this.data.unit === "share" ? "was read most" : this.data.unit === "nats" ? "has the most nats" : "has the highest score";
    if (side === "input") return `${picked} ${verb} at ${most}.`;
    if (top < STANDS_OUT * this.view.uniform[at]) return `${where}none stands out; ${most} ${verb}.`;
    return `${where}${most} ${verb}.`;
  }

  besideText() {
    const { side, start, end } = this.selection;
    if (side !== "answer" || !this.matrix.beside.length) return "";
    const sinks = this.data.sinks.all > 1 ? `${this.data.sinks.all} sinks` : NAMES.sink;
    const parts = this.matrix.besides(start, end).map(([n, v]) => `${n === "sink" ? sinks : NAMES[n] ?? n} ${amountText(v, "share")}`);
    const whose = this.data.unit === "share" ? `Of ${this.whose(false)}` : "Mean attention, beside the score";
    return `${whose}: ${parts.join(", ")} (groups overlap).`;
  }

  showTip(side, i) {
    const shaded = side !== this.selection.side;
    const unit = this.data[side].units[i];
    const lines = [element("b", "", unit.t)];
    if (shaded && this.value(i)) lines.push(element("span", "", this.value(i)));
    if (unit.n) lines.push(element("span", "", unit.n));
    if (side === "answer" && this.tint && this.tintText(i)) lines.push(element("span", "", this.tintText(i)));
    if (side === "input") for (const line of this.data.beside_text?.[i] ?? []) lines.push(element("span", "", line));
    this.tip.replaceChildren(...lines);
    this.tip.hidden = false;
    const word = this.words[side][i].getClientRects()[0], home = this.root.getBoundingClientRect();
    if (!word) return;
    const box = this.tip.getBoundingClientRect();
    const left = Math.max(0, Math.min(word.left - home.left, home.width - box.width));
    const above = word.top - home.top - box.height - 6;
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${above >= 0 ? above : word.bottom - home.top + 6}px`;
  }
}

export function mountReader(root, data, options) {
  const reader = new Reader(root, options);
  reader.update(data);
  return reader;
}

// Streamlit gives its theme as CSS variables; what counts is whether the page is dark.
function followTheme(root) {
  const [r, g, b] = (getComputedStyle(root).backgroundColor.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  root.dataset.theme = 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "dark" : "light";
}

const instances = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".heed-reader");
  if (!root || !data) return;
  followTheme(root);
  let reader = instances.get(root);
  const Kind = data.outline ? ReadingMode : Reader;
  if (!(reader instanceof Kind)) {
    reader?.destroy();
    reader = new Kind(root);
    instances.set(root, reader);
  }
  reader.onPick = (selection) => setTriggerValue("picked", selection);
  reader.update(data);
  return () => {
    reader.destroy();
    instances.delete(root);
  };
}
