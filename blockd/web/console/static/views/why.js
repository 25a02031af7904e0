// Why a name or an address is blocked, or is not: for whoever has a caller on the phone.

import { get } from "../api.js";
import { amend, button, facts, fill, folded, h, panel, table } from "../dom.js";
import { clock, date, iso, number } from "../format.js";
import { language, say, t, told, word } from "../language.js";
import { asked, chip, copy, sign } from "../parts.js";
import { override } from "../changes.js";
import * as live from "../live.js";

const SETTLE = 1000; // milliseconds in which several events are one reading

/** Build the page; `rest` is the name or URL asked for, empty for none. */
export function build(root, { rest, mayWrite }) {
  const box = document.getElementById("why-name");
  const result = h("div", { class: "why", "aria-live": "polite" });
  root.append(result);
  if (!rest) {
    box.value = "";
    result.append(h("div", { class: "empty" }, h("h2", {}, t("why.title")), h("p", {}, t("why.empty"))));
    box.focus();
    return null;
  }
  box.value = rest;
  const form = asWhom(() => read());
  let reading = null; // the one in progress: a newer question ends it
  let timer = 0;

  async function read({ isAnew = true } = {}) {
    clearTimeout(timer);
    if (!isAnew && reading) {
      soon();
      return;
    }
    reading?.abort();
    const mine = reading = new AbortController();
    const fields = { name: rest, ...form.values() };
    const show = (put, data, isQuick = false) => put(result, answer(data, rest, { mayWrite, again: () => read(), isQuick }), form.root);
    let isShown = false;
    if (isAnew) fill(result, h("p", { class: "quiet loading" }, t("why.asking", { name: rest })), form.root);
    try {
      const quick = isAnew && await get("lookup", { ...fields, trace: "quick" }, mine.signal);
      if (mine !== reading) return;
      if (isAnew) show(fill, quick, true);
      isShown = true;
      const whole = await get("lookup", { ...fields, trace: "lines", resolve: "1" }, mine.signal);
      if (mine === reading) show(amend, whole);
    } catch (error) {
      if (error.name === "AbortError" || mine !== reading || !isAnew) return;
      const sentence = h("p", { class: "trouble", role: "alert" }, isShown ? t("why.part") : "", isShown ? " " : "", told(error));
      if (isShown) result.prepend(sentence); // what lists say is right; it lacks the path and the lines
      else fill(result, sentence, form.root);
    } finally {
      if (mine === reading) reading = null;
    }
  }
  function soon() { // what decides may be another now
    clearTimeout(timer);
    timer = setTimeout(() => read({ isAnew: false }), SETTLE);
  }
  const ends = ["versions", "feeds"].map((kind) => live.on(kind, soon));
  read();
  return () => {
    clearTimeout(timer);
    reading?.abort();
    reading = null;
    for (const end of ends) end();
  };
}

function asWhom(changed) {
  const client = h("input", { id: "why-client", type: "text", autocomplete: "off", spellcheck: "false", placeholder: "192.0.2.7", maxlength: 64 });
  const at = h("input", { id: "why-at", type: "datetime-local" });
  const root = h("details", { class: "as-whom", "data-key": "as-whom" }, h("summary", {}, t("why.more")),
    h("form", { on: { submit: (event) => {
      event.preventDefault();
      changed();
    } } },
    h("div", { class: "field" }, h("label", { for: "why-client" }, t("why.client")), client, h("span", { class: "hint" }, t("why.client.note"))),
    h("div", { class: "field" }, h("label", { for: "why-at" }, t("why.at")), at),
    h("button", { type: "submit" }, t("why.ask"))));
  return {
    root,
    values() {
      const when = new Date(at.value);
      return {
        ...(client.value.trim() ? { client: client.value.trim() } : {}),
        ...(Number.isNaN(when.getTime()) ? {} : { at: iso(when.getTime() / 1000) }),
      };
    },
  };
}

