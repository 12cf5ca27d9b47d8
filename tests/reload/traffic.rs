//! Many reloads while events are sent: no request fails that shouldn't, nothing is lost or overtaken, and what the process holds
//! doesn't grow.
//!
//! `FOREBAY_TEST_RELOADS=50` and `FOREBAY_TEST_RELOAD_SECONDS=300` make it the long run, `FOREBAY_TEST_P99=1.2` has the 99th
//! percentile compared with that of a span without reloads: on a machine that does nothing else.

use super::*;
use crate::kafka::Evidence;
use crate::support::bounds::DIES;
use crate::support::outage::{Outage, assert_kept, start_again};
use crate::support::sender::{Plan, Senders, p99, rate};

const MIB: u64 = 1 << 20;

fn number(name: &str, otherwise: f64) -> f64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().unwrap())
}

/// How often the configuration is changed, and the pause after each change.
fn plan_of_run() -> (u64, Duration) {
    let count = number("FOREBAY_TEST_RELOADS", 16.0);
    let seconds = number("FOREBAY_TEST_RELOAD_SECONDS", 8.0);
    (count as u64, Duration::from_secs_f64(seconds / count))
}

/// 4,000 events a second, if each is answered within some milliseconds: single ones, whose latency counts, and batches.
fn senders(gateway: &Gateway) -> [Senders; 2] {
    let single = Plan {
        pause: Duration::from_millis(4),
        ..Plan::default()
    };
    let batches = Plan {
        connections: 8,
        batch: 20,
        pause: Duration::from_millis(40),
        ..Plan::default()
    };
    [("single", single), ("batch", batches)]
        .map(|(name, plan)| Senders::start(name, gateway.data, "events", &plan))
}

/// Random numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A configuration of which each section may be another.
struct Changing {
    base: String,
    /// The Kafka topic of all streams.
    topic: String,
    sections: std::collections::BTreeMap<&'static str, String>,
    dice: Dice,
    round: u64,
}

/// The kinds of changes. The last one takes away what others have added.
const KINDS: u64 = 13;

impl Changing {
    fn new(base: &str) -> Changing {
        Changing {
            base: base.to_owned(),
            topic: base
                .split('"')
                .skip_while(|part| !part.contains("topic ="))
                .nth(1)
                .unwrap()
                .to_owned(),
            sections: Default::default(),
            dice: Dice(0x9e37_79b9_7f4a_7c15),
            round: 0,
        }
    }

    /// Another configuration: its text, and whether it's one that can't be in force. Each kind once, and then any.
    fn next(&mut self) -> (String, bool) {
        let round = self.round;
        self.round += 1;
        let kind = if round < KINDS {
            round
        } else {
            self.dice.throw(KINDS)
        };
        let value = self.dice.throw(7) + 1;
        let mut set = |name, text: String| drop(self.sections.insert(name, text));
        match kind {
            0 => set("http", format!("max_body = \"{value}MiB\"\nidle_timeout = \"{value}m\"")),
            1 => set("beside", format!("quota = {value}000")),
            2 => {
                let topic = &self.topic;
                set("more", format!("[streams.more{value}]\ncluster = \"main\"\ntopic = \"{topic}\"\n"));
            }
            3 => set("lane", format!("linger = \"{value}ms\"\n[decode]\nmax_depth = {value}0")),
            4 => set("kafka", format!("\"metadata.max.age.ms\" = \"{value}00000\"")),
            5 => {
                let text = self.text();
                return (text[..text.len() / 2].into(), true);
            }
            6 => set(
                "away",
                "[clusters.away]\nbootstrap = \"127.0.0.1:1\"\n[streams.away]\ncluster = \"away\"\n".into(),
            ),
            7 => set("memory", format!("budget = \"{value}00MiB\"")),
            8 => set("spill", format!("quota = \"{value}GiB\"\nqueue = \"{value}6MiB\"")),
            9 => set("events", format!("ack = \"{}\"", ["disk", "durable"][value as usize % 2])),
            10 => set("log", format!("filter = \"{}\"", ["info", "info,librdkafka=warn"][value as usize % 2])),
            11 => {
                let text = self.text().replace("[streams.events]", "[streams.event]\nquota = \"x\"\n[streams.events]");
                return (text, true);
            }
            12 => {
                let added = ["more", "away"].map(|name| self.sections.remove(name));
                assert!(round >= KINDS || added.iter().all(Option::is_some));
            }
            _ => unreachable!("there are {KINDS} kinds"),
        }
        (self.text(), false)
    }

