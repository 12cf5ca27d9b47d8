//! Addresses as they're written in texts that say other things, too: lists of them, `Forwarded`, cookies, JSON, addresses of pages.
//!
//! An address counts where it stands for itself: not within a word or a number, and not behind a single slash, where programs say their
//! version (`Chrome/120.0.0.7`). A version of four numbers that stands elsewhere is taken for one: better too few than too many are stored.

use std::net::IpAddr;
use std::ops::Range;

/// The longest address: of IPv6 with the last 32 bits as IPv4, colons percent-encoded.
const LONGEST: usize = 64;

/// All addresses in a text, each with where it stands.
pub(super) fn addresses(text: &[u8]) -> Vec<(Range<usize>, IpAddr)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < text.len() {
        if !may_begin(text, at) {
            at += 1;
            continue;
        }
        let run = Run::at(text, at);
        match run.address() {
            Some((bytes, address)) => {
                all.push((at..at + bytes, address));
                at += bytes;
            }
            None => at = run.end.max(at + 1),
        }
    }
    all
}

/// The byte that an escape stands for, if there is one at `at`.
fn escaped(text: &[u8], at: usize) -> Option<u8> {
    match text.get(at..at + 3)? {
        [b'%', digits @ ..] => u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    }
}

/// Whether an address may begin at `at`, by what stands before it.
fn may_begin(text: &[u8], at: usize) -> bool {
    let is_colon = text[at] == b':' || escaped(text, at) == Some(b':');
    if !(text[at].is_ascii_hexdigit() || is_colon) {
        return false;
    }
    // Behind an escape, which ends a word.
    if at >= 3
        && escaped(text, at - 3).is_some_and(|byte| byte != b'.' && !byte.is_ascii_alphanumeric())
    {
        return true;
    }
    match text[..at] {
        [] => true,
        [.., b'/', b'/'] => true,
        [.., last] => !(last.is_ascii_alphanumeric() || b"./_-:%".contains(&last) || last >= 0x80),
    }
}

/// What may be an address: digits, dots and colons, and where it ends.
struct Run {
    /// With escapes undone.
    text: String,
    /// Where each byte of it ends in the text that it was found in, counted from its beginning.
    ends: Vec<usize>,
    /// Where it ends in that text.
    end: usize,
    /// What follows is a part of the same word.
    goes_on: bool,
}

impl Run {
    fn at(text: &[u8], from: usize) -> Run {
        let (mut run, mut at) = (
            Run {
                text: String::new(),
                ends: Vec::new(),
                end: from,
                goes_on: false,
            },
            from,
        );
        // No further than an address may reach: a long text is looked through once, and not once for each address in it.
        while let Some(byte) = text.get(at).filter(|_| run.text.len() <= LONGEST) {
            let (byte, bytes) = match byte {
                b'%' if escaped(text, at) == Some(b':') => (b':', 3),
                byte => (*byte, 1),
            };
            if !(byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')) {
                break;
            }
            at += bytes;
            run.text.push(byte.into());
            run.ends.push(at - from);
        }
        run.end = at;
        let next = text.get(at);
        run.goes_on = next.is_some_and(|next| {
            next.is_ascii_alphanumeric() || b"_".contains(next) || *next >= 0x80
        });
        run
    }

    /// The address at its beginning, with its length; whatever follows it is no part of a word or a number.
    fn address(&self) -> Option<(usize, IpAddr)> {
        let parsed = |text: &str| {
            Some((
                *self.ends.get(text.len().checked_sub(1)?)?,
                text.parse().ok()?,
            ))
        };
        if !self.goes_on {
            let trimmed = self.text.trim_end_matches('.');
            let without = trimmed.strip_suffix(':').unwrap_or(trimmed);
            if let Some(found) = parsed(trimmed).or_else(|| parsed(without)) {
                return Some(found);
            }
        }
        // One of IPv4 with a port behind it, or another text.
        let (address, _) = self.text.split_once(':')?;
        match address.contains('.') {
            true => parsed(address),
            false => None,
        }
    }
}
