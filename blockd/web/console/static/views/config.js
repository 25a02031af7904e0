// The config on disk and the program on disk: what taking them would change, then having them taken, and what came of it.

import { post } from "../api.js";
import { ask, reason, tell } from "../dialog.js";
import { button, facts, h, panel } from "../dom.js";
import { span } from "../format.js";
import { t, told } from "../language.js";
import { ago, chip } from "../parts.js";
import { source } from "../source.js";

const UNDER_WAY = ["checking", "trying", "taking"];
const SOON = 1000; // milliseconds between two looks while one is under way
const LATER = 15000;
const TONES = { taken: "ok", unchanged: "ok", tried: "ok", refused: "alarm", failed: "alarm" };

/** Build the page; returns what ends it. */
export function build(root, { mayWrite }) {
  root.append(h("h2", { class: "page-title" }, t("nav.config")));
  if (!mayWrite) root.append(h("p", { class: "quiet" }, t("needs.operator")));
  const parts = [reloads(root, mayWrite), upgrades(root, mayWrite)];
  return () => parts.forEach((part) => part.stop());
}

function reloads(root, mayWrite) {
  const check = button(t("reload.check"), () => run(check, () => post("reload", { dry_run: true }), part), { key: "check" });
  const host = panel(t("reload"), { wide: true, id: "reload", beside: mayWrite && check }, h("p", { class: "hint" }, t("reload.hint")));
  root.append(host);
  const take = (record) => ask({
    title: t("reload.take.title"), body: [h("p", {}, t("reload.take.note")), details(record)], fields: [reason()], verb: t("reload.take.verb"),
    async send(values) {
      const result = await post("reload", values);
      part.again();
      return said("reload", result);
    },
  });
  const part = kept(host, "reload", (record) => mayWrite && record.dry_run && record.outcome === "taken"
    && button(t("reload.take"), () => take(record), { key: `take-${record.id}`, kind: "primary" }));
  return part;
}

function upgrades(root, mayWrite) {
  const trial = button(t("upgrade.try"), () => ask({
    title: t("upgrade.try.title"), body: h("p", {}, t("upgrade.try.note")), verb: t("upgrade.try.verb"),
    fields: [{ name: "program", label: t("upgrade.program"), note: t("upgrade.program.note") }],
    async send(values) {
      const result = await post("upgrade", { ...values, dry_run: true });
      part.again();
      return said("upgrade", result);
    },
  }), { key: "try" });
  const host = panel(t("upgrade"), { wide: true, id: "upgrade", beside: mayWrite && trial }, h("p", { class: "hint" }, t("upgrade.hint")));
  root.append(host);
  const take = (record) => ask({
    title: t("upgrade.take.title", { before: record.before, after: record.after }), body: [h("p", {}, t("upgrade.take.note")), details(record)],
    fields: [reason()], verb: t("upgrade.take.verb"), danger: true,
    async send(values) {
      const result = await post("upgrade", { program: record.program, ...values });
      part.again();
      return said("upgrade", result);
    },
  });
  const part = kept(host, "upgrade", (record) => mayWrite && record.outcome === "tried"
    && button(t("upgrade.take"), () => take(record), { key: `take-${record.id}`, kind: "primary" }));
  return part;
}

/** Show in `host` the records of a path, read soon again while one is under way; `action(record)` is the next step. */
function kept(host, path, action) {
  let timer = 0;
  const part = source(host, path, (data) => {
    const records = [data.current, data.last].filter((one, index, all) => one && (index === 0 || one.id !== all[0]?.id));
    clearTimeout(timer);
    if (UNDER_WAY.includes(data.current?.outcome)) timer = setTimeout(part.again, SOON);
    return records.length ? h("ol", { class: "records" }, records.map((one) => record(path, one, one === data.current && action(one)))) : h("p", { class: "quiet" }, t(`${path}.none`));
  }, { on: ["overview", "versions"], every: LATER });
  return { again: part.again, stop() {
    clearTimeout(timer);
    part.stop();
  } };
}

/** Have something checked by a button, which waits for it; what came of it is read by `part`. */
async function run(asked, send, part) {
  asked.disabled = true;
  const first = asked.textContent;
  asked.textContent = t("reload.checking");
  setTimeout(part.again, SOON / 4);
  try {
    await send();
  } catch (error) {
    tell(told(error));
  }
  asked.textContent = first;
  asked.disabled = false;
  part.again();
}

/** What a record says in one sentence. */
function said(path, one) {
  const dry = one.dry_run && ["taken", "refused", "failed"].includes(one.outcome) ? ".dry" : "";
  const restart = one.outcome === "unchanged" && one.restart?.length ? ".restart" : "";
  return t(`${path}.${one.outcome}${dry}${restart}`, { before: one.before, after: one.after || one.program || t("upgrade.other"), time: span(one.seconds) });
}

function record(path, one, action) {
  return h("li", { class: "record" },
    h("p", {}, chip(t(one.dry_run ? "record.dry" : `record.${path}`), TONES[one.outcome] ?? "attention"), " ", h("b", {}, said(path, one))),
    h("p", { class: "quiet" }, ago(one.at), one.by && [" · ", t("by", { who: one.by })], one.reason && `: ${one.reason}`),
    details(one), action && h("div", { class: "actions" }, action));
}

function details(one) {
  const list = (texts) => texts?.length > 0 && h("ul", { class: "plain", lang: "en" }, texts.map((text) => h("li", {}, text)));
  const isDigest = /^[0-9a-f]{64}$/.test(one.after);
  return facts([
    [t("record.problems"), list(one.problems)],
    [t("record.changes"), list(one.changes)],
    [t("record.replaced"), one.replaced?.length > 0 && h("span", { lang: "en" }, one.replaced.join(", "))],
    [t("record.restart"), one.restart?.length > 0 && h("span", { lang: "en" }, one.restart.join(", "))],
    [t("upgrade.program"), one.program && h("code", {}, one.program)],
    ["SHA-256", isDigest && h("code", {}, one.after.slice(0, 12), "…")],
  ]);
}
