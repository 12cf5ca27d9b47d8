//! What a worker needs of a client. [`Native`](super::Native) is the one there is; the lanes' model test has another, which fails at
//! will.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use super::topic_limits::Stamp;
use super::{Context, Messages, Report};

/// A client that messages are handed to, and that reports what became of each, in the order of its partition.
pub trait Producer {
    /// The groups in which messages come.
    type Group: Messages;

    /// The client, for metadata requests from other threads, if it can be asked.
    fn shared(&self) -> Option<Arc<Client<Context>>>;

    /// Makes `name` known as topic number `topic`.
    fn open_topic(&mut self, topic: u32, name: &str);

    /// Adds the message at `position` of a group to the batch: its value and its key. The record is stamped with the present.
    fn add(&mut self, group: &Arc<Self::Group>, position: u32);

    /// Hands the batch over, for one partition, in order. `refused` hears of each message that wasn't taken. A client that is settling
    /// takes none.
    fn flush(
        &mut self,
        topic: u32,
        partition: i32,
        refused: impl FnMut(&Arc<Self::Group>, u32, RDKafkaErrorCode),
    );

    /// Hands one message over with all that it has, stamped as `stamp` says.
    fn send_stamped(
        &mut self,
        topic: u32,
        partition: i32,
        group: &Arc<Self::Group>,
        position: u32,
        stamp: Stamp,
    ) -> Result<(), RDKafkaErrorCode>;

    /// Reads what the client has to report, at most `at_most` reports of whole requests, without waiting.
    fn poll(&mut self, at_most: usize, on: impl FnMut(Report<'_, Self::Group>)) -> usize;

    /// Whether a batch failed and its partition is paused: until everything was reported, nothing may be handed over.
    fn is_settling(&self) -> bool;

    /// A step on the way to a client that holds nothing, after which paused partitions go on. To be called again and again while the
    /// client is settling, between reading its reports; it doesn't wait.
    fn settle(&mut self, now: Instant);

    /// Gives up everything that the client holds and reads all reports. False if some were still missing after `at_most`; their
    /// memory is leaked then.
    fn close(&mut self, at_most: Duration, on: impl FnMut(Report<'_, Self::Group>)) -> bool;
}
