// A part of a page that shows what a path of the API answers, and reads it again when it changes.

import { get } from "./api.js";
import { fill, h, button } from "./dom.js";
import { clock } from "./format.js";
import { now } from "./hour.js";
import { t, told } from "./language.js";
import * as live from "./live.js";

const SETTLE = 150; // milliseconds in which several events are one reading
const SLOW = 15000; // milliseconds between readings while nothing is told live

/**
 * Show in `host` what `render(data)` returns for the answer of a path. `on` are kinds of events upon which it is read
 * again, `every` the milliseconds after which it is in any case, `query` its fields or what returns them. What was read
 * last stays, and says so, while it cannot be read; `lost(sentence)` is called then, and `render` once it can be again.
 * Return {read, again, redraw, stop}; `redraw` asks for nothing.
 */
export function source(host, path, render, { on = [], every = 0, query = {}, lost } = {}) {
  const body = h("div", { class: "source", "aria-busy": "true" }, h("p", { class: "quiet loading" }, t("loading")));
  const note = h("div", { class: "note", role: "status" });
  host.append(note, body);
  let shown = "";
  let asked = null;
  let timer = 0;
  let read_at = null;
  let stopped = false;

  async function read() {
    clearTimeout(timer);
    asked?.abort();
    asked = new AbortController();
    const mine = asked;
    try {
      const data = await get(path, typeof query === "function" ? query() : query, mine.signal);
      if (stopped || mine !== asked) return;
      show(data);
    } catch (error) {
      if (error.name === "AbortError" || stopped) return;
      tell(error);
    }
    const pause = every || (live.state === "waiting" ? SLOW : 0);
    if (pause && !stopped) timer = setTimeout(read, pause);
  }

  function show(data) {
    read_at = new Date(now());
    note.replaceChildren();
    const text = JSON.stringify(data);
    if (text === shown) return;
    shown = text;
    body.removeAttribute("aria-busy");
    fill(body, render(data));
  }

  function tell(error) {
    body.removeAttribute("aria-busy");
    const sentence = told(error);
    if (!read_at) body.replaceChildren();
    if (lost) {
      lost(sentence);
      shown = "";
    }
    note.replaceChildren(h("p", { class: "trouble" },
      sentence, read_at && ` ${t("as.of", { time: clock(read_at.toISOString(), { seconds: true }) })}`, " ",
      button(t("again"), read, { kind: "link" })));
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(read, SETTLE);
  }

  const ends = on.map((kind) => live.on(kind, soon));
  ends.push(live.whenBack(soon));
  ends.push(live.watch((state) => state === "waiting" && soon())); // from then on it is asked now and then
  read();
  return {
    read,
    again() {
      shown = "";
      return read();
    },
    redraw() {
      if (shown) fill(body, render(JSON.parse(shown)));
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      asked?.abort();
      for (const end of ends) end();
    },
  };
}
