//! Figures in tables.

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

/// Least and most, to see how far medians can be trusted.
pub(crate) fn spread(numbers: &[f64]) -> String {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(0.0, f64::max);
    format!("{least:.2}..{most:.2}")
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

/// p50 and p99 of latencies in microseconds, as milliseconds.
pub(crate) fn percentiles_ms(mut micros: Vec<u32>) -> (f64, f64) {
    micros.sort_unstable();
    let rank = |part: f64| {
        let index = (micros.len() as f64 * part) as usize;
        let micros = micros.get(index.min(micros.len().saturating_sub(1)));
        micros.map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    };
    (rank(0.5), rank(0.99))
}
