// Reading mode: the prompt as text, shaded by what one sentence of the answer read; the answer as an outline beside it.
//
// Stands behind reader.js in one script and uses its helpers. Everything is here at once: as the outline is scrolled or
// stepped through, the shading follows without a server. A click is reported, in the units of the two shaded texts, so
// that the rest of the page follows it too. Text enters the page by textContent only. Data: core/charts/reading_mode.py.

const SNIPPET = 90;
const GAP = 12;

function button(className, text, label) {
  const node = element("button", className, text);
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  return node;
}

function cut(text, most = SNIPPET) {
  const line = text.replace(/\s+/g, " ").trim();
  const parts = [...line];
  return parts.length > most ? parts.slice(0, most - 1).join("") + "…" : line;
}

// The value that is drawn darkest: the given percentile of what is in view, or the largest where that is 0.
function darkest(values, percentile) {
  const sorted = Float64Array.from(values).sort();
  const at = sorted.length ? sorted[Math.floor((sorted.length - 1) * percentile / 100)] : 0;
  return at > 0 ? at : sorted[sorted.length - 1] ?? 0;
}

function shadesMatrix({ top, parts }, columns) {
  const tops = floats(top), text = atob(parts), out = new Float32Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = tops[Math.floor(i / columns)] * (text.charCodeAt(i) / 255) ** 2;
  return out;
}

function within(data, { values, uniform }, columns) {
  const units = { units: Array(columns) };
  return new Matrix({ answer: data.answer, input: units, values, uniform, weight: data.weight, beside: {} });
}

class ReadingMode {
  constructor(root) {
    this.root = root;
    this.onPick = () => {};
    this.sequence = 0;
    this.follow = true;
    root.classList.add("reading-mode");
    this.keys = (event) => this.key(event);
    root.addEventListener("keydown", this.keys);
    this.resized = new ResizeObserver(() => this.frame());
  }

  destroy() {
    this.root.removeEventListener("keydown", this.keys);
    this.resized.disconnect();
    this.root.classList.remove("reading-mode");
    this.root.replaceChildren();
  }

  update(data) {
    const fresh = !this.data || this.data.version !== data.version;
    this.data = data;
    if (fresh) {
      this.words = new Matrix(data);
      if (data.shades) this.words.values = shadesMatrix(data.shades, data.input.units.length);
      this.passages = within(data, data.passages, data.passages.words.length);
      this.thoughts = data.thinking ? within(data, data.thinking, data.outline.thinking) : null;
      this.passageTexts = [];
      this.build();
      this.selection = this.whole();
    }
    this.take(data.selection, fresh);
    this.draw();
    this.mark();
    if (fresh) this.jump(this.best());
    else if (this.wanted !== undefined) this.jump(this.wanted, true);
    this.wanted = undefined;
  }

  whole() {
    const [start, end] = this.data.whole;
    return { side: "answer", start, end };
  }

  isWhole() {
    const { side, start, end } = this.selection, [a, b] = this.data.whole;
    return side === "answer" && start === a && end === b;
  }

  // A selection from Python, in units of the two texts; an echo of an older click of ours must not undo a newer one.
  take(given, fresh) {
    const text = JSON.stringify(given ?? null), echo = given && given.n !== undefined;
    if (!fresh && (echo ? given.n < this.sequence || given.n === this.reported : text === this.given)) return;
    if (echo) this.sequence = Math.max(this.sequence, given.n);
    this.given = echo ? undefined : text;
    this.selection = given ? this.adopted(given) : this.whole();
    if (given && !echo && !fresh && given.side === "input") this.wanted = this.selection.start;
  }

  adopted({ side, start, end }) {
    const spans = side === "input" ? this.data.passages.words : this.data.outline.picks;
    const found = spans.map(([a, b], i) => (a < end && start < b ? i : -1)).filter((i) => i >= 0);
    if (!found.length) return this.whole();
    const span = { side, start: found[0], end: found[found.length - 1] + 1 };
    const [first, last] = this.data.whole;
    return side === "answer" && span.start <= first && span.end >= last ? this.whole() : span;
  }