function decidingStep(data) {
  for (const question of data.aliases?.questions ?? []) {
    const step = question.steps.find((one) => one.decides);
    if (step) return step;
  }
  return null;
}

/** `isQuick` says that it is not known yet where the name leads: what is not blocked itself may lead to what is. */
function answer(data, typed, { mayWrite, again, isQuick }) {
  const step = decidingStep(data);
  const blocked = data.blocked || Boolean(step && step.verdict !== "allow" && step.verdict !== "resolved");
  const claim = step?.claim ?? data;
  const isOpen = isQuick && !blocked && data.verdict !== "allow" && data.kind === "name";
  const level = isOpen ? "open" : blocked ? "blocked" : data.verdict === "allow" ? "allowed" : "free";
  return [
    h("section", { class: `verdict ${level}` },
      h("div", { class: "verdict-main" }, sign(isOpen ? "unknown" : blocked ? "alarm" : "ok"),
        h("div", {},
          h("h2", {}, h("span", { class: "name" }, data.name), " ", h("span", {}, t(`verdict.${level}`))),
          h("p", {}, isOpen ? t("why.following") : sentence(data, step, blocked)),
          data.taken_from && h("p", { class: "quiet" }, t("why.taken", { typed }), " ", h("span", { lang: "en" }, `(${data.taken_from})`)),
          data.order?.summary && level === "allowed" && h("p", { class: "quiet" }, data.order.summary))),
      mayWrite && h("div", { class: "actions" },
        blocked && button(t("override.verb"), () => override(data.name, again), { kind: "primary", key: "override" }),
        level === "allowed" && data.feed === "overrides" && h("a", { class: "button", href: "#/overrides" }, t("nav.overrides")))),
    !isOpen && desk(data),
    h("div", { class: "columns" },
      h("div", { class: "column" }, claim.order && orderPanel(claim), claims(data)),
      h("div", { class: "column side" }, path(data), history(data), notes(data))),
  ];
}

function sentence(data, step, blocked) {
  if (step && !data.blocked) return [t("why.leads"), " ", asked(step.to), ". ", h("span", { lang: "en" }, step.claim?.because ?? "")];
  if (blocked && data.order) {
    return t(data.order.authority ? "why.by.authority" : "why.by.feed", { order: data.order.called ?? data.order.id, authority: data.order.authority, feed: data.feed });
  }
  return h("span", { lang: "en" }, `${data.why.charAt(0).toUpperCase()}${data.why.slice(1)}.`);
}

function desk(data) {
  const texts = data.help_desk;
  if (!texts) return null;
  const first = language();
  const shown = h("div", { class: "desk-texts" }, [first, first === "en" ? "id" : "en"].filter((code) => texts[code]).map((code) =>
    h("blockquote", { lang: code }, h("p", {}, folded(texts[code])), h("footer", {}, h("small", { class: "quiet" }, code === "en" ? "English" : "Bahasa Indonesia"), copy(texts[code], `desk-${code}`)))));
  return panel(t("desk"), { wide: true, tone: "desk" }, shown);
}

function orderPanel(claim) {
  const order = claim.order;
  const line = claim.line ?? claim.claims?.find((one) => one.decides)?.line;
  return panel(t("order"), {}, facts([
    [t("order.id"), order.called ?? order.id],
    [t("order.authority"), order.authority],
    [t("order.platform"), order.platform],
    [t("order.basis"), order.legal_basis],
    [t("order.reference"), order.reference],
    [t("order.summary"), order.summary],
    [t("order.contact"), order.contact && h("span", {}, folded(order.contact), " ", copy(order.contact, "contact"))],
    [t("order.state"), claim.state && [chip(word("state", claim.state)), claim.stale && chip(t("stale"), "attention")]],
    [t("order.from"), claim.since && date(claim.since)],
    [t("order.until"), claim.until ? date(claim.until) : t("no.end")],
    [t("order.decided"), order.decided_by ?? order.assessed_by],
    [t("order.reported"), order.reported_by],
    [t("entry"), [h("span", { class: "name" }, claim.entry), " ", h("small", { class: "quiet" }, word("scope", claim.scope))]],
    [t("feed"), h("a", { href: `#/feeds/${encodeURIComponent(claim.feed)}` }, claim.feed)],
    [t("line"), line && [t("line.number", { n: number(line.number) }), " ", h("code", {}, line.text)]],
  ]));
}

