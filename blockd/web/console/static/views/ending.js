// What ends soon: signatures, certificates, reviews, overrides, orders, tokens.

import { h, panel } from "../dom.js";
import { moment, number } from "../format.js";
import { say, t, word } from "../language.js";
import { ago, chip, choice } from "../parts.js";
import { source } from "../source.js";

const DAY = 86400;
const WITHIN = [["7d", 7 * DAY], ["30d", 30 * DAY], ["90d", 90 * DAY]];

/** Build the page; returns what ends it. */
export function build(root) {
  let within = 30 * DAY;
  const choices = choice(t("range"), WITHIN.map(([name, seconds]) => [seconds, t(`span.${name}`)]), within, (seconds) => {
    within = seconds;
    part.again();
  });
  const host = panel(t("ends.soon"), { wide: true, beside: choices });
  root.append(host);
  const part = source(host, "ending", body, { query: () => ({ within }), every: 60000, on: ["versions"] });
  return () => part.stop();
}

function body(data) {
  if (!data.items.length) return h("p", { class: "quiet" }, t("ends.none"));
  return [h("ol", { class: "endings" }, data.items.map((item) => {
    const tone = item.in < 0 ? "alarm" : item.in < DAY ? "attention" : "";
    return h("li", { class: tone },
      h("div", { class: "when" }, h("b", {}, ago(item.ends)), h("small", { class: "quiet" }, moment(item.ends))),
      h("div", {}, chip(word("ending", item.kind), tone), " ", item.href.startsWith("#/") ? h("a", { href: item.href }, item.what) : item.what, h("p", { class: "quiet" }, say(item.sentence))));
  })), data.more > 0 && h("p", { class: "quiet" }, t("and.more", { n: number(data.more) }))];
}
