//! The first batch that a client has for a partition, with more behind it, and Kafka refuses it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay::produce::messages::Time;
use forebay::produce::{Messages, Native, Producer, Report, Settings, client};
use uuid::Uuid;

use crate::kafka;
use crate::support::eventually;

const SECOND: Duration = Duration::from_secs(1);

/// A message with a key, or without one.
struct One(Option<Vec<u8>>);

impl Messages for One {
    fn count(&self) -> u32 {
        1
    }

    fn value(&self, _: u32) -> Option<&[u8]> {
        Some(b"value")
    }

    fn key(&self, _: u32) -> Option<&[u8]> {
        self.0.as_deref()
    }

    fn id(&self, _: u32) -> Option<Uuid> {
        None
    }

    fn time(&self, _: u32) -> Time {
        Time::Arrival(0)
    }

    fn headers(&self, _: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        std::iter::empty()
    }
}

/// A compacted topic takes no record without a key, and Kafka has no number yet that would show the gap behind it.
#[test]
fn nothing_overtakes_a_clients_first_batch_that_is_refused() {
    let Some(kafka) = kafka::one_or_skip() else {
        return;
    };
    let topic = kafka.fresh_topic("first", 1, 1, &[("cleanup.policy", "compact")]);
    let mut settings = Settings::new(kafka.bootstrap());
    let alone = ("batch.num.messages".to_owned(), "1".to_owned());
    settings.kafka.extend([alone]);
    let mut client = Native::new(&client::producer("test", &settings)).unwrap();
    client.open_topic(0, &topic);
    let keys = [
        None,
        Some(b"1".to_vec()),
        Some(b"2".to_vec()),
        Some(b"3".to_vec()),
    ];
    for key in keys {
        client.add(&Arc::new(One(key)), 0);
    }
    let (mut back, mut failed, mut acked) = (0, 0, 0);
    client.flush(0, 0, |_, _, _| back += 1);
    eventually("all is told", 30 * SECOND, || {
        client.poll(100, |report| match report {
            Report::Acked { count, .. } => acked += count,
            Report::Failed { .. } => failed += 1,
            _ => {}
        });
        if client.is_settling() {
            client.settle(Instant::now());
        }
        back + failed + acked == 4
    });
    assert_eq!(
        acked, 0,
        "stored before the first was sent again: {back} {failed}"
    );
    assert!(client.close(SECOND, |_| {}));
}
