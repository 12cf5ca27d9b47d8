// Sends COUNT events with Segment's SDK for Node: segment.mjs URL KEY COUNT. Prints `failed ID WHY` for what it gives up.
import { Analytics } from "@segment/analytics-node";

const [url, key, count] = process.argv.slice(2);
const analytics = new Analytics({ writeKey: key, host: url, path: "/v1/batch", flushInterval: 200 });
analytics.on("error", (error) => {
  const context = error.ctx?.event?.messageId ?? "unknown";
  console.log("failed", context, String(error.reason ?? error.code).replace(/\s/g, "_"));
});
for (let number = 0; number < Number(count); number++) {
  const known = number % 3;
  const who = known ? { userId: `user-${number % 7}` } : {};
  const anonymous = known === 1 ? {} : { anonymousId: `anon-${number % 7}` };
  analytics.track({
    ...who,
    ...anonymous,
    event: "Purchase",
    properties: { number, city: 'Köln "5%41"' },
    messageId: `node-${number}`,
  });
}
await analytics.flush({ close: true, timeout: 60000 });
console.log("done");
