//! Settings of sources, with their keys, and of what pages of other origins are told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use crate::rate;

/// `[sources.NAME]`: somebody who sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its keys, each as `sha256:` and the SHA-256 in hexadecimal digits, or in the clear. ` until 2027-01-31T00:00:00Z` behind one is its
    /// end. Several are good at once, so that one can be replaced. Default: none.
    pub keys: Vec<String>,
    /// The secrets that it signs with, in the clear, because a signature can't be checked otherwise; `base64:` before one that isn't text.
    /// Default: none.
    pub secrets: Vec<String>,
    /// What a route finds it by, to know whose secret a signature is made with: an app's id, a shop's. Default: none.
    pub ids: Vec<String>,
    /// The subjects of its client certificates, as RFC 4514 writes them. Default: none.
    pub subjects: Vec<String>,
    /// The streams that it may send to, by name; `click*` means all that begin so. Default: all.
    pub streams: Vec<String>,
    /// The routes that it may send through, in the same way. Default: all.
    pub routes: Vec<String>,
    /// The origins of pages that may use its key. Default: none, which means that it doesn't matter: a key in a page is no secret, and this
    /// keeps other people's pages from using it.
    pub origins: Vec<String>,
    /// Events and bytes per second that it may bring to all streams together, each with a burst; more is a 429. Default: no limit.
    pub rate: rate::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            keys: Vec::new(),
            secrets: Vec::new(),
            ids: Vec::new(),
            subjects: Vec::new(),
            streams: vec!["*".into()],
            routes: vec!["*".into()],
            origins: Vec::new(),
            rate: rate::Settings::default(),
        }
    }
}

/// `[cors.NAME]`: what pages of other origins are told, for streams and routes that name it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSettings {
    /// The origins whose pages may send and read the answer. Default: none.
    pub origins: Vec<String>,
    /// Whether cookies and certificates may be sent. Default `false`. `navigator.sendBeacon` always sends them, so it needs `true`.
    pub credentials: bool,
    /// The headers that pages may set. Default: what published SDKs set.
    pub headers: Vec<String>,
    /// The headers of answers that pages may read. Default `retry-after`, by which SDKs wait.
    pub expose: Vec<String>,
    /// How long a browser may remember what it was told. Default 2 h, the most that Chromium takes.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
}

impl Default for CorsSettings {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CorsSettings {
            origins: Vec::new(),
            credentials: false,
            headers: texts(&[
                "authorization",
                "content-encoding",
                "content-type",
                "x-retry-count",
            ]),
            expose: texts(&["retry-after"]),
            max_age: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// The longest key. A longer one isn't looked at, so that a flood of them costs no more than one of short ones.
pub const KEY_BYTES: usize = 512;

/// A key as settings have it: what is kept of it, and until when it's good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its SHA-256.
    pub digest: Digest,
    /// Until when it's good, in seconds since 1970.
    pub until: Option<u64>,
}

/// The shortest key that is taken in the clear.
const SHORTEST: usize = 8;

impl Key {
    /// Reads `sha256:HEX`, or a key in the clear, with ` until RFC3339` behind it or not. The error doesn't repeat the key.
    pub fn parse(text: &str) -> Result<Key, String> {
        let text = text.trim();
        let (key, until) = match text.split_once(char::is_whitespace) {
            None => (text, None),
            Some((key, rest)) => (key, Some(until(rest)?)),
        };
        let digest = match key.strip_prefix("sha256:") {
            Some(hex) => Digest::from_hex(hex.as_bytes())
                .ok_or("behind \"sha256:\" there must be the 64 hexadecimal digits of a key's SHA-256; `forebay key new` and `forebay key hash` print them")?,
            None if key.len() < SHORTEST => {
                return Err(format!("a key must have {SHORTEST} characters at least, or it can be guessed; `forebay key new` makes one"));
            }
            None if key.len() > KEY_BYTES => {
                return Err(format!("a key must have {KEY_BYTES} characters at most"));
            }
            None => Digest::of(key.as_bytes()),
        };
        Ok(Key { digest, until })
    }

    /// As it's written in settings, hashed.
    pub fn written(&self) -> String {
        let Key { digest, until } = self;
        match until {
            None => format!("sha256:{digest}"),
            Some(until) => {
                let until = UNIX_EPOCH + Duration::from_secs(*until);
                let until = humantime::format_rfc3339_seconds(until);
                format!("sha256:{digest} until {until}")
            }
        }
    }
}

fn until(rest: &str) -> Result<u64, String> {
    let wrong = || "behind a key there may be \"until\" and a time like 2027-01-31T00:00:00Z, and nothing else";
    let time = rest.trim().strip_prefix("until ").ok_or_else(wrong)?;
    let time: SystemTime = humantime::parse_rfc3339_weak(time.trim()).map_err(|_| wrong())?;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(since.as_secs())
}
