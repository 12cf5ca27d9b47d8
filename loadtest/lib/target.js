// Where a scenario sends to, and its sizes, from environment variables.

import http from "k6/http";
import exec from "k6/execution";

export const BASE = (__ENV.FOREBAY_URL || "http://127.0.0.1:8080").replace(/\/+$/, "");
export const STREAM = __ENV.FOREBAY_STREAM || "events";
export const URL = urlOf(STREAM);
const ADMIN = (__ENV.FOREBAY_ADMIN_URL || "").replace(/\/+$/, "");

export function urlOf(stream) {
  return `${BASE}/v1/events/${stream}`;
}

export function whole(name, fallback) {
  const value = __ENV[name];
  if (value === undefined || value === "") {
    return fallback;
  }
  if (!/^[0-9]+$/.test(value)) {
    throw new Error(`${name} is ${value}; give a whole number`);
  }
  return Number(value);
}

// Seconds from a variable like 90, 30s, 5m or 1h.
export function seconds(name, fallback) {
  const value = __ENV[name] || fallback;
  const parts = /^([0-9]+)(s|m|h)?$/.exec(value);
  if (!parts) {
    throw new Error(`${name} is ${value}; give a time like 30s, 5m or 1h`);
  }
  return Number(parts[1]) * { s: 1, m: 60, h: 3600 }[parts[2] || "s"];
}

// A scenario's setup: tells at once what is wrong with the target, instead of ten seconds of the same error.
export function probe() {
  const answer = http.post(URL, '"id":"setup"}', {
    headers: { "Content-Type": "application/json" },
    // It isn't an event but a piece of one: forebay says that it is malformed, and nothing reaches the topic.
    responseCallback: http.expectedStatuses(400, 422),
    tags: { name: "setup" },
  });
  if (answer.status !== 400 && answer.status !== 422) {
    exec.test.abort(`${URL} is not a stream that takes json events: ${answer.status || answer.error} ${answer.body || ""}`);
  }
  if (ADMIN) {
    const ready = http.get(`${ADMIN}/readyz`, { responseCallback: http.expectedStatuses(200, 503), tags: { name: "setup" } });
    if (ready.status !== 200) {
      exec.test.abort(`${ADMIN}/readyz says ${ready.status || ready.error} ${ready.body || ""}`);
    }
  }
}
