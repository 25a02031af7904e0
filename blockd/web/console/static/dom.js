// Elements made of data. Every text becomes a text node, and nothing here reads HTML: names, orders and reasons that
// others wrote stay text. The policy of the page (Trusted Types) enforces the same.

// Control characters, and those that change the direction of the text after them: nobody sees them, and with them a
// name can look like another. The style sheet isolates what has a direction of its own.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Return a new element. Attributes that are false, null or undefined are left out, and true makes an empty one;
 * `on` has listeners by event. Children may be nodes, texts, numbers, lists of these, or nothing.
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  add(element, children);
  return element;
}

/** Return an SVG element; it is for shapes, which have no text of others. */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Return a text without what is not seen. */
export const plain = (value) => String(value).replace(UNSEEN, "");

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : plain(child));
  }
}

/** Replace what an element holds. Who had the focus in it keeps it, if there is an element of the same `data-key`. */
export function fill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const opened = new Set([...element.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
  element.replaceChildren();
  add(element, children);
  for (const one of element.querySelectorAll("details[data-key]")) if (opened.has(one.dataset.key)) one.open = true;
  if (key !== undefined) {
    [...element.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus({ preventScroll: true });
  }
}

/**
 * Replace what an element holds, but for children that look the same: a click that has begun on one of them counts. It is
 * for what does nothing but by what it shows.
 */
export function amend(element, ...children) {
  const made = h("div", {}, children);
  const fresh = [...made.childNodes];
  const old = [...element.childNodes];
  fresh.forEach((node, index) => {
    if (old[index]?.isEqualNode(node)) return;
    if (old[index]) old[index].replaceWith(node);
    else element.append(node);
  });
  for (const node of old.slice(fresh.length)) node.remove();
}

/** Return a section with a heading; what comes after the heading in the same line is in `beside`. */
export function panel(title, { beside, id, level = 2, wide = false, tone } = {}, ...children) {
  const heading = h(`h${level}`, { id: id && `${id}-title` }, title);
  const section = h("section", { class: `panel${wide ? " wide" : ""}${tone ? ` ${tone}` : ""}`, id });
  section.append(h("div", { class: "panel-head" }, heading, beside));
  add(section, children);
  return section;
}

/** Return a table: `columns` are {label, unseen, cell(row), class, head}, `rows` any values. Narrow screens show it as cards. */
export function table(caption, columns, rows, { empty, key } = {}) {
  if (!rows.length && empty) return h("p", { class: "quiet" }, empty);
  const head = h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.class }, one.unseen ? h("span", { class: "unseen" }, one.label) : one.label)));
  const body = rows.map((row, index) =>
    h("tr", { "data-key": key ? `row-${key(row)}` : null },
      columns.map((one) => {
        const cell = one.cell(row, index);
        return h(one.head ? "th" : "td", { class: one.class, scope: one.head ? "row" : null, "data-label": one.unseen ? null : one.label }, cell);
      })));
  return h("div", { class: "table" },
    h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, head), h("tbody", {}, body)));
}

const LONG = 400; // characters of a text that is shown at once: an authority may write ten times as many in a field

/** A text, of which a long one is opened to be read whole. */
export function folded(text) {
  if (typeof text !== "string" || text.length <= LONG) return text;
  return h("details", { class: "folded", "data-key": `folded-${text.length}-${text.slice(0, 40)}` }, h("summary", {}, `${text.slice(0, LONG / 2)}…`), text);
}

/** Return a list of pairs, `rows` being [term, description]; pairs without a description are left out. */
export function facts(rows) {
  return h("dl", { class: "facts" },
    rows.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
      .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, folded(value)))));
}

/** Return a button; `key` is what it keeps the focus by. */
export function button(label, act, { key, kind = "", title, ...attributes } = {}) {
  return h("button", { type: "button", class: kind, "data-key": key, title, on: { click: act }, ...attributes }, label);
}
