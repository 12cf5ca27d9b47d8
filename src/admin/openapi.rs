//! The native API of the data port as OpenAPI 3.1: each stream with what it takes, and what each answer means.
//!
//! It's made of what is configured, so it says the truth about the streams that there are. It stands on the admin port, because it names
//! them.

use serde_json::{Map, Value, json};

use super::View;
use crate::auth::kind::Kind;
use crate::auth::view::Place;
use crate::http::access::Access;
use crate::http::{Route, Snapshot};
use crate::route::{Format, KeySource, OnMissingKey};

/// Statuses of answers that accept nothing, and what they mean.
const REFUSALS: [(&str, &str); 13] = [
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

impl View {
    /// `/openapi.json`.
    pub fn openapi(&self) -> Value {
        document(&self.port.now())
    }
}

fn document(now: &Snapshot) -> Value {
    let mut schemes = Map::new();
    let mut paths = Map::new();
    for route in now.taking() {
        let access = now.access.as_deref();
        let security = access.map(|access| security(access, route.name(), &mut schemes));
        let (path, item) = path(route, security.unwrap_or_default());
        paths.insert(path, item);
    }
    let mut responses = Map::new();
    responses.insert("200".into(), taken("every event is durable"));
    let partly = "every valid event is durable; `errors` says which can never be accepted";
    responses.insert("207".into(), taken(partly));
    for (status, what) in REFUSALS {
        responses.insert(status.into(), refusal(status, what));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "forebay",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Takes events; a 2xx means that they are durable. A refusal says what to change, or when to try again.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "responses": responses,
            "securitySchemes": schemes,
        },
    })
}

/// A stream's path, and what it takes.
fn path(route: &Route, security: Vec<Value>) -> (String, Value) {
    let name = route.name();
    let mut parameters = Vec::new();
    let is_needed = route.on_missing_key == OnMissingKey::Reject;
    let mut path = format!("/v1/events/{name}");
    match &route.key {
        KeySource::Header(header) => parameters.push(json!({
            "name": header.as_str(), "in": "header", "required": is_needed,
            "schema": { "type": "string" }, "description": "the events' key",
        })),
        KeySource::Path => {
            path += "/{key}";
            parameters.push(json!({
                "name": "key", "in": "path", "required": true,
                "schema": { "type": "string", "minLength": 1 }, "description": "the events' key",
            }));
        }
        KeySource::Event(_) | KeySource::None => {}
    }
    let mut responses = Map::new();
    let statuses = ["200", "207"].into_iter();
    for status in statuses.chain(REFUSALS.iter().map(|(status, _)| *status)) {
        let at = format!("#/components/responses/{status}");
        responses.insert(status.into(), json!({ "$ref": at }));
    }
    let post = json!({
        "operationId": format!("send-{name}"),
        "summary": format!("Sends events of the stream {name}"),
        "parameters": parameters,
        "security": security,
        // An opaque event may be empty.
        "requestBody": { "required": route.format == Format::Json, "content": content(route, is_needed) },
        "responses": responses,
    });
    (path, json!({ "post": post }))
}

/// What a stream's bodies hold.
fn content(route: &Route, key_is_needed: bool) -> Value {
    if route.format == Format::Raw {
        return json!({ "application/octet-stream": {} });
    }
    let mut event = json!({ "type": "object" });
    if let KeySource::Event(pointer) = &route.key
        && key_is_needed
    {
        let pointer = pointer.to_string();
        let names: Vec<_> = pointer.split('/').skip(1).map(unescaped).collect();
        event = with_member(&names);
    }
    let several = json!({ "type": "array", "items": event, "minItems": 1 });
    json!({
        "application/json": { "schema": { "oneOf": [event, several] } },
        "application/x-ndjson": { "schema": { "type": "string", "description": "an object per line" } },
    })
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// An object with a member, or with one inside of it.
fn with_member(names: &[String]) -> Value {
    match names.split_first() {
        None => json!({ "type": ["string", "number", "boolean"] }),
        Some((name, inside)) => json!({
            "type": "object",
            "required": [name],
            "properties": { name.as_str(): with_member(inside) },
        }),
    }
}

/// How a key is shown to a stream, in any of several ways; the ways are added to `schemes`.
fn security(access: &Access, stream: &str, schemes: &mut Map<String, Value>) -> Vec<Value> {
    let kinds = access.of_stream(stream).policy.kinds().iter();
    let named = kinds.filter_map(|kind| {
        let (name, scheme) = scheme(kind)?;
        schemes.insert(name.clone(), scheme);
        Some(json!({ name: [] }))
    });
    named.collect()
}

fn scheme(kind: &Kind) -> Option<(String, Value)> {
    let in_place = |place: &str, name: &str| {
        let scheme = json!({ "type": "apiKey", "in": place, "name": name });
        Some((format!("{place}-{name}"), scheme))
    };
    match kind {
        Kind::Basic => Some((
            "basic".into(),
            json!({ "type": "http", "scheme": "basic", "description": "the key as the user's name" }),
        )),
        Kind::Bearer => Some((
            "bearer".into(),
            json!({ "type": "http", "scheme": "bearer" }),
        )),
        Kind::Plain(Place::Header(name)) => in_place("header", name.as_str()),
        Kind::Plain(Place::Query(name)) => in_place("query", name),
        Kind::Signature(it) => in_place("header", it.header().as_str()),
        Kind::Certificate => Some(("certificate".into(), json!({ "type": "mutualTLS" }))),
        Kind::Plain(Place::Capture(_)) | Kind::Member(_) => None,
    }
}

fn taken(what: &str) -> Value {
    json!({
        "description": what,
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Taken" } } },
    })
}

fn refusal(status: &str, what: &str) -> Value {
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

fn schemas() -> Value {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let error = json!({
        "type": "object",
        "required": ["index", "code"],
        "properties": { "index": count(), "code": { "type": "string" }, "detail": { "type": "string" } },
    });
    let errors = || json!({ "type": "array", "maxItems": 100, "items": { "$ref": "#/components/schemas/EventError" } });
    json!({
        "EventError": error,
        "Taken": {
            "type": "object",
            "required": ["accepted", "acked", "spilled"],
            "properties": {
                "accepted": count(), "acked": count(), "spilled": count(), "queued": count(),
                "rejected": count(), "errors": errors(), "errors_omitted": count(),
            },
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": { "type": "string", "pattern": "^urn:forebay:" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "accepted": count(), "acked": count(), "spilled": count(), "queued": count(), "rejected": count(),
                "errors": errors(), "errors_omitted": count(),
            },
        },
    })
}
