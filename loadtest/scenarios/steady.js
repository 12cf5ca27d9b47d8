// Is a steady rate taken, every event of it, and how long does it take?

import { BATCH, constant, healthy, optionsOf } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, URL } from "../lib/target.js";

export const options = optionsOf({ steady: constant() }, { ...healthy(), dropped_iterations: ["count==0"] });
export const setup = probe;
export const handleSummary = summaryOf("steady", URL);

export default function () {
  sendAudited(BATCH);
}
