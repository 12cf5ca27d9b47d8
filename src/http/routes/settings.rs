//! Settings of routes. Every one has a default and a reason; `deploy/forebay.toml` shows them all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `[routes.NAME]`: an endpoint that takes what an SDK sends as it is.
///
/// **Sources.** A value is looked for in a list of places, of which the first counts where it is there and not null:
/// `/pointer` in the event, `envelope:/pointer` in what is around the events, `header:NAME`, `query:NAME`, `path:NAME` (a capture),
/// `cookie:NAME`, `basic` (the user's name), `address` (the client's), `source` (the name of who has the key)
/// and `ce:NAME` (an attribute of a CloudEvent). An element of an array may be counted from its end:
/// `/device_ids/-1/value`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The paths, such as `/v1/{t|i|p}` (one of several) or `/in/{app_id}` (a capture). A slash at the end is a part of the path.
    /// Required.
    pub paths: Vec<String>,
    /// The methods. Default: POST.
    #[serde(default = "post")]
    pub methods: Vec<String>,
    /// The route takes no events: it reads and drops the body, and gives the answer `accepted`. Default false.
    #[serde(default)]
    pub fixed: bool,
    /// The stream of the events. Beside `stream_by`: the stream of those that it gives none for. Default: none.
    #[serde(default)]
    pub stream: Option<String>,
    /// Sources of the value that decides on the stream. Default: none, all go to `stream`.
    #[serde(default)]
    pub stream_by: Vec<String>,
    /// The stream for each value. Default: none, the value is the stream's name.
    #[serde(default)]
    pub streams: BTreeMap<String, String>,
    /// What a body holds, whatever its content type says. Default `json`.
    #[serde(default)]
    pub body: Form,
    /// JSON pointer to the event, or the array of events, in a body of `json`. Default: the body itself.
    #[serde(default)]
    pub events: Option<String>,
    /// Sources of the key. Default: what the stream says. An empty list: no key.
    #[serde(default)]
    pub key: Option<Vec<String>>,
    /// Sources of the event's own unique id. Default: what the stream says. One that stands outside of the event goes into the record's
    /// header `event-id`.
    #[serde(default)]
    pub id: Option<Vec<String>>,
    /// Sources of the time at which the event happened: RFC 3339, seconds or milliseconds since 1970, or `yyyy-mm-dd hh:mm:ss` (UTC).
    /// What is none of these counts as missing. Default: none; then it's the time of arrival.
    #[serde(default)]
    pub time: Vec<String>,
    /// The record header that gets this time, in milliseconds since 1970. Default: none.
    #[serde(default)]
    pub time_header: Option<String>,
    /// The record's timestamp. Default `arrival`.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Record headers, with the sources of each. `ce_*` takes all of `header:ce-*`.
    #[serde(default)]
    pub headers: BTreeMap<String, Vec<String>>,
    /// The ways in which keys of sources are shown. Beside those of streams there's `body:/POINTER`, a member of what is around the events,
    /// or of a lone event. Default: those of the stream; if events choose among several, those of the first that asks for something, and
    /// events of others that ask for something else are refused. An empty list means that anybody may send.
    #[serde(default)]
    pub auth: Option<Vec<String>>,
    /// What pages of other origins are told, by its name in `[cors.NAME]`. Default: `http.cors`.
    #[serde(default)]
    pub cors: Option<String>,
    /// JSON pointers of members of the envelope that are secrets: no header may take them, and nothing shows them.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Whose web hooks the route takes. Default: nobody asks.
    #[serde(default)]
    pub webhook: Webhook,
    /// Answers that aren't forebay's own, by outcome: `accepted`, `partly`, `bad`, `unauthorized`, `too_large`, `overloaded`.
    #[serde(default)]
    pub answers: BTreeMap<String, Answer>,
}

fn post() -> Vec<String> {
    vec!["POST".into()]
}

/// What the body of a route's request holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// One JSON object, or an array of them; `events` may say where in the body.
    #[default]
    Json,
    /// A JSON object per line.
    Ndjson,
    /// The fields of a form (`a=1&b=2`): one event.
    Form,
    /// None: the event is the query of the address.
    Query,
    /// One event that nobody looks into.
    Raw,
    /// CloudEvents 1.0: binary, structured or a batch, by the content type.
    Cloudevents,
}

/// What a record's timestamp says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamp {
    /// When forebay received the event.
    #[default]
    Arrival,
    /// When it happened, by `time`. Kafka deletes by this time, and topics may refuse one that is far away. One that lies in the future
    /// counts as the time of arrival.
    Event,
}

/// Senders of web hooks that ask before they send (`OPTIONS` with `WebHook-Request-Origin`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// Their names, `*.example.com` for all below one, `*` for all. Default: none, and the method is answered with 405.
    pub origins: Vec<String>,
    /// Requests per minute that they're told they may send. It's `rate` of a source or a stream that holds them to it. Default 0: as
    /// many as they like.
    pub rate: u32,
}

/// One of a route's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// The status. Default 0: forebay's own.
    pub status: u16,
    /// The content type. Default: that of forebay's own body, `image/gif` of an image, and of a `body` `application/json` if it's JSON, else
    /// `text/plain; charset=utf-8`.
    pub r#type: Option<String>,
    /// The body, always the same. Default: forebay's own.
    pub body: Option<String>,
    /// The body is an image of 1 x 1 pixels, transparent. Default false.
    pub gif: bool,
    /// Sources of the address that the client is sent on to, outside of the event. Default: none.
    pub redirect: Vec<String>,
    /// What such an address may begin with: scheme, host and a part of the path. Others are not followed. Default: none.
    pub allowed: Vec<String>,
    /// Where the client is sent on to otherwise. Default: nowhere, it gets a 204.
    pub location: Option<String>,
}
