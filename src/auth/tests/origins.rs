//! Origins, and what pages of them are told.

use super::*;

fn origins(list: &[&str]) -> Origins {
    Origins::parse(&texts(list)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_origin_is_one_of_the_list_or_below_a_star() {
    let list = origins(&[
        "https://Shop.example",
        "http://localhost:3000",
        "https://*.shop.example",
        "null",
    ]);
    for good in [
        "https://shop.example",
        "https://SHOP.example",
        "http://localhost:3000",
        "https://a.shop.example",
        "https://a.b-c.shop.example",
        "null",
    ] {
        assert!(list.has(good.as_bytes()), "{good}");
    }
    for bad in [
        "",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://.shop.example",
        "https://evil.example/.shop.example",
        "https://evil.example?a.shop.example",
        "https://evil@a.shop.example",
        "https://evil.example:80#.shop.example",
        "http://a.shop.example",
        "https://a.shop.example:8443",
        "nul",
    ] {
        assert!(!list.has(bad.as_bytes()), "{bad}");
    }
    let long = format!("https://{}.shop.example", "a".repeat(300));
    assert!(!list.has(long.as_bytes()));
    assert!(origins(&["*"]).has(b"https://anything.example"));
    assert!(origins(&[]).is_empty() && !origins(&[]).has(b"null"));
}

#[test]
fn what_is_no_origin_is_named() {
    for bad in [
        "shop.example",
        "https://",
        "https://a/b",
        "https://a.*.b",
        "https://*",
        "https://*.",
        "https://u@h",
        "https://*.a.*",
    ] {
        let error = Origins::parse(&texts(&[bad])).unwrap_err();
        assert!(
            error.contains(bad) && error.contains("https://shop.example"),
            "{error}"
        );
    }
}

/// The headers of an answer to a page of this origin, sorted, without the values of a preflight's.
fn told(settings: &CorsSettings, origin: &str) -> Vec<String> {
    let cors = Cors::new(settings).unwrap();
    let mut headers = HeaderMap::new();
    let allowed = cors.allowed(&HeaderValue::from_str(origin).unwrap());
    cors.write(allowed, &mut headers);
    let shown =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut all: Vec<_> = headers.iter().map(shown).collect();
    all.sort();
    all
}

#[test]
fn a_page_is_told_what_its_origin_is_allowed() {
    let mut settings = CorsSettings {
        origins: texts(&["https://*.shop.example"]),
        ..CorsSettings::default()
    };
    let plain = [
        "access-control-allow-origin: https://a.shop.example",
        "access-control-expose-headers: retry-after",
        "vary: origin",
    ];
    assert_eq!(told(&settings, "https://a.shop.example"), plain);
    assert_eq!(told(&settings, "https://evil.example"), ["vary: origin"]);
    settings.credentials = true;
    settings.expose.clear();
    let with_credentials = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://a.shop.example",
        "vary: origin",
    ];
    assert_eq!(told(&settings, "https://a.shop.example"), with_credentials);
    // With credentials a browser takes no star (Fetch, 3.3.5).
    settings.origins = texts(&["*"]);
    assert_eq!(told(&settings, "https://a.shop.example"), with_credentials);
    settings.credentials = false;
    assert_eq!(
        told(&settings, "https://a.shop.example"),
        ["access-control-allow-origin: *"]
    );
}

#[test]
fn a_preflight_is_told_methods_headers_and_how_long_that_is_true() {
    let settings = CorsSettings {
        origins: texts(&["*"]),
        max_age: Duration::from_secs(600),
        ..CorsSettings::default()
    };
    let mut headers = HeaderMap::new();
    let cors = Cors::new(&settings).unwrap();
    cors.write_preflight(&HeaderValue::from_static("POST"), &mut headers);
    assert_eq!(headers["access-control-allow-methods"], "POST");
    assert_eq!(
        headers["access-control-allow-headers"],
        "authorization, content-encoding, content-type, x-retry-count"
    );
    assert_eq!(headers["access-control-max-age"], "600");
    for (key, wrong) in [("headers", "a b"), ("expose", "")] {
        let mut settings = settings.clone();
        let list = if key == "headers" {
            &mut settings.headers
        } else {
            &mut settings.expose
        };
        list.push(wrong.into());
        assert!(Cors::new(&settings).unwrap_err().starts_with(key));
    }
}
