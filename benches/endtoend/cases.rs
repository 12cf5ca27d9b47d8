//! Kinds of load, as data: one row each.

use crate::support::Shape;

/// How a body is compressed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

/// What is promised by a 2xx of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    Durable,
    Disk,
    Memory,
}

/// One kind of load, and what the gateway makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) connections: usize,
    /// Requests under way at once on each connection: pipelined, or streams of HTTP/2.
    pub(crate) depth: usize,
    pub(crate) http2: bool,
    pub(crate) shape: Shape,
    /// Events of each request.
    pub(crate) events: usize,
    pub(crate) encoding: Encoding,
    /// Through a route with a key of a source, a list of keys, a time and two headers, instead of the native endpoint. The raw producer
    /// gives its records a time and two headers then.
    pub(crate) routed: bool,
    /// Offer a fixed rate: this part of what another case reached in the same round. None: each connection sends as soon
    /// as it has its answer.
    pub(crate) offered: Option<(f64, &'static str)>,
    /// Partitions of each topic, if it isn't for the options to say.
    pub(crate) partitions: Option<usize>,
    /// Clusters, each with a stream and a topic of its own; one broker stands for all.
    pub(crate) clusters: usize,
    /// Kafka's `compression.type`.
    pub(crate) compression: &'static str,
    pub(crate) ack: Ack,
    /// Measure the prototype too. It takes everything but encodings, several clusters and other promises.
    pub(crate) has_toy: bool,
    /// Measure too what the raw producer costs with a single partition at the same rate.
    pub(crate) has_joined: bool,
    /// What the gateway may cost, as a multiple of its bare parts.
    pub(crate) bar: Option<f64>,
}

/// The key of a source.
pub(crate) const KEY: &str = "key-of-the-bench";
/// The same as the user of Basic, without a password.
const BASIC: &str = "Basic a2V5LW9mLXRoZS1iZW5jaDo=";

const SINGLE: Case = Case {
    name: "",
    connections: 64,
    depth: 1,
    http2: false,
    shape: Shape::Json,
    events: 1,
    encoding: Encoding::Plain,
    routed: false,
    offered: None,
    partitions: None,
    clusters: 1,
    compression: "none",
    ack: Ack::Durable,
    has_toy: false,
    has_joined: false,
    bar: None,
};

const BATCH: Case = Case {
    events: 50,
    ..SINGLE
};

const LINES: Case = Case {
    shape: Shape::Ndjson,
    has_toy: true,
    ..BATCH
};

macro_rules! cases {
    ($($name:literal: $like:ident { $($field:ident: $value:expr),* };)*) => {
        &[$(Case { name: $name, $($field: $value,)* ..$like }),*]
    };
}

/// Those of the committed table. What is alike over HTTP stands together, because it shares its bare parts.
pub(crate) const CASES: &[Case] = cases! {
    "single64": SINGLE { has_toy: true, has_joined: true, bar: Some(1.25) };
    "single64p1": SINGLE { partitions: Some(1) };
    "single64p64": SINGLE { partitions: Some(64), has_joined: true };
    "single64p256": SINGLE { partitions: Some(256), has_joined: true };
    "single64c8": SINGLE { clusters: 8, partitions: Some(2) };
    "single64disk": SINGLE { ack: Ack::Disk };
    "single64memory": SINGLE { ack: Ack::Memory };
    "single256": SINGLE { connections: 256, has_toy: true, has_joined: true };
    "single1000": SINGLE { connections: 1000, has_toy: true };
    "single1000half": SINGLE { connections: 1000, offered: Some((0.5, "single1000")) };
    "single10000": SINGLE { connections: 10_000, has_toy: true };
    "single64paced": SINGLE { offered: Some((0.8, "single64")) };
    "single10000paced": SINGLE { connections: 10_000, offered: Some((0.8, "single64")) };
    "pipelined": SINGLE { depth: 8, has_toy: true, bar: Some(1.25) };
    "h2c": SINGLE { connections: 8, depth: 32, http2: true, has_toy: true, bar: Some(1.25) };
    "batch10": BATCH { events: 10, has_toy: true };
    "batch50": BATCH { has_toy: true, has_joined: true, bar: Some(1.25) };
    "batch50half": BATCH { offered: Some((0.5, "batch50")) };
    "batch50p1": BATCH { partitions: Some(1) };
    "batch50p64": BATCH { partitions: Some(64), has_joined: true };
    "batch50p256": BATCH { partitions: Some(256), has_joined: true };
    "batch50c8": BATCH { clusters: 8, partitions: Some(2) };
    "batch50lz4": BATCH { compression: "lz4" };
    "batch50zstd": BATCH { compression: "zstd" };
    "batch50disk": BATCH { ack: Ack::Disk };
    "batch50memory": BATCH { ack: Ack::Memory };
    "batch50paced": BATCH { offered: Some((0.8, "batch50p256")) };
    "batch50p64paced": BATCH { partitions: Some(64), offered: Some((0.8, "batch50p256")) };
    "batch50p256paced": BATCH { partitions: Some(256), offered: Some((0.8, "batch50p256")) };
    "batch200": BATCH { events: 200, has_toy: true };
    "ndjson10": LINES { events: 10, has_toy: false };
    "ndjson50": LINES { bar: Some(1.25) };
    "ndjson200": LINES { events: 200, has_toy: false };
    "gzip50": BATCH { encoding: Encoding::Gzip };
    "zstd50": BATCH { encoding: Encoding::Zstd };
};

