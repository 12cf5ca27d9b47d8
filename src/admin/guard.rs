//! Who may ask the admin port for what: the token that has to be shown.
//!
//! There is one for changes (`admin.token`), which is good for looking as well, and one for looking alone (`admin.read_token`).
//!
//! Tokens are compared by their hashes and in constant time, so that nobody learns from the time that it takes how much of a guess is
//! right.

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};

use super::audit::Attempts;
use super::settings::{Settings, TokenFor};

/// What is asked for, as configured now.
#[derive(Debug)]
pub struct Guard {
    wanted: ArcSwap<Wanted>,
    /// Those that were refused.
    pub(super) attempts: Attempts,
}

#[derive(Debug)]
struct Wanted {
    /// For changes, and for looking.
    token: Option<Digest>,
    /// For looking alone.
    read_token: Option<Digest>,
    /// A token is asked for by whoever looks.
    for_all: bool,
}

/// Whose token a request shows.
const CHANGES: &str = "admin.token";
const LOOKS: &str = "admin.read_token";

/// Whether a request changes nothing.
pub(super) fn is_reading<B>(request: &Request<B>) -> bool {
    [Method::GET, Method::HEAD].contains(request.method())
}

impl Guard {
    /// Of these settings.
    pub fn new(settings: &Settings) -> Guard {
        Guard {
            wanted: ArcSwap::from_pointee(Wanted::new(settings)),
            attempts: Attempts::default(),
        }
    }

    /// Other settings are in force.
    pub fn change(&self, settings: &Settings) {
        self.wanted.store(Wanted::new(settings).into());
    }

    /// Whether the request may have what it asks for: the setting whose token it shows, or the status with which it's refused.
    pub(super) fn judge<B>(
        &self,
        request: &Request<B>,
    ) -> (Option<&'static str>, Result<(), StatusCode>) {
        let wanted = self.wanted.load();
        if wanted.token.is_none() && wanted.read_token.is_none() {
            return (None, Ok(()));
        }
        let shown = shown(request);
        let is = |token: &Option<Digest>| {
            let (token, shown) = (token.as_ref(), shown);
            token
                .zip(shown)
                .is_some_and(|(it, shown)| is_same(it, shown))
        };
        let known = match () {
            () if is(&wanted.token) => Some(CHANGES),
            () if is(&wanted.read_token) => Some(LOOKS),
            () => None,
        };
        // The page itself holds nothing: it asks for the token, and shows it for what it asks.
        let is_open = !wanted.for_all || matches!(request.uri().path(), "/livez" | "/readyz" | "/");
        let verdict = match known {
            Some(CHANGES) => Ok(()),
            Some(_) if is_reading(request) => Ok(()),
            Some(_) => Err(StatusCode::FORBIDDEN),
            None if is_reading(request) && is_open => Ok(()),
            None => Err(StatusCode::UNAUTHORIZED),
        };
        (known, verdict)
    }
}

impl Wanted {
    fn new(settings: &Settings) -> Wanted {
        // As it's shown: a file may end in more than one newline.
        let hash = |token: &String| digest(&SHA256, token.trim().as_bytes());
        Wanted {
            token: settings.token.as_ref().map(hash),
            read_token: settings.read_token.as_ref().map(hash),
            for_all: settings.token_for == TokenFor::All || settings.read_token.is_some(),
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

    fn lets_in(guard: &Guard, request: &Request<()>) -> bool {
        guard.judge(request).1.is_ok()
    }

    #[test]
    fn a_token_for_looking_looks_and_changes_nothing() {
        let settings = Settings {
            token: Some("right".into()),
            read_token: Some("looks".into()),
            ..Settings::default()
        };
        let guard = Guard::new(&settings);
        let judge = |method, path, shown: &[&str]| guard.judge(&request(method, path, shown));
        let (looks, changes) = (&["Bearer looks"], &["Bearer right"]);
        assert_eq!(judge("GET", "/status", looks), (Some(LOOKS), Ok(())));
        assert_eq!(judge("GET", "/status", changes), (Some(CHANGES), Ok(())));
        assert_eq!(judge("POST", "/reload", changes), (Some(CHANGES), Ok(())));
        let forbidden = (Some(LOOKS), Err(StatusCode::FORBIDDEN));
        assert_eq!(judge("POST", "/reload", looks), forbidden);
        let unknown = (None, Err(StatusCode::UNAUTHORIZED));
        assert_eq!(judge("GET", "/status", &[]), unknown);
        assert_eq!(judge("POST", "/reload", &["Bearer other"]), unknown);
        for path in ["/livez", "/readyz", "/"] {
            assert_eq!(judge("GET", path, &[]), (None, Ok(())));
        }
    }

    #[test]
    fn what_changes_something_needs_the_token_and_reading_only_where_it_is_said() {
        let mut settings = Settings::default();
        let guard = Guard::new(&settings);
        assert!(lets_in(&guard, &request("POST", "/reload", &[])));
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
                    !lets_in(&guard, &request(method, "/reload", shown)),
                    "{shown:?}"
                );
            }
            assert!(lets_in(&guard, &request("GET", "/config", shown)));
        }
        for shown in ["Bearer right", "bearer  right "] {
            assert!(lets_in(&guard, &request("POST", "/dead/redrive", &[shown])));
        }
        settings.token = Some(" right\n\n".into());
        guard.change(&settings);
        assert!(lets_in(
            &guard,
            &request("POST", "/reload", &["Bearer right"])
        ));
        settings.token_for = TokenFor::All;
        guard.change(&settings);
        assert!(!lets_in(&guard, &request("GET", "/config", &[])));
        assert!(!lets_in(&guard, &request("POST", "/livez", &[])));
        assert!(lets_in(&guard, &request("GET", "/readyz", &[])));
        assert!(lets_in(&guard, &request("GET", "/", &[])));
        assert!(lets_in(
            &guard,
            &request("GET", "/config", &["Bearer right"])
        ));
    }
}
