//! The result: one markdown table.

use super::options::Options;

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

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => numbers[len / 2],
        len => f64::midpoint(numbers[len / 2 - 1], numbers[len / 2]),
    }
}

/// `12,345`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Least and most, to see how far medians can be trusted.
pub(crate) fn spread(numbers: &[f64]) -> String {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(0.0, f64::max);
    format!("{least:.2}..{most:.2}")
}
