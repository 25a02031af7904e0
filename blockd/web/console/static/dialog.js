// Dialogs that ask for what a change needs, and say what became of it.

import { Refusal } from "./api.js";
import { button, fill, h } from "./dom.js";
import { iso } from "./format.js";
import { now } from "./hour.js";
import { t, told } from "./language.js";

const SPANS = [["1h", 3600], ["8h", 8 * 3600], ["1d", 86400], ["7d", 7 * 86400], ["30d", 30 * 86400]];
const SAID = 30_000; // milliseconds that a message stays: who looks away for a moment still finds it

let number = 0;

/** A field for a reason, which the audit log keeps. */
export const reason = () => ({ name: "reason", label: t("reason"), note: t("reason.note"), required: true, maxlength: 500 });

/** A field for the end of something, with usual spans. */
export const until = () => ({ name: "until", label: t("until"), kind: "until", required: true });

/**
 * Ask, and have `send(values)` do it, which throws Refusal or returns the sentence to show. `fields` are
 * {name, label, note, value, kind, required, options}; `body` is shown before them.
 */
export function ask({ title, body = [], fields = [], verb, danger = false, send }) {
  const inputs = new Map();
  const trouble = h("p", { class: "trouble", role: "alert" });
  const submit = h("button", { type: "submit", class: danger ? "danger" : "primary" }, verb);
  const id = `dialog-${++number}`;
  const form = h("form", { method: "dialog" },
    h("h2", { id }, title), body, fields.map((field) => fieldOf(field, inputs)), trouble,
    h("div", { class: "actions" }, button(t("cancel"), () => dialog.close()), submit));
  const dialog = h("dialog", { "aria-labelledby": id }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    trouble.replaceChildren();
    const values = Object.fromEntries([...inputs].map(([name, read]) => [name, read()]).filter(([, value]) => value !== ""));
    try {
      const sentence = await send(values);
      dialog.close();
      tell(sentence);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fill(trouble, told(error, "unreachable.write"));
      submit.disabled = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  form.querySelector("input, textarea, select")?.focus();
  return dialog;
}

/** Show a dialog that only tells. */
export function show(title, ...body) {
  const id = `dialog-${++number}`;
  const dialog = h("dialog", { "aria-labelledby": id },
    h("h2", { id }, title), body, h("div", { class: "actions" }, button(t("close"), () => dialog.close(), { kind: "primary" })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Say what became of something, for a while. */
export function tell(sentence) {
  const host = document.getElementById("said");
  const message = h("p", {}, sentence);
  host.replaceChildren(message);
  setTimeout(() => message.remove(), SAID);
}

function fieldOf(field, inputs) {
  const id = `field-${++number}`;
  const note = field.note && h("span", { class: "hint", id: `${id}-note` }, field.note);
  const described = note ? `${id}-note` : null;
  if (field.kind === "until") return untilOf(field, id, inputs);
  let input;
  if (field.options) {
    input = h("select", { id, "aria-describedby": described }, field.options.map(([value, label]) => h("option", { value }, label)));
  } else {
    input = h("input", {
      id, type: "text", name: field.name, required: field.required, maxlength: field.maxlength ?? 1024, autocomplete: "off",
      spellcheck: field.name === "reason" ? "true" : "false", "aria-describedby": described,
    });
  }
  if (field.value !== undefined) input.value = field.value;
  inputs.set(field.name, () => input.value.trim());
  return h("div", { class: "field" }, h("label", { for: id }, field.label), input, note);
}

function untilOf(field, id, inputs) {
  const input = h("input", { id, type: "datetime-local", required: true });
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const set = (seconds) => { input.value = localText(new Date(now() + seconds * 1000)); };
  set(SPANS[2][1]);
  inputs.set(field.name, () => {
    const at = new Date(input.value);
    return Number.isNaN(at.getTime()) ? "" : iso(at.getTime() / 1000);
  });
  return h("div", { class: "field" }, h("label", { for: id }, field.label),
    h("div", { class: "spans" }, SPANS.map(([name, seconds]) => button(t(`span.${name}`), () => set(seconds), { kind: "small" }))),
    input, h("span", { class: "hint" }, t("until.note", { zone })));
}

function localText(at) {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
