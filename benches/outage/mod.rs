//! The outage benchmark's cases.
//!
//! Reading order: [`options`] → [`gateway`] (forebay under load) → [`spilling`], [`replay`], [`start`] (the cases) →
//! [`table`].

pub(crate) mod disk;
pub(crate) mod gateway;
pub(crate) mod options;
mod replay;
mod spilling;
mod start;
pub(crate) mod table;

use crate::endtoend::bench::Bench;
use options::Options;
use table::Row;

/// Measures what the options ask for and prints the table.
pub(crate) fn run(options: &Options) {
    let cases: Vec<&str> = options.cases.split(',').collect();
    let bench = Bench::new(&options.common);
    assert!(
        bench.owns_kafka(),
        "this benchmark kills Kafka, so it starts its own: unset FOREBAY_TEST_KAFKA"
    );
    let mut rows: Vec<Row> = Vec::new();
    for case in cases {
        eprintln!("{case}");
        rows.extend(match case {
            "disk" => spilling::disk(&bench, &options.load),
            "single" => spilling::single(&bench),
            "replay" => replay::alone(&bench, options.backlog_mb),
            "traffic" => replay::with_traffic(&bench, options.backlog_mb * 5 / 2),
            "healthy" => spilling::healthy(&bench),
            "memory" => spilling::memory(&bench, options.quota_gb, options.budget_mib),
            "start" => start::run(&bench, &options.start_gb),
            unknown => panic!("no case `{unknown}`"),
        });
    }
    table::print(&options.common, &rows);
}
