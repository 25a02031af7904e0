// Small parts that several pages use.

import { button, h, svg } from "./dom.js";
import { tell } from "./dialog.js";
import { away, clock, moment } from "./format.js";
import { t } from "./language.js";

const SHAPES = {
  ok: "M5 12.5l4.5 4.5L19 7.5", attention: "M12 6v7.5M12 17.2v.1", alarm: "M7 7l10 10M17 7L7 17", unknown: "M7 12h10",
};

/** The sign of a level: its shape differs as its colour does. */
export function sign(level) {
  const shape = SHAPES[level] ?? SHAPES.unknown;
  return svg("svg", { class: `sign ${level}`, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: shape, fill: "none", stroke: "currentColor", "stroke-width": "3", "stroke-linecap": "round", "stroke-linejoin": "round" }));
}

/** A word in a box, for a kind or a state. */
export const chip = (text, tone = "") => h("span", { class: `chip ${tone}` }, text);

/** A time as how long ago it is or until when; the whole of it on hover and for programs. */
export function ago(text) {
  if (!text) return "–";
  return h("time", { datetime: text, title: moment(text), "data-away": "" }, away(text));
}

/** Say the ages of what is shown anew, each some seconds. */
export function keepAges() {
  setInterval(() => {
    for (const one of document.querySelectorAll("time[data-away]")) one.textContent = away(one.getAttribute("datetime"));
  }, 5000);
}

/** A command to type elsewhere, with a button that copies it. */
export function command(text, key = "command") {
  return h("span", { class: "command" }, h("code", {}, text), copy(text, key));
}

/** A button that copies a text. */
export function copy(text, key, label = t("copy")) {
  return button(label, async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      byHand(text); // the page is not in a secure context, as over plain HTTP
    }
    tell(t("copied"));
  }, { kind: "small", key: `copy-${key}` });
}

function byHand(text) {
  const area = h("textarea", { class: "unseen", readonly: true, "aria-hidden": "true" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A name that leads to why it is blocked. */
export const asked = (name) => h("a", { class: "name", href: `#/why/${encodeURIComponent(name)}` }, name);

const CONFIDENTIAL = "confidential"; // what the API has in place of a text that its order keeps secret; no name is this alone

/** A name that leads to why it is blocked, or that it is confidential: null, or what the API says in its place. */
export const nameOf = (name) => (name && name !== CONFIDENTIAL ? asked(name) : h("em", { class: "quiet" }, t("confidential")));

/** A bar of how large a value is beside the largest; `mark` is a value with a line across the bar. */
export function bar(value, largest, mark = null) {
  const width = largest > 0 ? Math.max(1, Math.round((value / largest) * 100)) : 0;
  return svg("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { width: "100", height: "6", class: "bar-all" }), svg("rect", { width: String(width), height: "6", class: "bar-part" }),
    ...(mark !== null && largest > 0 ? [svg("rect", { x: String(Math.min(99, (mark / largest) * 100)), width: "1", height: "6", class: "bar-mark" })] : []));
}

/** Buttons of which one is chosen; `options` are [value, label]. */
export function choice(label, options, chosen, choose) {
  return h("div", { class: "choice", role: "group", "aria-label": label },
    options.map(([value, text]) => button(text, (event) => {
      for (const one of event.currentTarget.parentElement.children) one.setAttribute("aria-pressed", "false");
      event.currentTarget.setAttribute("aria-pressed", "true");
      choose(value);
    }, { key: `choice-${value}`, "aria-pressed": String(value === chosen) })));
}

const MARKED = /(`[^`]*`|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/; // commands, and moments in UTC

/** A sentence of the daemon, in which commands stand between backticks; its moments are by the clock of who reads it. */
export function sentence(text) {
  return String(text ?? "").split(MARKED).map((part, index) => {
    if (index % 2 === 0) return part;
    return part.startsWith("`") ? h("code", {}, part.slice(1, -1)) : h("time", { datetime: part, title: part }, clock(part));
  });
}
