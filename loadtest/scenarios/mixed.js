// What SDKs and servers send together: single events and batches of up to 100, 300 B to 2 kB, few busy keys and apps and
// many quiet ones, installs, sessions, clicks, impressions, and all encodings.

import { constant, healthy, optionsOf } from "../lib/arrivals.js";
import { sendAudited } from "../lib/audited.js";
import { summaryOf } from "../lib/summary.js";
import { probe, URL } from "../lib/target.js";

const SHAPES = ["array", "ndjson"];
// Most SDKs don't compress; servers do.
const ENCODINGS = ["", "", "", "gzip", "gzip", "deflate", "br", "zstd"];

export const options = optionsOf({ mixed: constant() }, healthy());
export const setup = probe;
export const handleSummary = summaryOf("mixed", URL);

export default function () {
  if (Math.random() < 0.6) {
    sendAudited(1, { shape: "object", encoding: Math.random() < 0.1 ? "gzip" : "" });
  } else {
    sendAudited(1 + Math.floor(Math.random() * 100), { shape: pick(SHAPES), encoding: pick(ENCODINGS) });
  }
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}
