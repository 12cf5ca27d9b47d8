//! Stage 5, producing: one Kafka cluster's client, what its errors mean, and how the cluster is.
//!
//! - [`client`] turns settings into a librdkafka configuration. The promise rests on four of its properties, which users
//!   can't change: `acks=all`, `enable.idempotence=true` (but for clusters that can't: [`settings::Idempotence`]),
//!   `message.timeout.ms=0` and unlimited retries. librdkafka never gives up
//!   on a record by itself: a delivery timeout leaves records that were reported as failed and stored all the same
//!   (measured: 14 and 51 of them in two broker faults, and gaps in the order of a partition), while without one nothing
//!   was lost, doubled or reordered. Who waits too long is released by the lanes, which own the deadline.
//! - [`files`] tells whether files changed that a client read when it was made.
//! - [`messages`] says what a client carries, whoever sends it. [`native`] is the client, without copies; the only module with
//!   `unsafe`. [`Producer`] is what a worker sees of it.
//! - [`said`] knows what librdkafka tells in its log alone.
//! - [`verdict`] is the only place that says whose fault a Kafka error is; [`trouble`] keeps the faults that last.
//! - [`backoff`] says how long to wait after a failure.
//! - [`health`] and [`probe`] know how the cluster is and how many partitions its topics have; [`topic_limits`] what they take. Probes share the threads of a [`pool`].
//!   `absence` says when a cluster needs no client because nobody is there, and `knock` looks whether somebody is.
//!
//! What is absent: no event, no receipt, no lane and no HTTP is known here; nothing here decides about waiting.

mod absence;
pub mod backoff;
pub mod client;
pub mod files;
pub mod health;
mod knock;
pub mod messages;
pub mod native;
pub mod pool;
pub mod probe;
mod producer;
pub mod said;
pub mod settings;
mod shared_client;
mod subject;
pub mod topic_limits;
pub mod trouble;
pub mod verdict;
mod watchdog;

pub use backoff::Backoff;
pub use health::Health;
pub use messages::{Messages, NoMessages};
pub use native::{Context, Failure, Native, Report};
pub use pool::Pool;
pub use producer::Producer;
pub use settings::Settings;
pub use topic_limits::TopicLimits;
