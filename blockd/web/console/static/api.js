// Requests to the admin API, version 1. Errors come as one sentence (RFC 9457).

import { note } from "./hour.js";

const BASE = "/api/v1/";

/** A request was refused, or had no answer; its message is the sentence for people. */
export class Refusal extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

/** Return what a path answers; `query` has its fields, of which empty ones are left out. Throws Refusal. */
export function get(path, query = {}, signal) {
  const fields = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(fields).toString();
  return request(`${BASE}${path}${text ? `?${text}` : ""}`, { signal });
}

/** Have something done; throws Refusal with what is still in force. */
export function post(path, body) {
  return request(`${BASE}${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
}

/** End the session of this browser, and show the page to sign in. */
export async function signOut() {
  await fetch("/logout", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
  location.reload();
}

async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-cache", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("unreachable");
  }
  note(answer.headers.get("Date"));
  if (answer.status === 401) dispatchEvent(new CustomEvent("signed-out"));
  const body = await answer.json().catch(() => null);
  if (answer.ok || answer.status === 300) return body;
  throw new Refusal(body?.detail ?? body?.error ?? body?.title ?? `HTTP ${answer.status}`, answer.status);
}
