//! The page: what is drawn, in which order, and how it looks in light and dark.

use anyhow::Result;
use plotters::style::RGBColor;

use super::Histogram;
use super::chart::{Chart, Line, Scale, escape, short};
use super::series::{Series, Slice};
use crate::audit::Verdict;
use crate::ledger::Sample;
use crate::outcome::Outcome;

const STYLE: &str = "
:root { color-scheme: light dark; --page: #fff; --ink: #1c2024; --dim: #6b7178; --rule: #dfe3e8; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e4e7ea; --dim: #98a0a8; --rule: #2c3238; --bad: #ff7a70; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 940px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p { color: var(--dim); }
figure { margin: 1.2rem 0; } figcaption b { margin-right: 1rem; } figcaption span { margin-right: .9rem; white-space: nowrap; }
figcaption i { display: inline-block; width: .8em; height: .8em; margin-right: .3em; border-radius: 2px; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--dim); }
.hover { fill: transparent; } .hover:hover { fill: var(--ink); fill-opacity: .08; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--rule); text-align: right; }
td:first-child, th:first-child { text-align: left; } .bad { color: var(--bad); font-weight: 600; }
";

/// The colour of events with this outcome.
fn colour(outcome: Outcome) -> RGBColor {
    match outcome {
        Outcome::Acked => RGBColor(56, 146, 99),
        Outcome::Spilled => SPILLED,
        Outcome::Refused => RGBColor(226, 117, 63),
        Outcome::Rejected => VIOLET,
        Outcome::Unknown => RGBColor(214, 62, 56),
        Outcome::Unsent => RGBColor(133, 141, 149),
    }
}

const SPILLED: RGBColor = RGBColor(217, 164, 0);
const SHED: RGBColor = RGBColor(168, 174, 181);
const BLUE: RGBColor = RGBColor(91, 155, 213);
const VIOLET: RGBColor = RGBColor(150, 108, 206);
/// Of percentiles, from the lowest to the highest.
const SHADES: [RGBColor; 5] = [
    RGBColor(142, 188, 228),
    BLUE,
    RGBColor(47, 111, 176),
    VIOLET,
    RGBColor(214, 62, 56),
];

/// Place of the resident memory among [`Sample::NAMES`].
const RESIDENT: usize = 6;

/// The whole file.
pub(super) fn render(title: &str, series: &Series, audit: Option<&Verdict>) -> Result<String> {
    let mut page =
        String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page += "<meta name=\"viewport\" content=\"width=device-width\">";
    page += &format!("<title>{}</title>\n<style>{STYLE}", escape(title));
    page += &format!("</style></head><body>\n<h1>{}</h1>\n", escape(title));
    page += &heading(series);
    if let Some(verdict) = audit {
        page += &audit_table(verdict);
    }
    page += "<h2>Latency of requests, ms</h2>\n";
    page += "<p>By the worst of their events. Where a request had a due time it is counted from then.</p>\n";
    page += &latency_table(&series.total);
    page += "<h2>Over time</h2>\n";
    page += &memory(series).unwrap_or_default();
    for chart in charts(series) {
        page += &chart.render()?;
    }
    page += "</body></html>\n";
    Ok(page)
}

fn heading(series: &Series) -> String {
    let events: u64 = series.total.events.iter().sum();
    let seconds = series.length_us() as f64 / 1e6;
    format!(
        "<p>{events} events in {seconds:.0} s; a point is {} s. Times are UTC, from {} s after 1970. Point at a chart for its values.</p>\n",
        series.slice_us / 1_000_000,
        series.start_us / 1_000_000,
    )
}

fn audit_table(verdict: &Verdict) -> String {
    let mut out = String::from("<h2>Audit</h2>\n<table><tr><th></th><th>events</th></tr>\n");
    for (name, value) in verdict.rows() {
        let bad = value > 0 && matches!(name, "lost" | "out of order" | "refused but found");
        let class = if bad { " class=\"bad\"" } else { "" };
        out += &format!("<tr{class}><td>{name}</td><td>{value}</td></tr>\n");
    }
    out + "</table>\n"
}

fn latency_table(total: &Slice) -> String {
    let mut out = String::from("<table><tr><th></th><th>events</th><th>requests</th>");
    for name in Histogram::NAMES {
        out += &format!("<th>{name}</th>");
    }
    out += "</tr>\n";
    for outcome in Outcome::ALL {
        let (events, latency) = (
            total.events[outcome.index()],
            &total.latency[outcome.index()],
        );
        if events == 0 && latency.count() == 0 {
            continue;
        }
        out += &format!(
            "<tr><td>{}</td><td>{events}</td><td>{}</td>",
            outcome.word(),
            latency.count()
        );
        for value in latency.percentiles() {
            out += &format!("<td>{:.1}</td>", value as f64 / 1_000.0);
        }
        out += "</tr>\n";
    }
    if total.shed > 0 {
        out += &format!(
            "<tr class=\"bad\"><td>shed by the generator</td><td>{}</td></tr>\n",
            total.shed
        );
    }
    out + "</table>\n"
}

/// Whether the gateway grew: its resident memory in the minute after five minutes, when all that is allocated once should
/// be, and in the last one. None if the run is shorter than twice that, or nobody watched.
fn memory(series: &Series) -> Option<String> {
    const MINUTE: u64 = 60_000_000;
    let length = series.length_us();
    let mean = |from: u64| {
        let within = series.samples.iter().filter(|sample| {
            (from..from + MINUTE).contains(&sample.at_us) && sample.values[RESIDENT] > 0
        });
        let bytes: Vec<_> = within
            .map(|sample| sample.values[RESIDENT] as f64)
            .collect();
        (!bytes.is_empty()).then(|| bytes.iter().sum::<f64>() / bytes.len() as f64)
    };
    if length < 10 * MINUTE {
        return None;
    }
    let (early, late) = (mean(5 * MINUTE)?, mean(length - MINUTE)?);
    Some(format!(
        "<p>Resident memory of the gateway: {:.2} MiB after five minutes, {:.2} MiB in the last one ({:+.1} %).</p>\n",
        early / f64::from(1 << 20),
        late / f64::from(1 << 20),
        (late / early - 1.0) * 100.0,
    ))
}

