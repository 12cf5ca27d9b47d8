//! Senders of web hooks that ask before they send.

use super::*;

const ASKING: &str = "OPTIONS /ce HTTP/1.1\nWebHook-Request-Origin: eventgrid.azure.net\nWebHook-Request-Callback: http://127.0.0.1:9/confirm";

#[test]
fn a_sender_of_web_hooks_is_told_whether_it_may_send() {
    // No key is asked for, and the port's CORS isn't meant.
    let more = "[http]\nauth = [\"bearer\"]\ncors = \"pages\"\n[cors.pages]\norigins = [\"https://shop.example\"]\n\
        [sources.grid]\nkeys = [\"a-key-of-the-grid\"]\n\
        [routes.cloudevents.webhook]\norigins = [\"eventgrid.azure.net\", \"*.events.example\"]\nrate = 120\n\
        [routes.other]\npaths = [\"/other\"]\nstream = \"cloudevents\"\n";
    let (_mock, gateway) = preset("cloudevents", "cloudevents", more);
    let mut client = gateway.client();
    let answer = send(
        &mut client,
        &format!("{ASKING}\nWebHook-Request-Rate: 500"),
        b"",
    );
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    for (name, value) in [
        ("webhook-allowed-origin", "eventgrid.azure.net"),
        ("webhook-allowed-rate", "120"),
        ("allow", "POST, OPTIONS"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let below = ASKING.replace("eventgrid.azure.net", "a.events.example");
    assert_eq!(send(&mut client, &below, b"").status, 200);
    // The status alone is no consent, so a refusal must not have the headers.
    for asking in [
        ASKING.replace("eventgrid.azure.net", "evil.example"),
        ASKING.replace("eventgrid.azure.net", "events.example"),
        ASKING.replace("eventgrid.azure.net", "*"),
        format!("{ASKING}\nWebHook-Request-Origin: evil.example"),
    ] {
        let answer = send(&mut client, &asking, b"");
        assert_eq!(answer.status, 403, "{asking}");
        assert_eq!(answer.header("webhook-allowed-origin"), None, "{asking}");
        assert_eq!(
            answer.json()["type"],
            "urn:forebay:webhook_origin_not_allowed"
        );
    }
    // Whoever doesn't ask as a sender does, or at a route without web hooks, hears that the method isn't possible.
    for asking in [
        "OPTIONS /ce HTTP/1.1".to_owned(),
        ASKING.replace("/ce", "/other"),
    ] {
        let answer = send(&mut client, &asking, b"");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("POST")),
            "{asking}"
        );
    }
    // It was let in nowhere by that.
    let event = "POST /ce HTTP/1.1\nWebHook-Request-Origin: eventgrid.azure.net\nContent-Type: application/cloudevents+json";
    let body = br#"{"specversion":"1.0","id":"e","source":"/s","type":"t","subject":"u"}"#;
    assert_eq!(send(&mut client, event, body).status, 401);
    let mut client = gateway.client();
    let event = format!("{event}\nAuthorization: Bearer a-key-of-the-grid");
    assert_eq!(send(&mut client, &event, body).status, 200);
}
