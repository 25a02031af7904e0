// What changes from one ruleset to another, as the API tells it: counts, orders, popular names, and the first names.

import { h } from "./dom.js";
import { count, number } from "./format.js";
import { t } from "./language.js";
import { asked } from "./parts.js";

/** Return what changes as elements; `data` is a difference, `links` whether its names lead to why they are blocked. */
export function difference(data, { links = true } = {}) {
  const shown = (name) => (links ? asked(name) : h("span", { class: "name" }, name));
  const names = (title, found, all) => found?.length > 0 && h("div", {}, h("h4", {}, title),
    h("ul", { class: "name-list", tabindex: "0", "aria-label": title }, found.map((one) => h("li", {}, shown(typeof one === "string" ? one : one.name ?? one.entry)))),
    all > found.length && h("p", { class: "quiet" }, t("and.more", { n: number(all - found.length) })));
  const orders = (title, found, more) => found?.length > 0 && h("div", {}, h("h4", {}, title),
    h("ul", { class: "lines" }, found.map((one) => h("li", {}, one.called ?? one.id, h("span", { class: "quiet" }, one.feed, " · ", count(one.names, "names"))))),
    more > 0 && h("p", { class: "quiet" }, t("and.more", { n: number(more) })));
  return [
    h("div", { class: "diff-counts" },
      h("span", { class: "plus" }, `+${number(data.added)}`, h("small", {}, ` ${t("diff.new")}`)), h("span", { class: "minus" }, `−${number(data.removed)}`, h("small", {}, ` ${t("diff.gone")}`)),
      h("span", {}, `±${number(data.changed)}`, h("small", {}, ` ${t("diff.otherwise")}`))),
    ["came", "went", "changed"].map((kind) => orders(t(`diff.${kind}`), data.orders?.[kind], data.orders?.more?.[kind])),
    names(t("diff.popular"), data.popular?.covered, data.popular?.counts?.covered),
    names(t("diff.added"), data.added_names, data.added), names(t("diff.removed"), data.removed_names, data.removed),
    !data.added && !data.removed && !data.changed && h("p", { class: "quiet" }, t("diff.none")),
  ];
}
