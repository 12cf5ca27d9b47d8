//! How samples become OpenMetrics text. It names no metric.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::durations::{BUCKETS_US, DurationsSample};

/// The labels of exemplars, of which there are none.
type NoExemplar = [(&'static str, &'static str); 0];

/// What can be read off a sample.
pub(super) enum Read<S> {
    Counter(fn(&S) -> u64),
    Gauge(fn(&S) -> f64),
}

/// A metric: name without prefix and suffix, unit, meaning, and how to read it.
pub(super) type Metric<S> = (&'static str, Option<Unit>, &'static str, Read<S>);

/// One metric after the other, with a value for each sample.
pub(super) fn family<S>(
    encoder: &mut DescriptorEncoder<'_>,
    metrics: &[Metric<S>],
    samples: &[S],
    labels: impl Fn(&S) -> Vec<(&'static str, String)>,
) -> Result<(), std::fmt::Error> {
    for (name, unit, help, read) in metrics {
        let kind = match read {
            Read::Counter(_) => MetricType::Counter,
            Read::Gauge(_) => MetricType::Gauge,
        };
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for sample in samples {
            let labels = labels(sample);
            let encoder = family.encode_family(&labels)?;
            match read {
                Read::Counter(read) => ConstCounter::new(read(sample)).encode(encoder)?,
                Read::Gauge(read) => ConstGauge::new(read(sample)).encode(encoder)?,
            }
        }
    }
    Ok(())
}

/// One histogram in seconds, with its labels for each sample.
pub(super) fn histograms<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Vec<(&'static str, String)>, &'a DurationsSample)>,
) -> Result<(), std::fmt::Error> {
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
    for (labels, sample) in samples {
        let bounds = BUCKETS_US.iter().map(|us| *us as f64 / 1e6);
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(sample.counts).collect();
        family
            .encode_family(&labels)?
            .encode_histogram::<NoExemplar>(
                sample.sum_us as f64 / 1e6,
                sample.counts.iter().sum(),
                &buckets,
                None,
            )?;
    }
    Ok(())
}
