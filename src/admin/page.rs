//! The page for people: one file (`page.html`), which asks `/status` and `/history` for what it shows. There is nothing of the gateway in it,
//! so it needs no token itself.
//!
//! A browser runs nothing but the script in it and asks nobody but this port: the policy that goes with it names both by their hashes.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response};

const PAGE: &str = include_str!("page.html");

/// The headers that go with it.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let (script, style) = (hash("script"), hash("style"));
    let policy = format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, &*policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers
});

/// The page.
pub(super) fn answer() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(PAGE.as_bytes())));
    *answer.headers_mut() = HEADERS.clone();
    answer
}

/// What the element of this name holds, of which there is one.
fn inside(name: &str) -> &'static str {
    let begun = PAGE.split_once(&format!("\n<{name}>"));
    let inside = begun.and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    inside.map_or("", |(inside, _)| inside)
}

fn hash(name: &str) -> String {
    let hash = digest(&SHA256, inside(name).as_bytes());
    format!("sha256-{}", STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_lets_the_pages_own_script_run_and_the_page_needs_nothing_else() {
        let answer = answer();
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        for name in ["script", "style"] {
            assert!(inside(name).len() > 1_000);
            assert_eq!(PAGE.matches(&format!("<{name}")).count(), 1);
            assert!(policy.contains(&format!("{name}-src '{}'", hash(name))));
        }
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        // No markup is made of text, nothing is asked of the internet, and no style or handler stands in an element.
        for not in [
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            " style=",
            " onclick=",
            "src=",
        ] {
            assert!(!PAGE.contains(not), "{not}");
        }
        let links = PAGE
            .split("http")
            .skip(1)
            .filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
        let links: Vec<_> = links
            .filter(|rest| !rest.starts_with("://www.w3.org/2000/svg"))
            .collect();
        assert!(links.is_empty(), "{links:?}");
    }
}
