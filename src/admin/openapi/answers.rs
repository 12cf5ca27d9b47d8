//! What the port answers, by status.

use serde_json::{Value, json};

/// Statuses of answers that accept nothing, and what they mean.
pub(super) const REFUSALS: [(&str, &str); 13] = [
    (
        "400",
        "the body or the head isn't as it should be; nothing was accepted",
    ),
    ("401", "no good key; www-authenticate says how one is shown"),
    ("403", "the source, or the page's origin, may not send here"),
    ("404", "there is no such stream"),
    ("405", "only POST is possible here"),
    ("408", "the body didn't come in time"),
    ("413", "the body, or all of its events, are too large"),
    ("415", "the content type or encoding isn't taken"),
    (
        "422",
        "none of the events can be accepted; `errors` says why",
    ),
    (
        "429",
        "more than a rate allows; send it again after `Retry-After`",
    ),
    ("431", "the head is too large"),
    ("501", "a transfer coding other than chunked"),
    (
        "503",
        "no room, or Kafka doesn't answer; send it again after `Retry-After`",
    ),
];

/// The answer to events that are taken.
pub(super) fn taken(what: &str) -> Value {
    json!({
        "description": what,
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Taken" } } },
    })
}

/// An answer that takes nothing, with this status.
pub(super) fn refusal(status: &str, what: &str) -> Value {
    let mut refusal = json!({
        "description": what,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    let header = match status {
        "429" | "503" => Some(("Retry-After", json!({ "type": "integer", "minimum": 1 }))),
        "401" => Some(("WWW-Authenticate", json!({ "type": "string" }))),
        "405" => Some(("Allow", json!({ "type": "string" }))),
        _ => None,
    };
    if let Some((name, schema)) = header {
        refusal["headers"] = json!({ name: { "required": true, "schema": schema } });
    }
    refusal
}