/// Those that are only measured when they're asked for.
pub(crate) const OTHERS: &[Case] = cases! {
    "route64": SINGLE { routed: true };
    "route64paced": SINGLE { routed: true, offered: Some((0.8, "single64")) };
    "route50": BATCH { routed: true };
    "route50half": BATCH { routed: true, offered: Some((0.5, "batch50")) };
    "batch50x128": BATCH { connections: 128, has_toy: true };
    "batch50x1024": BATCH { connections: 1024, has_toy: true };
    "batch50h2c": BATCH { connections: 4, depth: 16, http2: true, has_toy: true };
    "batch1000": BATCH { connections: 8, events: 1000, has_toy: true };
};

impl Case {
    pub(crate) fn named(name: &str) -> Option<Case> {
        let mut all = CASES.iter().chain(OTHERS);
        all.find(|case| case.name == name).copied()
    }

    /// The path that a connection asks for, and the headers that its requests have for it.
    pub(crate) fn asks(&self, stream: &str) -> (String, &'static [(&'static str, &'static str)]) {
        match self.routed {
            true => (format!("/sdk/{stream}/v1/t"), &[("authorization", BASIC)]),
            false => (format!("/v1/events/{stream}"), &[]),
        }
    }

    /// The stream that a connection writes to.
    pub(crate) fn stream(&self, connection: usize) -> String {
        if self.clusters == 1 {
            "events".to_owned()
        } else {
            format!("events{}", connection % self.clusters)
        }
    }

    /// Whether bodies are alike.
    pub(crate) fn has_bodies_of(&self, other: &Case) -> bool {
        let body = |case: &Case| (case.shape, case.events, case.encoding);
        body(self) == body(other)
    }

    /// Whether everything is alike that happens before Kafka.
    pub(crate) fn has_http_of(&self, other: &Case) -> bool {
        let http = |case: &Case| {
            let Case {
                connections,
                depth,
                http2,
                offered,
                routed,
                ..
            } = *case;
            (connections, depth, http2, offered, routed)
        };
        self.has_bodies_of(other) && http(self) == http(other)
    }

    /// In words, for the table.
    pub(crate) fn describe(&self) -> String {
        let format = match (self.shape, self.events) {
            (_, 1) => "one event".to_owned(),
            (Shape::Json, events) => format!("JSON array of {events}"),
            (Shape::Ndjson, events) => format!("{events} lines"),
        };
        let encoding = match self.encoding {
            Encoding::Plain => "",
            Encoding::Gzip => " in gzip",
            Encoding::Zstd => " in zstd",
        };
        let mut text = format!("{format}{encoding}, {} connections", self.connections);
        let mut add = |what: String| text.extend([", ", &what]);
        match (self.http2, self.depth) {
            (true, streams) => add(format!("h2c with {streams} streams each")),
            (false, 1) => {}
            (false, depth) => add(format!("{depth} pipelined")),
        }
        if self.clusters > 1 {
            add(format!("{} clusters with a topic each", self.clusters));
        }
        if let Some(partitions) = self.partitions {
            let s = if partitions == 1 { "" } else { "s" };
            add(format!("{partitions} partition{s}"));
        }
        if self.compression != "none" {
            add(format!("{} to Kafka", self.compression));
        }
        match self.ack {
            Ack::Durable => {}
            Ack::Disk => add("ack = disk".to_owned()),
            Ack::Memory => add("ack = memory".to_owned()),
        }
        if self.routed {
            add("through a route".to_owned());
        }
        if let Some((part, case)) = self.offered {
            add(format!("offered {:.0} % of {case}'s rate", part * 100.0));
        }
        text
    }
}
