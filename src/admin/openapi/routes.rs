//! Routes in the document: the paths of SDKs, with what is looked for in a request, and the route's own answers.
//!
//! Alternatives in a path are spelled out, as clients send them. What decides on nothing isn't described: a body may have more members, and a
//! request more headers, than those that are named.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answers::{REFUSALS, refusal, taken};
use super::bodies::{object, one_or_several, scalar};
use super::schemes::schemes_of;
use crate::auth::Policy;
use crate::decode::Pointer;
use crate::http::Snapshot;
use crate::http::access::Access;
use crate::http::routes::{Described, Form, Source};
use crate::route::OnMissingKey;

/// Adds the routes of a configuration to the paths of a document, and their ways to show keys to `schemes`.
pub(super) fn add(
    now: &Snapshot,
    paths: &mut Map<String, Value>,
    schemes: &mut Map<String, Value>,
) {
    // A text with the same captures is one path, whatever a second route calls these.
    let mut known: BTreeMap<&str, (String, Vec<&str>)> = BTreeMap::new();
    for endpoint in now.endpoints.all() {
        let route = endpoint.described();
        let access = now.access.as_deref();
        let policies = access.map(|access| policies(now, access, &route));
        let security = schemes_of(policies.unwrap_or_default(), schemes);
        for (number, path) in route.paths().enumerate() {
            let (shown, names) = known.entry(path.text).or_insert_with(|| {
                let names = path.names.iter().map(String::as_str).collect::<Vec<_>>();
                (named(path.text, &names), names)
            });
            let item = paths.entry(shown.clone()).or_insert_with(|| json!({}));
            for method in route.methods {
                let id = format!("{}-{method}-{number}", route.name).to_lowercase();
                let operation = operation(now, &route, id, names, &security);
                item[method.as_str().to_lowercase()] = operation;
            }
            if route.takes_webhooks && route.methods.contains(&Method::POST) {
                item["options"] = webhook(&format!("{}-options-{number}", route.name), names);
            }
        }
    }
}

/// How keys are shown to a route, or to the streams that its events may go to.
fn policies<'a>(now: &Snapshot, access: &'a Access, route: &Described<'_>) -> Vec<&'a Policy> {
    if route.form.is_none() {
        return Vec::new();
    }
    if let Some(own) = access.of_route(route.name) {
        return vec![&own.policy];
    }
    let all = now.routes.keys().map(String::as_str);
    let streams = { route.streams.clone() }.unwrap_or_else(|| all.collect());
    let gates = streams.iter().map(|name| access.of_stream(name));
    gates.map(|gate| &gate.policy).collect()
}

/// A path with the names of its captures.
fn named(text: &str, names: &[&str]) -> String {
    let mut text = text.to_owned();
    for (number, name) in names.iter().enumerate() {
        text = text.replacen(&format!("{{{number}}}"), &format!("{{{name}}}"), 1);
    }
    text
}

fn captures(names: &[&str]) -> Vec<Value> {
    let capture = |name: &&str| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
        })
    };
    names.iter().map(capture).collect()
}

fn operation(
    now: &Snapshot,
    route: &Described<'_>,
    id: String,
    names: &[&str],
    security: &[Value],
) -> Value {
    let mut parameters = captures(names);
    for source in route.head {
        let (place, name) = match source {
            // OpenAPI wants these to be described elsewhere.
            Source::Header(name)
                if ["accept", "authorization", "content-type"].contains(&name.as_str()) =>
            {
                continue;
            }
            Source::Header(name) => ("header", name.as_str()),
            Source::Query(name) => ("query", name.as_str()),
            Source::Cookie(name) => ("cookie", name.as_str()),
            _ => continue,
        };
        parameters.push(parameter(place, name, false));
    }
    let needed = Needed::of(now, route);
    let mut operation = json!({
        "operationId": id,
        "tags": [route.name],
        "summary": format!("The route {}", route.name),
        "responses": responses(route),
        "security": security,
    });
    match route.form {
        None | Some(Form::Query) => {
            for field in route.fields {
                let is_given = |it: &Value| it["name"] == **field && it["in"] == "query";
                if !parameters.iter().any(is_given) {
                    parameters.push(parameter("query", field, needed.is_field(field)));
                }
            }
        }
        Some(form) => {
            operation["requestBody"] = json!({
                "required": form != Form::Raw,
                "content": content(route, form, &needed),
            });
        }
    }
    if route.form == Some(Form::Cloudevents) {
        let text = "CloudEvents 1.0. In binary mode the body is the event's data, of any content type, and its attributes are headers ce-NAME.";
        operation["description"] = text.into();
    }
    operation["parameters"] = parameters.into();
    operation
}

