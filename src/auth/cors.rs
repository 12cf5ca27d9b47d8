//! What a browser is told of pages of other origins (the CORS protocol of the Fetch standard).
//!
//! It has to stand on every answer, errors included: a page that can't read an answer takes it for a broken network, and its SDK sends
//! the events again.

use hyper::HeaderMap;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName,
    HeaderValue, VARY,
};

use super::origins::Origins;
use super::settings::CorsSettings;

/// What pages of other origins are told.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
    headers: HeaderValue,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
    /// The answer is the same whoever asks.
    is_same: bool,
}

impl Cors {
    /// Of these settings. The error names what is wrong with them.
    pub fn new(settings: &CorsSettings) -> Result<Cors, String> {
        let origins = Origins::parse(&settings.origins).map_err(|why| format!("origins: {why}"))?;
        Ok(Cors {
            is_same: origins.is_any() && !settings.credentials,
            origins,
            credentials: settings.credentials,
            headers: names("headers", &settings.headers)?,
            expose: match settings.expose.is_empty() {
                true => None,
                false => Some(names("expose", &settings.expose)?),
            },
            max_age: HeaderValue::from(settings.max_age.as_secs()),
        })
    }

    /// What the page's origin is allowed as, or nothing if it isn't. Of a request's header nothing is kept but a copy.
    pub fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.is_same {
            return Some(HeaderValue::from_static("*"));
        }
        let origin = origin.as_bytes();
        let copy = || HeaderValue::from_bytes(origin).ok();
        self.origins.has(origin).then(copy).flatten()
    }

    /// Writes what a browser has to know into an answer to a page of an origin that is `allowed`, or isn't.
    pub fn write(&self, allowed: Option<HeaderValue>, headers: &mut HeaderMap) {
        if !self.is_same {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// Writes what a preflight asks for, beside that.
    pub fn write_preflight(&self, methods: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
    }
}

/// Names of headers as a list.
fn names(key: &str, names: &[String]) -> Result<HeaderValue, String> {
    for name in names {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{key}: \"{name}\" is not a header's name"))?;
    }
    HeaderValue::try_from(names.join(", ")).map_err(|error| format!("{key}: {error}"))
}
