// Slow and hostile clients beside good ones, who must not notice. k6 plays those that hang up before the answer, that rest
// long between requests and that send nonsense; `loadtest hostile`, started by loadtest/run, plays those that k6 can't:
// heads and bodies that arrive byte by byte, and requests that stop in the middle.

import http from "k6/http";
import { check, sleep } from "k6";
import { BATCH, constant, healthy, optionsOf, RATE, SECONDS } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, URL, urlOf, whole } from "../lib/target.js";

const some = Math.max(1, Math.ceil(RATE / 10));
const resting = { executor: "constant-vus", vus: whole("RESTING", 20), duration: `${SECONDS}s`, exec: "rest" };

export const options = optionsOf(
  {
    good: constant(),
    impatient: constant(some, SECONDS, { exec: "hang_up" }),
    nonsense: constant(some, SECONDS, { exec: "nonsense" }),
    resting,
  },
  healthy("{scenario:good}"),
);
export const setup = probe;
export const handleSummary = summaryOf("slow", URL);

export default function () {
  sendAudited(BATCH);
}

// Their events may arrive or not; what may not happen is that anybody else notices.
export function hang_up() {
  sendAudited(BATCH, { timeout: "3ms" });
}

export function rest() {
  sendAudited(1, { shape: "object" });
  sleep(5);
}

const JSON_TYPE = "application/json";
const LARGE = `{"id":"large","user":"large","pad":"${"x".repeat(5 * 1024 * 1024)}"}`;
const NONSENSE = [
  { what: "half an object", body: '{"id":"half","user":', type: JSON_TYPE },
  { what: "bytes", body: "\u0000\u0001\u0002", type: JSON_TYPE },
  { what: "deep", body: `${"[".repeat(10000)}${"]".repeat(10000)}`, type: JSON_TYPE },
  { what: "too large", body: LARGE, type: JSON_TYPE },
  { what: "unknown stream", body: "{}", type: JSON_TYPE, url: urlOf("there-is-no-such-stream") },
  { what: "unknown encoding", body: "{}", type: JSON_TYPE, headers: { "Content-Encoding": "rot13" } },
];

let turn = 0;

export function nonsense() {
  const { what, body, type, url, headers } = NONSENSE[turn % NONSENSE.length];
  turn += 1;
  const response = http.post(url ?? URL, body, {
    headers: { "Content-Type": type, ...headers },
    responseCallback: http.expectedStatuses({ min: 400, max: 499 }),
    tags: { name: "nonsense" },
  });
  // Who is refused before the body was sent may meet a closed connection instead of the answer.
  check(response, { [`${what} is the client's fault`]: ({ status }) => (status >= 400 && status < 500) || (status === 0 && what === "too large") });
}
