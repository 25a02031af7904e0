// Numbers, times and spans as people read them, in the language chosen.

import { now } from "./hour.js";
import { language, plural, t } from "./language.js";

const locale = () => (language() === "id" ? "id-ID" : "en-GB");
const cached = new Map();

/** Return the formatter of a kind of `Intl` for the language chosen, made once for the same options. */
export function formatter(kind, options) {
  const key = `${locale()} ${kind.name} ${JSON.stringify(options)}`;
  if (!cached.has(key)) cached.set(key, new kind(locale(), options));
  return cached.get(key);
}

/** A whole number, with separators of thousands. */
export function number(value) {
  return value === null || value === undefined ? "–" : formatter(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(value);
}

/** A rate a second: two digits that matter if it is small. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  const options = value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 2 };
  return formatter(Intl.NumberFormat, options).format(value);
}

/** A large number in little room: 3.7 M. */
export function short(value) {
  return formatter(Intl.NumberFormat, { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

/** A share of 1. */
export function share(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return formatter(Intl.NumberFormat, { style: "percent", maximumSignificantDigits: value < 0.1 ? 2 : 3 }).format(value);
}

/** A short time in seconds: in milliseconds below one second. */
export function milliseconds(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 1) return `${formatter(Intl.NumberFormat, { maximumSignificantDigits: 2 }).format(seconds)} s`;
  return `${formatter(Intl.NumberFormat, { maximumSignificantDigits: 3 }).format(seconds * 1000)} ms`;
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** A span of seconds in its largest unit, and the next one if the first is small: 3 h 12 min. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const size = Math.abs(seconds);
  if (size < 1) return t("span.none");
  const at = Math.max(0, UNITS.findIndex(([, length]) => size >= length));
  const [unit, length] = UNITS[at];
  const whole = Math.floor(size / length);
  const rest = UNITS[at + 1];
  const more = rest && whole < 10 ? Math.floor((size % length) / rest[1]) : 0;
  return more ? `${unitText(whole, unit)} ${unitText(more, rest[0])}` : unitText(whole, unit);
}

function unitText(count, unit) {
  return formatter(Intl.NumberFormat, { style: "unit", unit, unitDisplay: language() === "id" ? "long" : "narrow" }).format(count);
}

const DAY = { day: "numeric", month: "short", year: "numeric" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hour12: false };

/** The clock of a time, with its date unless that is today; a <time> element has the whole of it. */
export function clock(text, { seconds = false } = {}) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text ?? "–");
  const options = { ...CLOCK, ...(seconds ? { second: "2-digit" } : {}) };
  if (at.toDateString() !== new Date(now()).toDateString()) Object.assign(options, DAY);
  return formatter(Intl.DateTimeFormat, options).format(at);
}

/** A date and time in full, with the zone. */
export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text ?? "–");
  return formatter(Intl.DateTimeFormat, { ...DAY, ...CLOCK, second: "2-digit", timeZoneName: "short" }).format(at);
}

/** A date alone; times of day are left out where orders state none. */
export function date(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text ?? "–") : formatter(Intl.DateTimeFormat, DAY).format(at);
}

/** How long ago a time is, or how long until it: "19 min ago", "in 3 h". */
export function away(text) {
  const seconds = (new Date(text).getTime() - now()) / 1000;
  if (Number.isNaN(seconds)) return String(text ?? "–");
  if (Math.abs(seconds) < 5) return t("away.now");
  return t(seconds < 0 ? "away.ago" : "away.in", { span: span(seconds) });
}

/** "1 name", "3,712,004 names": `key` is that of the two words. */
export function count(value, key) {
  return t(`${key}.${plural(value)}`, { n: number(value) });
}

/** A moment, in seconds since the epoch, as the API writes it. */
export const iso = (seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
