//! A list of origins (RFC 6454), as settings have it and a browser names one in `Origin`.

use std::collections::HashSet;

/// The longest origin that is looked at: a scheme, a name of 253 characters, a port.
pub const ORIGIN_BYTES: usize = 300;

/// A list of origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    any: bool,
    exact: HashSet<String>,
    /// What stands before and behind the star of `https://*.shop.example`.
    below: Vec<(String, String)>,
}

impl Origins {
    /// Reads a setting. The error says what is wrong with which of them.
    pub fn parse(texts: &[String]) -> Result<Origins, String> {
        let mut origins = Origins::default();
        for text in texts {
            origins.add(text)?;
        }
        Ok(origins)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let lower = text.to_ascii_lowercase();
        if matches!(&*lower, "*" | "null") {
            self.any |= lower == "*";
            self.exact.insert(lower);
            return Ok(());
        }
        let wrong = |why: &str| {
            Err(format!(
                "\"{text}\" {why}; give an origin like \"https://shop.example\", one with a star like \"https://*.shop.example\", \"null\", or \"*\""
            ))
        };
        let Some((scheme, host)) = lower.split_once("://") else {
            return wrong("has no scheme");
        };
        if host.contains(['/', '?', '#', '@', ' ']) || host.is_empty() {
            return wrong("isn't an origin: a scheme, a host, and perhaps a port");
        }
        if lower.len() > ORIGIN_BYTES || !lower.is_ascii() {
            return wrong("isn't as a browser writes it");
        }
        match host.strip_prefix("*.") {
            Some(rest) if !rest.contains('*') && !rest.is_empty() => {
                self.below
                    .push((format!("{scheme}://"), format!(".{rest}")));
            }
            None if !host.contains('*') => {
                self.exact.insert(lower);
            }
            _ => return wrong("has its star in the wrong place"),
        }
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// Whether all are meant.
    pub fn is_any(&self) -> bool {
        self.any
    }

    /// Whether this one, as a browser writes it, is among them.
    pub fn has(&self, origin: &[u8]) -> bool {
        if self.any {
            return true;
        }
        if origin.len() > ORIGIN_BYTES {
            return false;
        }
        let Ok(origin) = std::str::from_utf8(origin) else {
            return false;
        };
        let lower = origin.to_ascii_lowercase();
        self.exact.contains(&*lower) || self.below.iter().any(|below| is_below(&lower, below))
    }
}

/// Whether there is a name where the star stands.
fn is_below(origin: &str, (scheme, rest): &(String, String)) -> bool {
    let name = origin.strip_prefix(&**scheme);
    let name = name.and_then(|name| name.strip_suffix(&**rest));
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(of_name))
}