  report() {
    const { side, start, end } = this.selection;
    const spans = side === "input" ? this.data.passages.words : this.data.outline.picks;
    this.sequence += 1;
    this.reported = this.sequence;
    this.given = undefined;
    this.onPick({ side, start: spans[start][0], end: spans[end - 1][1], n: this.sequence });
  }

  // ---- what is on the page

  build() {
    const panels = element("div", "reading");
    panels.append(this.promptPanel(), this.outlinePanel());
    this.said = element("p", "said unseen");
    this.said.setAttribute("aria-live", "polite");
    this.legend = element("div", "legend");
    this.high = element("span");
    this.scaleName = element("span", "name");
    const ends = element("span", "ends");
    ends.append(element("span", "", "0"), element("span", "bar"), this.high);
    this.legend.append(this.scaleName, ends);
    this.tip = element("div", "tip");
    this.tip.setAttribute("role", "tooltip");
    this.tip.hidden = true;
    this.root.replaceChildren(panels, this.said, this.legend, this.tip);
    this.resized.disconnect();
    this.resized.observe(this.box);
  }

  promptPanel() {
    const { data } = this;
    const section = element("section", "panel input"), head = element("header"), tools = element("div", "tools");
    const jumps = [
      ["Most read", "Scroll to the passage that was read most", () => this.best()],
      [data.question.name, `Scroll to the ${data.question.name.toLowerCase()}`, () => data.question.passage],
      ["Start", "Scroll to the start", () => 0],
    ];
    for (const [name, about, where] of jumps) {
      const go = button("whole", name);
      go.title = about;
      go.addEventListener("click", () => this.jump(where(), true));
      tools.append(go);
    }
    tools.append(this.searchField());
    head.append(element("h3", "", data.input.title), tools);
    this.box = element("div", "text");
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", data.input.title);
    this.fillPrompt();
    this.box.addEventListener("scroll", () => { this.tip.hidden = true; this.frame(); }, { passive: true });
    this.box.addEventListener("click", (event) => this.pickPassage(this.passageAt(event)));
    this.box.addEventListener("pointerover", (event) => this.overWord(event));
    this.box.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    const both = element("div", "beside-strip");
    both.append(this.box, this.strip());
    section.append(head, both);
    if (!data.input.units.length) this.box.append(element("p", "nothing", data.input.empty || "Nothing to show."));
    return section;
  }

  fillPrompt() {
    const { units, groups } = this.data.input, { words } = this.data.passages;
    this.wordNodes = [];
    this.passageNodes = [];
    this.passageOf = new Int32Array(units.length);
    words.forEach(([a, b], p) => this.passageOf.fill(p, a, b));
    for (const group of groups) {
      if (group.head) this.box.append(element("h4", "", group.head));
      const block = element("div", "block");
      block.dir = "auto";
      let passage = null;
      for (let i = group.from; i < group.to; i++) {
        const p = this.passageOf[i], unit = units[i];
        if (!this.passageNodes[p]) {
          if (unit.g) block.append(unit.g);
          passage = this.passageNodes[p] = element("span", "passage");
          passage.dataset.p = p;
          block.append(passage);
        } else if (unit.g) passage.append(unit.g);
        const word = element("span", `word ${unit.k || ""}`, unit.t);
        word.dataset.i = i;
        if (this.data.sinks.words.includes(i)) word.classList.add("sunk");
        this.wordNodes.push(word);
        (passage ?? block).append(word);
      }
      if (group.tail) block.append(group.tail);
      this.box.append(block);
    }
  }

