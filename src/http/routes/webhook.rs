//! The handshake by which a sender of web hooks asks whether it may send here (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, 4).
//!
//! It keeps senders from being set on somebody who doesn't expect them, and lets nobody in: who may send is asked with each event. So it
//! needs no key. An address that a sender wants to be called back at is never called.

use hyper::header::{ALLOW, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};

use super::settings::Webhook as Settings;
use crate::http::answer::{Problem, Reply};

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
/// The longest name that DNS has, in bytes.
const NAME_BYTES: usize = 253;

/// Whose web hooks a route takes.
#[derive(Debug)]
pub(super) struct Webhook {
    any: bool,
    /// Names in lower case.
    exact: Vec<String>,
    /// What stands behind the star of `*.example.com`, with its dot.
    below: Vec<String>,
    /// Requests per minute, as a sender is told.
    rate: HeaderValue,
}

impl Webhook {
    /// Of these settings; nothing if they name nobody. The error says what is wrong with `origins`.
    pub(super) fn of(settings: &Settings) -> Result<Option<Webhook>, String> {
        let mut webhook = Webhook {
            any: false,
            exact: Vec::new(),
            below: Vec::new(),
            rate: match settings.rate {
                0 => HeaderValue::from_static("*"),
                rate => HeaderValue::from(rate),
            },
        };
        for text in &settings.origins {
            let lower = text.to_ascii_lowercase();
            match lower.strip_prefix("*.") {
                _ if lower == "*" => webhook.any = true,
                Some(rest) if is_name(rest) => webhook.below.push(format!(".{rest}")),
                None if is_name(&lower) => webhook.exact.push(lower),
                _ => {
                    return Err(format!(
                        "\"{text}\" is no name of a sender; give one like \"eventgrid.azure.net\", one with a star like \"*.example.com\", or \"*\""
                    ));
                }
            }
        }
        Ok((!settings.origins.is_empty()).then_some(webhook))
    }

    /// What a sender of this name is told as the one that may send, if it may.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let lower = origin.to_str().ok()?.to_ascii_lowercase();
        if !is_name(&lower) {
            return None;
        }
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let mut below = self.below.iter();
        let is_below = |rest: &String| lower.len() > rest.len() && lower.ends_with(rest.as_str());
        (self.exact.contains(&lower) || below.any(is_below)).then(|| origin.clone())
    }

    /// The answer to a sender that asks, of a route that takes these methods.
    pub(super) fn answer(&self, headers: &HeaderMap, methods: &[Method]) -> Result<Reply, Problem> {
        let mut lines = headers.get_all(REQUEST_ORIGIN).iter();
        let (first, second) = (lines.next(), lines.next());
        let allowed = first.filter(|_| second.is_none());
        let Some(allowed) = allowed.and_then(|origin| self.allowed(origin)) else {
            let detail = "the sender that webhook-request-origin names may not send here; its name has to be in the route's webhook.origins";
            let code = "webhook_origin_not_allowed";
            return Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
        };
        let mut reply = Reply::default();
        let to = reply.headers_mut();
        to.insert(ALLOWED_ORIGIN, allowed);
        to.insert(ALLOWED_RATE, self.rate.clone());
        let methods = methods.iter().map(Method::as_str).chain(["OPTIONS"]);
        let methods = methods.collect::<Vec<_>>().join(", ");
        to.extend(HeaderValue::from_str(&methods).ok().map(|all| (ALLOW, all)));
        Ok(reply)
    }
}

/// Whether it's a name as DNS has them, in lower case.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(is_good)
    };
    text.len() <= NAME_BYTES && text.split('.').all(is_label)
}

/// Whether a sender asks whether it may send.
pub(super) fn is_asked(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(REQUEST_ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(origins: &[&str]) -> Result<Option<Webhook>, String> {
        Webhook::of(&Settings {
            origins: origins.iter().map(|&text| text.into()).collect(),
            rate: 0,
        })
    }

    #[test]
    fn a_sender_is_allowed_by_its_name() {
        let (name, many) = (
            webhook(&["Sender.example.com"]).unwrap().unwrap(),
            webhook(&["*.example.com", "other.test"]).unwrap().unwrap(),
        );
        let any = webhook(&["*"]).unwrap().unwrap();
        for (webhook, origin, allowed) in [
            (&name, "sender.example.com", Some("sender.example.com")),
            (&name, "SENDER.example.com", Some("SENDER.example.com")),
            (&name, "a.sender.example.com", None),
            (&name, "sender.example.com.evil.test", None),
            (&name, "*", None),
            (&many, "a.b.example.com", Some("a.b.example.com")),
            (&many, "other.test", Some("other.test")),
            (&many, "example.com", None),
            (&many, ".example.com", None),
            (&many, "evilexample.com", None),
            (&any, "who.ever", Some("*")),
            (&any, "", None),
            (&any, "a b", None),
            (&any, "https://who.ever", None),
            (&any, "a..b", None),
            (&any, &"a".repeat(254), None),
        ] {
            let told = webhook.allowed(&origin.parse().unwrap());
            assert_eq!(told.as_ref().and_then(|it| it.to_str().ok()), allowed);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_and_nobody_means_none() {
        assert!(webhook(&[]).unwrap().is_none());
        for text in [
            "",
            "https://a.test",
            "a.*.test",
            "*.",
            "a/b",
            "**",
            "*a.test",
        ] {
            assert!(
                webhook(&[text]).unwrap_err().contains("*.example.com"),
                "{text}"
            );
        }
    }
}
