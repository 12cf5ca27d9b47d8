// Where does it end, and is the end honest? The rate rises to PEAK; k6 itself may be what ends first: see README.md.

import { BATCH, honest, optionsOf, RATE, ramping, SECONDS } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, URL, whole } from "../lib/target.js";

const PEAK = whole("PEAK", 20 * RATE);

export const options = optionsOf({ ramp: ramping(RATE, [[PEAK, SECONDS]]) }, honest());
export const setup = probe;
export const handleSummary = summaryOf("ramp", URL);

export default function () {
  sendAudited(BATCH);
}