  // One mark a passage, as high as its text is long; one of them is in the order of Tab, arrows go on.
  strip() {
    this.bar = element("div", "strip");
    this.bar.setAttribute("role", "group");
    this.bar.setAttribute("aria-label", "The prompt's sentences: darker was read more");
    this.window = element("div", "window");
    this.marks = this.data.passages.words.map(([a, b], p) => {
      const mark = button("mark");
      mark.dataset.p = p;
      mark.tabIndex = p ? -1 : 0;
      let letters = 0;
      for (let i = a; i < b; i++) letters += this.data.input.units[i].t.length + 1;
      mark.style.flexGrow = letters;
      return mark;
    });
    this.bar.append(...this.marks, this.window);
    this.bar.addEventListener("click", (event) => {
      const mark = event.target.closest(".mark");
      if (mark) this.jump(Number(mark.dataset.p), true);
    });
    const over = (event) => {
      const mark = event.target.closest(".mark");
      if (mark) this.showTip(mark, this.passageLines(Number(mark.dataset.p)));
    };
    this.bar.addEventListener("pointerover", over);
    this.bar.addEventListener("focusin", over);
    for (const leaving of ["pointerleave", "focusout"]) this.bar.addEventListener(leaving, () => { this.tip.hidden = true; });
    return this.bar;
  }

  outlinePanel() {
    const { data } = this, { thinking } = data.outline;
    const section = element("section", "panel answer"), head = element("header");
    this.allButton = button("whole", "Whole answer");
    this.allButton.addEventListener("click", () => this.pick(this.whole()));
    const tools = element("div", "tools");
    tools.append(this.followBox(), this.allButton);
    head.append(element("h3", "", data.answer.title), tools);
    this.list = element("div", "text entries");
    this.list.setAttribute("role", "list");
    this.list.setAttribute("aria-label", data.answer.title);
    this.entries = [];
    if (thinking) this.list.append(this.thinkingEntry(thinking));
    const count = data.answer.units.length;
    for (let i = thinking; i < count; i++) this.list.append(this.entry(i, i - thinking + 1, count - thinking));
    if (count === thinking) this.list.append(element("p", "nothing", data.answer.empty || "The answer is empty."));
    this.list.addEventListener("scroll", () => this.scrolled(), { passive: true });
    section.append(head, this.list);
    return section;
  }

  followBox() {
    const label = element("label", "follow"), tick = element("input");
    tick.type = "checkbox";
    tick.checked = this.follow;
    tick.addEventListener("change", () => { this.follow = tick.checked; });
    label.append(tick, "Jump along");
    label.title = "The prompt scrolls to what the sentence in view read most";
    return label;
  }

  entry(i, number, count) {
    const unit = this.data.answer.units[i], box = element("div", "entry");
    const text = button("sentence", unit.t);
    text.dir = "auto";
    box.setAttribute("role", "listitem");
    text.setAttribute("aria-label", `Sentence ${number} of ${count}: ${unit.t}`);
    text.addEventListener("click", () => this.pick({ side: "answer", start: i, end: i + 1 }));
    box.append(text, this.mostList(i, i + 1));
    this.entries.push({ box, text, start: i, end: i + 1, name: `Sentence ${number} of ${count}` });
    return box;
  }

  thinkingEntry(count) {
    const box = element("div", "entry thinking"), { tokens } = this.data.outline;
    const name = `Thinking, ${tokens} token${tokens === 1 ? "" : "s"}`;
    const text = button("sentence", name), fold = button("whole fold", "Show");
    this.folded = element("div", "folded");
    this.folded.hidden = true;
    this.unfold = (open) => {
      this.hold();
      this.folded.hidden = !open;
      fold.textContent = open ? "Hide" : "Show";
      fold.setAttribute("aria-expanded", String(open));
    };
    this.unfold(false);
    box.setAttribute("role", "listitem");
    fold.addEventListener("click", () => this.unfold(this.folded.hidden));
    text.addEventListener("click", () => this.pick({ side: "answer", start: 0, end: count }));
    const [a, b] = this.data.whole;
    const line = element("div", "thought", `The answer read its thinking: ${this.thoughtText(a, b)}`);
    const head = element("div", "row");
    head.append(text, fold);
    box.append(head, line, this.mostList(0, count), this.folded);
    this.entries.push({ box, text, start: 0, end: count, name });
    for (let i = 0; i < count; i++) this.folded.append(this.entry(i, i + 1, count));
    this.entries.slice(1).forEach((entry) => {
      entry.thought = true;
      entry.name = `Thinking, ${entry.name.toLowerCase()}`;
    });
    return box;
  }

