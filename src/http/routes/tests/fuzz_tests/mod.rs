//! What clients may send to routes, and people write in them, each beside a slow reader that was written another way. Bodies, forms,
//! queries, cookies, paths, times, CloudEvents.

mod cloudevents;
mod fields;
mod json;
mod paths;
mod reader;
mod times;
