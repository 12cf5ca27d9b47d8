//! Signatures of bodies: HMAC-SHA256 (RFC 2104) with a secret of the source, over the body as it was sent.
//!
//! A kind of it is written `hmac:HEADER`, and behind that, in any order:
//! - `id=PLACE`: where the id is that the source is found by: `path:NAME` a capture, `header:NAME`, `query:NAME`; or `source=NAME`,
//!   where all is of one source. One of the two is required.
//! - `encoding=hex` (the default) or `base64`, with or without `=` at its end, of either alphabet.
//! - `prefix=TEXT`: what stands before the signature.
//! - `time=HEADER within=DURATION`: a header with the time of the signature, in seconds or milliseconds since 1970. What is signed then is
//!   the header's text, a dot, and the body: a time that isn't signed would protect nobody. `signed=TEXT` says it otherwise, with
//!   `{time}` and `{body}` for these, the body at its end.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::header::HeaderName;

use super::digest::Digest;
use super::refusal::Refusal;
use super::view::{Found, Place, View};

/// The longest time that is looked at, in digits: milliseconds for some thousand years.
const TIME_BYTES: usize = 16;

/// A secret, as the state that a signature begins with.
#[derive(Debug)]
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// Reads a setting: the secret as text, or `base64:` and its bytes. The error doesn't repeat it.
    pub(super) fn parse(text: &str) -> Result<Secret, String> {
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let secret = match text.strip_prefix("base64:") {
            None => key(text.as_bytes()),
            Some(coded) => {
                let bytes = decode_base64(coded.as_bytes());
                key(&bytes.ok_or("what stands behind \"base64:\" isn't base64")?)
            }
        };
        if text.len() < 8 {
            return Err("a secret must have 8 characters at least, or it can be guessed".into());
        }
        Ok(Secret(secret))
    }

    /// The signature of these parts, one behind the other.
    fn sign(&self, parts: [&[u8]; 4]) -> Option<Digest> {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        Digest::from_bytes(context.sign().as_ref())
    }
}

/// Whose secret it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The one that has the id at this place.
    Id(Place),
    /// The one of this name.
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Hex,
    Base64,
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    header: HeaderName,
    pub(super) whose: Whose,
    encoding: Encoding,
    prefix: String,
    time: Option<(HeaderName, Duration)>,
    /// What stands before the time, between it and the body.
    signed: (String, String),
}

/// What a head says of a signature.
#[derive(Clone, Debug)]
pub struct Given {
    digest: Digest,
    time: Option<String>,
}