  thoughtText(start, end) {
    const { values, uniform } = this.thoughts.read(start, end);
    return this.amount(values.reduce((a, b) => a + b, 0), uniform.reduce((a, b) => a + b, 0));
  }

  // The passages that a sentence read most, each a button to it; of its thinking in one line.
  mostList(start, end) {
    const found = this.passages.read(start, end), list = element("ul", "most");
    for (const p of this.ranked(found.values).slice(0, this.data.most)) {
      const item = element("li"), said = this.amount(found.values[p], found.uniform[p]);
      const go = button("jump", "", `Read ${said}: ${this.passageText(p)}. Scroll there.`);
      const quoted = element("q", "", cut(this.passageText(p)));
      quoted.dir = "auto";
      go.append(element("span", "number", said), quoted);
      go.addEventListener("click", () => {
        this.pick({ side: "answer", start, end });
        this.jump(p, true);
      });
      item.append(go);
      list.append(item);
    }
    const { thinking } = this.data.outline;
    if (this.thoughts && start >= thinking) list.append(this.thoughtLine(start, end));
    return list;
  }

  thoughtLine(start, end) {
    const item = element("li"), { values } = this.thoughts.read(start, end), [most] = this.ranked(values);
    const go = button("jump", "");
    go.append(element("span", "number", this.thoughtText(start, end)), element("span", "", "of its thinking"));
    go.addEventListener("click", () => {
      this.pick({ side: "answer", start, end });
      this.unfold(true);
      this.revealEntry(this.entries.find((entry) => entry.thought && entry.start === (most ?? 0)));
    });
    item.append(go);
    return item;
  }

  ranked(values) {
    return [...values.keys()].filter((p) => values[p] > 0).sort((a, b) => values[b] - values[a] || a - b);
  }

  amount(value, uniform) {
    const { unit } = this.data;
    return amountText(value, unit) + (unit === "share" || uniform > 0 ? `, ${timesText(value, uniform)}` : "");
  }

  passageText(p) {
    return this.passageTexts[p] ??= this.joined(p);
  }

  joined(p) {
    const [a, b] = this.data.passages.words[p], { units } = this.data.input;
    let text = "";
    for (let i = a; i < b; i++) text += (i > a ? units[i].g ?? "" : "") + units[i].t;
    return text;
  }

  // ---- picking, scrolling, keys

  pick(selection, told = true) {
    this.selection = selection;
    this.draw();
    if (this.follow && this.selection.side === "answer") this.jump(this.best());
    if (told) this.report();
  }

  pickPassage(p) {
    const { side, start } = this.selection;
    if (p >= 0) this.pick(side === "input" && start === p ? this.whole() : { side: "input", start: p, end: p + 1 });
  }

  passageAt(event) {
    const node = event.target.closest?.(".passage");
    return node ? Number(node.dataset.p) : -1;
  }

  visible() {
    return this.entries.filter((entry) => !entry.thought || !this.folded.hidden);
  }

  // The sentence at the line of reading, which wanders from top to bottom with the box, so that each has its turn.
  // While a passage is picked one scrolls to see who read it; what our own layout scrolls is no reading either.
  scrolled() {
    if (this.selection.side === "input" || this.held > performance.now()) return;
    cancelAnimationFrame(this.coming);
    this.coming = requestAnimationFrame(() => {
      const box = this.list, room = box.scrollHeight - box.clientHeight;
      if (room <= 0) return;
      const home = box.getBoundingClientRect(), line = home.top + home.height * box.scrollTop / room;
      let at = null;
      for (const entry of this.visible()) {
        const top = entry.box.getBoundingClientRect().top;
        if (!at || top <= line) at = entry;
      }
      if (at) this.pickQuietly(at);
    });
  }

