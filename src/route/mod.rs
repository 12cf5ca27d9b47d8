//! Stage 3, routing: an event's key, and from it the partition. Pure: no I/O, no clock, no Kafka client.
//!
//! The partition is the one that the Java client's default partitioner would choose, so that topics written by forebay
//! can be joined with topics written by others.

pub mod key;
pub mod privacy;
pub mod settings;
pub mod sticky;

pub use key::{KeySource, partition_of};
pub use privacy::{Privacy, cut};
pub use settings::{Ack, Drain, Format, OnMissingKey, Settings};
pub use sticky::Sticky;
