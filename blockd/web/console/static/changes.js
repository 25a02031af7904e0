// What an operator changes: overrides, returns to a version, acceptances, entries that the gate holds back.

import { get, post } from "./api.js";
import { ask, reason, until } from "./dialog.js";
import { difference } from "./difference.js";
import { facts, fill, h } from "./dom.js";
import { moment, number, share } from "./format.js";
import { t, told, word } from "./language.js";
import { command } from "./parts.js";

/** What became of a change: `done` if it is enforced; else that it is not, and why. `kept` is false if nothing of it was kept. */
function outcome(result, done, kept = true) {
  if (result.outcome === "enforced") return done;
  const why = result.why || word("outcome", result.outcome);
  return t(kept || result.outcome === "waiting" ? "done.waiting" : "done.not", { why });
}

/** Let a name resolve until a time. */
export function override(name, after) {
  ask({
    title: t("override.title", { name: name || "…" }),
    body: h("p", {}, t("override.note")),
    fields: [
      ...(name ? [] : [{ name: "name", label: t("override.name"), required: true }]),
      reason(), until(),
      { name: "scope", label: t("scope"), options: ["both", "exact", "subdomains"].map((one) => [one, word("scope", one)]) },
    ],
    verb: t("override.verb"),
    async send(values) {
      const result = await post("override", { add: { name, ...values } });
      after?.();
      return outcome(result, t("override.done", { name: result.name, until: moment(result.until) }));
    },
  });
}

/** End an override now. */
export function endOverride(name, after) {
  ask({
    title: t("override.end.title", { name }),
    body: h("p", {}, t("override.end.note")),
    fields: [reason()],
    verb: t("override.end"),
    danger: true,
    async send(values) {
      const result = await post("override", { end: { name, ...values } });
      after?.();
      return outcome(result, t("override.end.done", { name }));
    },
  });
}

/** Return to a kept version. */
export function rollback(version, after) {
  ask({
    title: t("rollback.title", { n: version }),
    body: h("p", {}, t("rollback.note")),
    fields: [reason()],
    verb: t("rollback.verb", { n: version }),
    danger: true,
    async send(values) {
      const result = await post("rollback", { version, ...values });
      after?.();
      return result.version === version ? t("rollback.done", { n: version }) : t("rollback.done.on.top", { n: version, version: result.version });
    },
  });
}

/** Enforce the newest version again. */
export function release(after) {
  ask({
    title: t("release.title"),
    body: h("p", {}, t("release.note")),
    fields: [reason()],
    verb: t("release.verb"),
    async send(values) {
      const result = await post("rollback", { release: true, ...values });
      after?.();
      return result.version === null ? t("release.none") : t("release.done", { n: result.version });
    },
  });
}

/**
 * Take what the gate refused of a feed, once; `refused` is what waits, with its digest, `before` the names in force. What
 * would change is shown first, name by name, and the button waits for that.
 */
export function accept(feed, refused, before, after) {
  const grows = (refused.names ?? 0) - before;
  const change = `${grows > 0 ? "+" : "−"}${number(Math.abs(grows))}${before ? ` (${share(Math.abs(grows) / before)})` : ""}`;
  const names = h("div", { class: "diff", "aria-live": "polite", "aria-busy": "true" }, h("p", { class: "quiet loading" }, t("accept.reading")));
  let digest = refused.digest;
  const dialog = ask({
    title: t("accept.title", { feed }),
    body: [h("p", { lang: "en" }, refused.sentence), h("p", {}, t("accept.note")),
      facts([[t("accept.before"), number(before)], [t("accept.names"), refused.names !== undefined && [number(refused.names), " ", h("small", {}, change)]],
        [t("accept.changes"), command(`blockd accept ${feed} --show --limit 1000000`, "accept")], ["SHA-256", h("code", {}, String(refused.digest).slice(0, 16), "…")]]), names],
    fields: [reason()],
    verb: t("accept.verb"),
    danger: true,
    async send(values) {
      const result = await post("accept", { feed, digest, ...values });
      after?.();
      return outcome(result, t("accept.done", { feed }), false);
    },
  });
  const button = dialog.querySelector("button[type=submit]");
  const reading = new AbortController();
  button.disabled = true;
  dialog.addEventListener("close", () => reading.abort());
  get("accept", { feed }, reading.signal).then((data) => {
    digest = data.digest; // what is shown is what is taken
    fill(names, data.digest !== refused.digest && h("p", { class: "trouble" }, t("accept.newer")),
      data.held.held > 0 && h("p", {}, t("accept.held", { n: number(data.held.held) })),
      data.changes ? difference(data.changes, { links: false }) : h("p", { class: "quiet" }, t("accept.first", { n: number(data.names) })));
  }, (error) => {
    if (error.name !== "AbortError") fill(names, h("p", { class: "trouble" }, t("accept.unread"), " ", told(error)));
  }).finally(() => {
    names.removeAttribute("aria-busy");
    button.disabled = false;
  });
}

/** Let an entry through that the gate holds back, or (`kind` is `hold`) hold it back again. */
export function held(kind, name, after) {
  ask({
    title: t(`held.${kind}.title`, { name }),
    body: h("p", {}, t(`held.${kind}.note`)),
    fields: [reason()],
    verb: t(`held.${kind}`),
    danger: kind === "release",
    async send(values) {
      const result = await post("held", { [kind]: { name, ...values } });
      after?.();
      return outcome(result, t(`held.${kind}.done`, { name }));
    },
  });
}

/** Fetch feeds now. */
export async function refresh(feeds) {
  const result = await post("refresh", { feeds });
  return Object.entries(result.feeds).map(([name, one]) => `${name}: ${word("outcome", one.outcome)}${one.why ? `. ${one.why}` : ""}`).join(" · ");
}