    /// The configuration as it was in the beginning.
    fn first(&mut self) -> String {
        self.sections.clear();
        self.text()
    }

    fn text(&self) -> String {
        let section = |name: &str| self.sections.get(name).map_or("", String::as_str);
        let with = |text: String, head: &str, name: &str| {
            text.replace(
                &format!("{head}\n"),
                &format!("{head}\n{}\n", section(name)),
            )
        };
        let mut text = with(self.base.clone(), "[spill]", "spill");
        if self.sections.contains_key("spill") {
            text = text.replace("quota = \"1GiB\"\n", "");
        }
        text = with(text, "[streams.events]", "events");
        let [http, lane, memory, log] = ["http", "lane", "memory", "log"].map(section);
        let [kafka, beside, more, away] = ["kafka", "beside", "more", "away"].map(section);
        format!(
            "[http]\n{http}\n[lane]\n{lane}\n[memory]\n{memory}\n[log]\n{log}\n{text}\n[clusters.main.kafka]\n{kafka}\n\
             [streams.beside]\ncluster = \"main\"\ntopic = \"{}\"\n{beside}\n{more}{away}",
            self.topic
        )
    }
}

/// What a process holds.
#[derive(Debug)]
struct Held {
    threads: usize,
    files: usize,
    resident: u64,
}

fn held(gateway: &Gateway) -> Held {
    let count = |what: &str| {
        let entries = std::fs::read_dir(format!("/proc/{}/{what}", gateway.pid()));
        entries.unwrap().count()
    };
    Held {
        threads: count("task"),
        files: count("fd"),
        resident: gateway.resident(),
    }
}

/// Changes the configuration again and again. Each that is in force is the next one.
fn change_on(
    gateway: &Gateway,
    changing: &mut Changing,
    senders: &[Senders],
    (count, pause): (u64, Duration),
) {
    let generation = || {
        gateway.status()["configuration"]["generation"]
            .as_u64()
            .unwrap()
    };
    let mut expected = generation();
    for round in 0..count {
        let (text, is_wrong) = changing.next();
        gateway.rewrite(&text);
        let (status, answer) = gateway.reload("");
        let right = if is_wrong { 422 } else { 200 };
        assert_eq!(status, right, "{round}: {answer:#}\n{text}");
        expected += u64::from(!is_wrong);
        assert_eq!(generation(), expected);
        // Traffic between two reloads is the subject.
        std::thread::sleep(pause);
        for group in senders {
            group.wait_for_acks(1, STARTS);
        }
    }
}

/// Ends the senders. What they sent, and how long answers took; each of them was a 200.
#[track_caller]
fn ended(senders: [Senders; 2]) -> (Evidence, Vec<(Instant, Duration, u16)>) {
    let mut sent = Evidence::default();
    let mut latencies = Vec::new();
    for group in senders {
        let (evidence, took) = group.stop();
        sent.extend(evidence);
        latencies.push(took);
    }
    let all = latencies.iter().flatten();
    let failed: Vec<_> = all.filter(|(_, _, status)| *status != 200).collect();
    assert!(
        failed.is_empty(),
        "{} requests failed: {failed:?}",
        failed.len()
    );
    (sent, latencies.swap_remove(0))
}

/// The configuration of the beginning is in force again, and what others have added has drained.
#[track_caller]
fn back_to_the_first(gateway: &Gateway, changing: &mut Changing) {
    gateway.rewrite(&changing.first());
    reloads(gateway);
    eventually("what was added is gone", 30 * SECOND, || {
        let status = gateway.status();
        let streams = status["streams"].as_object().unwrap();
        streams.len() == 2 && status["clusters"].as_object().unwrap().len() == 1
    });
}

