//! A right that is missing for long: whoever is refused again and again is no hot loop, piles nothing up, and costs another cluster
//! nothing. Default: some seconds; `FOREBAY_TEST_DENIED_SECONDS=600` makes them ten minutes.

use std::fs;
use std::time::{Duration, Instant};

use super::seconds;
use crate::support::bounds::{SPILLS, STARTS};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::guarded::{Guarded, MENDED_WITHIN, dead_letters};
use crate::support::outage::{assert_kept, audit};
use crate::support::sender::{Plan, Senders};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// What a process has, and has used.
#[derive(Clone, Copy, Debug)]
struct Use {
    threads: u64,
    files: u64,
    resident: u64,
    cpu: Duration,
    at: Instant,
}

impl Use {
    fn of(gateway: &Gateway) -> Use {
        let count = |what: &str| {
            let entries = fs::read_dir(format!("/proc/{}/{what}", gateway.pid())).unwrap();
            entries.count() as u64
        };
        Use {
            threads: count("task"),
            files: count("fd"),
            resident: gateway.resident(),
            cpu: gateway.cpu(),
            at: Instant::now(),
        }
    }
}

/// Looks, four times a second.
struct Seen(Vec<Use>);

impl Seen {
    fn watch(gateway: &Gateway, time: Duration) -> Seen {
        let begun = Instant::now();
        let mut seen = vec![Use::of(gateway)];
        while begun.elapsed() < time {
            std::thread::sleep(SECOND / 4);
            seen.push(Use::of(gateway));
        }
        Seen(seen)
    }

    /// The most of something in one third of the time.
    fn most(&self, third: usize, what: fn(&Use) -> u64) -> u64 {
        let looks = self.0.len();
        let looks = &self.0[looks * third / 3..looks * (third + 1) / 3];
        looks.iter().map(what).max().unwrap()
    }

    /// The share of one core that was used.
    fn load(&self) -> f64 {
        let (first, last) = (&self.0[0], self.0.last().unwrap());
        (last.cpu - first.cpu).as_secs_f64() / (last.at - first.at).as_secs_f64()
    }

    /// The most of threads, files and MiB in each third.
    fn thirds(&self) -> [[u64; 3]; 3] {
        [0, 1, 2].map(|third| {
            let most = |what: fn(&Use) -> u64| self.most(third, what);
            let resident = most(|it| it.resident);
            [most(|it| it.threads), most(|it| it.files), resident / MIB]
        })
    }
}

/// What is denied, and when.
struct Denied {
    name: &'static str,
    deny: fn(&Guarded),
    /// The gateway begins without the right; else it's taken away under traffic.
    from_the_start: bool,
    /// The client is dead each time, and is replaced.
    is_fatal: bool,
}

impl Denied {
    fn config(&self, guarded: &mut Guarded, other: &str) {
        let bootstrap = guarded.kafka.bootstrap();
        let other = format!(
            "[clusters.other]\nbootstrap = \"{bootstrap}\"\n\
             [streams.other]\ncluster = \"other\"\ntopic = \"{other}\"\nkey = \"/user\"\nid = \"/id\"\n",
        );
        // Far more replacements and tries than by default, of which whatever piles up has its part.
        let often = "[clusters.main]\nclient_pause = \"100ms\"\nlongest_client_pause = \"1s\"";
        guarded.configure(|config| {
            let config = config.replace("[clusters.main]", often) + &other;
            format!("[lane]\nlongest_pause = \"1s\"\n{config}")
        });
    }

