// Feeds: their age, what is refused, what waits, and what the gate holds back.

import { button, facts, h, panel, table } from "../dom.js";
import { away, count, moment, number, span } from "../format.js";
import { say, t, told, word } from "../language.js";
import { ago, chip, sign } from "../parts.js";
import { accept, held, refresh } from "../changes.js";
import { tell } from "../dialog.js";
import { source } from "../source.js";

const TONES = { enforced: "ok", reading: "attention", compiling: "ok", waiting: "attention", refused: "alarm", empty: "attention" };

const GRAVITY = ["alarm", "attention", "ok"];
const LINES = 12; // feeds on the first page
const SHOWN = 50; // feeds shown at first, of as many as a thousand

/** How a feed is: `ok`, `attention` or `alarm`. */
function level(feed) {
  if (feed.ended || feed.refusal) return feed.ended ? "alarm" : "attention";
  return TONES[feed.phase] ?? (feed.names ? "ok" : "attention");
}

/** Feeds, those first that need somebody; the others stay in the order of the config. */
const worstFirst = (feeds) => [...feeds].sort((a, b) => GRAVITY.indexOf(level(a)) - GRAVITY.indexOf(level(b)));

/** Lines of the first feeds, for the first page. */
export function feedLines(feeds) {
  if (!feeds.length) return h("p", { class: "quiet" }, t("feeds.none"));
  const lines = worstFirst(feeds).slice(0, LINES);
  return [h("ul", { class: "lines" }, lines.map((feed) => h("li", {},
    h("span", {}, sign(level(feed)), " ", h("a", { href: `#/feeds/${encodeURIComponent(feed.name)}` }, feed.name)),
    h("span", { class: "quiet" }, count(feed.names, "names")),
    h("span", { class: "when" }, feed.age_seconds === null ? "–" : span(feed.age_seconds))))),
  feeds.length > lines.length && h("p", { class: "quiet" }, h("a", { href: "#/feeds" }, t("and.more", { n: number(feeds.length - lines.length) })))];
}

/** Build the page; `rest` is the feed to show first. */
export function build(root, { rest, mayWrite }) {
  const host = h("div", {});
  const gate = panel(t("gate"), { id: "held", wide: true });
  let first = rest;
  let all = false;
  const found = h("input", { type: "search", id: "feeds-found", autocomplete: "off", spellcheck: "false", maxlength: 64, on: { input: () => feeds.redraw() } });
  const finding = h("div", { class: "field", hidden: true }, h("label", { for: "feeds-found" }, t("feeds.find")), found);
  root.append(h("h2", { class: "page-title" }, t("nav.feeds")), finding, host, gate);
  const feeds = source(host, "feeds", (data) => {
    finding.hidden = data.feeds.length <= SHOWN;
    const asked = found.value.trim().toLowerCase();
    const fitting = worstFirst(data.feeds.filter((feed) => feed.name.toLowerCase().includes(asked)));
    fitting.sort((a, b) => Number(b.name === rest) - Number(a.name === rest));
    const shown = (all ? fitting : fitting.slice(0, SHOWN)).map((feed) => card(feed, mayWrite, () => feeds.again()));
    queueMicrotask(() => {
      const chosen = first ? document.getElementById(`feed-${first}`) : null;
      first = "";
      chosen?.scrollIntoView({ block: "start" });
      chosen?.classList.add("chosen");
    });
    if (!shown.length) return h("p", { class: "quiet" }, t(data.feeds.length ? "feeds.not.found" : "feeds.none"));
    return [h("div", { class: "cards" }, shown), fitting.length > shown.length && button(t("show.all", { n: number(fitting.length) }), () => {
      all = true;
      feeds.redraw();
    }, { key: "all-feeds" })];
  }, { on: ["feeds", "versions"], every: 30000 });
  const back = source(gate, "held", (data) => heldBody(data, mayWrite, () => back.again()), { on: ["versions"] });
  return () => {
    feeds.stop();
    back.stop();
  };
}

