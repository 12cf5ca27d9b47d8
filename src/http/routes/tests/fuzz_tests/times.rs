//! Times as SDKs write them.

use crate::auth::tests::dice::Dice;
use crate::http::routes::time::parse;

/// Days of the years before each, from the year 0 on: counted one by one.
struct Calendar(Vec<i64>);

impl Calendar {
    fn new() -> Calendar {
        let mut days = vec![0];
        for year in 0..10_000 {
            days.push(days[year] + 365 + i64::from(is_leap(year)));
        }
        Calendar(days)
    }

    /// Seconds since 1970, or nothing if there's no such second.
    fn seconds(&self, date: [usize; 3], clock: [usize; 3]) -> Option<i64> {
        let ([year, month, day], [hour, minute, second]) = (date, clock);
        let february = if is_leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let length = *months.get(month.checked_sub(1)?)?;
        if day == 0 || day > length || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days: usize = months[..month - 1].iter().sum::<usize>() + day - 1;
        let days = self.0[year] - self.0[1970] + days as i64;
        Some(days * 86_400 + (hour * 3_600 + minute * 60 + second) as i64)
    }
}

fn is_leap(year: usize) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

/// A number, if all are digits.
fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.chars().all(|char| char.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Numbers of these lengths between these signs, and what stands behind them.
fn numbers<'t>(text: &'t str, form: &[(usize, &str)]) -> Option<([usize; 3], &'t str)> {
    let (mut rest, mut all) = (text, Vec::new());
    for (length, sign) in form {
        all.push(number(rest.get(..*length)?)?);
        rest = rest[*length..].strip_prefix(sign)?;
    }
    Some((all.try_into().ok()?, rest))
}

fn slowly(text: &[u8], calendar: &Calendar) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if let (Some(number), Some(_), 1..=9) = (number(whole), number(part), part.len()) {
        let millis: i64 = format!("{part}00")[..3].parse().ok()?;
        return match whole.len() {
            ..=11 => Some(number as i64 * 1_000 + millis),
            12..=14 => Some(number as i64),
            _ => None,
        };
    }
    let (date, rest) = numbers(text, &[(4, "-"), (2, "-"), (2, "")])?;
    let separator = rest.chars().next()?;
    let (clock, rest) = numbers(
        &rest[separator.len_utf8()..],
        &[(2, ":"), (2, ":"), (2, "")],
    )?;
    let (mut zone, mut millis) = (rest, 0);
    if let Some(rest) = rest.strip_prefix('.') {
        let end = rest
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(rest.len());
        if !(1..=9).contains(&end) {
            return None;
        }
        let digits = format!("{}00", &rest[..end]);
        (millis, zone) = (digits[..3].parse().ok()?, &rest[end..]);
    }
    let minutes = match (separator, zone) {
        (' ', "") => 0,
        ('T' | 't' | ' ', "Z" | "z") => 0,
        ('T' | 't' | ' ', zone) => {
            let sign = match zone.chars().next()? {
                '+' => 1,
                '-' => -1,
                _ => return None,
            };
            let (hours, minutes) = zone[1..].split_once(':')?;
            let is_zone = hours.len() == 2 && minutes.len() == 2;
            let (hours, minutes) = (number(hours)?, number(minutes)?);
            if !is_zone || hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 60 + minutes) as i64
        }
        _ => return None,
    };
    let seconds = calendar.seconds(date, clock)?;
    Some((seconds - minutes * 60) * 1_000 + millis)
}

#[test]
fn a_time_is_the_one_that_counting_the_days_gives() {
    let calendar = Calendar::new();
    let make = |dice: &mut Dice| {
        if dice.once_in(5) {
            let length = dice.below(17);
            let mut text: Vec<_> = (0..length).map(|_| b'0' + dice.below(10) as u8).collect();
            if dice.once_in(2) {
                text.push(b'.');
                let digits = dice.below(11);
                text.extend((0..digits).map(|_| b'0' + dice.below(10) as u8));
            }
            return text;
        }
        let year = match dice.below(3) {
            0 => dice.below(10_000),
            1 => 2_000 + dice.below(40),
            _ => 100 * dice.below(100),
        };
        let (month, day) = (dice.below(14), dice.below(33));
        let (hour, minute, second) = (dice.below(25), dice.below(61), dice.below(62));
        let separator = dice.pick(&["T", "T", "t", " ", "_"]);
        let mut text =
            format!("{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}");
        if dice.once_in(2) {
            text.push('.');
            let digits = dice.below(11);
            text.extend((0..digits).map(|_| char::from(b'0' + dice.below(10) as u8)));
        }
        text += dice.pick(&[
            "Z", "Z", "z", "", "+01:30", "-23:59", "+24:00", "+0100", "+1:00",
        ]);
        text.into_bytes()
    };
    Dice::try_inputs("times", make, |text| {
        let found = parse(text);
        assert_eq!(found, slowly(text, &calendar), "{}", text.escape_ascii());
        found.is_some()
    });
}
