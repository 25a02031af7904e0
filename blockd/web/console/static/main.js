// The start of the console: who is signed in, which page is shown, keys, and the state above every page.

import { get, signOut } from "./api.js";
import { button, fill, h } from "./dom.js";
import { show } from "./dialog.js";
import { choose, keep, language, load, t } from "./language.js";
import * as live from "./live.js";
import { keepAges } from "./parts.js";
import { statusStrip } from "./state.js";

const PAGES = ["now", "why", "feeds", "timeline", "orders", "resolver", "overrides", "ending", "config"];
const ALIASES = { certificates: "ending", tokens: "ending", statements: "ending" }; // what links of the API call parts of a page
const KEYS = { n: "now", f: "feeds", t: "timeline", o: "orders", r: "resolver", v: "overrides", e: "ending", c: "config" };
const THEME = "blockd-theme";
const LOADED = "blockd-loaded-anew";
const SHORTCUTS = "blockd-shortcuts";

const main = document.getElementById("main");
let leave = null; // what ends the page shown
let visit = 0;
let caller = { name: "", role: "read" };

function place() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const page = ALIASES[name] ?? (PAGES.includes(name) ? name : "now");
  return { page, rest: rest.join("/") };
}

async function open() {
  const { page, rest } = place();
  const mine = ++visit;
  let view;
  try {
    view = await import(`./views/${page}.js`);
  } catch (error) {
    anew(error);
    return;
  }
  sessionStorage.removeItem(LOADED);
  if (mine !== visit) return; // another page was asked for meanwhile
  leave?.();
  main.className = `page-${page}`;
  main.replaceChildren();
  document.documentElement.dataset.page = page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  leave = view.build(main, { rest, caller, mayWrite: caller.may_write === true }) ?? null;
}

/** Load the page anew, once: after an upgrade the files of the page before are gone. */
function anew(error) {
  if (sessionStorage.getItem(LOADED)) {
    main.replaceChildren(h("p", { class: "trouble" }, t("unreachable"), ` ${error.message}`));
    return;
  }
  sessionStorage.setItem(LOADED, "1");
  location.reload();
}

function texts() {
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of document.querySelectorAll("[data-t-label]")) one.setAttribute("aria-label", t(one.dataset.tLabel));
  for (const one of document.querySelectorAll("[data-t-placeholder]")) one.placeholder = t(one.dataset.tPlaceholder);
}

function tools() {
  const other = language() === "en" ? "id" : "en";
  const theme = document.documentElement.dataset.theme ?? "auto";
  fill(document.getElementById("tools"),
    h("span", { class: `live ${live.state === "waiting" ? "waiting" : ""}`, role: "status", id: "live" }, t(`live.${live.state}`)),
    button([h("span", { class: "long" }, other === "id" ? "Bahasa Indonesia" : "English"), h("span", { class: "brief" }, other.toUpperCase())], async () => {
      await choose(other);
      keep();
      texts();
      tools();
      dispatchEvent(new Event("language"));
      open();
    }, { kind: "bare", key: "language", lang: other, title: other === "id" ? "Bahasa Indonesia" : "English" }),
    button([h("span", { class: "long" }, t(`theme.${theme}`)), h("span", { class: "brief", "aria-hidden": "true" }, { auto: "◐", dark: "●", light: "○" }[theme])], () => {
      const next = { auto: "dark", dark: "light", light: "auto" }[theme];
      setTheme(next);
      tools();
    }, { kind: "bare", key: "theme", title: t("theme.title"), "aria-label": t(`theme.${theme}`) }),
    button(t("keys"), keysHelp, { kind: "bare keys", key: "keys" }),
    caller.name && h("span", { class: "who", title: t(`role.${caller.role}`) }, caller.name, h("small", {}, ` ${t(`role.${caller.role}`)}`)),
    caller.how === "session" && button(t("sign.out"), signOut, { kind: "bare", key: "out" }));
}

function setTheme(name) {
  if (name === "auto") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(THEME);
  } else {
    document.documentElement.dataset.theme = name;
    localStorage.setItem(THEME, name);
  }
  dispatchEvent(new Event("theme"));
}

function keysHelp() {
  const rows = [["/", t("key.why")], ["?", t("key.help")], ...Object.entries(KEYS).map(([key, page]) => [`g ${key}`, t(`nav.${page}`)])];
  const box = h("input", { type: "checkbox", id: "use-keys", on: { change: () => localStorage.setItem(SHORTCUTS, box.checked ? "on" : "off") } });
  box.checked = localStorage.getItem(SHORTCUTS) !== "off";
  show(t("keys"), h("dl", { class: "keys" }, rows.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))),
    h("p", {}, box, " ", h("label", { for: "use-keys" }, t("keys.use"))));
}

let first = -Infinity; // when `g` was pressed

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(SHORTCUTS) === "off") return;
  if (event.target.closest("input, textarea, select, dialog")) {
    if (event.key === "Escape" && event.target.id === "why-name") event.target.blur();
    return;
  }
  const goes = event.timeStamp - first < 1500 && KEYS[event.key];
  first = -Infinity;
  if (goes) location.hash = `#/${goes}`;
  else if (event.key === "g") first = event.timeStamp;
  else if (event.key === "?") keysHelp();
  else if (event.key === "/") {
    const box = document.getElementById("why-name");
    box.focus();
    box.select();
  } else return;
  event.preventDefault();
}

function onSkip(event) {
  event.preventDefault(); // the fragment is the page's
  main.focus();
}

function onWhy(event) {
  event.preventDefault();
  const name = document.getElementById("why-name").value.trim();
  if (!name) return;
  const hash = `#/why/${encodeURIComponent(name)}`;
  if (location.hash === hash) open(); // the same again is asked anew
  else location.hash = hash;
}

async function start() {
  await load();
  texts();
  document.getElementById("host").textContent = location.host;
  try {
    caller = await get("whoami");
  } catch (error) {
    if (error.status === 401) return;
  }
  addEventListener("signed-out", () => location.reload(), { once: true });
  tools();
  live.watch(() => {
    const shown = document.getElementById("live");
    shown.className = `live ${live.state === "waiting" ? "waiting" : ""}`;
    shown.textContent = t(`live.${live.state}`);
  });
  document.getElementById("why").addEventListener("submit", onWhy);
  document.getElementById("skip").addEventListener("click", onSkip);
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => {
    open();
    scrollTo(0, 0);
  });
  statusStrip(document.getElementById("state"));
  keepAges();
  live.connect();
  await open();
}

start();
