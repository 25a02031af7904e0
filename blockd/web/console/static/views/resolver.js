// The resolver: transports, where answers came from, upstreams, and names that fail.

import { Chart } from "../chart.js";
import { get } from "../api.js";
import { h, panel, table } from "../dom.js";
import { clock, iso, milliseconds, number, rate, share } from "../format.js";
import { t, word } from "../language.js";
import * as hour from "../hour.js";
import * as live from "../live.js";
import { ago, bar, chip, nameOf, sign } from "../parts.js";
import { source } from "../source.js";

const TRANSPORTS = ["udp", "tcp", "dot", "doh"];
const LEVELS = { up: "ok", doubtful: "attention", failing: "alarm", down: "alarm" };

/** Build the page; returns what ends it. */
export function build(root) {
  const chart = new Chart(t("chart.transports"));
  const host = h("div", {});
  root.append(h("h2", { class: "page-title" }, t("nav.resolver")), panel(t("chart.transports"), { wide: true }, chart.root), host);
  let stopped = false;
  let timer = 0;
  async function read() {
    clearTimeout(timer);
    const now = Math.floor(hour.now() / 1000);
    try {
      const data = await get("series", { names: TRANSPORTS.join(), from: iso(now - 3600), to: iso(now), points: 240 });
      if (!stopped) chart.set(data);
    } catch { /* the rest of the page says that nothing can be read */ }
    if (!stopped) timer = setTimeout(read, 60000);
  }
  const ends = [live.on("series", (tick) => tick.series && chart.push(tick.time, tick.series)), live.whenBack(read)];
  const part = source(host, "resolver", body, { every: 5000 });
  read();
  return () => {
    stopped = true;
    clearTimeout(timer);
    for (const end of ends) end();
    part.stop();
    chart.stop();
  };
}

function body(data) {
  const transports = Object.entries(data.transports);
  const most = Math.max(...transports.map(([, one]) => one.queries ?? 0), 0);
  const answers = Object.entries(data.answers);
  const all = answers.reduce((sum, [, one]) => sum + (one.rate ?? 0), 0);
  return [
    h("div", { class: "columns even" },
      panel(t("answers"), {}, h("p", { class: "hint" }, t("last.minute")), table(t("answers"), [
        { label: t("answers.from"), head: true, cell: ([name]) => word("series", name) },
        { label: t("per.second"), class: "figure", cell: ([, one]) => rate(one.rate) },
        { label: t("share"), class: "figure", cell: ([, one]) => share(all ? one.rate / all : null) },
        { label: t("latency"), class: "figure", cell: ([, one]) => milliseconds(one.seconds) },
        { label: t("share"), unseen: true, class: "wide-bar", cell: ([, one]) => bar(one.rate ?? 0, all) },
      ], answers)),
      panel(t("transports"), {}, h("p", { class: "hint" }, t("last.minute")), table(t("transports"), [
        { label: t("transport"), head: true, cell: ([name]) => word("via", name) },
        { label: t("per.second"), class: "figure", cell: ([, one]) => rate(one.queries) },
        { label: t("connections"), class: "figure", cell: ([, one]) => rate(one.connections) },
        { label: t("errors"), class: "figure", cell: ([, one]) => (one.error_share > 0.05 ? chip(share(one.error_share), "attention") : share(one.error_share)) },
        { label: t("share"), unseen: true, class: "wide-bar", cell: ([, one]) => bar(one.queries ?? 0, most) },
      ], transports))),
    panel(t("upstreams"), { wide: true }, table(t("upstreams"), [
      { label: t("upstream"), head: true, cell: (one) => [sign(LEVELS[one.state] ?? "unknown"), " ", h("span", { class: "name" }, one.upstream), one.zones && one.zones.join() !== "." && h("small", { class: "quiet" }, ` ${one.zones.join(", ")}`)] },
      { label: t("order.state"), cell: (one) => [word("upstream", one.state), one.since && h("small", { class: "quiet" }, " ", ago(one.since))] },
      { label: t("round.trip"), class: "figure", cell: (one) => milliseconds(one.round_trip_seconds) },
      { label: t("asked"), class: "figure", cell: (one) => number(one.asked) },
      { label: t("unanswered"), class: "figure", cell: (one) => (one.asked ? share(one.unanswered / one.asked) : "–") },
      { label: t("failures"), cell: (one) => Object.entries(one.failures ?? {}).filter(([, times]) => times > 0).map(([why, times]) => `${word("failure", why)} ${number(times)}`).join(", ") || "–" },
    ], data.upstreams, { empty: t("upstreams.none") })),
    panel(t("failing"), { wide: true }, h("p", { class: "hint" }, t("failing.hint")), table(t("failing"), [
      { label: t("name"), head: true, cell: (one) => [nameOf(one.name), " ", one.type && h("small", { class: "quiet" }, one.type)] },
      { label: t("because"), cell: (one) => h("span", { lang: "en" }, one.why) },
      { label: t("upstream"), cell: (one) => (one.upstream === "." ? t("all.names") : one.upstream) },
      { label: t("failing.until"), cell: (one) => clock(one.until, { seconds: true }) },
    ], data.failing_names, { empty: t("failing.none") }),
    data.more_failing > 0 && h("p", { class: "quiet" }, t("and.more", { n: number(data.more_failing) })),
    data.silent?.length > 0 && h("p", { class: "trouble" }, t("silent", { workers: data.silent.join(", ") }))),
  ];
}
