//! The events that are sent: who each one is, and its text.
//!
//! An event is a JSON object that begins with its identity, so that the audit finds it without parsing the rest:
//!
//! ```text
//! {"id":"lt-SOURCE-KEY-SEQ","event_id":…,"user":"SOURCE-KEY","device":{"id":"SOURCE-KEY"},"name":"click",…}
//! ```
//!
//! SOURCE is hexadecimal and unique to a sender, KEY a number below the sender's number of keys, SEQ counts the events
//! of that key from 0. The key and the id are there twice: where `forebay dev` looks for them, and where the streams of
//! `deploy/forebay.toml` do. The k6 scripts make the same identities (`lib/identity.js`).

use std::io::Write as _;

use crate::random::Random;

const OPEN: &[u8] = br#"{"id":"lt-"#;
const NAMES: [&str; 5] = ["impression", "click", "in_app", "session", "install"];
/// Enough that one event seldom repeats another's text.
const FILLER_BYTES: usize = 64 * 1024;
/// What an event has beside its filler; none is smaller than some 200 bytes.
const LARGEST_BYTES: usize = FILLER_BYTES / 2;

/// Who an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The sender: a connection pool of one thread and stream, or a k6 user.
    pub(crate) source: u64,
    /// The key, among the source's.
    pub(crate) key: u32,
    /// The place among the key's events, from 0.
    pub(crate) seq: u32,
}

impl Identity {
    /// Finds it in a record's value; `None` if the value isn't an event of ours.
    pub(crate) fn of_value(value: &[u8]) -> Option<Identity> {
        let rest = value.strip_prefix(OPEN)?;
        let (source, rest) = number(rest, 16, b'-')?;
        let (key, rest) = number(rest, 10, b'-')?;
        let (seq, _) = number(rest, 10, b'"')?;
        Some(Identity {
            source,
            key: u32::try_from(key).ok()?,
            seq: u32::try_from(seq).ok()?,
        })
    }

    /// Whether a record's key is the one that this event was sent with.
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        number(key, 16, b'-').is_some_and(|(source, rest)| {
            source == self.source
                && !rest.is_empty()
                && digits(rest, 10)
                    .is_some_and(|(key, rest)| rest.is_empty() && key == u64::from(self.key))
        })
    }
}

/// A number and the byte that ends it; what follows.
fn number(text: &[u8], radix: u64, end: u8) -> Option<(u64, &[u8])> {
    let (value, rest) = digits(text, radix)?;
    Some((value, rest.strip_prefix(&[end])?))
}

fn digits(text: &[u8], radix: u64) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (at, byte) in text.iter().enumerate() {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte - b'0'),
            b'a'..=b'f' if radix == 16 => u64::from(byte - b'a' + 10),
            _ if at == 0 => return None,
            _ => return Some((value, &text[at..])),
        };
        value = value.checked_mul(radix)?.checked_add(digit)?;
    }
    (!text.is_empty()).then_some((value, &[]))
}

/// Makes the texts of events.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Smallest and largest size, in bytes.
    sizes: (usize, usize),
    filler: Vec<u8>,
    random: Random,
}

impl Writer {
    /// Events of `sizes` bytes, from and to. Those below some 200 bytes come out larger, those above 32 KiB smaller.
    pub(crate) fn new(sizes: (usize, usize)) -> Writer {
        let mut random = Random::new();
        let words = [
            "utm_source=",
            "&campaign=",
            "&adset=summer_sale",
            "&creative=video_30s",
            "&click_id=",
            "&geo=",
        ];
        let mut filler = Vec::with_capacity(FILLER_BYTES + 64);
        while filler.len() < FILLER_BYTES {
            filler.extend_from_slice(words[random.below(words.len())].as_bytes());
            filler.extend_from_slice(format!("{:x}", random.next() >> 32).as_bytes());
        }
        Writer {
            sizes: (sizes.0.min(LARGEST_BYTES), sizes.1.min(LARGEST_BYTES)),
            filler,
            random,
        }
    }

    /// Appends an event. `at_ms` is the time of the event, Unix milliseconds.
    pub(crate) fn append(&mut self, body: &mut Vec<u8>, identity: Identity, at_ms: u64) {
        let Identity { source, key, seq } = identity;
        let begin = body.len();
        let name = NAMES[self.random.below(NAMES.len())];
        let (from, to) = self.sizes;
        let size = from + self.random.below(to - from + 1);
        let written = write!(
            body,
            r#"{{"id":"lt-{source:x}-{key}-{seq}","event_id":"lt-{source:x}-{key}-{seq}","user":"{source:x}-{key}","device":{{"id":"{source:x}-{key}"}},"name":"{name}","at":{at_ms},"referrer":""#
        );
        debug_assert!(written.is_ok(), "writing to memory doesn't fail");
        let missing = (begin + size).saturating_sub(body.len() + 2);
        let start = self.random.below(self.filler.len() - missing);
        body.extend_from_slice(&self.filler[start..start + missing]);
        body.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_who_it_is_and_has_the_size_asked_for() {
        let identity = Identity {
            source: 0xdead_beef_0102,
            key: 7,
            seq: 4_000_000_000,
        };
        let mut body = Vec::new();
        Writer::new((400, 400)).append(&mut body, identity, 1);
        assert_eq!(body.len(), 400);
        assert_eq!(Identity::of_value(&body), Some(identity));
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let key = value["user"].as_str().unwrap();
        assert_eq!(value["device"]["id"], key);
        assert!(identity.has_key(key.as_bytes()));
        assert!(!identity.has_key(b"deadbeef0102-70"));
        assert!(!identity.has_key(b"deadbeef0102-"));
    }

    #[test]
    fn what_is_not_ours_has_no_identity() {
        for text in [
            "",
            "{}",
            r#"{"id":"lt-"#,
            r#"{"id":"lt-1-2-"}"#,
            r#"{"id":"lt-1-2-99999999999"}"#,
        ] {
            assert_eq!(Identity::of_value(text.as_bytes()), None, "{text}");
        }
    }
}
