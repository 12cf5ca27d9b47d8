// All brokers die under traffic and come back; loadtest/run does that, or tells you when to. Every request must be
// answered in time, and what got a 2xx must be in the topic afterwards, in order.

import { BATCH, constant, honest, optionsOf, RATE } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, seconds, URL } from "../lib/target.js";

const LENGTH = seconds("OUTAGE_AFTER", "15s") + seconds("OUTAGE_FOR", "20s") + seconds("OUTAGE_THEN", "25s");

export const options = optionsOf({ outage: constant(RATE, LENGTH) }, honest());
export const setup = probe;
export const handleSummary = summaryOf("outage", URL);

export default function () {
  sendAudited(BATCH);
}
