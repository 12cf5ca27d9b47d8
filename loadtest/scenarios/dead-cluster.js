// One of several clusters is dead. The streams of the others must not notice; those of the dead one get an honest answer
// in time.

import { BATCH, constant, healthy, optionsOf, RATE } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, URL, whole } from "../lib/target.js";

const DEAD = __ENV.DEAD_STREAM || "dead";

export const options = optionsOf(
  { alive: constant(RATE), dead: constant(RATE, undefined, { exec: "dead" }) },
  { ...healthy("{scenario:alive}"), "latency_unavailable{scenario:dead}": [`max<${whole("ANSWER_WITHIN_MS", 6000)}`] },
);
export const setup = probe;
export const handleSummary = summaryOf("dead-cluster", URL);

export default function () {
  sendAudited(BATCH);
}

export function dead() {
  sendAudited(BATCH, {}, DEAD);
}
