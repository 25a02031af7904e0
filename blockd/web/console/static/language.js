// The two languages of the console. Texts are in words/en.js and words/id.js, with the same keys.

let words = {};
let chosen = "en";
let rules = new Intl.PluralRules("en");

const MARK = "blockd-language";

/** The language chosen: `en` or `id`. */
export const language = () => chosen;

/** Load the words of the language that was chosen in this browser, or else that it prefers. */
export async function load() {
  const kept = localStorage.getItem(MARK);
  await choose(kept ?? ((navigator.languages ?? []).find((one) => /^(en|id)\b/.test(one)) ?? "en").slice(0, 2));
}

/** Load and use the words of a language, from now on in this browser. */
export async function choose(code) {
  chosen = code === "id" ? "id" : "en";
  words = (chosen === "id" ? await import("./words/id.js") : await import("./words/en.js")).default;
  rules = new Intl.PluralRules(chosen);
  document.documentElement.lang = chosen;
}

/** Keep the language for the next visit. */
export function keep() {
  localStorage.setItem(MARK, chosen);
}

/** The text of a key, with {names} replaced. An unknown key is shown itself, so that it is seen. */
export function t(key, values = {}) {
  const text = words[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text of a key that need not exist: what a server's word is called, else the word itself. */
export function word(kind, value) {
  return words[`${kind}.${value}`] ?? String(value ?? "");
}

/** `one` or `other`, as the language counts. */
export const plural = (value) => rules.select(value);

/** What a server says in both languages, or in one. */
export function say(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? value[chosen] ?? value.en ?? "" : String(value);
}

/** What an error of a request says; `key` has the text for a server that does not answer. */
export const told = (error, key = "unreachable") => (error.message === "unreachable" ? t(key) : error.message);
