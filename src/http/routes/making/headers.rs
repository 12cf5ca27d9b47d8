//! A route's record headers, and what they must not take.

use hyper::header::HeaderName;

use super::Making;
use crate::decode::Pointer;
use crate::http::routes::endpoint::{Header, Prefix};
use crate::http::routes::source::Source;

impl Making<'_> {
    pub(super) fn headers(&mut self) {
        let settings = self.settings;
        let mut secrets = Vec::new();
        for text in &settings.secrets {
            match Pointer::parse(text) {
                Ok(pointer) => secrets.push(pointer),
                Err(error) => self.fault("secrets", error.to_string()),
            }
        }
        if !secrets.is_empty() && settings.events.is_none() {
            let what = "without `events` there's no envelope, and an event is stored byte for byte as it's sent; remove it";
            self.fault("secrets", what);
        }
        for (name, texts) in &settings.headers {
            let field = format!("headers.{name}");
            if texts.is_empty() {
                self.fault(&field, "it names no source");
            }
            if let Some(of_record) = name.strip_suffix('*') {
                self.prefix(&field, of_record, texts);
                continue;
            }
            self.record_name(&field, name);
            let sources = self.sources(&field, texts);
            for source in &sources {
                if let Source::Envelope(pointer) = source
                    && secrets.iter().any(|secret| holds(pointer, secret))
                {
                    let what = format!(
                        "{source} is one of the route's `secrets`, or holds one; remove one of them"
                    );
                    self.fault(&field, what);
                }
            }
            let places = self.places(&field, &sources);
            let name = name.as_str().into();
            self.endpoint.headers.push(Header { name, places });
        }
        if let Some(name) = &settings.time_header {
            self.record_name("time_header", name);
            if settings.headers.contains_key(name) {
                self.fault("time_header", "`headers` has one of this name as well");
            }
        }
    }

    fn record_name(&mut self, field: &str, name: &str) {
        if name.is_empty() || name.len() > 255 {
            self.fault(field, "a record header's name has 1 to 255 bytes");
        }
        if matches!(name, "event-id") || name.starts_with("forebay-") {
            self.fault(
                field,
                "forebay gives this header itself; choose another name",
            );
        }
    }

    fn prefix(&mut self, field: &str, of_record: &str, texts: &[String]) {
        let [text] = texts else {
            let what = "it takes one source, such as [\"header:ce-*\"]";
            return self.fault(field, what);
        };
        let of_request = text
            .strip_prefix("header:")
            .and_then(|it| it.strip_suffix('*'));
        let is_name = |prefix: &&str| HeaderName::from_bytes(prefix.as_bytes()).is_ok();
        match of_request.filter(is_name) {
            Some(of_request) => self.endpoint.prefixes.push(Prefix {
                of_request: of_request.to_ascii_lowercase().into(),
                of_record: of_record.into(),
            }),
            None => {
                let what = format!(
                    "{text:?} is no beginning of headers' names; write it like \"header:ce-*\""
                );
                self.fault(field, what);
            }
        }
    }
}

/// Whether what is at `pointer` is, or has inside, or is inside of, what is at `secret`.
fn holds(pointer: &Pointer, secret: &Pointer) -> bool {
    pointer
        .names()
        .zip(secret.names())
        .all(|(one, other)| one == other)
}
