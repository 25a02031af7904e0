// The time of the server: the clock of the machine that the page is seen on may be wrong, and ages, ends and ranges are the
// server's. It is known from the Date of its answers, to a second.

let ahead = 0; // milliseconds that the server's clock is ahead of this machine's
let asked_at = 0; // when that was found out, by a clock that nobody sets

const SLACK = 2500; // milliseconds of a difference that is none: the Date has whole seconds, and answers take time
const STEADY = 60_000; // milliseconds after which a difference is found out anew

/** Note the `Date` of an answer. */
export function note(date) {
  const told = Date.parse(date ?? "");
  if (Number.isNaN(told)) return;
  const found = told + 500 - Date.now();
  const steady = performance.now();
  if (Math.abs(found - ahead) < SLACK && steady - asked_at < STEADY) return;
  asked_at = steady;
  ahead = Math.abs(found) < SLACK ? 0 : found;
}

/** Milliseconds since the epoch, by the server's clock. */
export const now = () => Date.now() + ahead;
