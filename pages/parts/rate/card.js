// One answer to rate: texts, five buttons, undo and later; the keys 1 to 5, U and L do the same from anywhere.
// Each press names the card it was meant for, and nothing is taken until the next card is there.

const cards = new WeakMap();
const WAIT = 6000;

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function luminance(color) {
  const [r, g, b] = (color.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

class Card {
  constructor(root) {
    this.root = root;
    this.send = () => {};
    this.pressed = (event) => this.key(event);
    window.addEventListener("keydown", this.pressed);
    this.build();
  }

  destroy() {
    window.removeEventListener("keydown", this.pressed);
    clearTimeout(this.timer);
  }

  build() {
    const panel = (title) => {
      const box = made("section", "panel");
      const text = made("p", "text");
      text.tabIndex = 0;
      text.setAttribute("aria-label", title);
      box.append(made("h3", "", title), text);
      panels.append(box);
      return [box, text];
    };
    const panels = made("div", "panels");
    [, this.prompt] = panel("Prompt");
    const [answer, text] = panel("Answer");
    this.answer = text;
    this.note = made("p", "note");
    answer.append(this.note);
    this.scale = made("div", "scale");
    this.scale.setAttribute("role", "group");
    this.scale.setAttribute("aria-label", "Rating");
    const others = made("div", "else");
    this.undo = this.button("Undo", "undo", "U");
    this.later = this.button("Later", "later", "L");
    const keys = made("span", "keys");
    keys.append("Keys: ", made("kbd", "", "1"), " to ", made("kbd", "", "5"), ", ", made("kbd", "", "U"), " undo, ", made("kbd", "", "L"), " later");
    others.append(this.undo, this.later, keys);
    this.root.replaceChildren(panels, made("p", "asked", "How good is this answer to this prompt?"), this.scale, others);
  }

  button(label, what, shortcut) {
    const button = made("button", "", label);
    button.type = "button";
    button.setAttribute("aria-keyshortcuts", shortcut);
    button.addEventListener("click", () => this.give(what, button));
    return button;
  }

  update(data) {
    const fresh = !this.data || this.data.turn !== data.turn || this.data.key !== data.key;
    this.data = data;
    if (!fresh) return;
    this.prompt.textContent = data.prompt;
    this.answer.textContent = data.answer;
    this.prompt.scrollTop = this.answer.scrollTop = 0;
    this.note.textContent = data.note;
    if (!this.grades) {
      this.grades = data.scale.map(([grade, label]) => {
        const button = this.button("", grade, String(grade));
        button.append(made("b", "", String(grade)), made("span", "", label));
        return button;
      });
      this.scale.replaceChildren(...this.grades);
      // The name was just typed: without this the keys would go on into its field.
      this.answer.focus({ preventScroll: true });
    }
    this.wait(false);
  }

  wait(on, picked) {
    clearTimeout(this.timer);
    this.waiting = on;
    for (const button of [...this.grades, this.undo, this.later]) {
      button.disabled = on;
      button.toggleAttribute("data-picked", on && button === picked);
    }
    if (!on) {
      this.undo.disabled = !this.data.undo;
      this.later.disabled = !this.data.later;
    } else {
      this.timer = setTimeout(() => this.wait(false), WAIT);
    }
  }

  give(what, button) {
    if (!this.data || this.waiting || button.disabled) return;
    const focused = this.root.getRootNode().activeElement === button; // a disabled button would lose it
    this.wait(true, button);
    if (focused) this.answer.focus({ preventScroll: true });
    this.send({ what, key: this.data.key, turn: this.data.turn });
  }

  key(event) {
    if (!this.data || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const field = event.composedPath()[0];
    if (field instanceof Element && field.closest("input, textarea, select, [contenteditable], [role=slider], [role=listbox], [role=option]")) return;
    const names = { u: this.undo, l: this.later };
    const button = names[event.key.toLowerCase()] || this.grades[Number(event.key) - 1];
    if (!button) return;
    event.preventDefault();
    button.click();
  }
}

function followTheme(root) {
  root.dataset.theme = luminance(getComputedStyle(root).backgroundColor) < 128 ? "dark" : "light";
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".heed-card");
  if (!root || !data) return;
  followTheme(root);
  let card = cards.get(root);
  if (!card) {
    card = new Card(root);
    cards.set(root, card);
  }
  card.send = (value) => setTriggerValue("given", value);
  card.update(data);
  return () => {
    card.destroy();
    cards.delete(root);
  };
}
