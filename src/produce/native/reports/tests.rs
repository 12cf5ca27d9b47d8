//! What a report says of a batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use uuid::Uuid;

use crate::produce::messages::Time;
use crate::produce::topic_limits::Stamp;
use crate::produce::{Messages, Native, Producer, Report, Settings, client};

/// A message that is small but for its header.
struct Headed(Vec<u8>);

impl Messages for Headed {
    fn count(&self) -> u32 {
        1
    }

    fn value(&self, _: u32) -> Option<&[u8]> {
        Some(b"x")
    }

    fn key(&self, _: u32) -> Option<&[u8]> {
        None
    }

    fn id(&self, _: u32) -> Option<Uuid> {
        None
    }

    fn time(&self, _: u32) -> Time {
        Time::Arrival(0)
    }

    fn headers(&self, _: u32) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        std::iter::once((&b"h"[..], Some(&*self.0)))
    }
}

/// As it is counted when it's sent: else what is learned from a refusal is of another size.
#[test]
fn the_size_of_a_refused_batch_has_its_headers() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 1, 1).unwrap();
    let settings = Settings::new(cluster.bootstrap_servers());
    let mut client = Native::new(&client::producer("test", &settings)).unwrap();
    client.open_topic(0, "topic");
    let large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[large]);
    let group = Arc::new(Headed(vec![b'h'; 5_000]));
    let sent = client.send_stamped(0, 0, &group, 0, Stamp::Present);
    sent.unwrap();
    let (mut told, deadline) = (None, Instant::now() + Duration::from_secs(20));
    while told.is_none() {
        assert!(Instant::now() < deadline, "it's refused");
        client.poll(10, |report| {
            if let Report::Failed { failure, .. } = report {
                told = Some(failure.batch_bytes);
            }
        });
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(
        told.is_some_and(|bytes| (5_002..5_400).contains(&bytes)),
        "{told:?}"
    );
    assert!(client.close(Duration::from_secs(1), |_| {}));
}
