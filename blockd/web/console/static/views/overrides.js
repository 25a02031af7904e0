// Local overrides: names that resolve although an order covers them, until when and why.

import { button, h, panel, table } from "../dom.js";
import { moment } from "../format.js";
import { t, word } from "../language.js";
import { ago, asked, chip } from "../parts.js";
import { endOverride, override } from "../changes.js";
import { source } from "../source.js";

/** Build the page; returns what ends it. */
export function build(root, { mayWrite }) {
  const host = panel(t("overrides.now"), {
    wide: true, beside: mayWrite && button(t("override.new"), () => override("", () => part.again()), { kind: "primary", key: "new" }),
  }, h("p", { class: "hint" }, t("overrides.hint")), !mayWrite && h("p", { class: "quiet" }, t("needs.operator")));
  root.append(host);
  const columns = [
    { label: t("name"), head: true, cell: (one) => [asked(one.name), " ", h("small", { class: "quiet" }, word("scope", one.scope))] },
    { label: t("reason"), cell: (one) => one.reason },
    { label: t("who"), cell: (one) => one.officer || one.authority || "–" },
    { label: t("until"), cell: (one) => h("span", { title: moment(one.until) }, ago(one.until)) },
    { label: t("order.state"), cell: (one) => (one.in_force ? chip(t("in.force.now"), "ok") : chip(t("not.in.force"), "attention")) },
  ];
  if (mayWrite) columns.push({ label: t("action"), unseen: true, cell: (one) => button(t("override.end"), () => endOverride(one.name, () => part.again()), { kind: "small danger", key: `end-${one.name}` }) });
  const part = source(host, "overrides", (data) => table(t("overrides.now"), columns, data.overrides.filter((one) => !one.over), { empty: t("overrides.none") }), { on: ["versions", "feeds"], every: 60000 });
  return () => part.stop();
}
