//! Where a value is looked for, as it's written in the configuration, and an ordered list of such places.

use std::fmt;

use hyper::header::HeaderName;

use crate::decode::Pointer;

/// One place where a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// At a JSON pointer in the event; in a form or a query the field of this name.
    Event(Pointer),
    /// At a JSON pointer in what is around the events.
    Envelope(Pointer),
    /// In a header.
    Header(HeaderName),
    /// In a parameter of the address's query.
    Query(String),
    /// In a capture of the path.
    Path(String),
    /// In a cookie.
    Cookie(String),
    /// The user's name of Basic authentication.
    Basic,
    /// The client's address.
    Address,
    /// An attribute of a CloudEvent.
    Attribute(String),
    /// The name of the source that sends: who has the key.
    Sender,
}

/// How sources are written, for messages.
const FORMS: &str = "give \"/pointer\", \"envelope:/pointer\", \"header:NAME\", \"query:NAME\", \"path:NAME\", \"cookie:NAME\", \"ce:NAME\", \"basic\", \"address\" or \"source\"";

impl Source {
    /// Reads a source as it's written.
    pub fn parse(text: &str) -> Result<Source, String> {
        let pointer = |text: &str| Pointer::parse(text).map_err(|error| error.to_string());
        if text.starts_with('/') {
            return Ok(Source::Event(pointer(text)?));
        }
        match text {
            "basic" => return Ok(Source::Basic),
            "address" => return Ok(Source::Address),
            "source" => return Ok(Source::Sender),
            _ => {}
        }
        let Some((kind, name)) = text.split_once(':') else {
            return Err(match as_pointer(text) {
                Some(pointer) => format!(
                    "{text:?} is no source; did you mean \"{pointer}\", a member of the event?"
                ),
                None => format!("{text:?} is no source; {FORMS}"),
            });
        };
        if name.is_empty() {
            return Err(format!("{text:?} lacks a name; {FORMS}"));
        }
        Ok(match kind {
            "envelope" => Source::Envelope(pointer(name)?),
            "header" => {
                let header = HeaderName::from_bytes(name.as_bytes());
                Source::Header(header.map_err(|_| format!("{name:?} is no header's name"))?)
            }
            "query" => Source::Query(name.into()),
            "path" => Source::Path(name.into()),
            "cookie" => Source::Cookie(name.into()),
            "ce" => Source::Attribute(name.into()),
            "body" | "event" | "json" if name.starts_with('/') => {
                return Err(format!(
                    "{text:?} is no source; give \"{name}\" for a member of the event, or \"envelope:{name}\" for one of what is around the events"
                ));
            }
            _ => {
                let words = ["envelope", "header", "query", "path", "cookie"];
                let near = words
                    .iter()
                    .find(|word| strsim::damerau_levenshtein(word, kind) <= 2);
                let hint = near.map_or(FORMS.to_owned(), |word| {
                    format!("did you mean \"{word}:{name}\"?")
                });
                return Err(format!("{text:?} is no source; {hint}"));
            }
        })
    }

    /// Whether it's the same for all events of a request, and known before the body.
    pub fn is_of_request(&self) -> bool {
        !matches!(
            self,
            Source::Event(_) | Source::Envelope(_) | Source::Attribute(_) | Source::Sender
        )
    }
}

/// The pointer that somebody means who writes a name, or names with dots.
fn as_pointer(text: &str) -> Option<String> {
    let text = text.strip_prefix("$.").unwrap_or(text);
    let is_name = |name: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
        !name.is_empty() && name.bytes().all(is_good)
    };
    let all_are = text.split('.').all(is_name);
    all_are.then(|| format!("/{}", text.replace('.', "/")))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Event(pointer) => write!(f, "{pointer}"),
            Source::Envelope(pointer) => write!(f, "envelope:{pointer}"),
            Source::Header(name) => write!(f, "header:{name}"),
            Source::Query(name) => write!(f, "query:{name}"),
            Source::Path(name) => write!(f, "path:{name}"),
            Source::Cookie(name) => write!(f, "cookie:{name}"),
            Source::Attribute(name) => write!(f, "ce:{name}"),
            Source::Basic => f.write_str("basic"),
            Source::Address => f.write_str("address"),
            Source::Sender => f.write_str("source"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_they_are_shown() {
        for text in [
            "/a/-1/b",
            "envelope:/sentAt",
            "header:user-agent",
            "query:a:b",
            "path:app_id",
            "cookie:sid",
            "ce:partitionkey",
            "basic",
            "address",
            "source",
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_source_is_refused_with_advice() {
        for (text, part) in [
            ("userId", "did you mean \"/userId\""),
            ("$.user.id", "did you mean \"/user/id\""),
            ("user id", "\"/pointer\""),
            ("body:/x", "\"envelope:/x\""),
            ("", "\"/pointer\""),
            ("heder:x", "did you mean \"header:x\"?"),
            ("header:", "lacks a name"),
            ("header:a b", "no header's name"),
            ("envelope:a", "slash"),
            ("/a~2", "~"),
            ("jwt:sub", "\"/pointer\""),
        ] {
            let error = Source::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
