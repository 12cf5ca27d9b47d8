// Looks at a gateway's page with Chromium: look.mjs ADMIN MODE [FOLDER]. MODE is one of
//   page     what it shows, whether it lives, and how it is on a phone; with FOLDER, pictures of it go there
//   hostile  names that would be markup, run from right to left, or are endless
//   token    a port that asks for a token, which is the environment's TOKEN
//   many     how long a page of many takes to draw itself
//
// Prints `ok WHAT` for what holds and `wrong WHAT` for what doesn't, then `done`. Lines on standard input go on with what waits.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [admin, mode, folder] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const check = (holds, what) => console.log(holds ? "ok" : "wrong", what);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
const said = [];
const asked = new Set();
page.on("console", (line) => line.type() === "error" && said.push(line.text()));
page.on("pageerror", (error) => said.push(String(error)));
page.on("request", (request) => asked.add(new URL(request.url()).host));
const text = () => page.evaluate(() => document.body.innerText);
async function until(what, holds) {
  for (let left = 300; left > 0; left--) {
    if (await holds()) return check(true, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  check(false, `${what}: ${(await text()).slice(0, 3000)}`);
}
const shows = (words) => until(`shows ${words}`, async () => (await text()).includes(words));
const fits = async (what) => {
  const [wide, width] = await page.evaluate(() => [document.scrollingElement.scrollWidth, window.innerWidth]);
  check(wide <= width, `${what} fits: ${wide} of ${width}`);
};

const HOSTILE = ["<script>window.hacked = 1</script>", '"><img src=x onerror="window.hacked = 2">', "\u202eevif\u202c \u05d0\u05d1\u05d2", "x".repeat(400), "javascript:window.hacked=3"];
if (mode === "hostile") {
  await page.route("**/status", async (route) => {
    const answer = await route.fetch();
    const status = await answer.json();
    for (const name of HOSTILE) {
      status.streams[name] = { ...status.streams.events, reason: name, topic: name, cluster: name };
      status.clusters[name] = { ...status.clusters.main, reason: name, owner: name, condition: name };
      status.owners[name] = { ...Object.values(status.owners)[0], contact: name, runbook: name };
      status.troubles.push({ what: name, do: name });
      status.dead_letters.push({ cluster: name, stream: name, reason: name, events: 1, bytes: 1, oldest_seconds: 1 });
      status.refusals[name] = 1;
    }
    status.configuration.last_reload_failed = true;
    status.configuration.last_reload_error = HOSTILE[0];
    await route.fulfill({ response: answer, json: status });
  });
}
await page.goto(`http://${admin}/`);

const modes = {
  async page() {
    await shows("live");
    for (const words of ["ready", "Clusters", "Streams", "Ledger", "Owners", "This gateway", "time to loss", "generation 1", "#team"]) await shows(words);
    await shows("Nothing is wrong.");
    if (folder) await page.waitForFunction(() => charts.size > 0 && history.length > 0);
    await shows("Memory");
    console.log("looks");
    // Somebody sends events now: the page shows them without being asked for.
    await lines.next();
    await shows("7,003");
    if (folder) await page.screenshot({ path: `${folder}/page.png` });
    await page.setViewportSize({ width: 390, height: 844 });
    await fits("a phone");
    if (folder) await page.screenshot({ path: `${folder}/page-phone.png` });
    await page.setViewportSize({ width: 1280, height: 900 });
    // Its cluster goes, and a reload fails.
    console.log("looks");
    await lines.next();
    await shows("cluster main is down");
    await shows("check --connect");
    await shows("the last reload failed and changed nothing");
    if (folder) await page.screenshot({ path: `${folder}/page-trouble.png` });
    // The gateway itself goes: what was seen last stays, with its age, and it's asked less and less often.
    console.log("looks");
    await lines.next();
    await until("says that it's old", async () => (await page.textContent("#live")).startsWith("as of"));
    check(await page.isVisible("#main"), "keeps what was seen last");
    const failed = await page.evaluate(() => failed);
    await until("backs off", async () => (await page.evaluate(() => failed)) > failed);
    said.splice(0, said.length, ...said.filter((line) => !line.includes("ERR_CONNECTION")));
  },
  async hostile() {
    await shows("live");
    for (const name of HOSTILE) await until(`shows ${name.slice(0, 40)}`, async () => (await page.evaluate(() => document.body.textContent)).includes(name));
    const made = await page.evaluate(() => [window.hacked, document.querySelectorAll("main script, main img").length,
      [...document.querySelectorAll("a")].filter((link) => link.protocol === "javascript:").length]);
    check(JSON.stringify(made) === "[null,0,0]", `nothing is made of names: ${JSON.stringify(made)}`);
    await page.setViewportSize({ width: 390, height: 844 });
    await fits("a phone with long names");
    await page.setViewportSize({ width: 1280, height: 900 });
    await fits("a screen with long names");
    // A name from right to left leaves its neighbours as they are.
    const isolated = await page.evaluate(() => [...document.querySelectorAll("td.name")].every((cell) => getComputedStyle(cell).unicodeBidi === "isolate"));
    check(isolated, "names are isolated");
  },
  async token() {
    await until("asks for a token", () => page.isVisible("#ask"));
    check(!(await page.isVisible("#main")), "shows nothing without");
    await page.fill("#token", "not the token at all");
    await page.click("#ask button");
    await until("says that it's no good", async () => (await page.textContent("#live")).includes("401"));
    await page.fill("#token", process.env.TOKEN);
    await page.click("#ask button");
    await shows("live");
    check(!(await page.isVisible("#ask")), "asks no more");
    said.splice(0, said.length, ...said.filter((line) => !line.includes("401")));
  },
  async many() {
    await shows("of 200");
    const took = await page.evaluate(() => {
      const status = JSON.stringify(before.status);
      const times = [];
      for (let time = 0; time < 5; time++) {
        const begun = performance.now();
        shown(JSON.parse(status));
        document.body.offsetHeight;
        times.push(performance.now() - begun);
      }
      return Math.min(...times);
    });
    check(took < 200, `is drawn in ${took.toFixed(1)} ms`);
    await page.fill("section:not([hidden]) input[type=search] >> nth=0", "living17");
    await shows("11 of 200");
    if (folder) await page.screenshot({ path: `${folder}/page-many.png` });
  },
};
await modes[mode]();
check(said.length === 0, `no errors: ${JSON.stringify(said)}`);
check(asked.size === 1, `asks nobody else: ${[...asked]}`);
await browser.close();
console.log("done");
process.exit(0);
