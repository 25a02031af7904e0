// Lines over time by uPlot, with events on them, a legend that says the values, and the same as a table.

import { button, fill, h, table } from "./dom.js";
import { clock, formatter, moment, rate } from "./format.js";
import { t, word } from "./language.js";

const ROWS = 48; // rows of the table at most: each is the mean of what it covers
const HEIGHT = 220; // pixels
const NARROW = 520; // pixels of width below which the chart is lower

/** How each line looks: a colour of console.css, and dashes that tell lines apart without colour. */
const LOOKS = {
  queries: ["--line-queries", []], blocked: ["--line-blocked", []], cached: ["--line-cached", [6, 3]],
  missed: ["--line-missed", [2, 3]], failed: ["--line-failed", [8, 3, 2, 3]],
  udp: ["--line-queries", []], tcp: ["--line-cached", [6, 3]], dot: ["--line-blocked", [2, 3]], doh: ["--line-missed", [8, 3, 2, 3]],
};

/** The places of values between two gaps: no line leads to them, so that they are drawn as points; null if there is none. */
function lone(plot, series) {
  const values = plot.data[series];
  const known = (index) => values[index] !== null && values[index] !== undefined;
  const places = values.flatMap((_value, index) => (known(index) && !known(index - 1) && !known(index + 1) ? [index] : []));
  return places.length ? places : null;
}

