// What happens now: figures, the last hour, blocks as they happen, what ends soon, feeds.

import { Chart } from "../chart.js";
import { get } from "../api.js";
import { fill, h, panel } from "../dom.js";
import { iso, rate, share } from "../format.js";
import { say, t, told } from "../language.js";
import * as hour from "../hour.js";
import * as live from "../live.js";
import { ago } from "../parts.js";
import { source } from "../source.js";
import { blocksPanel } from "./blocks.js";
import { feedLines } from "./feeds.js";

const HOUR = 3600;
const NAMES = ["queries", "blocked", "cached", "missed", "failed"];
const SOON = 7 * 86400; // seconds

/** Build the page; returns what ends it. */
export function build(root) {
  const tiles = h("div", { class: "tiles" });
  const chart = new Chart(t("chart.hour"));
  const hour = panel(t("chart.hour"), { wide: true, beside: h("a", { href: "#/timeline" }, t("more.timeline")) }, chart.root);
  const [blocks, endBlocks] = blocksPanel();
  const ending = panel(t("ends.soon"), { beside: h("a", { href: "#/ending" }, t("all")) });
  const feeds = panel(t("nav.feeds"), { beside: h("a", { href: "#/feeds" }, t("all")) });
  root.append(tiles, h("div", { class: "columns" }, h("div", { class: "column" }, hour, ending, feeds), h("div", { class: "column side" }, blocks)));

  const parts = [
    source(ending, "ending", (data) => endingLines(data), { query: { within: SOON }, every: 60000 }),
    source(feeds, "feeds", (data) => feedLines(data.feeds), { on: ["feeds", "versions"] }),
  ];
  const drawn = series(chart, tiles);
  return () => {
    for (const part of parts) part.stop();
    drawn();
    endBlocks();
    chart.stop();
  };
}

function series(chart, tiles) {
  let stopped = false;
  let timer = 0;
  async function read() {
    const now = Math.floor(hour.now() / 1000);
    try {
      const data = await get("series", { names: NAMES.join(), from: iso(now - HOUR), to: iso(now), points: 240 });
      if (stopped) return;
      chart.set(data);
      figures(tiles, Object.fromEntries(Object.entries(data.series).map(([name, values]) => [name, values.findLast((one) => one !== null) ?? null])));
    } catch (error) {
      if (!stopped && !chart.data) tiles.replaceChildren(h("p", { class: "trouble" }, told(error)));
    }
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(read, live.state === "live" ? 60000 : 15000);
  }
  const ends = [live.on("series", (tick) => {
    if (!tick.series) return;
    figures(tiles, tick.series);
    chart.push(tick.time, tick.series);
  }), live.whenBack(read)];
  read();
  return () => {
    stopped = true;
    clearTimeout(timer);
    for (const end of ends) end();
  };
}

function figures(host, now) {
  const part = (value) => (now.queries > 0 ? share(value / now.queries) : "–");
  const tile = (name, value, note, tone = "") => h("div", { class: `tile ${tone}` },
    h("dt", {}, h("i", { class: `swatch swatch-${name}`, "aria-hidden": "true" }), t(`series.${name}`)),
    h("dd", {}, h("b", {}, value), " ", h("small", {}, note)));
  const failing = now.queries > 0 && now.failed / now.queries > 0.02;
  fill(host, h("dl", {},
    tile("queries", rate(now.queries), t("per.second")),
    tile("blocked", rate(now.blocked), part(now.blocked)),
    tile("cached", part(now.cached), t("from.cache")),
    tile("missed", rate(now.missed), t("asked.upstream")),
    tile("failed", rate(now.failed), part(now.failed), failing ? "alarm" : "")));
}

/** Lines of what ends soon, the first first. */
function endingLines(data, most = 6) {
  if (!data.items.length) return h("p", { class: "quiet" }, t("ends.none"));
  return h("ul", { class: "lines" }, data.items.slice(0, most).map((item) => h("li", { class: item.in < 0 ? "alarm" : item.in < 86400 ? "attention" : "" },
    h("a", { href: item.href.startsWith("#/") ? item.href : "#/ending" }, say(item.sentence) || item.what), h("span", { class: "when" }, ago(item.ends)))));
}
