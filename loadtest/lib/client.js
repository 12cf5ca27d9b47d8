// A client that takes forebay's answers at their word: it counts as durable what a 2xx names, sends again what a 503
// or 429 asks for, after the time that it names, and checks that each body adds up.

import http from "k6/http";
import { check, sleep } from "k6";
import { Counter, Rate, Trend } from "k6/metrics";

// k6 keeps no counts by tag without a threshold for each value, hence a counter per status. What isn't listed is `other`.
export const STATUSES = ["200", "207", "400", "401", "403", "404", "405", "408", "411", "413", "415", "422", "429", "431", "503", "other", "none"];

// Latency by what the answer means, because a mean over answers and refusals says nothing about either.
export const OUTCOMES = ["durable", "partly", "client_error", "unavailable", "none"];

const sent = new Counter("events_sent");
const sentBytes = new Counter("events_bytes", false);
const acked = new Counter("events_acked");
const spilled = new Counter("events_spilled");
const rejected = new Counter("events_rejected");
const refused = new Counter("events_refused");
const unanswered = new Counter("events_unanswered");
const resent = new Counter("events_resent");
const connections = new Counter("connections_opened");
const answered = new Rate("requests_answered_2xx");
const answers = Object.fromEntries(STATUSES.map((status) => [status, new Counter(`answers_${status}`)]));
const latency = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, new Trend(`latency_${outcome}`, true)]));

// Longer than http.answer_within (5 s unless configured): who hears nothing for so long meets a bug or a dead network.
const GIVE_UP_AFTER = "15s";
// An event that isn't taken after so many more tries is counted as refused.
const MAX_RESENDS = 3;
// Codes of events that a 503 asks for again. All others say that the event can never be accepted.
const SEND_AGAIN = ["timeout", "no_room", "not_taken", "draining", "refused_by_kafka", "unknown"];

// How events become a body: one object, an array, or a line each.
const SHAPES = {
  object: { type: "application/json", body: (events) => events[0] },
  array: { type: "application/json", body: (events) => `[${events.join(",")}]` },
  ndjson: { type: "application/x-ndjson", body: (events) => `${events.join("\n")}\n` },
};

// Sends events, given as JSON texts, to `url` and stays with them until each is durable or given up. `encoding` is a
// Content-Encoding, or empty.
export function send(url, events, { shape = "array", encoding = "" } = {}) {
  sent.add(events.length);
  sentBytes.add(events.reduce((sum, event) => sum + event.length, 0));
  let left = events;
  for (let resends = 0; ; resends += 1) {
    const answer = post(url, left, left.length === 1 ? shape : shape === "object" ? "array" : shape, encoding);
    if (answer.again.length === 0) {
      return;
    }
    left = answer.again;
    if (resends === MAX_RESENDS) {
      refused.add(left.length);
      return;
    }
    resent.add(left.length);
    // Clients that were refused together must not come back together.
    sleep(answer.wait * (1 + Math.random() / 4));
  }
}

// Sends events, given as JSON texts, once, whatever the answer. Returns k6's response and the answer's body.
export function sendOnce(url, events, { shape = "array", encoding = "", timeout = GIVE_UP_AFTER } = {}) {
  sent.add(events.length);
  sentBytes.add(events.reduce((sum, event) => sum + event.length, 0));
  const answer = post(url, events, events.length === 1 ? shape : shape === "object" ? "array" : shape, encoding, timeout);
  refused.add(answer.again.length);
  return answer;
}

// One request. Counts what became final; `again` is what the answer asks for once more.
function post(url, events, shape, encoding, timeout = GIVE_UP_AFTER) {
  const { type, body } = SHAPES[shape];
  const params = {
    headers: { "Content-Type": type },
    timeout,
    // Without a name, k6 would make a time series of each url.
    tags: { name: "events", shape, encoding: encoding || "identity" },
  };
  if (encoding) {
    params.compression = encoding;
  }
  const response = http.post(url, body(events), params);
  // 0 means that the connection was there already.
  if (response.timings.connecting > 0) {
    connections.add(1);
  }
  const { status } = response;
  answered.add(status >= 200 && status < 300);
  answers[status === 0 ? "none" : STATUSES.includes(String(status)) ? status : "other"].add(1);
  latency[outcome(status)].add(response.timings.duration);
  const told = json(response);
  return { ...judge(response, status, told, events, timeout), response, body: told };
}

function outcome(status) {
  if (status === 0) {
    return "none";
  }
  if (status >= 500 || status === 429) {
    return "unavailable";
  }
  return status >= 400 ? "client_error" : status === 207 ? "partly" : "durable";
}

function judge(response, status, body, events, timeout) {
  const final = { again: [], wait: 0 };
  if (status === 200 || status === 207) {
    success(status, body, events.length);
    return final;
  }
  if (status === 0) {
    // It may have arrived or not; sending it again could double it, and would hide that no answer came.
    // Who hangs up early can't complain.
    if (timeout === GIVE_UP_AFTER) {
      check(response, { "every request is answered": () => false });
    }
    unanswered.add(events.length);
    return final;
  }
  check(body, {
    "an error is a problem that says what to do": (problem) => problem.status === status && problem.detail?.length > 0,
  });
  if (status === 429 || status === 503) {
    return unavailable(response, body, events);
  }
  if (status >= 500) {
    // From something on the way, such as a load balancer, that can't know whether forebay got it.
    unanswered.add(events.length);
  } else {
    rejected.add(events.length);
  }
  return final;
}

function success(status, body, events) {
  const errors = body.errors ?? [];
  const never = body.rejected ?? 0;
  check(body, {
    "accepted = acked + spilled": ({ accepted, acked, spilled }) => accepted === acked + spilled,
    "accepted + rejected = sent": ({ accepted }) => accepted + never === events,
    "207 if and only if some were rejected": () => (status === 207) === never > 0,
    "each rejected event is named once, or counted": () => errors.length + (body.errors_omitted ?? 0) === never && distinct(errors, events),
  });
  count(body);
  rejected.add(never);
}

// Nothing was taken, or the body says which events weren't.
function unavailable(response, body, events) {
  const header = response.headers["Retry-After"];
  const seconds = Number(header);
  const wait = seconds >= 1 ? seconds : 1;
  const errors = body.errors ?? [];
  check(response, {
    "Retry-After is a whole number of seconds, at least 1": () => /^[1-9][0-9]*$/.test(header ?? ""),
  });
  if (body.accepted === undefined) {
    return { again: events, wait };
  }
  if (body.errors_omitted) {
    // The list is cut short, so all of it is sent again.
    return { again: events, wait };
  }
  const later = errors.filter((error) => SEND_AGAIN.includes(error.code));
  check(body, {
    "accepted = acked + spilled": ({ accepted, acked, spilled }) => accepted === acked + spilled,
    "accepted + not durable + rejected = sent": ({ accepted }) => accepted + errors.length === events.length && distinct(errors, events.length),
  });
  count(body);
  rejected.add(errors.length - later.length);
  return { again: later.map((error) => events[error.index]).filter((event) => event !== undefined), wait };
}

function count(body) {
  acked.add(body.acked ?? 0);
  spilled.add(body.spilled ?? 0);
}

function distinct(errors, events) {
  const indices = new Set(errors.map((error) => error.index));
  return indices.size === errors.length && errors.every(({ index }) => index >= 0 && index < events);
}

function json(response) {
  try {
    return response.json() ?? {};
  } catch {
    return {};
  }
}
