//! The machinery of the end-to-end benchmarks: processes and their CPU, the load, topics and their audit.
//!
//! Reading order: [`options`], [`cases`] and [`work`] (what is asked of a subject) → [`roles`] and [`child`] (processes) →
//! [`load`] (clients) → [`topics`] (Kafka's side of the audit) → [`meter`] (CPU per event) → [`forebay`] and
//! [`bench`](mod@bench) (all of it together) → [`figures`] (in tables).

#![allow(dead_code, reason = "each benchmark uses a part of these")]

pub(crate) mod bench;
pub(crate) mod cases;
pub(crate) mod child;
pub(crate) mod figures;
pub(crate) mod forebay;
pub(crate) mod load;
pub(crate) mod meter;
pub(crate) mod options;
pub(crate) mod ports;
pub(crate) mod roles;
pub(crate) mod topics;
pub(crate) mod work;
