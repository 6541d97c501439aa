// The table of answers: prompts down, models across; a click on an answer opens its run.
//
// Text from the data enters the page by textContent only. What a reader changed (which sample, what is unfolded)
// stays while cells fill. Data: core/charts/answer_grid.py.

const tables = new WeakMap();
const MARKS = new Map([[true, ["yes", "✓ "]], [false, ["no", "✗ "]], [null, ["", "? "]]]);

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function shaded(text, shade, title) {
  const node = element("span", "", text);
  if (title) node.title = title;
  if (shade > 0) {
    node.dataset.shade = "";
    node.style.setProperty("--t", shade);
  }
  return node;
}

class AnswerTable {
  constructor(root) {
    this.root = root;
    this.sample = new Map();
    this.unfolded = new Set();
  }

  update(data) {
    for (const text of this.root.querySelectorAll(".opening")) text.classList.remove("opening");
    if (this.data?.version === data.version) return;
    const old = this.root.querySelector(".scroll");
    const [left, top] = old ? [old.scrollLeft, old.scrollTop] : [0, 0];
    this.data = data;
    const scroll = element("div", "scroll"), table = element("table");
    table.append(this.head(), this.body());
    scroll.append(table);
    this.root.replaceChildren(this.legend(), scroll);
    scroll.scrollTo(left, top);
    for (const text of this.root.querySelectorAll(".text")) this.fold(text);
  }

  legend() {
    const legend = element("div", "legend");
    legend.append(element("span", "", `${this.data.shading}:`));
    for (const [name, shade] of [["50 %", 0.15], ["10 %", 0.5], ["1 % or less", 1]]) legend.append(shaded(name, shade));
    legend.append(element("span", "", "Click an answer to open it in Explore."));
    return legend;
  }

  head() {
    const head = element("thead"), row = element("tr");
    row.append(element("th", "", "Prompt"));
    for (const model of this.data.models) {
      const cell = element("th");
      cell.scope = "col";
      cell.append(element("b", "", model.name), ...model.lines.map((line) => element("span", "quiet", line)));
      row.append(cell);
    }
    head.append(row);
    return head;
  }

  body() {
    const body = element("tbody");
    this.data.rows.forEach((one, r) => {
      const row = element("tr"), name = element("th");
      name.scope = "row";
      if (one.name) name.append(element("span", "quiet", one.name));
      const prompt = element("div", "text", one.prompt);
      prompt.dataset.key = `prompt ${r}`;
      name.append(prompt, ...one.beside.map((line) => element("span", "quiet", line)));
      row.append(name);
      one.cells.forEach((cell, m) => {
        const place = element("td");
        place.dataset.model = this.data.models[m].name;
        this.cell(place, cell, `${r} ${m}`);
        row.append(place);
      });
      body.append(row);
    });
    return body;
  }

  cell(place, cell, key) {
    const answers = cell.answers;
    const at = Math.min(this.sample.get(key) ?? 0, answers.length - 1);
    place.replaceChildren();
    if (!answers.length) return;
    if (answers.length > 1) {
      const samples = element("div", "samples");
      answers.forEach((one, i) => {
        const passed = one.verdicts.length ? one.verdicts.every((v) => v[1]) && "yes" || (one.verdicts.some((v) => v[1] === false) ? "no" : "") : "";
        const mark = { yes: " ✓", no: " ✗" }[passed] ?? ({ done: "", failed: " !" }[one.state] ?? " …");
        const button = element("button", passed, `${one.sample}${mark}`);
        button.title = `Sample ${one.sample}`;
        button.setAttribute("aria-pressed", String(i === at));
        button.addEventListener("click", () => {
          this.sample.set(key, i);
          this.cell(place, cell, key);
          for (const text of place.querySelectorAll(".text")) this.fold(text);
          place.querySelectorAll(".samples button")[i].focus();
        });
        samples.append(button);
      });
      place.append(samples);
    }
    place.append(...this.answer(answers[at]), element("span", "quiet", cell.line));
  }

  answer(one) {
    if (one.error) return [element("div", "failed", one.error)];
    if (one.state !== "done") return [element("div", "waiting", one.state === "running" ? "being written…" : "waiting")];
    const text = element("div", "text answer");
    text.dataset.key = one.cell;
    text.tabIndex = 0;
    text.setAttribute("role", "link");
    for (const [gap, word, shade, percent] of one.words) {
      text.append(gap, percent ? shaded(word, shade, percent) : word);
    }
    if (!text.textContent) text.append(element("span", "waiting", "The answer is empty."));
    const open = () => {
      if (String(getSelection())) return; // somebody marks text to copy it
      text.classList.add("opening");
      this.open(one.cell);
    };
    text.addEventListener("click", open);
    text.addEventListener("keydown", (event) => event.key === "Enter" && open());
    const facts = element("div", "facts");
    for (const [words, passed, about] of one.verdicts) {
      const [name, mark] = MARKS.get(passed);
      const verdict = element("span", name, mark + words);
      verdict.title = about;
      facts.append(verdict);
    }
    if (!one.verdicts.length) {
      const none = element("span", "", "no verdict");
      none.title = this.data.none;
      facts.append(none);
    }
    facts.append(element("span", "", `${one.tokens} token${one.tokens === 1 ? "" : "s"}${one.cut ? `, ${this.data.cut}` : ""}`));
    return [text, facts];
  }

  // A text that is cut at some lines gets a button that shows all of it.
  fold(text) {
    const key = text.dataset.key;
    text.classList.toggle("whole", this.unfolded.has(key));
    if (!this.unfolded.has(key) && text.scrollHeight <= text.clientHeight + 2) return;
    const more = element("button", "more", this.unfolded.has(key) ? "Less" : "All of it");
    more.addEventListener("click", () => {
      if (!this.unfolded.delete(key)) this.unfolded.add(key);
      more.remove();
      this.fold(text);
    });
    text.after(more);
  }
}

function followTheme(root) {
  const [r, g, b] = (getComputedStyle(root).backgroundColor.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  root.dataset.theme = 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "dark" : "light";
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".heed-grid");
  if (!root || !data) return;
  followTheme(root);
  if (!tables.has(root)) tables.set(root, new AnswerTable(root));
  const table = tables.get(root);
  table.open = (cell) => setTriggerValue("opened", cell);
  table.update(data);
}
