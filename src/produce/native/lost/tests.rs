//! A mock cluster behind a relay that stops reading: what was sent as a whole may be stored when it reads on.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use uuid::Uuid;

use super::Moment;
use crate::produce::messages::Time;
use crate::produce::{Messages, Native, Producer, Report, Settings, client};

const SECOND: Duration = Duration::from_secs(1);
const HOST: &str = "127.0.0.1";
/// The number of no broker.
const NOBODY: i32 = 77;

/// One message of so many bytes.
struct Large(Vec<u8>);

impl Messages for Large {
    fn count(&self) -> u32 {
        1
    }

    fn value(&self, _: u32) -> Option<&[u8]> {
        Some(&self.0)
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
        std::iter::empty()
    }
}

/// Before the brokers of a mock cluster, by port. All requests to the first one of them may be held back, and it may be left out of
/// what the others list.
#[derive(Default)]
struct Relay {
    is_held: AtomicBool,
    is_unlisted: AtomicBool,
    /// Of each broker, and ours for it.
    ports: Vec<(u16, u16)>,
}

impl Relay {
    /// Returns the addresses to connect to.
    fn before(
        cluster: &MockCluster<'_, impl rdkafka::client::ClientContext>,
    ) -> (Arc<Relay>, String) {
        let servers = cluster.bootstrap_servers();
        let brokers: Vec<u16> = servers
            .split(',')
            .map(|it| it.rsplit(':').next().unwrap().parse().unwrap())
            .collect();
        let listeners: Vec<_> = brokers
            .iter()
            .map(|_| TcpListener::bind((HOST, 0)).unwrap())
            .collect();
        let own = listeners.iter().map(|it| it.local_addr().unwrap().port());
        let ports: Vec<_> = brokers.iter().copied().zip(own).collect();
        let names = ports.iter().map(|(_, own)| format!("{HOST}:{own}"));
        let names = names.collect::<Vec<_>>().join(",");
        let relay = Arc::new(Relay {
            ports: ports.clone(),
            ..Relay::default()
        });
        for (at, (listener, (broker, _))) in listeners.into_iter().zip(ports).enumerate() {
            let relay = Arc::clone(&relay);
            std::thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    drop(relay.connect(client, broker, at == 0));
                }
            });
        }
        (relay, names)
    }

    fn connect(
        self: &Arc<Relay>,
        client: TcpStream,
        broker: u16,
        is_first: bool,
    ) -> io::Result<()> {
        let server = TcpStream::connect((HOST, broker))?;
        let (mut requests, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let (mut answers, mut to_client) = (server, client);
        let relay = Arc::clone(self);
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(read) = requests.read(&mut bytes)
                && read > 0
            {
                while is_first && relay.is_held.load(Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                to_server.write_all(&bytes[..read]).unwrap();
            }
        });
        let relay = Arc::clone(self);
        std::thread::spawn(move || {
            let mut length = [0; 4];
            while answers.read_exact(&mut length).is_ok() {
                let mut answer = length.to_vec();
                answer.resize(4 + u32::from_be_bytes(length) as usize, 0);
                if answers.read_exact(&mut answer[4..]).is_err() {
                    return;
                }
                relay.rewrite(&mut answer);
                // The client may be gone.
                drop(to_client.write_all(&answer));
            }
        });
        Ok(())
    }

    /// A broker in an answer: its number, the length of its host, its host and its port. No length changes.
    fn rewrite(&self, answer: &mut [u8]) {
        let starts: Vec<_> = memchr::memmem::find_iter(answer, HOST).collect();
        for at in starts {
            let port = at + HOST.len()..at + HOST.len() + 4;
            let Some(written) = answer.get(port.clone()) else {
                return;
            };
            let written = u32::from_be_bytes(written.try_into().unwrap());
            let is_it = |(broker, _): &(u16, u16)| u32::from(*broker) == written;
            let Some(known) = self.ports.iter().position(is_it) else {
                continue;
            };
            let own = u32::from(self.ports[known].1);
            answer[port].copy_from_slice(&own.to_be_bytes());
            if known == 0 && self.is_unlisted.load(Acquire) {
                // Where strings are compact their length has one byte.
                let length = if answer[at - 1] == HOST.len() as u8 + 1 {
                    1
                } else {
                    2
                };
                answer[at - length - 4..at - length].copy_from_slice(&NOBODY.to_be_bytes());
            }
        }
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + 30 * SECOND;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(client: &mut Native<Large>, bytes: usize) {
    send_to(0, client, bytes);
}

fn send_to(topic: u32, client: &mut Native<Large>, bytes: usize) {
    client.add(&Arc::new(Large(vec![b'x'; bytes])), 0);
    client.flush(topic, 0, |_, _, code| panic!("{code}"));
}

/// One byte, and waits for its acknowledgement.
fn arrives(topic: u32, client: &mut Native<Large>) {
    send_to(topic, client, 1);
    let mut acked = false;
    eventually("it arrives", || {
        client.poll(10, |report| acked |= matches!(report, Report::Acked { .. }));
        acked
    });
}

/// A client that has one message of one byte on its way to the first broker, which doesn't read it, after another one that arrived.
fn with_one_on_its_way(
    cluster: &MockCluster<'_, impl rdkafka::client::ClientContext>,
) -> (Arc<Relay>, Native<Large>) {
    for topic in ["topic", "other"] {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    cluster.partition_leader("topic", 0, Some(1)).unwrap();
    // If there's a second one.
    drop(cluster.partition_leader("other", 0, Some(2)));
    let (relay, addresses) = Relay::before(cluster);
    let mut settings = Settings::new(addresses);
    let small = ("socket.send.buffer.bytes".to_owned(), "65536".to_owned());
    settings.kafka.extend([small]);
    let mut client = Native::new(&client::producer("test", &settings)).unwrap();
    client.open_topic(0, "topic");
    client.open_topic(1, "other");
    arrives(0, &mut client);
    arrives(1, &mut client);
    relay.is_held.store(true, Release);
    send(&mut client, 1);
    // Its request is written: nothing but time tells.
    std::thread::sleep(Duration::from_millis(200));
    (relay, client)
}

/// Has all purged that is in the client's queues. By its size: whether it's certain that a message isn't stored.
fn purge(client: &mut Native<Large>, count: usize) -> Vec<(usize, bool)> {
    let mut told = Vec::new();
    eventually("all come back", || {
        client.settle(Instant::now());
        client.poll(100, |report| match report {
            Report::Failed { group, failure, .. } => {
                told.push((group.0.len(), failure.is_unstored));
            }
            Report::Acked { .. } => panic!("nothing can be acknowledged"),
            _ => {}
        });
        told.len() == count
    });
    told
}

fn stored(client: &Native<Large>) -> i64 {
    let marks = client.client().fetch_watermarks("topic", 0, SECOND);
    marks.map_or(0, |(_, high)| high)
}

/// A purge closes the connection of a request that is half written. What was written before it arrives all the same.
#[test]
fn what_is_under_way_when_a_purge_ends_its_connection_is_in_doubt() {
    const MORE: usize = 20;
    let cluster = MockCluster::new(1).unwrap();
    let (relay, mut client) = with_one_on_its_way(&cluster);
    // Far more than the buffers on the way have room for, and requests that may be under way.
    (0..MORE).for_each(|_| send(&mut client, 900_000));
    std::thread::sleep(Duration::from_millis(200));
    let told = purge(&mut client, 1 + MORE);
    assert!(told.contains(&(1, false)), "{told:?}");
    let certain = told.iter().filter(|(_, is_unstored)| *is_unstored).count();
    assert!(
        certain >= MORE / 2,
        "what was in no request is certain: {told:?}"
    );
    relay.is_held.store(false, Release);
    eventually("what was written is stored", || stored(&client) == 2);
    assert!(client.close(SECOND, |_| {}));
}

/// What was sent to a broker that is no longer listed is put back into the queue, and comes from there.
#[test]
fn what_is_under_way_to_a_broker_that_leaves_is_in_doubt() {
    let cluster = MockCluster::new(2).unwrap();
    let (relay, mut client) = with_one_on_its_way(&cluster);
    relay.is_unlisted.store(true, Release);
    let lost = |client: &Native<Large>| client.client().context().lost.left.at.load(Acquire) > 0;
    eventually("the broker has left", || {
        // The broker that got something last is asked, by the second.
        std::thread::sleep(SECOND + Duration::from_millis(100));
        arrives(1, &mut client);
        drop(client.client().fetch_metadata(Some("topic"), SECOND));
        lost(&client)
    });
    send(&mut client, 2);
    let told = purge(&mut client, 2);
    assert_eq!(told, [(1, false), (2, true)]);
    relay.is_held.store(false, Release);
    relay.is_unlisted.store(false, Release);
    eventually("what was written is stored", || stored(&client) == 2);
    assert!(client.close(SECOND, |_| {}));
}

#[test]
fn what_was_handed_over_before_a_loss_is_in_doubt() {
    let lost = Moment::default();
    assert!(!lost.is_since(Duration::ZERO) && !lost.is_since(3600 * SECOND));
    std::thread::sleep(Duration::from_millis(10));
    lost.note();
    std::thread::sleep(Duration::from_millis(10));
    assert!(!lost.is_since(Duration::ZERO), "handed over now");
    assert!(lost.is_since(Duration::from_millis(15)) && lost.is_since(3600 * SECOND));
}
