//! Routes: endpoints that take what SDKs send as it is. One table for all of them, and no code for any vendor.
//!
//! - [`settings`] is `[routes.NAME]` as it's written. [`Endpoint`] is a route, checked and ready; [`Endpoints`] finds it by path
//!   and method, `template` takes its paths apart.
//! - [`Source`] is a place where a value may be. The head's are asked of [`Asked`], those of the body are noted while it's decoded
//!   (`decode::pick`).
//! - Who may send is asked of `http::entry`, with the route's own ways if it has some; `members` are keys in bodies.
//! - `ingest` is one request of a route, `taking` its body; `read` finds what is wanted of its body, `plan` and `sorting` sort its
//!   events by stream and lane, `records` and `extras` make their records, `asking` asks each stream for room.
//! - `cloudevents` knows the modes and attributes of CloudEvents: a standard, and the one body form that has headers for members.
//! - `webhook` tells senders of web hooks that they may send, before they do.
//! - [`trial`] says what a route would make of a request, without Kafka.
//! - [`Described`] is a route in the words of those who tell others of it.
//! - `answers` makes the route's answer of forebay's own.
//!
//! **What is promised.** A route's event is stored byte for byte as it stands in the body; what is around it goes into record headers,
//! or nowhere. An answer never says that events are durable when they aren't: a route can choose another 2xx for a 2xx, and
//! another refusal for a refusal, and nothing else.
//!
//! **Absent**: vendors' names, and what only one of them does. Presets in `deploy/presets` are configuration. The paths of
//! streams, `/v1/events/…`, know nothing of routes: routes are asked for when a path is none of theirs.

mod answers;
mod asked;
mod asking;
pub mod check;
mod cloudevents;
mod described;
mod endpoint;
mod extras;
mod fields;
mod head;
mod ingest;
mod making;
mod members;
mod plan;
mod read;
mod records;
pub mod settings;
mod sorting;
mod source;
mod table;
mod taking;
mod template;
#[cfg(test)]
mod tests;
mod time;
pub mod trial;
mod webhook;

pub use answers::{Answered, OUTCOMES};
pub use asked::{Asked, Captures};
pub use described::{Described, Path};
pub use endpoint::{Endpoint, Fault, Streams};
pub(super) use ingest::answer;
pub use settings::{Form, Settings};
pub use source::Source;
pub use table::{Conflict, Endpoints, Matched};