  pickQuietly({ start, end }) {
    const now = this.selection;
    if (now.side === "answer" && now.start === start && now.end === end) return;
    this.pick({ side: "answer", start, end }, false);
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    const node = event.composedPath()[0];
    if (!(node instanceof Element) || node.tagName === "INPUT") return;
    const move = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") this.pick(this.whole());
    else if (move && node.classList.contains("mark")) this.step(this.marks, this.marks.indexOf(node) + move);
    else if (move && node.closest(".entries")) this.stepEntry(node, move);
    else return;
    event.preventDefault();
  }

  stepEntry(node, move) {
    const all = this.visible(), at = all.findIndex(({ box }) => box === node.closest(".entry")) + move;
    if (!all[at]) return;
    this.pickQuietly(all[at]);
    this.revealEntry(all[at]);
    all[at].text.focus({ preventScroll: true });
  }

  step(nodes, at) {
    if (!nodes[at]) return;
    for (const other of nodes) other.tabIndex = -1;
    nodes[at].tabIndex = 0;
    nodes[at].focus({ preventScroll: true });
  }

  revealEntry(entry) {
    if (entry) this.scrollTo(this.list, entry.box, false);
  }

  best() {
    const { side, start } = this.selection;
    return side === "input" ? start : this.ranked(this.read.values)[0] ?? 0;
  }

  jump(p, flash = false) {
    const node = this.passageNodes[p];
    if (!node) return;
    this.scrollTo(this.box, node, flash);
    if (!flash) return;
    for (const other of this.passageNodes) other?.classList.remove("flash");
    node.classList.add("flash");
    clearTimeout(this.flashed);
    this.flashed = setTimeout(() => node.classList.remove("flash"), 1600);
  }

  // Scrolls the box, never the page, and only where the node is not in view; what we scroll is no reading.
  scrollTo(box, node, always) {
    const inner = node.getBoundingClientRect(), outer = box.getBoundingClientRect();
    if (!always && inner.top >= outer.top && Math.min(inner.bottom, inner.top + outer.height / 2) <= outer.bottom) return;
    if (box === this.list) this.hold();
    box.scrollTop += inner.top - outer.top - outer.height / 4;
  }

  // ---- drawing

  hold() {
    this.held = performance.now() + 200;
  }

  draw() {
    const { side, start, end } = this.selection, input = side === "input", { unit, percentile, strength } = this.data;
    const words = input ? null : this.words.read(start, end);
    [this.light, this.dark] = [this.colour("--shade"), this.colour("--dark")];
    this.shown = words;
    this.read = input ? this.passages.readBy(start, end) : this.passages.read(start, end);
    const limit = input ? 0 : darkest(words.values, percentile) / (strength || 1);
    this.wordNodes.forEach((node, i) => this.shade(node, input ? 0 : words.values[i], limit));
    const strongest = input ? 0 : darkest(this.read.values, percentile);
    this.marks.forEach((mark, p) => {
      this.shade(mark, input ? 0 : this.read.values[p], strongest, 1);
      mark.classList.toggle("picked", input && p >= start && p < end);
      mark.setAttribute("aria-label", this.passageLines(p).join(". "));
    });
    const top = input ? -1 : this.best();
    this.passageNodes.forEach((node, p) => {
      node.classList.toggle("picked", input && p >= start && p < end);
      node.classList.toggle("top", p === top);
    });
    this.drawEntries(input);
    this.allButton.setAttribute("aria-pressed", String(this.isWhole()));
    const of = unit === "share" ? `share of ${this.data.noun}` : unit === "nats" ? "nats of the answer" : "score";
    this.scaleName.textContent = `${of} of ${this.named()}, by word:`;
    this.high.textContent = `${amountText(limit, unit)} and more (square-root scale to the ${percentile}th percentile${strength === 1 ? "" : `, ${digits(strength)} times as strong`})`;
    this.legend.hidden = input || unit === "none";
    this.said.textContent = this.sentence();
    this.tip.hidden = true;
  }

