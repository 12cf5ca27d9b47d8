//! The first message that a client has for a partition goes alone, until it's acknowledged.
//!
//! What keeps a refused batch from being overtaken by those behind it on the wire is that Kafka refuses these too, for the gap in
//! their sequence numbers (`hold`). But of a producer that has never stored anything in a partition Kafka knows no number, and takes
//! whatever comes first (`ProducerAppendInfo.checkSequence`; 4.1.1 stored three batches behind a refused one). So nothing may stand
//! behind the first one. It costs a round trip for each partition of each new client: what else is handed over meanwhile is given
//! back, and comes again in order.
//!
//! What isn't seen: Kafka forgets a producer that has stored nothing in a partition for a day (`producer.id.expiration.ms`).

use fnv::FnvHashMap;

/// A partition, by the address of its topic's handle and its number.
pub(super) type Partition = (usize, i32);

/// Which partitions of a client have taken something.
#[derive(Debug, Default)]
pub(super) struct Firsts(FnvHashMap<Partition, First>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    UnderWay,
    Acked,
}

impl Firsts {
    /// How many messages may be handed over for a partition now.
    pub(super) fn most(&self, partition: Partition) -> usize {
        match self.0.get(&partition) {
            Some(First::Acked) => usize::MAX,
            Some(First::UnderWay) => 0,
            None => 1,
        }
    }

    /// Something was handed over.
    pub(super) fn sent(&mut self, partition: Partition) {
        self.0.entry(partition).or_insert(First::UnderWay);
    }

    /// Something was acknowledged.
    pub(super) fn acked(&mut self, partition: Partition) {
        self.0.insert(partition, First::Acked);
    }

    /// Something came back.
    pub(super) fn failed(&mut self, partition: Partition) {
        if self.0.get(&partition) == Some(&First::UnderWay) {
            self.0.remove(&partition);
        }
    }
}
