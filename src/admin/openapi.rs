//! The data port as OpenAPI 3.1: each stream and each route with what it takes, and what each answer means.
//!
//! It's made of what is configured, so it says the truth about the streams and routes that there are. It stands on the admin port, because it names
//! them.

mod answers;
mod bodies;
mod routes;
mod schemes;

use serde_json::{Map, Value, json};

use self::answers::{REFUSALS, refusal, taken};
use self::schemes::schemes_of;
use super::View;
use crate::http::{Route, Snapshot};
use crate::route::{Format, KeySource, OnMissingKey};

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
        let policy = access.map(|access| &access.of_stream(route.name()).policy);
        let security = schemes_of(policy, &mut schemes);
        let (path, item) = path(route, security);
        paths.insert(path, item);
    }
    routes::add(now, &mut paths, &mut schemes);
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
    let event = match &route.key {
        KeySource::Event(pointer) if key_is_needed => {
            bodies::object(&[(pointer, bodies::scalar(false))], &[pointer])
        }
        _ => json!({ "type": "object" }),
    };
    json!({
        "application/json": { "schema": bodies::one_or_several(event) },
        "application/x-ndjson": { "schema": { "type": "string", "description": "an object per line" } },
    })
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