  drawEntries(input) {
    const { start, end } = this.selection, whole = this.isWhole();
    const limit = input ? Math.max(...this.read.values, 0) : 0;
    const thoughts = this.thoughts && !input ? this.thoughts.read(start, end).values : null;
    const most = thoughts ? Math.max(...thoughts, 0) : 0;
    for (const entry of this.entries) {
      const picked = !input && !whole && entry.start >= start && entry.end <= end;
      entry.box.classList.toggle("picked", picked && entry.end - entry.start === end - start);
      entry.text.setAttribute("aria-pressed", String(picked || (!input && whole && !entry.thought)));
      if (entry.note) this.hold();
      entry.note?.remove();
      if (input && entry.end - entry.start === 1) {
        this.shade(entry.text, this.read.values[entry.start], limit);
        entry.note = element("div", "note", `read it: ${this.amount(this.read.values[entry.start], this.read.uniform[entry.start])}`);
        entry.text.after(entry.note);
      } else this.shade(entry.text, thoughts && entry.thought ? thoughts[entry.start] : 0, most);
    }
  }

  // Words on a square-root scale, so that one word does not bleach all others; the strip's sentences on a plain one.
  // The colour itself is set: for thousands of words that takes a third of the time of a variable in a rule.
  shade(node, value, limit, power = 0.5) {
    const part = limit > 0 && value > 0 ? (Math.min(1, value / limit) ** power).toFixed(2) : "0.00";
    const colour = part === "0.00" ? "" : `rgb(${power === 1 ? this.dark : this.light} / ${part})`;
    if (node.heedShade === colour) return;
    node.heedShade = colour;
    node.style.backgroundColor = colour;
  }

  // "106 174 240" of a colour of the style sheet, as the theme has it now.
  colour(name) {
    this.tip.style.backgroundColor = `var(${name})`;
    const found = getComputedStyle(this.tip).backgroundColor.match(/[\d.]+/g).slice(0, 3).join(" ");
    this.tip.style.backgroundColor = "";
    return found;
  }

  named() {
    const { start, end, side } = this.selection;
    if (side === "input" || this.isWhole()) return "the whole answer";
    const { name } = this.entries.find((entry) => entry.start === start && entry.end === end) ?? {};
    return name ? name[0].toLowerCase() + name.slice(1) : "these sentences";
  }

  sentence() {
    const { side, start } = this.selection;
    if (side === "input") return `Shown: how much each sentence of the answer read “${cut(this.passageText(start))}”.`;
    const [most] = this.ranked(this.read.values), name = this.named();
    if (most === undefined) return `Nothing of the prompt was read by ${name}.`;
    return `Read most by ${name}: “${cut(this.passageText(most))}”, ${this.amount(this.read.values[most], this.read.uniform[most])}.`;
  }

  passageLines(p) {
    const lines = [`Sentence ${p + 1} of ${this.marks.length}: ${cut(this.passageText(p))}`];
    if (this.selection.side === "answer" && this.data.unit !== "none") {
      lines.push(`${this.amount(this.read.values[p], this.read.uniform[p])}, by ${this.named()}`);
    }
    return lines;
  }

  overWord(event) {
    const node = event.target.closest?.(".word");
    if (!node) { this.tip.hidden = true; return; }
    const i = Number(node.dataset.i), lines = this.passageLines(this.passageOf[i]);
    if (this.shown && !this.data.shades && this.data.unit !== "none") {
      const sunk = this.data.sinks.words.includes(i);
      lines.unshift(`“${this.data.input.units[i].t}”: ${sunk ? SUNK : this.amount(this.shown.values[i], this.shown.uniform[i])}`);
    }
    this.showTip(node, lines);
  }

