// Sends COUNT events with the CloudEvents SDK for JavaScript: cloudevents.mjs URL MODE COUNT, MODE is binary or structured.
import { CloudEvent, emitterFor, httpTransport, Mode } from "cloudevents";

const [url, mode, count] = process.argv.slice(2);
const emit = emitterFor(httpTransport(url), { mode: mode === "binary" ? Mode.BINARY : Mode.STRUCTURED });
for (let number = 0; number < Number(count); number++) {
  const event = new CloudEvent({
    id: `js-${mode}-${number}`,
    source: "/app/shop",
    type: "com.example.purchase",
    subject: `user-${number % 7}`,
    partitionkey: `user-${number % 7}`,
    data: { number, city: 'Köln "5%41"' },
  });
  // Any answer resolves it: the status is not looked at by the SDK, so it is by nobody.
  await emit(event);
}
console.log("done");
