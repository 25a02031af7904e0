// Orders: how soon they are enforced, how often they are hit, and which are not; one order by its name.

import { get } from "../api.js";
import { button, facts, fill, h, panel, table } from "../dom.js";
import { clock, count, date, number, share, short, span } from "../format.js";
import { t, told, word } from "../language.js";
import { bar, chip, choice } from "../parts.js";
import { source } from "../source.js";

const SPANS = ["1h", "1d", "7d", "30d", "13mo"];
const SHOWN = 50; // rows shown at first
const EVERY = 15000; // milliseconds between two readings of the hits, which are seconds old at most
const WITHOUT = 500; // orders without a hit that are named

/** Build the page; `rest` is an order to show, as FEED/ROLE/ID or its id. */
export function build(root, { rest }) {
  const one = h("div", { "aria-live": "polite" });
  const duty = panel(t("duty"), { id: "duty", wide: true });
  const [hits, endHits] = hitsPanel();
  root.append(h("h2", { class: "page-title" }, t("nav.orders")), one, duty, hits);
  const clockPart = source(duty, "duty", dutyBody, { on: ["versions"], every: 60000 });
  if (rest) order(one, rest);
  return () => {
    clockPart.stop();
    endHits();
  };
}

async function order(host, name) {
  try {
    const found = await get(`orders/${name.split("/").map(encodeURIComponent).join("/")}`);
    fill(host, found.orders.map((one) => panel(one.order.called ?? one.order.id, { wide: true, tone: "chosen", beside: chip(word("state", one.state)) }, facts([
      [t("order.authority"), one.order.authority], [t("order.platform"), one.order.platform], [t("order.basis"), one.order.legal_basis],
      [t("order.summary"), one.order.summary], [t("order.contact"), one.order.contact], [t("order.from"), one.order.in_force_from && date(one.order.in_force_from)],
      [t("order.until"), one.order.expires ? date(one.order.expires) : t("no.end")], [t("order.review"), one.order.review_by && date(one.order.review_by)],
      [t("names.counted"), number(one.names)], [t("feed"), one.feed],
    ]))));
  } catch (error) {
    fill(host, h("p", { class: "trouble" }, told(error)));
  }
}

function dutyBody(data) {
  const side = (name, times) => h("section", { class: `duty-side${times.late ? " alarm" : ""}` },
    h("h3", {}, t(`duty.${name}`), " ", h("small", { class: "quiet" }, count(times.count, "orders.counted"))),
    times.count === 0 ? h("p", { class: "quiet" }, t("duty.none"))
      : h("dl", { class: "figures" },
        [["median", times.median], ["p95", times.p95], ["worst", times.worst]].map(([key, value]) => h("div", { class: value > data.deadline ? "alarm" : "" }, h("dt", {}, t(`duty.${key}`)), h("dd", {}, span(value), value !== null && bar(value, Math.max(data.deadline, times.worst ?? 0), data.deadline)))),
        h("div", { class: times.late ? "alarm" : "" }, h("dt", {}, t("duty.late")), h("dd", {}, number(times.late), " ", h("small", { class: "quiet" }, share(times.late / times.count))))));
  return [
    h("p", { class: "hint" }, t("duty.hint", { span: span(data.deadline) }), data.since && ` ${t("since", { time: date(data.since) })}`),
    h("div", { class: "duty" }, side("imposed", data.imposed), side("lifted", data.lifted)),
    data.recent?.length > 0 && h("details", { "data-key": "duty-recent" }, h("summary", {}, t("duty.recent")),
      table(t("duty.recent"), [
        { label: t("order"), head: true, cell: (one) => one.order },
        { label: t("order.authority"), cell: (one) => one.authority || one.feed },
        { label: t("duty.change"), cell: (one) => t(`duty.${one.change}`) },
        { label: t("time"), cell: (one) => clock(one.time) },
        { label: t("duty.took"), class: "figure", cell: (one) => [span(one.seconds), one.is_late && [" ", chip(t("duty.is.late"), "alarm")]] },
      ], data.recent)),
  ];
}

/** Whose hits a row has: an order, an authority, or the orders that are not told apart. */
function hitsOf(row, by) {
  if (!row.feed && ["other", "forgotten"].includes(row.key)) return h("em", {}, t(`hits.${row.key}`));
  return by === "order" ? h("a", { href: `#/orders/${row.key.split("/").map(encodeURIComponent).join("/")}` }, row.label) : row.label;
}

function hitsPanel() {
  const query = { span: "1d", by: "order" };
  const body = h("div", {});
  let part = null;
  let all = false;
  const change = (name, value) => {
    query[name] = value;
    all = false;
    part.again();
  };
  const section = panel(t("hits"), { wide: true, id: "hits" },
    h("div", { class: "filters" },
      choice(t("range"), SPANS.map((one) => [one, t(`span.${one}`)]), query.span, (value) => change("span", value)),
      choice(t("hits.by"), [["order", t("hits.order")], ["authority", t("hits.authority")]], query.by, (value) => change("by", value))),
    body);
  part = source(body, "hits", (data) => {
    const without = data.without_hit.length + (data.without_more ?? 0);
    const largest = data.rows[0]?.hits ?? 0;
    const rows = all ? data.rows : data.rows.slice(0, SHOWN);
    return [
      h("p", { class: "hint" }, t("hits.total", { n: number(data.total ?? data.rows.reduce((sum, one) => sum + one.hits, 0)) }), " ", t("since", { time: clock(data.since) })),
      table(t("hits"), [
        { label: t(data.by === "authority" || query.by === "authority" ? "order.authority" : "order"), head: true, cell: (one) => [hitsOf(one, query.by), one.in_force === false && [" ", chip(t("not.in.force"))]] },
        ...(query.by === "order" ? [{ label: t("order.authority"), cell: (one) => one.authority || one.feed || "–" }] : []),
        { label: t("hits.count"), class: "figure", cell: (one) => h("span", { title: number(one.hits) }, one.hits >= 100000 ? short(one.hits) : number(one.hits)) },
        { label: t("share"), class: "wide-bar", cell: (one) => bar(one.hits, largest) },
      ], rows, { empty: t("hits.none") }),
      data.rows.length > rows.length && button(t("show.all", { n: number(data.rows.length) }), () => {
        all = true;
        part.again();
      }, { key: "all-hits" }),
      data.more > 0 && h("p", { class: "quiet" }, t("and.more", { n: number(data.more) })),
      h("details", { "data-key": "without", class: "without" }, h("summary", {}, count(without, "without")),
        h("p", { class: "hint" }, t("without.hint"), data.together > 0 && ` ${t("without.together", { n: number(data.together) })}`),
        h("ul", { class: "name-list" }, data.without_hit.slice(0, WITHOUT).map((key) => h("li", {}, h("a", { href: `#/orders/${key.split("/").map(encodeURIComponent).join("/")}` }, key)))),
        without > data.without_hit.slice(0, WITHOUT).length && h("p", { class: "quiet" }, t("and.more", { n: number(without - Math.min(WITHOUT, data.without_hit.length)) }))),
    ];
  }, { query: () => query, every: EVERY });
  return [section, () => part.stop()];
}

