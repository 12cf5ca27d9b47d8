//! The outage benchmark's cases.
//!
//! Reading order: [`options`] → [`bench`](mod@bench) (forebay, Kafka and the load) → [`spilling`], [`replay`], [`start`]
//! (the cases) → [`table`].

pub(crate) mod bench;
pub(crate) mod disk;
pub(crate) mod gateway;
pub(crate) mod options;
mod replay;
mod spilling;
mod start;
pub(crate) mod table;

use bench::Bench;
use options::Options;
use table::Row;

/// Measures what the options ask for and prints the table.
pub(crate) fn run(options: &Options) {
    let cases: Vec<&str> = options.cases.split(',').collect();
    let bench = Bench::new(options);
    let mut rows: Vec<Row> = Vec::new();
    for case in cases {
        eprintln!("{case}");
        rows.extend(match case {
            "disk" => spilling::disk(&bench),
            "single" => spilling::single(&bench),
            "replay" => replay::alone(&bench),
            "traffic" => replay::with_traffic(&bench),
            "healthy" => spilling::healthy(&bench),
            "memory" => spilling::memory(&bench),
            "start" => start::run(&bench),
            unknown => panic!("no case `{unknown}`"),
        });
    }
    table::print(options, &rows);
}
