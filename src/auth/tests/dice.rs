//! For tests that try a parser on very many inputs, beside a slow one that was written another way.
//!
//! Inputs are made of pieces that mean something to the parser, and then damaged. `FOREBAY_FUZZ` says how many each test tries (a few
//! thousand otherwise), `FOREBAY_FUZZ_SEED` which. Before them it tries those that are kept in `tests/corpus`: each that ever failed, and
//! some to begin with. Ten million of each:
//!
//! ```text
//! FOREBAY_FUZZ=10000000 cargo test --release --lib -- parsers fuzz_tests
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |given| given.parse().unwrap())
}

/// Numbers that look random, the same for the same seed (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    /// Tries `judge` on as many inputs as are wanted. It says whether an input was a good one; at least one of a hundred has to be.
    pub(crate) fn try_all(mut judge: impl FnMut(&mut Dice) -> bool) {
        let (seed, count) = (
            number("FOREBAY_FUZZ_SEED", 1),
            number("FOREBAY_FUZZ", 5_000),
        );
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let good = (0..count).filter(|_| judge(&mut dice)).count() as u64;
        assert!(good >= count / 100, "{good} of {count} are good");
    }

    /// The same with inputs that are bytes, which `make` makes and `tests/corpus/NAME` keeps: a line each, escaped as Rust does it.
    #[expect(clippy::print_stderr, reason = "a failed test says what to keep")]
    pub(crate) fn try_inputs(
        name: &str,
        mut make: impl FnMut(&mut Dice) -> Vec<u8>,
        judge: impl Fn(&[u8]) -> bool,
    ) {
        let judge = |input: &[u8]| {
            catch_unwind(AssertUnwindSafe(|| judge(input))).unwrap_or_else(|panic| {
                eprintln!("add to tests/corpus/{name}:\n{}", input.escape_ascii());
                resume_unwind(panic)
            })
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(root.join("tests/corpus").join(name)).unwrap();
        let kept: Vec<_> = kept.lines().map(unescaped).collect();
        assert!(!kept.is_empty(), "tests/corpus/{name} is empty");
        for input in &kept {
            judge(input);
        }
        Dice::try_all(|dice| {
            let mut input = match dice.once_in(8) {
                true => kept[dice.below(kept.len())].clone(),
                false => make(dice),
            };
            dice.damage(&mut input);
            judge(&input)
        });
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.next() as usize % most
    }

    /// True once in so many.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// So many bytes, of any value.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// Up to so many of these pieces, one behind the other.
    pub(crate) fn pieces(&mut self, of: &[&[u8]], most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).flat_map(|_| self.pick(of).to_vec()).collect()
    }

    /// An address as people write it, or nearly.
    pub(crate) fn address(&mut self) -> Vec<u8> {
        let of_6: &[&[u8]] = &[
            b"0",
            b"1",
            b"db8",
            b"2001",
            b"ffff",
            b"fd00",
            b"00001",
            b"g",
            b"10.1.2.3",
        ];
        match self.below(3) {
            0 => {
                let small = |dice: &mut Dice| dice.next() as u8;
                let [a, b, c] = [small(self), small(self), small(self)];
                let a = self.pick(&[&10, &192, &a]);
                format!("{a}.{b}.{c}.{}", small(self)).into_bytes()
            }
            1 => Ipv6Addr::from(
                (u128::from(self.next()) << 80) | u128::from(self.next() & 0xffff_0000_ffff),
            )
            .to_string()
            .into_bytes(),
            _ => {
                let mut all = Vec::new();
                for _ in 0..self.below(10) {
                    all.extend_from_slice(self.pick(of_6));
                    all.extend_from_slice(self.pick(&[&b":"[..], b":", b":", b"::"]));
                }
                all.extend_from_slice(self.pick(of_6));
                all
            }
        }
    }

    /// Sometimes changes something: a byte becomes another, is gone, comes twice, or the end is cut.
    pub(crate) fn damage(&mut self, bytes: &mut Vec<u8>) {
        while self.once_in(3) && !bytes.is_empty() {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.next() as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, bytes[at]),
                3 => bytes.insert(
                    at,
                    *self.pick(&[
                        &b' ', &b'\t', &b'"', &b'\\', &b';', &b',', &b'=', &b':', &b'0', &b'\n',
                        &b'{', &b'}', &b'[', &b']', &b'-', &b'%', &b'&', &b'+', &b'/', &b'|',
                    ]),
                ),
                _ => bytes.truncate(at),
            }
        }
    }
}

/// What `escape_ascii` made of bytes, undone.
fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = line.bytes();
    let mut all = Vec::new();
    while let Some(byte) = bytes.next() {
        let escape = match byte {
            b'\\' => bytes.next(),
            plain => {
                all.push(plain);
                continue;
            }
        };
        all.push(match escape.expect("an escape") {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap() as u8;
                digit() << 4 | digit()
            }
            other => other,
        });
    }
    all
}

/// The digits of a number of at most so many, read one by one.
fn digits(text: &[u8], most: usize, base: u32) -> Option<u32> {
    let is_good = !text.is_empty() && text.len() <= most;
    let digit = |sum: u32, byte: &u8| Some(sum * base + char::from(*byte).to_digit(base)?);
    is_good.then(|| text.iter().try_fold(0, digit)).flatten()
}

/// An address of IPv4: four numbers without zeros before them.
pub(crate) fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let parts: Vec<_> = text.split(|byte| *byte == b'.').collect();
    let part = |part: &&[u8]| {
        let is_plain = part.len() == 1 || part.first() != Some(&b'0');
        digits(part, 3, 10)
            .filter(|number| is_plain && *number < 256)
            .map(|it| it as u8)
    };
    let numbers: Vec<u8> = parts.iter().map(part).collect::<Option<_>>()?;
    let four: [u8; 4] = numbers.try_into().ok()?;
    Some(four.into())
}

/// The groups between colons, of which the last may be an address of IPv4.
fn groups(text: &[u8], may_end_in_4: bool) -> Option<Vec<u16>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let parts: Vec<_> = text.split(|byte| *byte == b':').collect();
    let mut all = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() && may_end_in_4 && part.contains(&b'.') {
            let [a, b, c, d] = ipv4(part)?.octets().map(u16::from);
            all.extend([a << 8 | b, c << 8 | d]);
        } else {
            all.push(digits(part, 4, 16)? as u16);
        }
    }
    Some(all)
}

/// An address of IPv6: eight groups, of which two colons stand for one at least.
pub(crate) fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let gap = text.windows(2).position(|pair| pair == b"::");
    let all = match gap {
        None => groups(text, true)?,
        Some(at) => {
            let (before, behind) = (groups(&text[..at], false)?, groups(&text[at + 2..], true)?);
            let missing = 8_usize.checked_sub(before.len() + behind.len())?;
            if missing == 0 {
                return None;
            }
            [before, vec![0; missing], behind].concat()
        }
    };
    let eight: [u16; 8] = all.try_into().ok()?;
    Some(eight.into())
}

/// Of either kind.
pub(crate) fn ip(text: &[u8]) -> Option<IpAddr> {
    let of_4 = ipv4(text).map(IpAddr::V4);
    of_4.or_else(|| ipv6(text).map(IpAddr::V6))
}

/// Without the five bytes that ASCII calls white at its ends.
pub(crate) fn trimmed(mut text: &[u8]) -> &[u8] {
    let is_white = |byte: u8| [9, 10, 12, 13, 32].contains(&byte);
    while let [first, rest @ ..] = text
        && is_white(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_white(*last)
    {
        text = rest;
    }
    text
}