impl Signature {
    /// Reads what stands behind `hmac:`.
    pub(super) fn parse(text: &str) -> Result<Signature, String> {
        let mut words = text.split_whitespace();
        let header = header(words.next().unwrap_or_default())?;
        let (mut whose, mut encoding, mut prefix) = (None, Encoding::Hex, String::new());
        let (mut time, mut within, mut signed) = (None, None, None);
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match (name, value) {
                ("id", place) => whose = Some(Whose::Id(Place::parse(place)?)),
                ("source", name) if !name.is_empty() => whose = Some(Whose::Named(name.into())),
                ("encoding", "hex") => encoding = Encoding::Hex,
                ("encoding", "base64") => encoding = Encoding::Base64,
                ("prefix", value) => prefix = value.into(),
                ("time", name) => time = Some(self::header(name)?),
                ("within", value) => {
                    let duration = humantime::parse_duration(value);
                    within = Some(duration.map_err(|error| format!("within={value}: {error}"))?);
                }
                ("signed", value) => signed = Some(value),
                _ => {
                    return Err(format!(
                        "\"{word}\" isn't known here; there are id=, source=, encoding=hex or base64, prefix=, time=, within= and signed="
                    ));
                }
            }
        }
        let whose = whose.ok_or(
            "say whose secret it is: id=path:NAME, id=header:NAME, id=query:NAME, or source=NAME",
        )?;
        let time = match (time, within) {
            (None, None) => None,
            (Some(time), Some(within)) => Some((time, within)),
            _ => return Err("time= and within= belong together".into()),
        };
        let signed = template(signed, time.is_some())?;
        Ok(Signature {
            header,
            whose,
            encoding,
            prefix,
            time,
            signed,
        })
    }

    /// What the head shows, or nothing if there's no signature in it.
    pub(super) fn given(
        &self,
        view: &impl View,
        now: impl FnOnce() -> u64,
    ) -> Result<Option<Given>, Refusal> {
        let value = match view.header(&self.header) {
            Found::None => return Ok(None),
            Found::One(value) => value,
            Found::Several => return Err(Refusal::Doubled),
        };
        let coded = value.strip_prefix(self.prefix.as_bytes());
        let digest = coded.and_then(|coded| self.decode(coded.trim_ascii()));
        let digest = digest.ok_or(Refusal::BadSignature)?;
        let time = match &self.time {
            None => None,
            Some((name, within)) => Some(time_of(view.header(name), *within, now())?),
        };
        Ok(Some(Given { digest, time }))
    }

    fn decode(&self, coded: &[u8]) -> Option<Digest> {
        match self.encoding {
            Encoding::Hex => Digest::from_hex(coded),
            Encoding::Base64 => Digest::from_bytes(&decode_base64(coded)?),
        }
    }

    /// Whether one of the secrets has signed this body.
    pub(super) fn is_good(&self, given: &Given, secrets: &[Secret], body: &[u8]) -> bool {
        let (before, between) = &self.signed;
        let time = given.time.as_deref().unwrap_or_default();
        let parts = [before.as_bytes(), time.as_bytes(), between.as_bytes(), body];
        let mut signed = secrets.iter().filter_map(|secret| secret.sign(parts));
        signed.any(|digest| digest == given.digest)
    }

    /// The header that has it.
    pub fn header(&self) -> &HeaderName {
        &self.header
    }
}

/// What is signed before the body, in two parts: before the time, and behind it.
fn template(text: Option<&str>, has_time: bool) -> Result<(String, String), String> {
    let text = text.unwrap_or(if has_time { "{time}.{body}" } else { "{body}" });
    let before = text
        .strip_suffix("{body}")
        .ok_or("signed= must end in {body}")?;
    if before.contains("{body}") {
        return Err("signed= has {body} once".into());
    }
    match before.split_once("{time}") {
        Some((before, behind)) if has_time && !behind.contains("{time}") => {
            Ok((before.into(), behind.into()))
        }
        None if !has_time => Ok((before.into(), String::new())),
        Some(_) if !has_time => {
            Err("signed= has {time}; say which header has it: time= and within=".into())
        }
        _ => Err("signed= must have {time} once, or the time protects nobody".into()),
    }
}

/// The text of the time, if it's near enough to now.
fn time_of(found: Found<'_>, within: Duration, now: u64) -> Result<String, Refusal> {
    let value = match found {
        Found::None => return Err(Refusal::SignatureTime),
        Found::One(value) => value,
        Found::Several => return Err(Refusal::Doubled),
    };
    let text = std::str::from_utf8(&value).ok();
    let text =
        text.filter(|text| text.len() <= TIME_BYTES && text.bytes().all(|b| b.is_ascii_digit()));
    let text = text.ok_or(Refusal::SignatureTime)?;
    let number: u64 = text.parse().map_err(|_| Refusal::SignatureTime)?;
    // As seconds, a number of so many digits would be some thousand years ahead.
    let seconds = if text.len() > 11 {
        number / 1_000
    } else {
        number
    };
    if now.abs_diff(seconds) > within.as_secs() {
        return Err(Refusal::SignatureTime);
    }
    Ok(text.to_owned())
}

fn header(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| format!("\"{name}\" is not a header's name"))
}

/// What is coded in either alphabet, with padding or without.
pub(super) fn decode_base64(coded: &[u8]) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false);
    const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
    let is_url = memchr::memchr2(b'-', b'_', coded).is_some();
    let engine = if is_url { &URL } else { &PLAIN };
    engine.decode(coded).ok()
}
