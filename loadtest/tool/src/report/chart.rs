//! Lines and areas over time as SVG, drawn by `plotters`. Colours are such that they can be seen on a light page and on a dark one.

use std::fmt::Write as _;
use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 220);
const GRID: RGBAColor = RGBAColor(128, 128, 128, 0.35);
const MARK: RGBColor = RGBColor(128, 128, 128);

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
    /// Its colour.
    pub(super) colour: RGBColor,
    /// Seconds and value.
    pub(super) points: Vec<(f64, f64)>,
}

/// A drawing.
#[derive(Debug)]
pub(super) struct Chart {
    /// What is drawn, with its unit.
    pub(super) title: String,
    /// Areas on top of each other instead of lines. All need points at the same times.
    pub(super) stacked: bool,
    /// Of the values.
    pub(super) scale: Scale,
    /// Length of the time axis in seconds.
    pub(super) seconds: f64,
    /// What happened, and when, in seconds.
    pub(super) marks: Vec<(f64, String)>,
    /// In the order of the legend.
    pub(super) lines: Vec<Line>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>;

impl Chart {
    /// The SVG with its heading and legend.
    pub(super) fn render(&self) -> Result<String> {
        let title = escape(&self.title);
        let mut out = format!("<figure><figcaption><b>{title}</b>");
        for Line { name, colour, .. } in &self.lines {
            let RGBColor(r, g, b) = colour;
            let name = escape(name);
            write!(
                out,
                "<span><i style=\"background:rgb({r},{g},{b})\"></i>{name}</span>"
            )?;
        }
        let mut svg = String::new();
        let columns = self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area())?;
        // In a page the name space goes without saying.
        let svg = svg.replace(
            " xmlns=\"http://www.w3.org/2000/svg\"",
            &format!(" role=\"img\" aria-label=\"{title}\""),
        );
        let svg = svg.trim_end().trim_end_matches("</svg>");
        writeln!(out, "</figcaption>\n{svg}{columns}</svg></figure>")?;
        Ok(out)
    }

    /// Draws all; what shows the values when pointed at comes back.
    fn draw(&self, area: &Area<'_>) -> Result<String> {
        let mut chart = ChartBuilder::on(area);
        chart
            .margin_top(18)
            .margin_right(12)
            .x_label_area_size(26)
            .y_label_area_size(64);
        let Range { start, end } = self.range();
        let columns = match self.scale {
            Scale::Linear => self.fill(
                chart.build_cartesian_2d(0.0..self.seconds, start..end)?,
                end,
            )?,
            Scale::Log => {
                let values = (start..end).log_scale();
                self.fill(chart.build_cartesian_2d(0.0..self.seconds, values)?, end)?
            }
        };
        area.present()?;
        Ok(columns)
    }

    fn fill<Y>(&self, mut chart: Drawn<'_, Y>, highest: f64) -> Result<String>
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|at| format!("{at:.0} s"))
            .y_label_formatter(&|value| short(*value))
            .y_labels(5)
            .draw()?;
        if self.stacked {
            // The sum of all goes first, and what is less over it.
            for place in (0..self.lines.len()).rev() {
                let colour = self.lines[place].colour.filled();
                chart.draw_series(AreaSeries::new(self.sums(place), 0.0, colour))?;
            }
        } else {
            for Line { colour, points, .. } in &self.lines {
                chart.draw_series(LineSeries::new(
                    points.iter().copied(),
                    colour.stroke_width(2),
                ))?;
            }
        }
        for (at, words) in &self.marks {
            let line = vec![(*at, self.range().start), (*at, highest)];
            chart.draw_series([PathElement::new(line, MARK)])?;
            let font = ("sans-serif", 11).into_font().color(&MARK);
            chart.draw_series([Text::new(words.clone(), (*at, highest), font)])?;
        }
        self.columns(chart.plotting_area().get_pixel_range())
    }

    /// The points of a line with all that are below it.
    fn sums(&self, place: usize) -> Vec<(f64, f64)> {
        let below = |index: usize| -> f64 {
            let lines = self.lines[..=place].iter();
            lines
                .filter_map(|line| line.points.get(index))
                .map(|point| point.1)
                .sum()
        };
        let points = self.lines[place].points.iter().enumerate();
        points.map(|(index, (at, _))| (*at, below(index))).collect()
    }

    fn range(&self) -> Range<f64> {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let values = values.map(|point| point.1);
        if self.scale == Scale::Log {
            let above_zero = values.clone().filter(|value| *value > 0.0);
            let high = values.fold(0.0, f64::max);
            if high <= 0.0 {
                return 0.1..1.0;
            }
            let low = above_zero.fold(high, f64::min);
            let low = 10_f64.powf(low.log10().floor());
            return low..10_f64.powf(high.log10().ceil()).max(low * 10.0);
        }
        let high = match self.lines.len().checked_sub(1) {
            Some(last) if self.stacked => self
                .sums(last)
                .iter()
                .map(|point| point.1)
                .fold(0.0, f64::max),
            _ => values.fold(0.0, f64::max),
        };
        0.0..if high > 0.0 { high * 1.05 } else { 1.0 }
    }

    /// Invisible columns that show their values when pointed at.
    fn columns(&self, (across, down): (Range<i32>, Range<i32>)) -> Result<String> {
        let mut out = String::new();
        let Some(most) = self.lines.iter().max_by_key(|line| line.points.len()) else {
            return Ok(out);
        };
        let width = f64::from(across.end - across.start);
        let (top, height) = (down.start, down.end - down.start);
        let column = width / most.points.len().max(1) as f64;
        for (at, _) in &most.points {
            let x = f64::from(across.start) + width * (at / self.seconds).clamp(0.0, 1.0);
            write!(
                out,
                "<rect class=\"hover\" x=\"{x:.1}\" y=\"{top}\" width=\"{column:.1}\" height=\"{height}\"><title>{at:.0} s"
            )?;
            for line in &self.lines {
                if let Some((_, value)) = line.points.iter().find(|(time, _)| time == at) {
                    write!(out, "\n{} {}", escape(&line.name), short(*value))?;
                }
            }
            out.push_str("</title></rect>\n");
        }
        Ok(out)
    }
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
