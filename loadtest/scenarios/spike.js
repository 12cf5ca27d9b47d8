// Ten times the traffic from one second to the next, for SPIKE seconds, and back: a push message, an ad in prime time.

import { BATCH, honest, optionsOf, RATE, ramping, SECONDS } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, seconds, URL, whole } from "../lib/target.js";

const SPIKE = seconds("SPIKE", "30s");
const TIMES = whole("TIMES", 10);

// DURATION is the time before and after it together.
const before = Math.ceil(SECONDS / 2);
const stages = [[RATE, before], [TIMES * RATE, 0], [TIMES * RATE, SPIKE], [RATE, 0], [RATE, before]];

export const options = optionsOf({ spike: ramping(RATE, stages) }, honest());
export const setup = probe;
export const handleSummary = summaryOf("spike", URL);

export default function () {
  sendAudited(BATCH);
}
