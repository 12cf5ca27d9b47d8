// Does anything grow over hours: memory, latency, what waits? Look at the report's curves; here every event must be taken.

import { BATCH, constant, healthy, optionsOf, RATE } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, seconds, URL } from "../lib/target.js";

export const options = optionsOf({ soak: constant(RATE, seconds("DURATION", "1h")) }, healthy());
export const setup = probe;
export const handleSummary = summaryOf("soak", URL);

export default function () {
  sendAudited(BATCH);
}