function card(feed, mayWrite, after) {
  const bad = level(feed);
  const waits = feed.acceptable;
  return h("section", { class: `panel card ${bad === "ok" ? "" : bad}`, id: `feed-${feed.name}` },
    h("div", { class: "panel-head" }, h("h3", {}, sign(bad), " ", feed.name), h("span", {}, chip(feed.type), " ", chip(word("phase", feed.phase), bad === "ok" ? "ok" : bad))),
    feed.refusal && feed.refusal !== waits?.sentence && h("p", { class: "trouble", lang: "en" }, feed.refusal),
    waits && h("div", { class: "waits" }, h("p", {}, h("b", {}, t("accept.waits")), " ", h("span", { lang: "en" }, waits.sentence)),
      mayWrite ? button(t("accept.verb"), () => accept(feed.name, waits, feed.names, after), { kind: "danger", key: `accept-${feed.name}` })
        : h("p", { class: "quiet" }, t("needs.operator"))),
    facts([
      [t("names.counted"), number(feed.names)],
      [t("feed.age"), feed.age_seconds === null ? t("never") : t("away.ago", { span: span(feed.age_seconds) })],
      [t("feed.next"), feed.next_poll && away(feed.next_poll)],
      [t("feed.version"), feed.version],
      [t("feed.expires"), feed.expires && h("span", { title: moment(feed.expires) }, ago(feed.expires), " ", h("small", { class: "quiet" }, word("at.expiry", feed.at_expiry)))],
      [t("feed.rejected"), feed.rejected > 0 && number(feed.rejected)],
      [t("stale"), feed.stale > 0 && number(feed.stale)],
      [t("held.back"), feed.held?.held > 0 && [number(feed.held.held), " ", h("a", { href: "#/feeds", on: { click: (event) => {
        event.preventDefault();
        document.getElementById("held").scrollIntoView();
      } } }, t("show"))]],
      [t("refusals"), Object.keys(feed.refused ?? {}).length > 0 && Object.entries(feed.refused).map(([why, times]) => `${word("reason", why)} ×${number(times)}`).join(", ")],
    ]),
    feed.authorities?.length > 0 && authorities(feed),
    feed.refused_orders?.length > 0 && h("details", { "data-key": `refused-${feed.name}` }, h("summary", {}, t("refused.orders"), ` (${number(feed.refused_orders.length)})`),
      h("ul", { class: "lines", lang: "en" }, feed.refused_orders.map((one) => h("li", {}, Object.values(one).filter((part) => typeof part === "string" && part).join(": "))))),
    feed.notes?.length > 0 && h("ul", { class: "lines quiet", lang: "en" }, feed.notes.map((one) => h("li", {}, say(one)))),
    mayWrite && h("div", { class: "actions" }, button(t("refresh"), async (event) => {
      const asked = event.currentTarget;
      asked.disabled = true;
      try {
        tell(await refresh([feed.name]));
      } catch (error) {
        tell(told(error, "unreachable.write"));
      }
      asked.disabled = false;
      after();
    }, { key: `refresh-${feed.name}`, kind: "small" })));
}

function authorities(feed) {
  return h("details", { "data-key": `roles-${feed.name}` }, h("summary", {}, t("authorities"), ` (${number(feed.authorities.length)})`),
    table(t("authorities"), [
      { label: t("order.authority"), head: true, cell: (one) => one.role || "–" },
      { label: t("orders"), class: "figure", cell: (one) => number(one.orders) },
      { label: t("feed.expires"), cell: (one) => (one.expires ? ago(one.expires) : "–") },
      { label: t("refusals"), cell: (one) => h("span", { lang: "en" }, one.refusal ?? "–") },
    ], feed.authorities));
}

function heldBody(data, mayWrite, after) {
  const rows = Object.entries(data.feeds ?? {}).flatMap(([feed, found]) => (found.entries ?? []).map((one) => ({ feed, ...one })));
  rows.sort((a, b) => Number(b.held) - Number(a.held));
  const more = Object.values(data.feeds ?? {}).reduce((sum, one) => sum + (one.more ?? 0), 0);
  const columns = [
    { label: t("entry"), head: true, cell: (one) => h("span", { class: "name" }, one.entry) },
    { label: t("feed"), cell: (one) => one.feed },
    { label: t("because"), cell: (one) => [word("guard", one.reason), " ", chip(t(one.held ? "held.back" : "held.reported"), one.held ? "attention" : "")] },
    { label: t("line"), cell: (one) => (one.line ? [number(one.line.number), " ", h("code", {}, one.line.text)] : "–") },
  ];
  if (mayWrite) columns.push({ label: t("action"), unseen: true, cell: (one) => one.held && button(t("held.release"), () => held("release", one.entry, after), { kind: "small", key: `release-${one.feed}-${one.entry}` }) });
  return [
    h("p", { class: "hint" }, t("gate.hint")),
    table(t("gate"), columns, rows.slice(0, 200), { empty: t("held.none") }),
    (more > 0 || rows.length > 200) && h("p", { class: "quiet" }, t("and.more", { n: number(more + Math.max(0, rows.length - 200)) })),
    data.releases?.length > 0 && [h("h3", {}, t("held.through")), h("ul", { class: "lines" }, data.releases.map((one) => h("li", {},
      h("span", { class: "name" }, one.entry), h("span", {}, one.reason, one.officer && ` (${one.officer})`), h("span", { class: "when" }, ago(one.created)),
      mayWrite && button(t("held.hold"), () => held("hold", one.entry, after), { kind: "small", key: `hold-${one.entry}` }))))],
  ];
}

