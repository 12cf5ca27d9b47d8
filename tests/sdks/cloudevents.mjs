// Sends COUNT events with the CloudEvents SDK for JavaScript: cloudevents.mjs URL MODE COUNT, MODE is binary or structured.
// COUNT 0: as many as there's time for until standard input ends, with `sent ID` for each, and `failed ID WHY` for what is told.
import { CloudEvent, emitterFor, httpTransport, Mode } from "cloudevents";

const [url, mode, count] = process.argv.slice(2);
const emit = emitterFor(httpTransport(url), { mode: mode === "binary" ? Mode.BINARY : Mode.STRUCTURED });
const endless = count === "0";
let ended = false;
process.stdin.on("end", () => (ended = true)).resume();
for (let number = 0; endless ? !ended : number < Number(count); number++) {
  const event = new CloudEvent({
    id: `js-${mode}-${number}`,
    source: "/app/shop",
    type: "com.example.purchase",
    subject: `user-${number % 7}`,
    partitionkey: `user-${number % 7}`,
    data: { number, city: 'Köln "5%41"' },
  });
  // Any answer resolves it: the status is not looked at by the SDK, so it is by nobody.
  if (endless) console.log("sent", event.id);
  await emit(event).catch((error) => console.log("failed", event.id, String(error).replace(/\s/g, "_")));
  if (endless) await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log("done");
process.exit(0);
