// Rates and thresholds that the audited scenarios share. Iterations begin at a rate that answers don't change, as long as
// there are VUs left; k6 counts the others as dropped.

import { TREND_STATS } from "./summary.js";
import { seconds, whole } from "./target.js";

// Requests per second.
export const RATE = whole("RATE", 50);
export const BATCH = whole("BATCH", 20);
export const SECONDS = seconds("DURATION", "30s");
const VUS = whole("VUS", 50);
const MAX_VUS = whole("MAX_VUS", 4 * VUS);

const pool = { preAllocatedVUs: VUS, maxVUs: Math.max(VUS, MAX_VUS), gracefulStop: "20s" };

// The same rate all the time.
export function constant(rate = RATE, duration = SECONDS, more = {}) {
  return { executor: "constant-arrival-rate", rate, timeUnit: "1s", duration: `${duration}s`, ...pool, ...more };
}

// From stage to stage: [target rate, seconds].
export function ramping(startRate, stages) {
  const list = stages.map(([target, duration]) => ({ target, duration: `${duration}s` }));
  return { executor: "ramping-arrival-rate", startRate, timeUnit: "1s", stages: list, ...pool };
}

// Every answer is a 2xx, soon. `of` narrows it to one of several k6 scenarios.
export function healthy(of = "") {
  return {
    [`requests_answered_2xx${of}`]: ["rate==1"],
    [`latency_durable${of}`]: [`p(95)<${whole("P95_MS", 1000)}`],
    checks: ["rate==1"],
  };
}

// What can't be taken is refused in the open and in time: a little more than http.answer_within.
export function honest() {
  return {
    checks: ["rate==1"],
    latency_unavailable: [`max<${whole("ANSWER_WITHIN_MS", 6000)}`],
    latency_durable: [`max<${whole("ANSWER_WITHIN_MS", 6000)}`],
  };
}

export function optionsOf(scenarios, thresholds) {
  return { scenarios, thresholds, summaryTrendStats: TREND_STATS, discardResponseBodies: false };
}
