// What has changed, over the questions of the same time; versions, what differs between two, and the way back.

import { get } from "../api.js";
import { Chart } from "../chart.js";
import { button, fill, h, panel } from "../dom.js";
import { clock, count, iso } from "../format.js";
import { language, say, t, told, word } from "../language.js";
import * as hour from "../hour.js";
import * as live from "../live.js";
import { ago, chip, choice, sentence } from "../parts.js";
import { release, rollback } from "../changes.js";
import { difference } from "../difference.js";
import { source } from "../source.js";

const RANGES = [["1h", 3600], ["1d", 86400], ["7d", 7 * 86400], ["30d", 30 * 86400], ["13mo", 396 * 86400]];
const NAMES = ["queries", "blocked", "cached", "missed", "failed"];
const KINDS = ["version", "order", "override", "rollback", "refusal", "reload", "restart", "operator"];

/** Build the page; returns what ends it. */
export function build(root, { mayWrite }) {
  let range = "1d";
  let kind = "all";
  let events = [];
  const chart = new Chart(t("chart.questions"), { events: true });
  const list = h("div", {}, h("p", { class: "quiet loading" }, t("loading")));
  const filter = h("div", { class: "filters" });
  const [from, ...others] = [h("div", {}), h("div", { "aria-live": "polite" })];
  const ranges = choice(t("range"), RANGES.map(([name]) => [name, t(`span.${name}`)]), range, (name) => {
    range = name;
    read();
  });
  root.append(h("h2", { class: "page-title" }, t("nav.timeline")),
    panel(t("chart.questions"), { beside: ranges, wide: true }, chart.root),
    h("div", { class: "columns" },
      h("div", { class: "column" }, panel(t("events"), {}, filter, list)),
      h("div", { class: "column side" }, panel(t("versions"), {}, others, from))));

  let stopped = false;
  let timer = 0;
  let reading = 0;
  async function read() {
    clearTimeout(timer);
    const mine = ++reading; // what was asked for before, as another range, is not shown after this
    const seconds = RANGES.find(([name]) => name === range)[1];
    const now = Math.floor(hour.now() / 1000);
    const span = { from: iso(now - seconds), to: iso(now) };
    try {
      const [happened, data] = await Promise.all([get("timeline", span), get("series", { ...span, names: NAMES.join(), points: 300 })]);
      if (stopped || mine !== reading) return;
      events = happened.events;
      chart.set(data, events);
      draw(happened.truncated);
    } catch (error) {
      if (stopped || mine !== reading) return;
      fill(list, h("p", { class: "trouble" }, told(error)));
    }
    if (!stopped && mine === reading) timer = setTimeout(read, Math.max(15000, seconds * 4));
  }

  function draw(truncated) {
    const there = KINDS.filter((one) => events.some((event) => event.kind === one));
    fill(filter, there.length > 1 && choice(t("kinds"), [["all", t("all")], ...there.map((one) => [one, word("event", one)])], kind, (name) => {
      kind = name;
      draw(truncated);
    }));
    const rows = events.filter((event) => kind === "all" || event.kind === kind || !there.includes(kind));
    fill(list, rows.length ? h("ol", { class: "events" }, rows.map(line)) : h("p", { class: "quiet" }, t("events.none")),
      truncated && h("p", { class: "quiet" }, t("truncated")));
  }

  const versions = source(from, "versions", (data) => versionsBody(data, mayWrite, others[0], () => versions.again()), { on: ["versions"] });
  const ends = [live.on("versions", read), live.whenBack(read)];
  read();
  return () => {
    stopped = true;
    clearTimeout(timer);
    versions.stop();
    chart.stop();
    for (const end of ends) end();
  };
}

function line(event) {
  return h("li", { class: `event-${event.kind}` },
    h("div", { class: "event-head" }, h("time", { datetime: event.time, title: event.time }, clock(event.time)), chip(word("event", event.kind), event.kind === "refusal" ? "attention" : ""), event.version !== null && event.version !== undefined && h("small", { class: "quiet" }, t("version", { n: event.version }))),
    h("p", {}, sentence(say(event.sentence))),
    language() !== "en" && event.detail && h("p", { class: "quiet", lang: "en" }, sentence(event.detail)),
    (event.by || event.reason) && h("p", { class: "quiet" }, event.by && t("by", { who: event.by }), event.by && event.reason && ": ", event.reason));
}

function versionsBody(data, mayWrite, difference, after) {
  const rows = [...data.versions].sort((a, b) => b.version - a.version);
  let comparing = 0;
  const show = async (old, now) => {
    const mine = ++comparing; // a large difference may come after a small one that was asked for later
    fill(difference, h("p", { class: "quiet loading" }, t("diff.reading")));
    try {
      const found = await get("diff", { old, new: now });
      if (mine !== comparing) return;
      fill(difference, differs(found));
      difference.scrollIntoView({ block: "nearest" });
    } catch (error) {
      if (mine === comparing) fill(difference, h("p", { class: "trouble" }, told(error)));
    }
  };
  return [
    data.pinned && h("div", { class: "waits" }, h("p", {}, h("b", {}, t("pinned"))), mayWrite && button(t("release.verb"), () => release(after), { kind: "primary", key: "release" })),
    h("ul", { class: "versions" }, rows.map((one, index) => h("li", { class: one.current ? "current" : "" },
      h("div", {}, h("b", {}, t("version", { n: one.version })), " ", one.current && chip(t("in.force.now"), "ok"), one.pinned && chip(t("pinned.short"), "attention")),
      h("div", { class: "quiet" }, ago(one.since ?? one.compiled), " · ", one.names !== undefined && one.names !== null && count(one.names, "names")),
      h("div", { class: "actions" },
        rows[index + 1] && button(t("diff.before"), () => show(rows[index + 1].version, one.version), { kind: "link", key: `diff-${one.version}` }),
        !one.current && data.current && index > 0 && button(t("diff.current"), () => show(one.version, data.current), { kind: "link", key: `now-${one.version}` }),
        mayWrite && !one.current && button(t("rollback.short"), () => rollback(one.version, after), { kind: "link danger", key: `back-${one.version}` }))))),
  ];
}

function differs(data) {
  return h("section", { class: "diff" }, h("h3", {}, t("diff.title", { old: data.old, new: data.new })), difference(data));
}
