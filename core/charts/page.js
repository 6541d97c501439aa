// The self-contained page: the two texts (reader.js, above in the same script) and the heatmap on a canvas.
// Hover shows true values; arrow keys step through the answer, and through the cells while the heatmap has the focus.

const GAP = 1, TILT = 0.9;

class Heat {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.values = floats(data.values);
    this.uniform = floats(data.uniform);
    this.rows = data.rows.length;
    this.columns = data.columns.length;
    this.cell = null;
    this.frame = null;
    this.box = element("div", "scroll");
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", data.description);
    this.tip = element("div", "tip");
    this.tip.hidden = true;
    this.live = element("p", "live");
    this.live.setAttribute("aria-live", "polite");
    this.box.append(this.canvas);
    root.append(this.box, this.legend(), this.live, this.tip);
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  legend() {
    const line = element("div", "legend");
    const bar = element("span", "bar");
    bar.style.background = `linear-gradient(to right, ${this.data.palette.join(",")})`;
    const high = amountText(this.data.maximum, this.data.unit);
    line.append(element("span", "name", this.data.legend), element("span", "", "0"), bar, element("span", "", high));
    return line;
  }

  // Drawn column of a matrix column: earlier output stands behind a gap.
  place(j) {
    return j + (this.data.inputs < this.columns && j >= this.data.inputs ? GAP : 0);
  }

  sizes() {
    const drawn = this.columns + (this.data.inputs < this.columns ? GAP : 0);
    const pen = this.canvas.getContext("2d");
    pen.font = `13px ${getComputedStyle(this.root).fontFamily}`;
    const widest = this.data.rows.reduce((most, label) => Math.max(most, pen.measureText(label).width), 0);
    this.labels = Math.min(0.35 * this.box.clientWidth, 140, Math.ceil(widest) + 12);
    const room = this.box.clientWidth - this.labels - 24;
    const w = Math.max(4, Math.min(56, room / drawn));
    pen.font = `12px ${getComputedStyle(this.root).fontFamily}`;
    const longest = this.data.short.reduce((most, label) => Math.max(most, pen.measureText(label).width), 0);
    this.top = 30 + Math.ceil(Math.min(112, longest) * Math.sin(TILT));
    const h = this.rows > 400 ? 4 : this.rows > 60 ? 11 : 20;
    return { w, h, width: this.labels + drawn * w + 24, height: this.top + this.rows * h + 6 };
  }

  draw() {
    const s = this.size = this.sizes();
    const style = getComputedStyle(this.root);
    const ratio = Math.min(devicePixelRatio || 1, Math.sqrt(16e6 / (s.width * s.height)), 16000 / Math.max(s.width, s.height));
    this.canvas.width = Math.round(s.width * ratio);
    this.canvas.height = Math.round(s.height * ratio);
    this.canvas.style.width = `${s.width}px`;
    this.canvas.style.height = `${s.height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    this.cells(pen, s);
    pen.fillStyle = style.color;
    this.rowLabels(pen, s, style);
    this.columnLabels(pen, s, style);
    this.frames(pen, s);
  }

  // Every cell as one pixel, painted once; drawing then only stretches it, so that hover stays quick at any size.
  pixels() {
    const { palette, maximum } = this.data;
    const rgb = palette.map((c) => [1, 3, 5].map((k) => parseInt(c.slice(k, k + 2), 16)));
    const wide = this.place(this.columns - 1) + 1;
    const image = new ImageData(Math.max(wide, 1), Math.max(this.rows, 1));
    for (let i = 0; i < this.rows; i++) {
      for (let j = 0; j < this.columns; j++) {
        const k = i * this.columns + j;
        if (!(this.uniform[k] > 0) && this.values[k] === 0) continue;
        const t = maximum > 0 ? Math.max(0, Math.min(1, this.values[k] / maximum)) : 0;
        const at = 4 * (i * wide + this.place(j)), x = t * (rgb.length - 1), low = Math.floor(x);
        const a = rgb[low], b = rgb[Math.min(low + 1, rgb.length - 1)];
        for (let c = 0; c < 3; c++) image.data[at + c] = Math.round(a[c] + (x - low) * (b[c] - a[c]));
        image.data[at + 3] = 255;
      }
    }
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  cells(pen, { w, h }) {
    if (!this.rows || !this.columns) return;
    this.image ??= this.pixels();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.image, this.labels, this.top, this.image.width * w, this.rows * h);
  }

  rowLabels(pen, { h }, style) {
    const size = Math.min(13, Math.max(9, h * 0.8));
    pen.font = `${size}px ${style.fontFamily}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const every = Math.ceil(size / h);
    for (let i = 0; i < this.rows; i += every) pen.fillText(this.data.rows[i], this.labels - 6, this.top + (i + 0.5) * h, this.labels - 10);
  }

