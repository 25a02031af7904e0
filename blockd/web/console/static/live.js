// What the daemon tells by server-sent events. The browser connects again by itself unless it was refused; then this does.
//
// A browser has six connections to a server over HTTP/1.1, for all of its tabs, and a server has few places for those who
// listen: a page that nobody sees gives its own up, and asks now and then instead.

const KINDS = ["overview", "blocks", "feeds", "versions", "series"];
const LATEST = 30000; // milliseconds between two attempts at most
const HIDDEN = 20000; // milliseconds that a page is not seen before it gives its connection up
const BLINK = 6000; // milliseconds in which a connection may be made anew, as each is now and then, without being lost
const SILENCE = 45000; // milliseconds without anything after which a connection counts as dead

const listeners = new Map(KINDS.map((kind) => [kind, new Set()]));
const watchers = new Set();
const backs = new Set();
let source = null;
let pause = 1000;
let heard = 0;
let losing = 0; // the timer until a connection counts as lost
let hasMissed = false; // whether the next connection is a new one, to which what was told meanwhile is not told
let timer = 0; // for the next attempt, or until the connection is given up

/** The state of the connection: `starting`, `live`, or `waiting` since it was lost. */
export let state = "starting";

/** Call `listener` with the data of each event of a kind; return what ends that. */
export function on(kind, listener) {
  listeners.get(kind).add(listener);
  return () => listeners.get(kind).delete(listener);
}

/** Call `watcher` with the state whenever it changes; return what ends that. */
export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Call `reader` when the connection is there again: what was told meanwhile is to be read. Return what ends that. */
export function whenBack(reader) {
  backs.add(reader);
  return () => backs.delete(reader);
}

/** Connect, and stay connected. */
export function connect() {
  clearTimeout(timer);
  source?.close();
  source = new EventSource("/api/v1/events");
  source.onopen = () => {
    clearTimeout(losing);
    losing = 0;
    pause = 1000;
    heard = performance.now();
    if (state === "live" && hasMissed) for (const reader of backs) reader();
    hasMissed = false;
    become("live");
  };
  source.onerror = () => {
    losing ||= setTimeout(() => become("waiting"), BLINK);
    if (source.readyState === EventSource.CLOSED) again();
  };
  source.addEventListener("reset", () => { // what was told meanwhile is not known any more
    for (const reader of backs) reader();
  });
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      heard = performance.now();
      let data;
      try {
        data = JSON.parse(event.data);
      } catch {
        return;
      }
      for (const listener of listeners.get(kind)) listener(data);
    });
  }
}

function again() {
  clearTimeout(timer);
  source.close();
  hasMissed = true;
  timer = setTimeout(connect, pause);
  pause = Math.min(LATEST, pause * 2);
}

function rest() {
  clearTimeout(timer);
  source?.close();
  become("waiting");
}

addEventListener("pagehide", rest); // a page that the browser keeps for the way back keeps its connection otherwise
addEventListener("pageshow", (event) => event.persisted && connect());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    timer = setTimeout(rest, HIDDEN);
  } else if (source && source.readyState !== EventSource.OPEN) connect();
  else clearTimeout(timer);
});

function become(next) {
  if (state === next) return;
  const isBack = state === "waiting" && next === "live";
  state = next;
  for (const watcher of watchers) watcher(state);
  if (isBack) for (const reader of backs) reader();
}

setInterval(() => {
  if (state === "live" && !document.hidden && heard && performance.now() - heard > SILENCE) {
    become("waiting");
    again();
  }
}, 5000);
