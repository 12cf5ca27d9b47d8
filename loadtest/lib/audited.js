// Sends events whose fate the audit checks: each once, with a line for `loadtest from-k6` that says what was told of it.

import exec from "k6/execution";
import { sendOnce } from "./client.js";
import { identified } from "./events.js";
import { STREAM, urlOf, whole } from "./target.js";

const KEYS = whole("KEYS", 1000);
const EVENT_BYTES = whole("EVENT_BYTES", 0);
const LEDGER = Boolean(__ENV.LEDGER);

// k6 runs this once for each VU. A key belongs to a stream: the order is kept within one.
const sources = {};

// Sends `count` events of this VU in one request.
export function sendAudited(count, request = {}, stream = STREAM) {
  sources[stream] = sources[stream] ?? identified(exec.vu.idInTest * 16 + Object.keys(sources).length, KEYS, EVENT_BYTES);
  const events = sources[stream].take(count);
  const begun = Date.now();
  const texts = events.map(({ text }) => text);
  const { response, body } = sendOnce(urlOf(stream), texts, request);
  if (LEDGER) {
    const took = response.status === 0 ? Date.now() - begun : response.timings.blocked + response.timings.duration;
    const line = [sources[stream].id, begun, took.toFixed(3), response.status, stream, runs(events), fates(response.status, body, count)];
    console.log(`F1 ${line.join(" ")}`);
  }
  return response;
}

function runs(events) {
  const runs = [];
  for (const { key, seq } of events) {
    const last = runs[runs.length - 1];
    if (last && last[0] === key) {
      last[2] += 1;
    } else {
      runs.push([key, seq, 1]);
    }
  }
  return runs.map((run) => run.join(":")).join(",");
}

// The same words as outcome.rs of loadtest/tool has, as letters.
const CODES = { unknown: "u", timeout: "r", no_room: "r", not_taken: "r", draining: "r", refused_by_kafka: "r" };

function fates(status, body, count) {
  if (status === 429) {
    return "r";
  }
  if (status >= 400 && status < 500) {
    return "x";
  }
  if (status !== 200 && status !== 207 && status !== 503) {
    return "u";
  }
  if (body.accepted === undefined) {
    return status === 503 ? "r" : "a";
  }
  const errors = body.errors ?? [];
  if (errors.length === 0 && body.acked === count) {
    return "a";
  }
  const letters = new Array(count).fill("");
  for (const { index, code } of errors) {
    letters[index] = CODES[code] ?? "x";
  }
  if (body.errors_omitted) {
    // The list is cut short: each of the others is durable or isn't.
    return letters.map((letter) => letter || "u").join("");
  }
  // Which of them went over the log isn't told; the counts are right.
  let acked = body.acked;
  return letters
    .map((letter) => {
      if (letter) {
        return letter;
      }
      acked -= 1;
      return acked >= 0 ? "a" : "s";
    })
    .join("");
}
