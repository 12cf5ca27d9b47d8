// Has pages of https://shop.example send events from Chromium: browser.mjs SDK PORT KEY COUNT, SDK is one of
//   segment   @segment/analytics-next, one event a request
//   batching  the same, several events a request
//   ctv       appsflyer-html5-ctv-sdk; KEY is the dev key
//   beacon    navigator.sendBeacon, fetch with keepalive, and a pixel, as a page without any SDK does
//
// The names that SDKs have written into them lead to 127.0.0.1:PORT, where the gateway has TLS of an authority that nobody knows.
// Prints `failed WHAT` for what a page is told, and `done`. With a sixth argument, `faults`, it goes on until standard input ends:
// segment's SDK keeps trying with what it has, and the televisions' one sends more and more.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [sdk, port, key, count, faults] = process.argv.slice(2);
const end = new Promise((resolve) => process.stdin.on("end", resolve).resume());
const modules = new URL("./node_modules/", import.meta.url);
const read = (path) => readFileSync(new URL(path, modules), "utf8");
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--ignore-certificate-errors",
    // A page of the internet may not reach loopback otherwise.
    "--disable-features=LocalNetworkAccessChecks",
    `--host-resolver-rules=MAP *.appsflyer.com:443 127.0.0.1:${port},MAP events.example:443 127.0.0.1:${port}`,
  ],
});
const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
page.on("console", (line) => process.env.VERBOSE && console.error(line.text()));
// The page itself comes from nowhere else than here.
await page.route("https://shop.example/**", (route) =>
  route.fulfill({ contentType: "text/html", body: "<!doctype html><title>shop</title>" }),
);
await page.goto("https://shop.example/");

const senders = {
  async segment(mode) {
    await page.addScriptTag({ content: read("@segment/analytics-next/dist/umd/index.js") });
    return page.evaluate(
      async ({ key, count, mode, faults }) => {
        const settings = {
          apiHost: "events.example/v1",
          protocol: "https",
          ...(mode === "batching" && { deliveryStrategy: { strategy: "batching", config: { size: 10, timeout: 500 } } }),
        };
        const load = window.AnalyticsNext.AnalyticsBrowser.load;
        const [analytics] = await load(
          { writeKey: key, cdnSettings: { integrations: { "Segment.io": { ...settings, apiKey: key } }, metrics: { sampleRate: 0 } } },
          { integrations: { "Segment.io": settings } },
        );
        const failed = [];
        analytics.on("delivery_failure", (context) => failed.push(context.event.messageId));
        const sent = [];
        if (faults) {
          window.told = { failed: [], sent };
          analytics.on("delivery_failure", (context) => window.told.failed.push(`number-${context.event.properties.number}`));
          for (let number = 0; number < count; number++) {
            sent.push(`number-${number}`);
            analytics.track("Purchase", { number, city: 'Köln "5%41"' });
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          return window.told;
        }
        for (let number = 0; number < count; number++) {
          const context = await analytics.track("Purchase", { number, city: 'Köln "5%41"' });
          sent.push(context.event.messageId);
        }
        // Until nothing is left to send, as a page that stays open would see it.
        for (let left = 300; left > 0; left--) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          if (analytics.queue.queue.length === 0 && left < 270) break;
        }
        return { failed, sent };
      },
      { key, count: Number(count), mode, faults },
    );
  },
  async ctv() {
    // A television of this kind says so.
    await page.evaluate(() => (window.VIDAA = {}));
    await page.addScriptTag({ content: read("appsflyer-html5-ctv-sdk/dist/appsflyerSdk.bundle.js") });
    return page.evaluate(
      async ({ key, count, faults }) => {
        const failed = [];
        const sent = [];
        window.told = { failed, sent };
        const sdk = await window.AppsFlyerSDK.default({ devKey: key, appId: "com.example.tv" });
        const told = (what) => (error) => failed.push(`${what}:${JSON.stringify(error)}`.replace(/\s/g, "_"));
        await sdk.start().then(() => sent.push("start"), told("start"));
        if (faults) {
          const send = async () => {
            for (let number = 0; !window.ended; number++) {
              sent.push(`x ${number}`);
              await sdk.logEvent("af_purchase", { sku: `x ${number}` }).catch(told(`x ${number}`));
            }
            window.over = true;
          };
          send();
          return window.told;
        }
        for (let number = 0; number < count; number++) {
          const values = { af_revenue: number, af_currency: "EUR", sku: `x ${number}` };
          await sdk.logEvent("af_purchase", values).then(() => sent.push(`event-${number}`), told(number));
        }
        return { failed, sent };
      },
      { key, count: Number(count), faults },
    );
  },
  async beacon() {
    return page.evaluate(async ({ count }) => {
      const url = "https://events.example/web/events";
      const failed = [];
      const sent = [];
      for (let number = 0; number < count; number++) {
        const event = JSON.stringify({ id: `beacon-${number}`, user_id: `user-${number % 7}`, city: "Köln" });
        if (number % 3 === 0) {
          navigator.sendBeacon(url, event);
        } else if (number % 3 === 1) {
          const headers = { "content-type": "application/json" };
          const answer = await fetch(url, { method: "POST", body: event, keepalive: true, headers }).catch((error) => ({ status: String(error) }));
          if (answer.status !== 200 && answer.status !== 204) failed.push(`${number}:${answer.status}`);
        } else {
          const image = new Image();
          await new Promise((resolve) => {
            image.onload = resolve;
            image.onerror = () => resolve(failed.push(`pixel-${number}`));
            image.src = `https://events.example/web/pixel.gif?id=beacon-${number}&user_id=user-${number % 7}&city=K%C3%B6ln`;
          });
        }
        sent.push(`beacon-${number}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
      return { failed, sent };
    }, { count: Number(count) });
  },
};
let { failed, sent } = await (sdk === "segment" || sdk === "batching" ? senders.segment(sdk) : senders[sdk]());
if (faults) {
  await end;
  await page.evaluate(() => (window.ended = true));
  if (sdk === "ctv") await page.waitForFunction(() => window.over, null, { timeout: 60000 });
  ({ failed, sent } = await page.evaluate(() => window.told));
}
for (const id of sent) console.log("sent", id);
for (const what of failed) console.log("failed", what);
await browser.close();
console.log("done");
