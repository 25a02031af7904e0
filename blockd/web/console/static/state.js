// The state of the daemon above every page: one sentence, the next step, and what is wrong. The tab's title has it too.

import { h } from "./dom.js";
import { count } from "./format.js";
import { language, say, t } from "./language.js";
import { ago, chip, command, sentence, sign } from "./parts.js";
import { source } from "./source.js";

// The page on which more is to be seen of what an alarm is about, by the beginning of its name.
const PLACES = [["BlockdConfig", "config"], ["BlockdReload", "config"], ["BlockdRestart", "config"], ["BlockdNoUpstream", "resolver"], ["BlockdUpstream", "resolver"],
  ["BlockdCertificate", "ending"], ["BlockdPinned", "timeline"], ["BlockdOrders", "orders"], ["BlockdReleases", "feeds"]];
const TONES = { critical: "alarm", warning: "attention", info: "" };

/** Show the state in `host`, and keep it. */
export function statusStrip(host) {
  let part = null;
  const build = () => {
    part?.stop();
    host.replaceChildren();
    part = source(host, "overview", (data) => strip(data), { on: ["overview", "versions"], every: 60000, lost });
  };
  build();
  addEventListener("language", build);
}

function strip(data) {
  title(data);
  document.getElementById("state").dataset.level = data.level;
  const rest = data.alarms.filter((alarm) => alarm.severity !== "info");
  return [
    h("div", { class: "state-main" }, sign(data.level),
      h("div", {},
        h("h1", { class: "sentence" }, h("span", { class: "unseen" }, `${t(`level.${data.level}`)}: `), sentence(say(data.sentence))),
        h("p", { class: "next" }, sentence(say(data.next_step)), " ", data.command && command(data.command, "next"), " ", rest.length > 0 && where(rest[0])),
        h("p", { class: "quiet" }, data.version !== null && [t("version", { n: data.version }), " · ", count(data.names, "names"), " · "],
          t("running"), " ", ago(data.since)))),
    rest.length > 0 && alarms(rest, data.level),
  ];
}

function alarms(rest, level) {
  return h("details", { class: "alarms", "data-key": "alarms", open: level === "alarm" && document.documentElement.dataset.page === "now" },
    h("summary", {}, count(rest.length, "alarms")),
    h("ul", {}, rest.map((alarm) => h("li", { class: TONES[alarm.severity] },
      h("p", { class: "what" }, chip(t(`severity.${alarm.severity}`), TONES[alarm.severity]), " ",
        alarm.feed && h("a", { href: `#/feeds/${encodeURIComponent(alarm.feed)}` }, alarm.feed), alarm.feed && " ",
        language() === "id" && alarm.sentence?.id ? sentence(alarm.sentence.id) : sentence(alarm.what)),
      language() === "id" && alarm.sentence?.id && h("p", { class: "quiet", lang: "en" }, sentence(alarm.what)),
      h("dl", { class: "facts" },
        h("div", {}, h("dt", {}, t("in.force")), h("dd", { lang: "en" }, sentence(alarm.in_force))),
        h("div", {}, h("dt", {}, t("to.do")), h("dd", {}, language() === "id" && alarm.next_step?.id ? sentence(alarm.next_step.id) : sentence(alarm.todo),
          " ", !alarm.feed && where(alarm))))))));
}

/** A link to the page on which more is to be seen of an alarm, if there is one. */
function where(alarm) {
  if (alarm.feed) return h("a", { href: `#/feeds/${encodeURIComponent(alarm.feed)}` }, `${t("nav.feeds")}: ${alarm.feed}`);
  const page = PLACES.find(([begin]) => alarm.name.startsWith(begin))?.[1];
  return page && h("a", { href: `#/${page}` }, t(`nav.${page}`));
}

/** What was read last is no state of now: neither the tab nor the strip says that all is well. */
function lost(sentence) {
  const strip = document.getElementById("state");
  strip.dataset.level = "alarm";
  strip.querySelector(".state-main .sign")?.replaceWith(sign("unknown"));
  strip.querySelector(".sentence .unseen")?.remove();
  title({ level: "alarm", sentence });
}

function title({ level, sentence }) {
  const mark = { ok: "", attention: "▲ ", alarm: "✖ " }[level] ?? "";
  document.title = `${mark}${say(sentence)} – blockd`;
  const icon = document.getElementById("icon");
  const address = icon.getAttribute("href").replace(/icon-\w+\.svg/, `icon-${level}.svg`);
  if (icon.getAttribute("href") !== address) icon.setAttribute("href", address);
}

