// Does it work: every body format and encoding, over connections that stay open, at a rate that any machine keeps up
// with. Ten seconds; any answer but a 2xx fails it. How fast it is, is not the question here.

import exec from "k6/execution";
import { sleep } from "k6";
import { send } from "../lib/client.js";
import { source } from "../lib/events.js";
import { summaryOf, TREND_STATS } from "../lib/summary.js";
import { probe, URL, whole } from "../lib/target.js";

const BATCH = whole("BATCH", 20);
const EVENT_BYTES = whole("EVENT_BYTES", 0);
const VUS = whole("VUS", 10);

// What is sent in turn: weights are repetitions. Single events and plain batches are what SDKs and servers send most.
const REQUESTS = [
  { shape: "object" },
  { shape: "array" },
  { shape: "object" },
  { shape: "ndjson" },
  { shape: "object", encoding: "gzip" },
  { shape: "array", encoding: "gzip" },
  { shape: "ndjson", encoding: "zstd" },
  { shape: "array", encoding: "deflate" },
  { shape: "ndjson", encoding: "br" },
];

export const options = {
  scenarios: {
    smoke: { executor: "constant-vus", vus: VUS, duration: __ENV.DURATION || "10s" },
  },
  thresholds: {
    // One bad answer fails the run but doesn't end it: the summary then says how many there were, and which. When half
    // of them are bad, the rest of the run would say nothing new.
    requests_answered_2xx: ["rate==1", { threshold: "rate>0.5", abortOnFail: true, delayAbortEval: "3s" }],
    http_req_failed: ["rate==0"],
    checks: ["rate==1"],
    // Wide, because the machine may be busy with k6 itself: it finds requests that wait for a timer, not slow code.
    latency_durable: ["p(95)<200"],
  },
  summaryTrendStats: TREND_STATS,
};

export const setup = probe;

let next;

export default function () {
  next = next ?? source(exec.vu.idInTest, EVENT_BYTES);
  // Each VU begins at another place, so that every kind of request is under way at any time.
  const request = REQUESTS[(exec.vu.idInTest + exec.vu.iterationInScenario) % REQUESTS.length];
  const count = request.shape === "object" ? 1 : BATCH;
  send(URL, Array.from({ length: count }, next), request);
  // An SDK pauses too. Without it the VUs would compete for the CPU, and the latency would be k6's own.
  sleep(0.01 + Math.random() * 0.02);
}

export const handleSummary = summaryOf("smoke", URL);