fn parameter(place: &str, name: &str, is_needed: bool) -> Value {
    let least = u8::from(is_needed);
    let text = json!({ "type": "string", "minLength": least });
    json!({ "name": name, "in": place, "required": is_needed, "schema": text })
}

/// What an event must have, beside being one.
struct Needed<'a> {
    /// Members of which one has to be there, as the key; none if it may be elsewhere, or missing.
    key: Vec<Pointer>,
    /// The member that is looked at first, which must not be an object or an array then.
    first: Option<Pointer>,
    /// The member that decides on the stream, and its values.
    stream: Option<(&'a Pointer, &'a [&'a str])>,
}

impl<'a> Needed<'a> {
    fn of(now: &Snapshot, route: &'a Described<'a>) -> Needed<'a> {
        let pointer = |source: &Source| match source {
            Source::Event(pointer) => Some(pointer.clone()),
            Source::Attribute(name) => Pointer::parse(&format!("/{name}")).ok(),
            _ => None,
        };
        let keys: Vec<_> = route.key.iter().filter_map(pointer).collect();
        let rejects = |name: &&str| {
            let stream = now.routes.get(*name);
            stream.is_some_and(|it| it.on_missing_key == OnMissingKey::Reject)
        };
        let is_asked = match &route.streams {
            Some(streams) => streams.iter().any(rejects),
            None => now
                .routes
                .values()
                .any(|it| it.on_missing_key == OnMissingKey::Reject),
        };
        let is_in_event = keys.len() == route.key.len();
        Needed {
            first: match is_asked && !(is_in_event && keys.len() > 1) {
                true => route.key.first().and_then(pointer),
                false => None,
            },
            key: match is_asked && is_in_event {
                true => keys,
                false => Vec::new(),
            },
            stream: match route.stream_by {
                [Source::Event(pointer)] if route.stream.is_none() && !route.values.is_empty() => {
                    Some((pointer, &route.values))
                }
                _ => None,
            },
        }
    }

    /// Whether an event of fields must have this one.
    fn is_field(&self, field: &str) -> bool {
        let of_key = match &self.key[..] {
            [only] => only.names().eq([field]),
            _ => false,
        };
        of_key || self.stream.is_some_and(|(it, _)| it.names().eq([field]))
    }

    /// The schema of an event in JSON, which must have `more` as well.
    fn event(&self, more: &[&str]) -> Value {
        let more: Vec<_> = more
            .iter()
            .filter_map(|name| Pointer::parse(&format!("/{name}")).ok())
            .collect();
        let is_text = || json!({ "type": ["string", "number", "boolean"], "minLength": 1 });
        let mut members: Vec<(&Pointer, Value)> = more.iter().map(|it| (it, is_text())).collect();
        let mut required: Vec<&Pointer> = more.iter().collect();
        if let Some((pointer, values)) = self.stream {
            members.push((pointer, json!({ "enum": values })));
            required.push(pointer);
        }
        let first = self.first.iter().filter(|first| !required.contains(first));
        let first: Vec<_> = first.collect();
        members.extend(first.iter().map(|it| (*it, scalar(self.key.len() != 1))));
        if let [only] = &self.key[..]
            && !required.contains(&only)
        {
            required.push(only);
        }
        let mut event = object(&members, &required);
        if self.key.len() > 1 {
            let ways = 0..self.key.len();
            event["anyOf"] = ways
                .map(|at| this_key(&self.key[..at], &self.key[at]))
                .collect();
        }
        event
    }
}

