//! Who may ask the admin port for what: the token that has to be shown.
//!
//! Tokens are compared by their hashes and in constant time, so that nobody learns from the time that it takes how much of a guess is
//! right.

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request};

use super::settings::{Settings, TokenFor};

/// What is asked for, as configured now.
#[derive(Debug)]
pub struct Guard(ArcSwap<Wanted>);

#[derive(Debug)]
struct Wanted {
    token: Option<Digest>,
    of: TokenFor,
}

impl Guard {
    /// Of these settings.
    pub fn new(settings: &Settings) -> Guard {
        Guard(ArcSwap::from_pointee(Wanted::new(settings)))
    }

    /// Other settings are in force.
    pub fn change(&self, settings: &Settings) {
        self.0.store(Wanted::new(settings).into());
    }

    /// Whether the request may have what it asks for.
    pub(super) fn lets_in<B>(&self, request: &Request<B>) -> bool {
        let wanted = self.0.load();
        let Some(token) = &wanted.token else {
            return true;
        };
        let is_reading = [Method::GET, Method::HEAD].contains(request.method());
        let is_open = match wanted.of {
            TokenFor::Changes => is_reading,
            // The page itself holds nothing: it asks for the token, and shows it for what it asks.
            TokenFor::All => {
                is_reading && matches!(request.uri().path(), "/livez" | "/readyz" | "/")
            }
        };
        is_open || shown(request).is_some_and(|shown| is_same(token, shown))
    }
}

impl Wanted {
    fn new(settings: &Settings) -> Wanted {
        let token = settings.token.as_ref();
        Wanted {
            // As it's shown: a file may end in more than one newline.
            token: token.map(|token| digest(&SHA256, token.trim().as_bytes())),
            of: settings.token_for,
        }
    }
}

fn is_same(token: &Digest, shown: &[u8]) -> bool {
    let shown = digest(&SHA256, shown);
    verify_slices_are_equal(token.as_ref(), shown.as_ref()).is_ok()
}

/// The token that a request shows. Two of them are none.
fn shown<B>(request: &Request<B>) -> Option<&[u8]> {
    let mut lines = request.headers().get_all(AUTHORIZATION).iter();
    let line = lines.next()?.as_bytes();
    if lines.next().is_some() {
        return None;
    }
    let (scheme, token) = line.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then_some(token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, shown: &[&str]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        for line in shown {
            request = request.header(AUTHORIZATION, *line);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn what_changes_something_needs_the_token_and_reading_only_where_it_is_said() {
        let mut settings = Settings::default();
        let guard = Guard::new(&settings);
        assert!(guard.lets_in(&request("POST", "/reload", &[])));
        settings.token = Some("right".into());
        guard.change(&settings);
        for shown in [
            &[][..],
            &["Bearer wrong"],
            &["Bearer "],
            &["right"],
            &["Basic right"],
            &["Bearer right2"],
            &["Bearer right", "Bearer right"],
        ] {
            for method in ["POST", "DELETE", "OPTIONS"] {
                assert!(
                    !guard.lets_in(&request(method, "/reload", shown)),
                    "{shown:?}"
                );
            }
            assert!(guard.lets_in(&request("GET", "/config", shown)));
        }
        for shown in ["Bearer right", "bearer  right "] {
            assert!(guard.lets_in(&request("POST", "/dead/redrive", &[shown])));
        }
        settings.token = Some(" right\n\n".into());
        guard.change(&settings);
        assert!(guard.lets_in(&request("POST", "/reload", &["Bearer right"])));
        settings.token_for = TokenFor::All;
        guard.change(&settings);
        assert!(!guard.lets_in(&request("GET", "/config", &[])));
        assert!(!guard.lets_in(&request("POST", "/livez", &[])));
        assert!(guard.lets_in(&request("GET", "/readyz", &[])));
        assert!(guard.lets_in(&request("GET", "/", &[])));
        assert!(guard.lets_in(&request("GET", "/config", &["Bearer right"])));
    }
}
