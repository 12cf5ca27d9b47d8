//! The times that SDKs write, as milliseconds since 1970. Pure.
//!
//! | form | taken as |
//! | --- | --- |
//! | `2026-11-26T21:54:49.134+00:00`, 0 to 9 digits behind the point, `Z` or an offset | RFC 3339 |
//! | `2026-11-26 12:17:00.000`, the same without a zone | UTC |
//! | up to 11 digits | seconds since 1970: until the year 5138 |
//! | 12 to 14 digits | milliseconds since 1970 |
//! | either with a point and 1 to 9 digits behind it | the same, and a part of a second or millisecond |
//!
//! All else is no time. What is finer than a millisecond is cut off. A leap second is the second behind it.

/// Fewer than so many digits are seconds.
const SECONDS_DIGITS: usize = 11;
/// More digits than this are neither seconds nor milliseconds.
const MILLIS_DIGITS: usize = 14;

/// The time that a text says, if it's one, in milliseconds since 1970.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    if let Some(value) = number(text) {
        return Some(epoch(value, text.len()));
    }
    let point = text.iter().position(|byte| !byte.is_ascii_digit());
    if let Some(point) = point.filter(|point| text[*point] == b'.') {
        let (whole, part) = text.split_at(point);
        let (value, (millis, b"")) = (number(whole)?, fraction(part)?) else {
            return None;
        };
        let is_of_seconds = whole.len() <= SECONDS_DIGITS;
        return Some(epoch(value, whole.len()) + if is_of_seconds { millis } else { 0 });
    }
    let (date, rest) = text.split_at_checked(10)?;
    let [y, m, d] = [&date[..4], &date[5..7], &date[8..]].map(number);
    let (year, month, day) = (y?, m?, d?);
    let (separator, clock) = rest.split_first()?;
    let (time, rest) = clock.split_at_checked(8)?;
    let [h, min, s] = [&time[..2], &time[3..5], &time[6..]].map(number);
    let (hour, minute, second) = (h?, min?, s?);
    let are_signs_right = date[4] == b'-' && date[7] == b'-' && time[2] == b':' && time[5] == b':';
    let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    let is_time = hour < 24 && minute < 60 && second <= 60;
    if !are_signs_right || !is_date || !is_time {
        return None;
    }
    let (millis, zone) = fraction(rest)?;
    let offset_minutes = match (separator, zone) {
        (b' ', []) => 0,
        (b'T' | b't' | b' ', zone) => offset(zone)?,
        _ => return None,
    };
    let days = days_since_1970(year, month, day);
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1_000 + millis)
}

/// The milliseconds of a number of as many digits, at most [`MILLIS_DIGITS`].
fn epoch(value: i64, digits: usize) -> i64 {
    match digits {
        ..=SECONDS_DIGITS => value * 1_000,
        _ => value,
    }
}

/// A number of at least one digit, and no more than [`MILLIS_DIGITS`].
fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > MILLIS_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// The milliseconds of a fraction, if there is one, and what stands behind it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 || count > 9 {
        return None;
    }
    let (digits, behind) = digits.split_at(count);
    let first = digits.iter().chain(b"00").take(3);
    let millis = first.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((millis, behind))
}

/// A zone's minutes ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] => {
            if hours.len() != 2 {
                return None;
            }
            let (hours, minutes) = (number(hours)?, number(&[*m1, *m2])?);
            let all = hours * 60 + minutes;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -all } else { all })
        }
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, with a year that begins in March, so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (century, of_century) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_cycle = of_century * 365 + of_century / 4 - of_century / 100 + of_year;
    century * 146_097 + of_cycle - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Slow and simple: counts the days one by one.
    fn by_counting(year: i64, month: i64, day: i64) -> i64 {
        let mut days = 0;
        let length = |year| 365 + i64::from(is_leap(year));
        for past in 1970..year {
            days += length(past);
        }
        for future in year..1970 {
            days -= length(future);
        }
        days + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
    }

    #[test]
    fn the_times_of_sdks_are_read() {
        for (text, ms) in [
            ("2026-11-26T21:54:49.134+00:00", 1_795_730_089_134),
            ("2026-11-26T21:54:49.134Z", 1_795_730_089_134),
            ("2026-11-26T21:56:58.952199224Z", 1_795_730_218_952),
            ("2026-11-26T21:54:49.635863+00:00", 1_795_730_089_635),
            ("2026-11-26t21:54:49z", 1_795_730_089_000),
            ("2026-11-26T23:24:49.1+01:30", 1_795_730_089_100),
            ("2026-11-26 12:17:00.000", 1_795_695_420_000),
            ("2026-11-26 12:17:00", 1_795_695_420_000),
            ("2026-11-26 12:17:00Z", 1_795_695_420_000),
            ("1795730677192", 1_795_730_677_192),
            ("1795730677", 1_795_730_677_000),
            ("1795730677.559666", 1_795_730_677_559),
            ("1795730677192.5", 1_795_730_677_192),
            ("0", 0),
            ("0.5", 500),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "now",
            "-1",
            "1e9",
            "1795730677.",
            ".5",
            "1795730677.5.5",
            "1795730677.1234567890",
            "1795730677.5e3",
            "179573067719200.5",
            "179573067719200",
            "2026-11-26",
            "2026-11-26T21:54:49",
            "2026-11-26T21:54:49.Z",
            "2026-11-26T21:54:49.1234567890Z",
            "2026-11-26T24:00:00Z",
            "2026-11-26T21:60:00Z",
            "2026-13-26T21:00:00Z",
            "2026-02-29T21:00:00Z",
            "2026-11-00T21:00:00Z",
            "2026/11/26T21:54:49Z",
            "2026-11-26T21:54:49+0100",
            "2026-11-26T21:54:49+24:00",
            "2026-11-26T21:54:49Z ",
            " 2026-11-26T21:54:49Z",
            "2026-11-26_21:54:49Z",
            "+026-11-26T21:54:49Z",
            "2026-11-26T21:54:4\u{e4}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_counting_days(
            year in 0_i64..9_999, month in 1_i64..=12, day in 1_i64..=31, hour in 0_i64..24, minute in 0_i64..60,
            second in 0_i64..60, fraction in "(\\.[0-9]{1,9})?", offset in -1_439_i64..1_440,
        ) {
            let sign = if offset < 0 { '-' } else { '+' };
            let (ahead, behind) = (offset.abs() / 60, offset.abs() % 60);
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{sign}{ahead:02}:{behind:02}"
            );
            let digits = format!("{:0<4}", fraction.get(1..).unwrap_or(""));
            let millis: i64 = digits[..3].parse().unwrap();
            let seconds = by_counting(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60;
            let expected = (day <= days_of(year, month)).then_some(seconds * 1_000 + millis);
            prop_assert_eq!(parse(text.as_bytes()), expected, "{}", text);
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[0-9TZ:. +-]{0,40}") {
            parse(&bytes);
            parse(text.as_bytes());
        }
    }
}
