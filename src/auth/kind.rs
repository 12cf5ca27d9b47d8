//! One way to show a key, as settings write it.
//!
//! | text | what is shown |
//! | --- | --- |
//! | `basic` | the key as the user's name of Basic (RFC 7617); the password doesn't matter |
//! | `bearer` | the key as a Bearer token (RFC 6750) |
//! | `header:NAME` | the key as a header's value |
//! | `query:NAME` | the key as a query parameter |
//! | `body:POINTER` | the key as a member of the body, by a JSON pointer into the envelope |
//! | `hmac:HEADER …` | a signature of the body: [`super::signature`] |
//! | `mtls` | a client certificate, whose subject a source has |

use std::borrow::Cow;

use hyper::header::AUTHORIZATION;

use super::refusal::Refusal;
use super::signature::{Signature, decode_base64};
use super::view::{Found, Place, View};
use crate::decode::Pointer;

/// One way to show a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user's name of Basic.
    Basic,
    /// A Bearer token.
    Bearer,
    /// A header or query parameter that is the key.
    Plain(Place),
    /// A member of the body that is the key.
    Member(Pointer),
    /// A signature of the body.
    Signature(Box<Signature>),
    /// A client certificate.
    Certificate,
}

impl Kind {
    /// Reads a setting.
    pub fn parse(text: &str) -> Result<Kind, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        match (name, rest) {
            ("basic", "") => Ok(Kind::Basic),
            ("bearer", "") => Ok(Kind::Bearer),
            ("mtls", "") => Ok(Kind::Certificate),
            ("header" | "query", _) => Place::parse(text).map(Kind::Plain),
            ("body", pointer) => Pointer::parse(pointer)
                .map(Kind::Member)
                .map_err(|error| error.to_string()),
            ("hmac", rest) => Signature::parse(rest).map(|it| Kind::Signature(Box::new(it))),
            _ => Err(format!(
                "\"{text}\" is no way to show a key; there are basic, bearer, header:NAME, query:NAME, body:POINTER, hmac:HEADER and mtls"
            )),
        }
    }

    /// The key that a head shows in this way. Nothing for ways that show none, or not in the head.
    pub(super) fn key<'v>(&self, view: &'v impl View) -> Result<Option<Cow<'v, [u8]>>, Refusal> {
        let found = match self {
            Kind::Basic | Kind::Bearer => view.header(&AUTHORIZATION),
            Kind::Plain(place) => place.find(view),
            Kind::Member(_) | Kind::Signature(_) | Kind::Certificate => return Ok(None),
        };
        let value = match found {
            Found::None => return Ok(None),
            Found::One(value) => value,
            Found::Several => return Err(Refusal::Doubled),
        };
        match self {
            Kind::Basic => match after_scheme(&value, b"basic") {
                None => Ok(None),
                Some(coded) => user_of(coded).map(Some).ok_or(Refusal::UnknownKey),
            },
            Kind::Bearer => {
                Ok(after_scheme(&value, b"bearer").map(|token| Cow::Owned(token.to_vec())))
            }
            // An empty one is what a form sends that wasn't filled in.
            _ if value.is_empty() => Ok(None),
            _ => Ok(Some(value)),
        }
    }

    /// What a client that isn't let in is told of this way, if it's one that a challenge can tell (RFC 9110, 11.3).
    pub(super) fn challenge(&self) -> Option<String> {
        Some(match self {
            Kind::Basic => "Basic realm=\"forebay\", charset=\"UTF-8\"".into(),
            Kind::Bearer => "Bearer realm=\"forebay\"".into(),
            Kind::Plain(Place::Header(name)) => format!("Key realm=\"forebay\", header=\"{name}\""),
            Kind::Plain(Place::Query(name)) => {
                format!("Key realm=\"forebay\", query=\"{}\"", plain(name))
            }
            Kind::Plain(Place::Capture(_)) => return None,
            Kind::Member(_) => "Key realm=\"forebay\", in=\"body\"".into(),
            Kind::Signature(it) => {
                format!("Signature realm=\"forebay\", header=\"{}\"", it.header())
            }
            Kind::Certificate => "Certificate realm=\"forebay\"".into(),
        })
    }
}

/// What of a name can stand between quotes.
fn plain(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_.~".contains(*c);
    name.chars().filter(is_plain).collect()
}

/// What follows the name of a scheme, which is of either case.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let value = value.trim_ascii();
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let is_scheme = name.eq_ignore_ascii_case(scheme) && matches!(rest.first(), None | Some(b' '));
    is_scheme.then(|| rest.trim_ascii())
}

/// The longest that is decoded: a key and a password.
const BASIC_BYTES: usize = 2_048;

/// The user's name of Basic: what stands before the first colon.
fn user_of(coded: &[u8]) -> Option<Cow<'static, [u8]>> {
    if coded.len() > BASIC_BYTES {
        return None;
    }
    let mut user = decode_base64(coded)?;
    let end = memchr::memchr(b':', &user)?;
    user.truncate(end);
    Some(Cow::Owned(user))
}
