// Recent blocks as they happen: the list's entry and the order, never the question and never a client.

import { button, fill, h, panel } from "../dom.js";
import { get } from "../api.js";
import { number } from "../format.js";
import { t, told, word } from "../language.js";
import * as live from "../live.js";
import { ago, nameOf } from "../parts.js";

const KEPT = 200; // blocks kept, as many as the API has
const SHOWN = 14; // lines shown beside the chart

/** Return the panel, and what ends it. */
export function blocksPanel() {
  const list = h("ul", { class: "lines blocks", tabindex: "-1" });
  const pause = h("span", {});
  const section = panel(t("blocks"), { beside: pause }, h("p", { class: "hint" }, t("blocks.hint")), list);
  let kept = [];
  let shown = [];
  let held = false; // by the button
  let over = false; // the pointer or the focus is on the list

  function draw() {
    const waits = held || over;
    if (!waits) shown = kept.slice(0, SHOWN);
    const missed = waits ? kept.filter((one) => !shown.includes(one) && one.time >= (shown[0]?.time ?? "")).length : 0;
    fill(pause, waits && missed > 0 && h("small", { class: "quiet" }, t("blocks.waiting", { n: number(missed) }), " "),
      button(t(held ? "go.on" : "pause"), () => {
        held = !held;
        draw();
      }, { kind: "small", key: "pause", "aria-pressed": String(held) }));
    if (!waits || !list.childElementCount) {
      fill(list, shown.length ? shown.map(line) : h("li", { class: "quiet" }, t("blocks.none")));
    }
  }

  function take(blocks) {
    const known = new Map(kept.map((one) => [same(one), one]));
    for (const block of blocks) known.set(same(block), block); // its count is of all that is shown of it
    kept = [...known.values()].sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0)).slice(0, KEPT);
    draw();
  }

  list.addEventListener("pointerenter", () => { over = true; draw(); });
  list.addEventListener("pointerleave", () => { over = false; draw(); });
  list.addEventListener("focusin", () => { over = true; draw(); });
  list.addEventListener("focusout", (event) => {
    over = list.contains(event.relatedTarget);
    draw();
  });

  async function read() {
    try {
      const data = await get("blocks/recent");
      kept = [];
      take(data.blocks);
    } catch (error) {
      if (!kept.length) fill(list, h("li", { class: "trouble" }, told(error)));
    }
  }
  const ends = [live.on("blocks", (data) => (data.blocks ? take(data.blocks) : read())), live.whenBack(read)];
  const timer = setInterval(() => live.state === "waiting" && read(), 10000);
  read();
  return [section, () => {
    clearInterval(timer);
    for (const end of ends) end();
  }];
}

const same = (one) => [one.name, one.feed, one.order, one.via, one.action].join("\n");

function line(block) {
  return h("li", {},
    h("span", { class: "block-name" }, nameOf(block.name),
      block.count > 1 && h("small", { class: "times" }, ` ×${number(block.count)}`)),
    h("span", { class: "when" }, ago(block.time)),
    h("span", { class: "block-order" }, block.order || block.feed, block.authority && ` · ${block.authority}`, ` · ${word("via", block.via)}`));
}