    fn piles_nothing_up(self) {
        let dir = tempfile::tempdir().unwrap();
        let Some(mut guarded) = Guarded::prepare_or_skip(self.name, 6, &[], Some(dir.path()))
        else {
            return;
        };
        let other_topic = guarded.kafka.fresh_topic("other", 6, 1, &[]);
        self.config(&mut guarded, &other_topic);
        if self.from_the_start {
            (self.deny)(&guarded);
        }
        let gateway = Gateway::start(guarded.config());
        let plan = Plan {
            connections: 4,
            keys: 5,
            pause: Duration::from_millis(20),
            ..Plan::default()
        };
        let start = |name, stream| Senders::start(name, gateway.data, stream, &plan);
        let (denied, other) = (start(self.name, "events"), start("other", "other"));
        denied.wait_for_acks(200, STARTS);
        other.wait_for_acks(200, STARTS);
        let mut normal = None;
        if !self.from_the_start {
            normal = Some(Seen::watch(&gateway, 4 * SECOND));
            (self.deny)(&guarded);
            if self.is_fatal {
                have_client_made_anew(&gateway, &guarded);
            }
        }
        eventually("events are spilled", SPILLS, || {
            gateway.events("events", "spilled") > 100
        });
        let (from, before) = (Instant::now(), denied.acked());
        let lines = gateway.log().lines().count();
        let time = seconds("FOREBAY_TEST_DENIED_SECONDS", 12);
        let seen = Seen::watch(&gateway, time);
        let until = Instant::now();
        let taken = denied.acked() - before;
        let lines = gateway.log().lines().count() - lines;
        let replaced = replaced_clients(&gateway);
        assert_eq!(dead_letters(&gateway), 0);
        guarded.allow();
        eventually("the backlog is in Kafka", MENDED_WITHIN + time / 10, || {
            gateway.status()["spill"]["backlog_events"] == 0
        });
        let normal = normal.unwrap_or_else(|| Seen::watch(&gateway, 4 * SECOND));
        println!(
            "{}: {taken} events taken and {replaced} clients replaced in {time:?}, {lines} lines; load {:.2}, normally {:.2}; threads, files, MiB {:?}, normally {:?}",
            self.name,
            seen.load(),
            normal.load(),
            seen.thirds(),
            normal.thirds(),
        );
        assert!(lines as u64 <= 20 + time.as_secs() * 3, "{lines} lines");
        // Once a second, and a quarter later or sooner.
        let least = if self.is_fatal { time.as_secs() / 2 } else { 0 };
        assert!(replaced >= least && self.is_fatal == (replaced > 0));
        // Four clients, each of which would get 50 events a second through if it had its answers at once: they wait for the log alone.
        assert!(taken >= 40 * time.as_secs(), "{taken}");
        check(&seen, &normal);
        let (of_other, latencies) = other.stop();
        takes_all(&latencies, from, until);
        let (sent, _) = denied.stop();
        let kafka = guarded.kafka;
        let of_denied = guarded.end(gateway, sent);
        audit(kafka, &other_topic, of_other).assert_exactly_once();
        assert_kept(&of_denied);
    }
}

/// What a gateway has and uses while it's refused is what it normally does, and doesn't grow.
#[track_caller]
fn check(seen: &Seen, normal: &Seen) {
    // A tenth of a core: what retries of some lanes, and a client each second, may cost in a build like this.
    let (load, usual) = (seen.load(), normal.load());
    assert!(load <= usual * 1.5 + 0.1, "{load} {usual}");
    let [first, second, third] = seen.thirds();
    let most = |at: usize| first[at].max(second[at]);
    let usual = |at: usize| normal.thirds().map(|third| third[at]).into_iter().max();
    // An old client and a new one side by side, with their threads and sockets for each broker.
    assert!(most(0) <= usual(0).unwrap() + 16 && most(1) <= usual(1).unwrap() + 48);
    // It doesn't grow, but for a client that is on its way out.
    assert!(third[0] <= most(0) + 8 && third[1] <= most(1) + 16);
    // Nor does memory, of which an allocator may keep a little more.
    assert!(third[2] <= most(2) + 6, "{:?} MiB", [first, second, third]);
}

fn replaced_clients(gateway: &Gateway) -> u64 {
    let replaced = &gateway.status()["clusters"]["main"]["replaced_clients"];
    replaced.as_u64().unwrap()
}

/// The other cluster takes all, and soon.
#[track_caller]
fn takes_all(latencies: &[(Instant, Duration, u16)], from: Instant, until: Instant) {
    let of_that_time = latencies
        .iter()
        .filter(|(begun, ..)| (from..until).contains(begun));
    let slowest = of_that_time.map(|(_, took, status)| {
        assert_eq!(*status, 200);
        *took
    });
    let slowest = slowest.max().unwrap();
    assert!(slowest < 2 * SECOND, "{slowest:?}");
}

/// By a reload, as a client that has its producer id needs no further right for it: librdkafka numbers epochs by itself.
fn have_client_made_anew(gateway: &Gateway, guarded: &Guarded) {
    let kafka = "[clusters.main.kafka]\n";
    let other = format!("{kafka}\"client.id\" = \"anew\"\n");
    gateway.rewrite(&guarded.config().replace(kafka, &other));
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn a_client_that_kafka_declared_dead_is_no_hot_loop() {
    let denied = Denied {
        name: "denied",
        deny: Guarded::deny_cluster,
        from_the_start: false,
        is_fatal: true,
    };
    denied.piles_nothing_up();
}

#[test]
fn clients_that_kafka_declares_dead_from_the_start_pile_nothing_up() {
    let denied = Denied {
        name: "denied-start",
        deny: Guarded::deny_cluster,
        from_the_start: true,
        is_fatal: true,
    };
    denied.piles_nothing_up();
}

#[test]
fn a_topic_that_is_denied_for_long_piles_nothing_up() {
    let denied = Denied {
        name: "denied-topic",
        deny: Guarded::deny_topic,
        from_the_start: false,
        is_fatal: false,
    };
    denied.piles_nothing_up();
}