#[test]
fn reloads_under_traffic_fail_no_request_and_lose_and_mix_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(outage) = Outage::prepare_or_skip("reload", folder.path(), |config| config) else {
        return;
    };
    let mut changing = Changing::new(outage.config());
    let gateway = &outage.gateway;
    gateway.rewrite(&changing.first());
    reloads(gateway);
    let senders = senders(gateway);
    senders
        .iter()
        .for_each(|group| group.wait_for_acks(100, STARTS));
    // What is opened once, whenever it's first needed, is open after one change of each kind.
    change_on(gateway, &mut changing, &senders, (KINDS, SECOND / 10));
    back_to_the_first(gateway, &mut changing);
    let quiet = Instant::now();
    std::thread::sleep(SECOND.mul_f64(number("FOREBAY_TEST_RELOAD_SECONDS", 8.0) / 3.0));
    let acked = || senders.iter().map(Senders::acked).sum::<u64>();
    let (begun, before, acked_before) = (Instant::now(), held(gateway), acked());
    change_on(gateway, &mut changing, &senders, plan_of_run());
    let (end, acked) = (Instant::now(), acked() - acked_before);
    back_to_the_first(gateway, &mut changing);
    // One for each reload would be 16 and more.
    let is_flat = |after: &Held| {
        after.threads <= before.threads + 2
            && after.files <= before.files + 3
            && after.resident <= before.resident + 64 * MIB
    };
    let deadline = Instant::now() + 20 * SECOND;
    while !is_flat(&held(gateway)) && Instant::now() < deadline {
        std::thread::sleep(SECOND / 10);
    }
    let after = held(gateway);
    assert!(is_flat(&after), "before {before:?}, after {after:?}");
    let (sent, latencies) = ended(senders);
    let (without, with) = (p99(&latencies, quiet, begun), p99(&latencies, begun, end));
    println!(
        "p99 without reloads {without:?}, with {with:?}, ratio {:.2}; {:.0} events a second, of which {:.0} single; before {before:?}, after {after:?}",
        with.as_secs_f64() / without.as_secs_f64(),
        acked as f64 / (end - begun).as_secs_f64(),
        rate(&latencies, begun, end)
    );
    let most = number("FOREBAY_TEST_P99", 0.0);
    assert!(most == 0.0 || with <= without.mul_f64(most));
    assert_kept(&outage.end(sent));
}

#[test]
fn reloads_while_kafka_is_dead_keep_the_backlog_and_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let Some(outage) = Outage::prepare_or_skip("reload-dead", folder.path(), |config| config)
    else {
        return;
    };
    let mut changing = Changing::new(outage.config());
    outage.gateway.rewrite(&changing.first());
    reloads(&outage.gateway);
    let senders = senders(&outage.gateway);
    outage.begin(&senders[0]);
    change_on(&outage.gateway, &mut changing, &senders, plan_of_run());
    assert!(outage.spill("backlog_events").as_u64().unwrap() > 0);
    let (sent, _) = ended(senders);
    assert_kept(&outage.end(sent));
}

/// The senders see their connections break, and send again what they don't know the fate of.
#[test]
fn a_kill_in_the_middle_of_a_reload_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut outage) = Outage::prepare_or_skip("reload-kill", folder.path(), |config| config)
    else {
        return;
    };
    let mut changing = Changing::new(outage.config());
    let senders = senders(&outage.gateway);
    senders[0].wait_for_acks(100, STARTS);
    for round in 0..number("FOREBAY_TEST_RELOADS", 16.0) as u64 / 4 {
        // Every other time there's a backlog.
        if round % 2 == 0 {
            outage.begin(&senders[0]);
        }
        let (mut text, is_wrong) = changing.next();
        if is_wrong {
            text = changing.text();
        }
        outage.gateway.rewrite(&text);
        outage.gateway.signal("HUP");
        std::thread::sleep(Duration::from_millis(changing.dice.throw(30)));
        outage.gateway.signal("KILL");
        outage.gateway.wait(DIES);
        // The file is the new one, whether the reload had come to it or not.
        outage.gateway = start_again(&text, outage.gateway.data);
        outage.gate.open();
        for group in &senders {
            group.wait_for_acks(100, STARTS);
        }
    }
    let mut sent = Evidence::default();
    for group in senders {
        sent.extend(group.stop().0);
    }
    assert_kept(&outage.end(sent));
}
