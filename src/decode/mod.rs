//! From the body of a request to its events.
//!
//! Promises that every [`Event`] is one JSON object, valid by RFC 8259 and in UTF-8,
//! within the [`Limits`], given by the very bytes that were sent; that everything else in
//! the body is in [`Decoded::rejected`] or refuses the body as a whole; and that no input
//! makes it panic, recurse or take memory that the limits don't bound.
//!
//! It must never know where bodies come from or where events go: no HTTP, no Kafka, no
//! I/O, no clock, nothing asynchronous. Bytes in, offsets out.
//!
//! Streams want two values of an event, the key and the id. Routes want more, and their events may be inside of an envelope:
//! [`pick_json`] and [`pick_ndjson`] are for them.
//!
//! [`json()`] takes one object or an array of objects, [`ndjson()`] an object per line,
//! [`encoding`] undoes the content encoding before either.

mod block;
mod captured;
pub mod encoding;
mod events;
mod follow;
mod json;
mod lex;
mod lookup;
mod ndjson;
mod pick;
mod pointer;
mod roots;
mod scan;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod track;
mod value;
mod window;

pub use captured::{Captured, Span, Wanted};
pub use events::{BodyError, Decoded, Event, RejectCode, Rejected, raw};
pub use json::json;
pub use ndjson::ndjson;
pub use pick::{Layout, Picked, TooMany, pick_json, pick_ndjson};
pub use pointer::{Pointer, PointerError};
pub use settings::{Limits, Settings, SettingsError};
pub use value::Value;
