//! What a client may write where a key or a signature stands, beside decoders that go bit by bit.

use aws_lc_rs::hmac;

use super::super::signature::{Secret, Signature};
use super::dice::{Dice, trimmed};
use super::*;

/// A head with two headers, each once or not at all.
#[derive(Default)]
struct Two<'a> {
    first: Option<&'a [u8]>,
    time: Option<&'a [u8]>,
}

impl View for Two<'_> {
    fn header(&self, name: &HeaderName) -> Found<'_> {
        let value = if name == "x-time" {
            self.time
        } else {
            self.first
        };
        value.map_or(Found::None, |value| Found::One(value.into()))
    }

    fn query(&self, _: &str) -> Found<'_> {
        Found::None
    }

    fn capture(&self, _: &str) -> Found<'_> {
        Found::None
    }

    fn subjects(&self) -> &[String] {
        &[]
    }
}

const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Codes bytes, six bits after six bits.
fn coded(bytes: &[u8], alphabet: &[u8; 64], padding: usize) -> Vec<u8> {
    let bits: Vec<_> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let six = |six: &[u8]| six.iter().fold(0, |sum, bit| sum << 1 | bit) << (6 - six.len());
    let mut text: Vec<u8> = bits
        .chunks(6)
        .map(|bits| alphabet[usize::from(six(bits))])
        .collect();
    text.extend(vec![b'='; padding]);
    text
}

/// Decodes it again. Of the padding some may be missing, and what is cut off has to be zero.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let is_url = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_url { URL } else { PLAIN };
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = &text[..text.len() - padding];
    let most = match text.len() % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return None,
    };
    if padding > most {
        return None;
    }
    let mut bits = Vec::new();
    for byte in text {
        let value = alphabet.iter().position(|known| known == byte)?;
        bits.extend((0..6).rev().map(|at| (value >> at & 1) as u8));
    }
    let whole = bits.len() / 8 * 8;
    let byte = |eight: &[u8]| eight.iter().fold(0, |sum, bit| sum << 1 | bit);
    let is_zero = bits[whole..].iter().all(|bit| *bit == 0);
    is_zero.then(|| bits[..whole].chunks(8).map(byte).collect())
}

/// The key that a value shows by a scheme, as RFC 7617 and RFC 6750 have it: nothing, a key, or none that can be read.
fn shown(value: &[u8], scheme: &str) -> Result<Option<Vec<u8>>, ()> {
    let value = trimmed(value);
    let end = value
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(value.len());
    let (name, rest) = (&value[..end], trimmed(&value[end..]));
    if String::from_utf8_lossy(name).to_ascii_lowercase() != scheme {
        return Ok(None);
    }
    if scheme == "bearer" {
        return Ok(Some(rest.to_vec()));
    }
    if rest.len() > 2_048 {
        return Err(());
    }
    let mut both = decoded(rest).ok_or(())?;
    let colon = both.iter().position(|byte| *byte == b':').ok_or(())?;
    both.truncate(colon);
    Ok(Some(both))
}

#[test]
fn a_key_in_authorization_is_the_one_that_a_slow_decoder_finds() {
    let schemes: [&[u8]; 8] = [
        b"Basic ",
        b"basic",
        b"BASIC  ",
        b"Bearer ",
        b"bearer",
        b"bearer\t",
        b"Basicx ",
        b"",
    ];
    let rest: [&[u8]; 9] = [
        b"YWJj", b"YTpi", b"Og", b"=", b"==", b"A", b"-_", b"+/", b" ",
    ];
    Dice::try_all(|dice| {
        let mut value = dice.pick(&schemes).to_vec();
        if dice.once_in(2) {
            value.extend(dice.pieces(&rest, 8));
        } else {
            let length = if dice.once_in(50) {
                1_500 + dice.below(60)
            } else {
                dice.below(20)
            };
            let mut both = dice.bytes(length);
            if dice.below(4) > 0 && !both.is_empty() {
                let at = dice.below(both.len());
                both[at] = b':';
            }
            let padding = dice.below(4);
            value.extend(coded(&both, dice.pick(&[PLAIN, URL]), padding));
        }
        dice.damage(&mut value);
        let view = Two {
            first: Some(&value),
            ..Two::default()
        };
        let mut is_good = false;
        for (kind, scheme) in [(Kind::Basic, "basic"), (Kind::Bearer, "bearer")] {
            let key = kind.key(&view).map(|key| key.map(Cow::into_owned));
            let key = key.map_err(drop);
            assert_eq!(key, shown(&value, scheme), "{}", value.escape_ascii());
            is_good |= matches!(key, Ok(Some(_)));
        }
        is_good
    });
}

/// What a head says of a signature.
#[derive(Debug, PartialEq)]
enum Said {
    Nothing,
    Wrong(Refusal),
    Judged(bool),
}

