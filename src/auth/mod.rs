//! Who may send: sources, their keys, the ways to show one, and the origins that a browser may send from. Pure: time is passed in, and
//! nothing here reads files, logs, or knows a status code.
//!
//! - A [`Source`] is somebody who sends: a name, what it may use, what it may bring.
//! - [`Keys`] finds the source that a key belongs to. Keys are kept as their SHA-256, and found by it: ten thousand cost a look-up as
//!   much as ten. What is found is compared in constant time.
//! - A [`Policy`] is the ways in which a stream or route lets keys be shown, in their order. What the head shows is judged before the body
//!   is read; a signature and a member of the body are judged after it.
//! - [`Cors`] says what a page of another origin is told; [`Origins`] is a list of such origins.
//! - [`Addresses`] bounds what one address may do, in a table whose size doesn't depend on how many there are.
//!
//! **Order.** Of the ways that a policy has, the first one whose credential is there decides, and those in the head come before those in the
//! body. A wrong key in the head isn't tried further: a flood of them would make us read bodies.
//!
//! **Secrets.** No message here repeats a key, or a part of one. Secrets of signatures are kept as the hash states that they begin.

pub mod addresses;
pub mod check;
pub mod cors;
pub mod digest;
pub mod keys;
pub mod kind;
pub mod origins;
pub mod policy;
pub mod refusal;
pub mod settings;
pub mod signature;
pub mod source;
pub mod view;

#[cfg(test)]
pub(crate) mod tests;

pub use addresses::Addresses;
pub use cors::Cors;
pub use digest::Digest;
pub use keys::Keys;
pub use origins::Origins;
pub use policy::{Passed, Pending, Policy};
pub use refusal::Refusal;
pub use settings::{CorsSettings, Key, Settings};
pub use source::{Refused, Source};
pub use view::{Found, View};