/// An event of which `key` is the key: it's there, and those before it aren't.
fn this_key(before: &[Pointer], key: &Pointer) -> Value {
    let mut event = object(&[(key, scalar(false))], &[key]);
    let is_there = |other: &Pointer| {
        let some = json!({ "not": { "type": "null" } });
        json!({ "not": object(&[(other, some)], &[other]) })
    };
    if !before.is_empty() {
        event["allOf"] = before.iter().map(is_there).collect();
    }
    event
}

fn content(route: &Described<'_>, form: Form, needed: &Needed<'_>) -> Value {
    match form {
        Form::Json => {
            let mut schema = one_or_several(needed.event(&[]));
            if let Some(events) = route.events {
                schema = object(&[(events, schema)], &[events]);
            }
            json!({ "application/json": { "schema": schema } })
        }
        Form::Ndjson => json!({ "application/x-ndjson": { "schema": {
            "type": "string", "description": "an object per line",
        } } }),
        Form::Form => {
            let texts = route.fields.iter();
            let texts = texts.map(|name| {
                // An empty one counts as missing.
                let least = u8::from(needed.is_field(name));
                (
                    name.clone(),
                    json!({ "type": "string", "minLength": least }),
                )
            });
            let required = route.fields.iter().filter(|name| needed.is_field(name));
            let schema = json!({
                "type": "object",
                "properties": texts.collect::<Map<_, _>>(),
                "required": required.collect::<Vec<_>>(),
            });
            json!({ "application/x-www-form-urlencoded": { "schema": schema } })
        }
        Form::Cloudevents => {
            let event = needed.event(&["specversion", "id", "source", "type"]);
            let several = json!({ "type": "array", "items": event });
            json!({
                "application/cloudevents+json": { "schema": event },
                "application/cloudevents-batch+json": { "schema": several },
            })
        }
        Form::Raw | Form::Query => json!({ "application/octet-stream": {} }),
    }
}

/// What a route answers, by status.
fn responses(route: &Described<'_>) -> Value {
    let mut all = Map::new();
    let ours = [
        ("200", "every event is durable"),
        (
            "207",
            "every valid event is durable; the others can never be accepted",
        ),
    ];
    let takes_events = route.form.is_some();
    let fixed = [
        "200", "400", "405", "408", "413", "429", "431", "501", "503",
    ];
    for (own, what) in ours.iter().chain(&REFUSALS) {
        if !takes_events && !fixed.contains(own) {
            continue;
        }
        let status = own.parse().unwrap_or(StatusCode::OK);
        let answer = route.answered(status);
        let is_refusal = status.is_client_error() || status.is_server_error();
        let what = match takes_events {
            false if !is_refusal => "nothing is stored",
            _ => what,
        };
        let mut response = match is_refusal {
            true => refusal(&answer.status.to_string(), what),
            false => taken(what),
        };
        match (answer.has_body, answer.content_type) {
            (false, _) => {
                response.as_object_mut().map(|it| it.remove("content"));
            }
            (true, Some(content_type)) => response["content"] = json!({ content_type: {} }),
            (true, None) if !takes_events && !is_refusal => {
                response["content"] = json!({ "application/json": {} });
            }
            (true, None) => {}
        }
        if answer.sends_on {
            let to = json!({ "description": what, "headers": { "Location": { "required": true, "schema": { "type": "string" } } } });
            all.insert(answer.status.to_string(), to);
            all.insert("204".into(), json!({ "description": what }));
            continue;
        }
        all.entry(answer.status.to_string()).or_insert(response);
    }
    all.into()
}

/// How a sender of web hooks asks whether it may send.
fn webhook(id: &str, names: &[&str]) -> Value {
    let mut parameters = captures(names);
    parameters.push(parameter("header", "WebHook-Request-Origin", true));
    let told = || json!({ "required": true, "schema": { "type": "string" } });
    json!({
        "operationId": id.to_lowercase(),
        "summary": "Asks whether a sender of web hooks may send here",
        "parameters": parameters,
        "security": [],
        "responses": {
            "200": {
                "description": "it may",
                "headers": { "WebHook-Allowed-Origin": told(), "WebHook-Allowed-Rate": told() },
            },
            "403": refusal("403", "it may not"),
            "405": refusal("405", "nobody asks: the header is missing"),
        },
    })
}
