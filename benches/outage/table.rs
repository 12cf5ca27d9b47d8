//! The result: one markdown table.

use crate::endtoend::options::Options;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) against: String,
    pub(crate) ratio: String,
    pub(crate) bar: String,
    /// None: for information.
    pub(crate) is_met: Option<bool>,
    pub(crate) note: String,
}

pub(crate) fn print(options: &Options, rows: &[Row]) {
    println!(
        "\nMedians of {} rounds of {} s; {} partitions, events of 400 bytes, {}.\n",
        options.rounds,
        options.seconds,
        options.partitions,
        if options.unpinned {
            "nothing pinned"
        } else {
            "forebay on CPU 0, load and broker on CPU 1"
        },
    );
    println!("| case | what | measured | against | ratio | bar | met | |");
    println!("|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.case,
            row.what,
            row.measured,
            row.against,
            row.ratio,
            row.bar,
            row.is_met
                .map_or("", |is_met| if is_met { "yes" } else { "**no**" }),
            row.note
        );
    }
}