  columnLabels(pen, { w }, style) {
    pen.font = `12px ${style.fontFamily}`;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    const every = Math.ceil(13 / w);
    for (let j = 0; j < this.columns; j += every) {
      pen.save();
      pen.translate(this.labels + (this.place(j) + 0.5) * w, this.top - 6);
      pen.rotate(-TILT);
      pen.fillText(this.data.short[j], 0, 0, 112);
      pen.restore();
    }
    pen.font = `600 12px ${style.fontFamily}`;
    pen.fillText(this.data.inputs < this.columns ? "Input, then earlier output" : "Input", this.labels, 8);
  }

  frames(pen, { w, h }) {
    pen.strokeStyle = "#E69F00";
    pen.lineWidth = 2;
    const wide = (this.place(this.columns - 1) + 1) * w;
    if (this.frame) {
      const picked = this.data.rowSpans.map(([a, b], i) => (b >= this.frame[0] && a <= this.frame[1] ? i : -1)).filter((i) => i >= 0);
      if (picked.length) pen.strokeRect(this.labels, this.top + picked[0] * h, wide, picked.length * h);
    }
    if (this.cell) pen.strokeRect(this.labels + this.place(this.cell[1]) * w, this.top + this.cell[0] * h, w, h);
  }

  hover(event) {
    const box = this.canvas.getBoundingClientRect(), { w, h } = this.size;
    const i = Math.floor((event.clientY - box.top - this.top) / h);
    const drawn = Math.floor((event.clientX - box.left - this.labels) / w);
    const j = drawn >= this.data.inputs && this.data.inputs < this.columns ? drawn - GAP : drawn;
    const inside = i >= 0 && i < this.rows && j >= 0 && j < this.columns && this.place(j) === drawn;
    this.point(inside ? [i, j] : null);
  }

  point(cell) {
    if (String(cell) === String(this.cell)) return;
    this.cell = cell;
    this.draw();
    this.tip.hidden = !cell;
    if (!cell) return;
    const [i, j] = cell, k = i * this.columns + j, { w, h } = this.size;
    const value = `${amountText(this.values[k], this.data.unit)}, ${timesText(this.values[k], this.uniform[k])}`;
    const lines = [`${this.data.rows[i]} ← ${this.data.columns[j]}`, value, `step ${this.data.steps[i]}`];
    this.tip.replaceChildren(...lines.map((line, n) => element(n ? "span" : "b", "", line)));
    const home = this.root.getBoundingClientRect(), at = this.canvas.getBoundingClientRect();
    const x = at.left - home.left + this.labels + (this.place(j) + 1) * w + 6, y = at.top - home.top + this.top + (i + 1) * h + 6;
    const tip = this.tip.getBoundingClientRect();
    this.tip.style.left = `${Math.max(0, Math.min(x, home.width - tip.width))}px`;
    this.tip.style.top = `${y}px`;
    this.live.textContent = lines.join(", ");
  }

  key(event) {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    const [i, j] = this.cell ?? [-move[0], -move[1]];
    const clamp = (x, n) => Math.max(0, Math.min(n - 1, x));
    this.point([clamp(i + move[0], this.rows), clamp(j + move[1], this.columns)]);
    event.preventDefault();
    event.stopPropagation();
  }

  // Frames the rows that were written at token positions a..b; null for none.
  show(span) {
    this.frame = span;
    this.draw();
  }
}

const all = JSON.parse(document.getElementById("data").textContent);
const heat = all.heat && new Heat(document.getElementById("heat"), all.heat);
if (heat) heat.root.heat = heat;
mountReader(document.getElementById("reader"), all.reader, {
  globalKeys: true,
  onPick: ({ side, start, end }) => {
    const units = all.reader.answer.units, [a, b] = all.reader.whole;
    const part = side === "answer" && !(start === a && end === b);
    if (heat) heat.show(part ? [units[start].s[0], units[end - 1].s[1]] : null);
  },
});
