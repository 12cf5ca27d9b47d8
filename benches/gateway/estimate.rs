//! How long a run takes, said before it begins.

use super::options::Options;
use super::subjects::settling;
use crate::endtoend::cases::{Ack, Case};

/// What a measurement takes beside its warm-up and window, in seconds: a topic, a process, the audit.
const AROUND: f64 = 1.5;
/// Waiting until everything is in Kafka, where answers don't.
const DRAIN: f64 = 4.0;
/// The decoder's measurement.
const PARSE: f64 = 1.1;
/// The broker's start and first work.
const START: f64 = 15.0;

/// In words.
pub(crate) fn of(options: &Options, cases: &[Case]) -> String {
    let wants = |name: &str| f64::from(u8::from(options.wants(name)));
    let common = &options.common;
    let each = common.warm_up + common.seconds + AROUND;
    let mut round = 0.0;
    for (index, case) in cases.iter().enumerate() {
        let before = &cases[..index];
        if !before.iter().any(|it| it.has_http_of(case)) {
            round += (wants("bare") + wants("held")) * each;
        }
        if !before.iter().any(|it| it.has_bodies_of(case)) {
            round += wants("bare").max(wants("held")) * PARSE;
        }
        let settled = each + settling(case).as_secs_f64();
        round += wants("gateway") * (1.0 + wants("raw")) * settled;
        round += wants("gateway") * wants("joined") * f64::from(u8::from(case.has_joined)) * each;
        round += f64::from(u8::from(options.against.is_some())) * each;
        let peer = f64::from(u8::from(options.peer.is_some() && case.has_toy));
        round += peer * each;
        round += wants("toy") * f64::from(u8::from(case.has_toy)) * each;
        if case.ack != Ack::Durable {
            round += wants("gateway") * DRAIN;
        }
    }
    let seconds = START + round * common.rounds as f64 + common.warm_up + common.seconds;
    format!(
        "{} cases, {} rounds of {} s: about {:.0} minutes",
        cases.len(),
        common.rounds,
        common.seconds,
        (seconds / 60.0).ceil()
    )
}