/** A chart in a new element `root`. `label` says what it shows, for those who do not see it. */
export class Chart {
  constructor(label, { height = HEIGHT, events = false } = {}) {
    this.label = label;
    this.height = height;
    this.hidden = new Set();
    this.events = [];
    this.data = null;
    this.plot = null;
    this.canvas = h("div", { class: "chart-canvas", role: "img", "aria-label": label });
    this.legend = h("div", { class: "legend" });
    this.rows = h("div", { tabindex: "0", role: "region", "aria-label": `${label}: ${t("chart.table")}` });
    this.details = h("details", { class: "as-table" }, h("summary", {}, t("chart.table")), this.rows);
    this.details.addEventListener("toggle", () => this.#table());
    this.root = h("div", { class: `chart${events ? " with-events" : ""}` }, this.legend, this.canvas, this.details);
    this.resized = new ResizeObserver(() => this.#fit());
    this.resized.observe(this.canvas);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.#make();
    this.scheme.addEventListener("change", this.repaint);
    addEventListener("theme", this.repaint);
  }

  /** Show series as the API answers them: `step`, `times` and `series`, whose values may be null. */
  set(data, events = this.events) {
    const names = Object.keys(data.series);
    const same = this.plot && this.data && names.join() === Object.keys(this.data.series).join();
    this.data = data;
    this.events = events;
    if (same) this.plot.setData([data.times, ...names.map((name) => data.series[name])]);
    else this.#make();
    this.#say();
    this.#legend(null);
    if (this.details.open) this.#table();
  }

  /** Add one moment at the right end, and let as much go at the left. */
  push(time, values) {
    const data = this.data;
    if (!data || !data.times.length || time - data.times.at(-1) < data.step) return;
    const drop = data.times.length > 2 ? 1 : 0;
    this.set({
      ...data,
      times: [...data.times.slice(drop), time],
      series: Object.fromEntries(Object.entries(data.series).map(([name, kept]) => [name, [...kept.slice(drop), values[name] ?? null]])),
    });
  }

  /** Let go of what the chart listens to. */
  stop() {
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.repaint);
    removeEventListener("theme", this.repaint);
    this.plot?.destroy();
    this.plot = null;
  }

  #make() {
    if (!this.data || !globalThis.uPlot || !this.canvas.isConnected) return;
    this.plot?.destroy();
    const names = Object.keys(this.data.series);
    const ink = this.#colour("--soft");
    const grid = { stroke: this.#colour("--rule"), width: 1 };
    const axis = { stroke: ink, grid, ticks: { show: false }, font: "12px system-ui, sans-serif", gap: 6 };
    this.plot = new uPlot({
      width: Math.max(200, this.canvas.clientWidth),
      height: this.#height(),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 0) * 1.08)] } },
      axes: [
        { ...axis, size: 30, space: 72, values: (_plot, ticks) => ticks.map((tick) => this.#tick(tick)) },
        { ...axis, size: 46, values: (_plot, ticks) => ticks.map((tick) => (tick >= 1000 ? `${tick / 1000}k` : tick)) },
      ],
      series: [{}, ...names.map((name) => {
        const stroke = this.#colour(LOOKS[name]?.[0] ?? "--ink");
        return {
          label: name, stroke, width: 1.75, dash: LOOKS[name]?.[1] ?? [], points: { show: false, size: 5, filter: lone }, spanGaps: false,
          show: !this.hidden.has(name), fill: name === "queries" ? `${this.#colour("--line-wash")}` : undefined,
        };
      })],
      hooks: {
        setCursor: [(plot) => this.#legend(plot.cursor.idx ?? null)],
        draw: [(plot) => this.#marks(plot)],
      },
    }, [this.data.times, ...names.map((name) => this.data.series[name])], this.canvas);
  }

  #fit() {
    if (!this.plot) this.#make();
    else if (Math.abs(this.plot.width - this.canvas.clientWidth) > 1 && this.canvas.clientWidth > 0) {
      this.plot.setSize({ width: this.canvas.clientWidth, height: this.#height() });
    }
  }

  #height() {
    return this.canvas.clientWidth < NARROW ? Math.round(this.height * 0.75) : this.height;
  }

  #colour(name) {
    const probe = h("i", {});
    probe.style.color = `var(${name})`;
    this.root.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  #tick(seconds) {
    const at = new Date(seconds * 1000);
    const span = this.data.times.at(-1) - this.data.times[0];
    const options = span > 3 * 86400 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hour12: false };
    return formatter(Intl.DateTimeFormat, options).format(at);
  }

  #marks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    for (const event of this.events) {
      const at = new Date(event.time).getTime() / 1000;
      if (at < plot.scales.x.min || at > plot.scales.x.max) continue;
      const x = Math.round(plot.valToPos(at, "x", true));
      ctx.strokeStyle = ctx.fillStyle = this.#colour(event.kind === "refusal" ? "--alarm" : "--mark");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.beginPath();
      ctx.arc(x, bbox.top + 3 * devicePixelRatio, 3 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }

  #legend(index) {
    const { times, series } = this.data;
    const at = index ?? times.length - 1;
    const items = Object.entries(series).map(([name, values]) => {
      let shown = values[at];
      if (index === null) shown = [...values].reverse().find((one) => one !== null);
      const look = LOOKS[name] ?? ["--ink", []];
      return button([h("i", { class: `swatch swatch-${name}`, "aria-hidden": "true", "data-dash": look[1].length ? "" : null }),
        h("span", {}, word("series", name)), h("b", {}, rate(shown))],
      () => this.#toggle(name), { kind: "legend-item", key: `legend-${name}`, "aria-pressed": String(!this.hidden.has(name)) });
    });
    fill(this.legend, items, h("span", { class: "legend-time" }, index === null || !times.length ? t("chart.now") : clock(new Date(times[at] * 1000).toISOString())));
  }

  #toggle(name) {
    if (this.hidden.has(name)) this.hidden.delete(name);
    else this.hidden.add(name);
    this.#make();
    this.#legend(null);
  }

  #say() {
    const said = Object.entries(this.data.series).map(([name, values]) => {
      const known = values.filter((one) => one !== null);
      if (!known.length) return t("chart.none", { name: word("series", name) });
      return t("chart.said", {
        name: word("series", name), now: rate(known.at(-1)), low: rate(Math.min(...known)), high: rate(Math.max(...known)),
      });
    });
    this.canvas.setAttribute("aria-label", `${this.label}. ${said.join(" ")}`);
  }

  #table() {
    if (!this.details.open || !this.data) return;
    const { times, series } = this.data;
    const names = Object.keys(series);
    const size = Math.max(1, Math.ceil(times.length / ROWS));
    const rows = [];
    for (let end = times.length; end > 0; end -= size) rows.push([Math.max(0, end - size), end]);
    fill(this.rows, table(this.label, [
      { label: t("time"), head: true, cell: ([from]) => moment(new Date(times[from] * 1000).toISOString()) },
      ...names.map((name) => ({
        label: word("series", name), class: "figure", cell: ([from, to]) => {
          const known = series[name].slice(from, to).filter((one) => one !== null);
          return known.length ? rate(known.reduce((sum, one) => sum + one, 0) / known.length) : "–";
        },
      })),
    ], rows));
  }
}
