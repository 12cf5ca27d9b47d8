// Attribution events as SDKs send them: kinds in their usual proportions, 300 B to 2 kB, few devices with many events
// and many with few. Each event is made as text, once: what is sent is what was counted.

// Share of each kind, and its size in bytes. Impressions are many and small, purchases few and large.
const KINDS = [
  { name: "impression", share: 0.4, from: 300, to: 600 },
  { name: "click", share: 0.2, from: 400, to: 900 },
  { name: "in_app", share: 0.25, from: 400, to: 1400 },
  { name: "session", share: 0.1, from: 350, to: 800 },
  { name: "install", share: 0.05, from: 900, to: 2000 },
];

const DEVICES = 100000;
const APPS = 500;

const SYSTEMS = [
  { os: "ios", version: "18.1", model: "iPhone15,2" },
  { os: "ios", version: "17.6", model: "iPhone13,1" },
  { os: "android", version: "15", model: "Pixel 8" },
  { os: "android", version: "14", model: "SM-A546B" },
];

// What deep links and install referrers are made of. Words repeat and numbers don't, so that bodies compress about as
// well as real ones do; random text would make every encoding look useless, one repeated letter would flatter it.
const FILLER = filler(64 * 1024);

// Unique across runs and machines, so that a topic that has seen many of them can still be searched for duplicates.
const RUN = Date.now().toString(36) + Math.floor(Math.random() * 36 ** 4).toString(36);

function filler(length) {
  const words = ["utm_source=", "&campaign=", "&adset=summer_sale", "&creative=video_30s", "&click_id=", "&partner=network", "&geo=", "&sub=", "&af_dp=app%3A%2F%2Foffer%2F"];
  let text = "";
  while (text.length < length) {
    text += words[Math.floor(Math.random() * words.length)] + Math.floor(Math.random() * 1e9).toString(36);
  }
  return text;
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function kind() {
  let left = Math.random();
  for (const candidate of KINDS) {
    left -= candidate.share;
    if (left < 0) {
      return candidate;
    }
  }
  return KINDS[0];
}

// Rank 1 has 6 % of all events, rank 100,000 next to none. A power of a uniform number falls on rank k with a
// probability close to 1/k, which is Zipf's law, and needs no table per VU.
function device() {
  return Math.floor(Math.pow(DEVICES, Math.random()));
}

// A source of events for one VU. `bytes` is the size of each; 0 takes the kinds' own. No event is below some 260 bytes.
export function source(vu, bytes) {
  let count = 0;
  return function next() {
    count += 1;
    return event(`${RUN}-${vu}-${count}`, `d${device()}`, count, bytes);
  };
}

// A source of events that the audit knows again: see event.rs of loadtest/tool. The VU has `keys` keys of its own, which
// it uses by Zipf's law; since it waits for each answer, a key is in one request at a time. RUN_ID is hexadecimal.
export function identified(vu, keys, bytes) {
  const id = `${__ENV.RUN_ID || (Math.floor(Math.random() * 2 ** 31) + 1).toString(16)}${vu.toString(16).padStart(4, "0")}`;
  const next_seq = new Array(keys).fill(0);
  return {
    id,
    // `count` events as { key, seq, text }, those of one key together.
    take(count) {
      const drawn = Array.from({ length: count }, () => Math.floor(Math.pow(keys, Math.random())) - 1);
      drawn.sort((a, b) => a - b);
      return drawn.map((key) => {
        const seq = next_seq[key];
        next_seq[key] += 1;
        return { key, seq, text: event(`lt-${id}-${key}-${seq}`, `${id}-${key}`, seq, bytes) };
      });
    },
  };
}

function event(id, device_id, seq, bytes) {
  const { name, from, to } = kind();
  const system = pick(SYSTEMS);
  // The key and the id are there twice: where `forebay dev` looks for them (/user, /id), and where the streams of
  // deploy/forebay.toml do (/device/id, /event_id). The audit wants the id to be first.
  const text = JSON.stringify({
    id,
    event_id: id,
    user: device_id,
    name,
    at: Date.now(),
    app: { id: `com.example.app${Math.floor(Math.pow(APPS, Math.random()))}`, version: "7.12.0", sdk: "4.3.1" },
    device: { id: device_id, ...system, locale: "en_GB" },
    seq,
  });
  return padded(text, bytes > 0 ? bytes : from + Math.floor(Math.random() * (to - from)));
}

// All text is ASCII, so that lengths are bytes.
function padded(text, bytes) {
  const open = ',"referrer":"';
  const missing = bytes - text.length - open.length - 1;
  if (missing <= 0) {
    return text;
  }
  let referrer = "";
  while (referrer.length < missing) {
    const start = Math.floor(Math.random() * (FILLER.length / 2));
    referrer += FILLER.substring(start, start + missing - referrer.length);
  }
  return `${text.slice(0, -1)}${open}${referrer}"}`;
}
