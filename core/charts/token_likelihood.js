// The answer's tokens, shaded by how unlikely each was; rank and the likeliest tokens on hover, focus or tap.
// Text from the data enters the page by textContent only. Data: core/charts/token_likelihood.py.

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function tipOf(token) {
  const [own, ...others] = token.lines;
  const tip = element("div", "tip");
  tip.append(element("b", "", token.name), element("span", "", own));
  for (const line of others) tip.append(element("span", "other", line));
  return tip;
}

export function drawLikelihood(root, data) {
  const line = element("div", "tokens"), tip = element("div", "place");
  tip.setAttribute("role", "status");
  const show = (node, token) => {
    tip.replaceChildren(tipOf(token));
    const [box, at] = [root.getBoundingClientRect(), node.getBoundingClientRect()];
    const width = tip.firstChild.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(at.left - box.left, box.width - width))}px`;
    tip.style.top = `${at.bottom - box.top + 6}px`;
  };
  const hide = () => tip.replaceChildren();
  for (const token of data.tokens) {
    const node = element("span", `token ${token.k}`, token.k === "answer" || token.k === "thinking" ? token.t : token.name);
    node.style.setProperty("--t", token.s);
    node.tabIndex = 0;
    node.setAttribute("aria-label", [token.name, ...token.lines].join("; "));
    node.onmouseenter = node.onfocus = node.onclick = () => show(node, token);
    node.onmouseleave = node.onblur = hide;
    line.append(node);
  }
  root.replaceChildren(line, tip);
}

// Streamlit gives its theme as CSS variables; what counts is whether the page is dark.
function followTheme(root) {
  const [r, g, b] = (getComputedStyle(root).backgroundColor.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  root.dataset.theme = 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "dark" : "light";
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".heed-likelihood");
  followTheme(root);
  drawLikelihood(root, data);
}