fn charts(series: &Series) -> Vec<Chart> {
    let seconds = series.length_us() as f64 / 1e6;
    let marks: Vec<(f64, String)> = series
        .marks
        .iter()
        .map(|(at, words)| (*at as f64 / 1e6, words.clone()))
        .collect();
    let chart = |title: String, scale, stacked, lines| Chart {
        title,
        scale,
        stacked,
        seconds,
        marks: marks.clone(),
        lines,
    };
    let mut charts = vec![chart(
        "events per second, by outcome".into(),
        Scale::Linear,
        true,
        rates(series),
    )];
    for outcome in Outcome::ALL {
        if series.total.latency[outcome.index()].count() > 0 {
            let title = format!("latency of {} requests, ms", outcome.word());
            charts.push(chart(title, Scale::Log, false, latencies(series, outcome)));
        }
    }
    if !series.samples.is_empty() {
        let waiting = vec![sampled(series, 0, BLUE), sampled(series, 1, VIOLET)];
        charts.push(chart(
            "waiting in memory, events".into(),
            Scale::Linear,
            false,
            waiting,
        ));
        charts.push(chart(
            "waiting in the spill log, events".into(),
            Scale::Linear,
            false,
            vec![sampled(series, 2, SPILLED)],
        ));
        let bytes = vec![
            sampled(series, 3, SPILLED),
            sampled(series, 4, BLUE),
            sampled(series, RESIDENT, VIOLET),
        ];
        charts.push(chart("bytes".into(), Scale::Linear, false, bytes));
    }
    charts
}

/// When each slice begins, in seconds, with its value.
fn points(series: &Series, value: impl Fn(&Slice) -> Option<f64>) -> Vec<(f64, f64)> {
    let length = series.slice_us as f64 / 1e6;
    let at = |(place, slice)| Some((place as f64 * length, value(slice)?));
    series.slices.iter().enumerate().filter_map(at).collect()
}

fn rates(series: &Series) -> Vec<Line> {
    let length = series.slice_us as f64 / 1e6;
    let mut lines = Vec::new();
    for outcome in Outcome::ALL {
        if series.total.events[outcome.index()] > 0 {
            lines.push(Line {
                name: outcome.word().into(),
                colour: colour(outcome),
                points: points(series, |slice| {
                    Some(slice.events[outcome.index()] as f64 / length)
                }),
            });
        }
    }
    if series.total.shed > 0 {
        lines.push(Line {
            name: "shed by the generator".into(),
            colour: SHED,
            points: points(series, |slice| Some(slice.shed as f64 / length)),
        });
    }
    lines
}

fn latencies(series: &Series, outcome: Outcome) -> Vec<Line> {
    let line = |(place, name): (usize, &str)| Line {
        name: name.into(),
        colour: SHADES[place],
        points: points(series, |slice| {
            let latency = &slice.latency[outcome.index()];
            (latency.count() > 0).then(|| latency.percentiles()[place] as f64 / 1_000.0)
        }),
    };
    Histogram::NAMES.into_iter().enumerate().map(line).collect()
}

fn sampled(series: &Series, place: usize, colour: RGBColor) -> Line {
    let length = series.length_us();
    let inside = series
        .samples
        .iter()
        .filter(|sample| sample.at_us <= length);
    Line {
        name: format!(
            "{} (at most {})",
            Sample::NAMES[place],
            short(
                series
                    .samples
                    .iter()
                    .map(|sample| sample.values[place])
                    .max()
                    .unwrap_or(0) as f64
            )
        ),
        colour,
        points: inside
            .map(|sample| (sample.at_us as f64 / 1e6, sample.values[place] as f64))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_escapes_what_it_is_given() {
        let mut series = Series {
            slice_us: 1_000_000,
            slices: vec![Slice::default(); 3],
            marks: vec![(1_000_000, "<b>".into())],
            ..Series::default()
        };
        series.total.events[0] = 5;
        series.total.latency[0].add(1_000);
        series.slices[1].latency[0].add(1_000);
        series.samples.push(Sample::default());
        let page = render(
            "a & b",
            &series,
            Some(&Verdict {
                lost: 1,
                ..Verdict::default()
            }),
        )
        .unwrap();
        assert!(page.contains("a &amp; b") && page.contains("&lt;b&gt;"));
        assert!(page.contains("<tr class=\"bad\"><td>lost</td><td>1</td></tr>"));
        assert!(!page.contains("<script") && !page.contains("http:") && !page.contains("NaN"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }

    #[test]
    fn a_long_run_says_whether_the_gateway_grew() {
        let mut series = Series {
            slice_us: 60_000_000,
            slices: vec![Slice::default(); 20],
            ..Series::default()
        };
        for minute in 0..20 {
            let mut sample = Sample {
                at_us: minute * 60_000_000 + 1_000_000,
                ..Sample::default()
            };
            sample.values[RESIDENT] = if minute < 10 { 20 << 20 } else { 21 << 20 };
            series.samples.push(sample);
        }
        let words = "20.00 MiB after five minutes, 21.00 MiB in the last one (+5.0 %)";
        assert!(memory(&series).is_some_and(|text| text.contains(words)));
        series.slices.truncate(9);
        assert_eq!(memory(&series), None);
    }
}