function path(data) {
  const questions = (data.aliases?.questions ?? []).filter((one) => one.steps.length || one.answer);
  if (!questions.length) return null;
  return panel(t("path"), {}, questions.map((question) => h("div", { class: "path" },
    h("h3", {}, question.type, " ", chip(word("verdict.short", question.outcome), question.outcome === "unknown" ? "attention" : "")),
    question.steps.length > 0 && h("ol", {}, question.steps.map((step) => h("li", { class: step.decides ? "decides" : "" },
      h("span", { class: "name" }, step.owner), ` ${step.type} → `, asked(step.to), step.decides && [" ", chip(t("path.decides"), "alarm")]))),
    question.steps_left_out > 0 && h("p", { class: "quiet" }, t("and.more", { n: number(question.steps_left_out) })),
    question.answer && h("p", { class: "answer" }, h("small", { class: "quiet" }, t("path.answer"), " "), h("code", {}, [question.answer.rcode, ...question.answer.records].join(" · "))),
    question.outcome === "unknown" && h("p", { class: "quiet", lang: "en" }, question.why))));
}

function claims(data) {
  const others = (data.claims ?? []).filter((one) => !one.decides);
  const refused = data.refused ?? [];
  const held = data.held ?? [];
  if (!others.length && !refused.length && !held.length) return null;
  return panel(t("claims"), {},
    others.length > 0 && table(t("claims"), [
      { label: t("entry"), head: true, cell: (one) => h("span", { class: "name" }, one.entry) },
      { label: t("order"), cell: (one) => [one.order?.called ?? one.order?.id ?? one.feed, one.order?.authority && h("small", { class: "quiet" }, ` ${one.order.authority}`)] },
      { label: t("order.state"), cell: (one) => chip(word("state", one.state)) },
      { label: t("because"), cell: (one) => h("span", { lang: "en" }, one.because) },
    ], others),
    held.length > 0 && [h("h3", {}, t("gate")), h("ul", { class: "lines" }, held.map((one) => h("li", {},
      h("span", { class: "name" }, one.entry), h("span", { class: "quiet" }, one.feed, " · ", word("guard", one.reason)), chip(t(one.held ? "held.back" : "held.reported"), one.held ? "attention" : ""))))],
    refused.length > 0 && [h("h3", {}, t("refused.orders")), h("ul", { class: "lines" }, refused.map((one) => h("li", { lang: "en" }, one.sentence ?? one.why ?? one.id ?? "")))]);
}

function history(data) {
  const listed = data.listed;
  if (!listed || !data.version) return null;
  const when = (one) => t("version.at", { n: one.version, time: clock(one.compiled) });
  return panel(t("history"), {}, facts([
    [t("history.first"), listed.first ? [when(listed.first), listed.since_before && h("small", { class: "quiet" }, ` ${t("history.before")}`)] : t("history.never")],
    [t("history.last"), listed.last && (listed.until_now ? t("history.now") : when(listed.last))],
    [t("history.kept"), number(listed.versions_kept)],
    [t("asked.of"), data.resolved?.upstreams?.join(", ")],
  ]), h("p", {}, h("a", { href: "#/timeline" }, t("more.timeline"))));
}

function notes(data) {
  if (!data.notes?.length) return null;
  return panel(t("notes"), {}, h("ul", { class: "lines", lang: "en" }, data.notes.map((one) => h("li", {}, typeof one === "string" ? one : say(one)))));
}
