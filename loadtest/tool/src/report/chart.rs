//! Lines and areas over time as SVG. Colours are classes, which the page's style fills in for light and dark.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 26.0;

/// How a value becomes a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten, from the smallest value on.
    Log,
}

/// One line or area.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// For the legend.
    pub(super) name: String,
    /// CSS class that has its colour.
    pub(super) class: String,
    /// Seconds and value.
    pub(super) points: Vec<(f64, f64)>,
}

/// A drawing.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// What is drawn, with its unit.
    pub(super) title: &'a str,
    /// Areas on top of each other instead of lines. All need points at the same times.
    pub(super) stacked: bool,
    /// Of the values.
    pub(super) scale: Scale,
    /// Length of the time axis in seconds.
    pub(super) seconds: f64,
    /// What happened, and when, in seconds.
    pub(super) marks: &'a [(f64, String)],
    /// In the order of the legend.
    pub(super) lines: Vec<Line>,
}

impl Chart<'_> {
    /// The SVG with its heading and legend.
    pub(super) fn render(&self) -> String {
        let (low, high) = self.range();
        let mut out = String::new();
        let mut legend = String::new();
        for line in &self.lines {
            put(
                &mut legend,
                format_args!(
                    "<span class=\"{}\"><i></i>{}</span>",
                    line.class,
                    escape(&line.name)
                ),
            );
        }
        put(
            &mut out,
            format_args!(
                "<figure><figcaption><b>{}</b>{legend}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
                escape(self.title),
                escape(self.title)
            ),
        );
        self.grid(&mut out, low, high);
        if self.stacked {
            self.areas(&mut out, low, high);
        } else {
            self.polylines(&mut out, low, high);
        }
        for (at, words) in self.marks {
            let x = self.x(*at);
            put(
                &mut out,
                format_args!(
                    "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.1}\"/><text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                    HEIGHT - BOTTOM,
                    x + 3.0,
                    TOP - 4.0,
                    escape(words)
                ),
            );
        }
        self.values(&mut out);
        out.push_str("</svg></figure>\n");
        out
    }

    /// Invisible columns that show their values when pointed at.
    fn values(&self, out: &mut String) {
        let Some(first) = self.lines.iter().max_by_key(|line| line.points.len()) else {
            return;
        };
        let width = (WIDTH - LEFT - RIGHT) / first.points.len().max(1) as f64;
        for (at, _) in &first.points {
            put(
                out,
                format_args!(
                    "<rect class=\"hover\" x=\"{:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{at:.0} s",
                    self.x(*at),
                    HEIGHT - TOP - BOTTOM
                ),
            );
            for line in &self.lines {
                let point = line.points.iter().find(|(time, _)| time == at);
                if let Some((_, value)) = point {
                    put(
                        out,
                        format_args!("\n{} {}", escape(&line.name), short(*value)),
                    );
                }
            }
            out.push_str("</title></rect>\n");
        }
    }

    fn range(&self) -> (f64, f64) {
        let values = || {
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|point| point.1)
        };
        if self.scale == Scale::Log {
            let low = values()
                .filter(|value| *value > 0.0)
                .fold(f64::INFINITY, f64::min);
            let high = values().fold(0.0, f64::max);
            if high <= 0.0 {
                return (0.1, 1.0);
            }
            let low = 10_f64.powf(low.log10().floor());
            return (low, 10_f64.powf(high.log10().ceil()).max(low * 10.0));
        }
        let high = if self.stacked {
            let count = self.lines.first().map_or(0, |line| line.points.len());
            let sum = |place: usize| -> f64 {
                self.lines
                    .iter()
                    .filter_map(|line| line.points.get(place))
                    .map(|point| point.1)
                    .sum()
            };
            (0..count).map(sum).fold(0.0, f64::max)
        } else {
            values().fold(0.0, f64::max)
        };
        (0.0, nice(high))
    }

    fn grid(&self, out: &mut String, low: f64, high: f64) {
        let ticks: Vec<f64> = match self.scale {
            Scale::Linear => (0..=4).map(|part| high * f64::from(part) / 4.0).collect(),
            Scale::Log => {
                let decades = (high / low).log10().round() as i32;
                (0..=decades)
                    .map(|power| low * 10_f64.powi(power))
                    .collect()
            }
        };
        for value in ticks {
            let y = self.y(value, low, high);
            put(
                out,
                format_args!(
                    "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/><text class=\"axis\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                    WIDTH - RIGHT,
                    LEFT - 6.0,
                    y + 4.0,
                    short(value)
                ),
            );
        }
        for part in 0..=6 {
            let at = self.seconds * f64::from(part) / 6.0;
            put(
                out,
                format_args!(
                    "<text class=\"axis\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{at:.0} s</text>\n",
                    self.x(at),
                    HEIGHT - 8.0
                ),
            );
        }
    }

    fn areas(&self, out: &mut String, low: f64, high: f64) {
        let count = self.lines.first().map_or(0, |line| line.points.len());
        let mut below = vec![0.0; count];
        for line in &self.lines {
            let mut path = String::new();
            let mut back = Vec::new();
            for (place, (at, value)) in line.points.iter().enumerate().take(count) {
                let x = self.x(*at);
                back.push((x, self.y(below[place], low, high)));
                below[place] += value;
                put(
                    &mut path,
                    format_args!("{x:.1},{:.1} ", self.y(below[place], low, high)),
                );
            }
            for (x, y) in back.into_iter().rev() {
                put(&mut path, format_args!("{x:.1},{y:.1} "));
            }
            put(
                out,
                format_args!("<polygon class=\"{}\" points=\"{path}\"/>\n", line.class),
            );
        }
    }

    fn polylines(&self, out: &mut String, low: f64, high: f64) {
        for line in &self.lines {
            let mut path = String::new();
            for (at, value) in &line.points {
                put(
                    &mut path,
                    format_args!("{:.1},{:.1} ", self.x(*at), self.y(*value, low, high)),
                );
            }
            put(
                out,
                format_args!("<polyline class=\"{}\" points=\"{path}\"/>\n", line.class),
            );
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64, low: f64, high: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log => (value.max(low) / low).log10() / (high / low).log10(),
        };
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part.clamp(0.0, 1.0)
    }
}

/// The next of 1, 2, 4, 8 times a power of ten.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 8.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

/// A number as people write it on an axis.
pub(super) fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = if scaled.fract().abs() < 0.05 || scaled.abs() >= 100.0 {
        format!("{scaled:.0}")
    } else if scaled.abs() >= 1.0 {
        format!("{scaled:.1}")
    } else {
        format!("{scaled:.2}")
    };
    format!("{text}{unit}")
}

/// Text that is safe in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Writing to a string doesn't fail.
fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).unwrap_or_default();
}
