//! What lanes need of a client. [`Native`] is the one there is; the lanes' model test has another, which fails at will.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode;

use super::topic_limits::Stamp;
use super::{Context, Native, Report};
use crate::receipt::Parcel;

/// A client that events are handed to, and that reports what became of each, in the order of its partition.
pub trait Producer {
    /// The client, for metadata requests from other threads, if it can be asked.
    fn shared(&self) -> Option<Arc<Client<Context>>>;

    /// Makes `name` known as topic number `topic`.
    fn open_topic(&mut self, topic: u32, name: &str);

    /// Adds the event at `position` of a parcel to the batch.
    fn add(&mut self, parcel: &Arc<Parcel>, position: u32);

    /// Hands the batch over, for one partition, in order. `refused` hears of each event that wasn't taken.
    fn flush(
        &mut self,
        topic: u32,
        partition: i32,
        refused: impl FnMut(&Arc<Parcel>, u32, RDKafkaErrorCode),
    );

    /// Hands one event over, stamped as `stamp` says, with the header `event-id` if it needs it.
    fn send_stamped(
        &mut self,
        topic: u32,
        partition: i32,
        parcel: &Arc<Parcel>,
        position: u32,
        stamp: Stamp,
    ) -> Result<(), RDKafkaErrorCode>;

    /// Reads what the client has to report, at most `at_most` reports of whole requests, without waiting.
    fn poll(&mut self, at_most: usize, on: impl FnMut(Report<'_>)) -> usize;

    /// Whether a batch failed and the client has to be settled: nothing may be handed over until then.
    fn is_settling(&self) -> bool;

    /// A step on the way to a client that holds nothing: what isn't on the wire comes back. To be called again and again while
    /// the client is settling.
    fn settle(&mut self, now: Instant);

    /// Gives up everything that the client holds and reads all reports. False if some were still missing after `at_most`.
    fn close(&mut self, at_most: Duration, on: impl FnMut(Report<'_>)) -> bool;
}

impl Producer for Native {
    fn shared(&self) -> Option<Arc<Client<Context>>> {
        Some(Arc::clone(self.client()))
    }

    fn open_topic(&mut self, topic: u32, name: &str) {
        Native::open_topic(self, topic, name);
    }

    fn add(&mut self, parcel: &Arc<Parcel>, position: u32) {
        Native::add(self, parcel, position);
    }

    fn flush(
        &mut self,
        topic: u32,
        partition: i32,
        refused: impl FnMut(&Arc<Parcel>, u32, RDKafkaErrorCode),
    ) {
        Native::flush(self, topic, partition, refused);
    }

    fn send_stamped(
        &mut self,
        topic: u32,
        partition: i32,
        parcel: &Arc<Parcel>,
        position: u32,
        stamp: Stamp,
    ) -> Result<(), RDKafkaErrorCode> {
        Native::send_stamped(self, topic, partition, parcel, position, stamp)
    }

    fn poll(&mut self, at_most: usize, on: impl FnMut(Report<'_>)) -> usize {
        Native::poll(self, at_most, on)
    }

    fn is_settling(&self) -> bool {
        Native::is_settling(self)
    }

    fn settle(&mut self, now: Instant) {
        Native::settle(self, now);
    }

    fn close(&mut self, at_most: Duration, on: impl FnMut(Report<'_>)) -> bool {
        Native::close(self, at_most, on)
    }
}
