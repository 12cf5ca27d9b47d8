// The end of a run, as text for people and as JSON for programs, from k6's own metrics.

import { OUTCOMES, STATUSES } from "./client.js";

// What the summary reads of each trend; a scenario's options must ask for it.
export const TREND_STATS = ["count", "med", "p(95)", "p(99)", "max"];

// k6's handleSummary for the scenario `name` against `url`. Also writes the JSON to the file that SUMMARY_JSON names.
export function summaryOf(name, url) {
  return (data) => {
    const result = collect(data, name, url);
    const files = { stdout: text(result) };
    if (__ENV.SUMMARY_JSON) {
      files[__ENV.SUMMARY_JSON] = `${JSON.stringify(result, null, 2)}\n`;
    }
    return files;
  };
}

function collect(data, name, url) {
  // A metric that never got a value isn't there.
  const total = (metric) => data.metrics[metric]?.values.count ?? 0;
  const answers = {};
  for (const status of STATUSES) {
    if (total(`answers_${status}`) > 0) {
      answers[status] = total(`answers_${status}`);
    }
  }
  const latency_ms = {};
  for (const outcome of OUTCOMES) {
    const values = data.metrics[`latency_${outcome}`]?.values;
    if (values?.count > 0) {
      latency_ms[outcome] = { count: values.count, p50: values.med, p95: values["p(95)"], p99: values["p(99)"], max: values.max };
    }
  }
  const thresholds = [];
  for (const [metric, { thresholds: rules }] of Object.entries(data.metrics)) {
    for (const [rule, { ok }] of Object.entries(rules ?? {})) {
      thresholds.push({ metric, rule, ok });
    }
  }
  const failed_checks = {};
  for (const { name: check, fails } of checksOf(data.root_group)) {
    if (fails > 0) {
      failed_checks[check] = fails;
    }
  }
  const checks = data.metrics.checks?.values ?? { passes: 0, fails: 0 };
  // `loadtest/run` reads numbers from the top level of the JSON, one on each line: keep them there.
  return {
    scenario: name,
    url,
    seconds: data.state.testRunDurationMs / 1000,
    sent: total("events_sent"),
    acked: total("events_acked"),
    spilled: total("events_spilled"),
    rejected: total("events_rejected"),
    refused: total("events_refused"),
    unanswered: total("events_unanswered"),
    resent: total("events_resent"),
    bytes: total("events_bytes"),
    connections: total("connections_opened"),
    answers,
    latency_ms,
    checks: { passed: checks.passes, failed: checks.fails },
    failed_checks,
    thresholds,
  };
}

function checksOf(group) {
  return group.groups.reduce((checks, inner) => checks.concat(checksOf(inner)), group.checks);
}

function text(result) {
  if (result.sent === 0) {
    return `\n${result.scenario} against ${result.url}: nothing was sent\n\n`;
  }
  const { seconds } = result;
  const requests = Object.values(result.answers).reduce((sum, count) => sum + count, 0);
  const per_second = (count) => (seconds > 0 ? count / seconds : 0).toFixed(0);
  const mean = (result.bytes / result.sent).toFixed(0);
  const lines = [
    "",
    `${result.scenario} against ${result.url}, ${seconds.toFixed(1)} s`,
    "",
    row("events", ["sent", "acked", "spilled", "rejected", "refused", "unanswered", "resent"].map((word) => `${word} ${result[word]}`)),
    row("rate", [`${per_second(result.sent)} events/s of ${mean} bytes`, `${per_second(requests)} requests/s`, `${result.connections} connections opened`]),
    row("answers", Object.entries(result.answers).map(([status, count]) => `${status}: ${count}`)),
    "",
    cells("latency, ms", ["count", "p50", "p95", "p99", "max"]),
  ];
  for (const [outcome, { count, p50, p95, p99, max }] of Object.entries(result.latency_ms)) {
    lines.push(cells(`  ${outcome}`, [count, ...[p50, p95, p99, max].map((value) => value.toFixed(1))]));
  }
  lines.push("", row("checks", [`${result.checks.passed} passed`, `${result.checks.failed} failed`]));
  for (const [check, fails] of Object.entries(result.failed_checks)) {
    lines.push(row("", [`FAILED ${fails} times: ${check}`]));
  }
  result.thresholds.forEach(({ metric, rule, ok }, index) => {
    lines.push(row(index === 0 ? "thresholds" : "", [`${ok ? "ok    " : "FAILED"} ${metric} ${rule}`]));
  });
  return `${lines.join("\n")}\n\n`;
}

function row(title, parts) {
  return title.padEnd(14) + parts.join("   ");
}

function cells(title, values) {
  return title.padEnd(16) + values.map((value) => String(value).padStart(9)).join("");
}