const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = b"a body";
const SECRETS: [&str; 2] = ["the first secret", "the second secret"];
/// How it's signed: the setting, the prefix, whether it's base64, whether there is a time.
const WAYS: [(&str, &str, bool, bool); 4] = [
    ("x-signature source=a", "", false, false),
    (
        "x-signature source=a prefix=sha256=",
        "sha256=",
        false,
        false,
    ),
    ("x-signature source=a encoding=base64", "", true, false),
    (
        "x-signature source=a prefix=v1= time=x-time within=5m",
        "v1=",
        false,
        true,
    ),
];

fn signed(secret: &str, time: Option<&[u8]>) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let before = time.map_or(Vec::new(), |time| [time, b"."].concat());
    hmac::sign(&key, &[&before, BODY].concat())
        .as_ref()
        .to_vec()
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Vec<_> = text.iter().map(digit).collect::<Option<_>>()?;
    let pairs = digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[pair.len() - 1]) as u8);
    (digits.len() == 64).then(|| pairs.collect())
}

/// The time as it's written, if it's near enough.
fn near(time: Option<&[u8]>) -> Option<&[u8]> {
    let text = time.filter(|text| (1..=16).contains(&text.len()))?;
    let mut number = 0_u64;
    for byte in text {
        number = number * 10 + u64::from(char::from(*byte).to_digit(10)?);
    }
    let seconds = if text.len() > 11 {
        number / 1_000
    } else {
        number
    };
    (NOW.abs_diff(seconds) <= 300).then_some(text)
}

fn judged(view: &Two<'_>, (_, prefix, is_base64, has_time): (&str, &str, bool, bool)) -> Said {
    let Some(value) = view.first else {
        return Said::Nothing;
    };
    let rest = value
        .starts_with(prefix.as_bytes())
        .then(|| trimmed(&value[prefix.len()..]));
    let bytes = rest.and_then(|rest| if is_base64 { decoded(rest) } else { hex(rest) });
    let Some(bytes) = bytes.filter(|bytes| bytes.len() == 32) else {
        return Said::Wrong(Refusal::BadSignature);
    };
    let time = match has_time {
        true => match near(view.time) {
            None => return Said::Wrong(Refusal::SignatureTime),
            time => time,
        },
        false => None,
    };
    Said::Judged(SECRETS.iter().any(|secret| signed(secret, time) == bytes))
}

/// A header with a signature, or nearly, and one with its time.
fn written(
    dice: &mut Dice,
    (_, prefix, is_base64, has_time): (&str, &str, bool, bool),
) -> [Vec<u8>; 2] {
    let seconds = NOW + dice.below(640) as u64 - 320;
    let mut time = match dice.below(3) {
        0 => seconds.to_string(),
        1 => format!("{seconds}{:03}", dice.below(1_000)),
        _ => format!("0{seconds}"),
    }
    .into_bytes();
    let secret = dice.pick(&[SECRETS[0], SECRETS[1], "one of a stranger"]);
    let bytes = signed(secret, has_time.then_some(&time));
    let mut text = dice
        .pick(&[prefix, prefix, prefix, "", "sha256="])
        .as_bytes()
        .to_vec();
    let padding = dice.below(3);
    match is_base64 {
        true => text.extend(coded(&bytes, dice.pick(&[PLAIN, URL]), padding)),
        false => {
            let upper = dice.once_in(2);
            let digit = |byte: &u8| {
                if upper {
                    format!("{byte:02X}")
                } else {
                    format!("{byte:02x}")
                }
            };
            text.extend(bytes.iter().flat_map(|byte| digit(byte).into_bytes()));
        }
    }
    dice.damage(&mut text);
    dice.damage(&mut time);
    [text, time]
}

#[test]
fn a_signature_is_judged_as_a_slow_decoder_judges_it() {
    let secrets = SECRETS.map(|text| Secret::parse(text).unwrap());
    let signatures = WAYS.map(|way| Signature::parse(way.0).unwrap());
    Dice::try_all(|dice| {
        let at = dice.below(WAYS.len());
        let [text, time] = written(dice, WAYS[at]);
        let view = Two {
            first: (!dice.once_in(50)).then_some(&*text),
            time: (!dice.once_in(50)).then_some(&*time),
        };
        let said = match signatures[at].given(&view, || NOW) {
            Ok(None) => Said::Nothing,
            Ok(Some(given)) => Said::Judged(signatures[at].is_good(&given, &secrets, BODY)),
            Err(why) => Said::Wrong(why),
        };
        let expected = judged(&view, WAYS[at]);
        let shown = (
            text.escape_ascii().to_string(),
            time.escape_ascii().to_string(),
        );
        assert_eq!(said, expected, "{shown:?} by {}", WAYS[at].0);
        said == Said::Judged(true)
    });
}