  showTip(node, lines) {
    this.tip.replaceChildren(...lines.map((line, i) => element(i ? "span" : "b", "", line)));
    this.tip.hidden = false;
    const at = node.getClientRects()[0], home = this.root.getBoundingClientRect(), box = this.tip.getBoundingClientRect();
    if (!at) return;
    const above = at.top - home.top - box.height - 6;
    this.tip.style.left = `${Math.max(0, Math.min(at.left - home.left, home.width - box.width))}px`;
    this.tip.style.top = `${above >= 0 ? above : at.bottom - home.top + 6}px`;
  }

  // The frame on the strip: which part of the prompt is in view.
  frame() {
    const outer = this.box.getBoundingClientRect(), seen = [];
    if (!outer.height || !this.marks.length) return;
    let low = 0, high = this.marks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.passageNodes[middle].getBoundingClientRect().bottom < outer.top) low = middle + 1; else high = middle;
    }
    for (let p = low; p < this.marks.length; p++) {
      if (p > low && this.passageNodes[p].getBoundingClientRect().top > outer.bottom) break;
      seen.push(p);
    }
    const first = this.marks[seen[0]], last = this.marks[seen[seen.length - 1]];
    this.window.style.top = `${first.offsetTop}px`;
    this.window.style.height = `${Math.max(last.offsetTop + last.offsetHeight - first.offsetTop, 4)}px`;
  }

  // Words that the page marks (a passage picked in a table).
  mark() {
    const marks = new Set(this.data.marks ?? []), first = (this.data.marks ?? []).join();
    this.wordNodes.forEach((word, i) => word.classList.toggle("marked", marks.has(i)));
    if (first && first !== this.lit) this.jump(this.passageOf[this.data.marks[0]], true);
    this.lit = first;
  }

  // ---- search

  searchField() {
    const box = element("span", "search"), field = element("input");
    field.type = "search";
    field.placeholder = "Search";
    field.setAttribute("aria-label", "Search in the prompt; Enter goes to the next place");
    this.count = element("span", "count");
    this.count.setAttribute("aria-live", "polite");
    field.addEventListener("input", () => this.search(field.value));
    for (const kind of ["keydown", "keyup", "keypress"]) field.addEventListener(kind, (event) => {
      event.stopPropagation();  // letters typed here are no shortcuts of the page
      if (kind === "keydown" && event.key === "Enter") this.nextHit(event.shiftKey ? -1 : 1);
    });
    box.append(field, this.count);
    return box;
  }

  search(wanted) {
    const lower = (text) => [...text].map((c) => (c.toLowerCase().length === c.length ? c.toLowerCase() : c)).join("");
    const { units } = this.data.input, needle = lower(wanted.trim()), of = [];
    let text = "";
    units.forEach((unit, i) => {
      const piece = (unit.g ?? "") + unit.t;
      text += piece;
      for (let k = 0; k < piece.length; k++) of.push(i);
    });
    this.hits = [];
    const found = new Set(), hay = lower(text);
    for (let at = needle ? hay.indexOf(needle) : -1; at >= 0; at = hay.indexOf(needle, at + needle.length)) {
      let first = at;
      while (/\s/.test(hay[first])) first++;
      this.hits.push(of[first]);
      for (let i = of[first]; i <= of[at + needle.length - 1]; i++) found.add(i);
    }
    this.wordNodes.forEach((word, i) => word.classList.toggle("found", found.has(i)));
    const passages = new Set([...found].map((i) => this.passageOf[i]));
    this.marks.forEach((mark, p) => mark.classList.toggle("found", passages.has(p)));
    this.hit = -1;
    this.count.textContent = !needle ? "" : this.hits.length ? `${this.hits.length} found` : "not found";
    if (this.hits.length) this.nextHit(1);
  }

  nextHit(move) {
    const { length } = this.hits ?? [];
    if (!length) return;
    this.hit = (this.hit + move + length) % length;
    this.count.textContent = `${this.hit + 1} of ${length}`;
    this.scrollTo(this.box, this.wordNodes[this.hits[this.hit]], true);
  }
}
