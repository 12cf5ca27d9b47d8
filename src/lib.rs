//! forebay takes attribution events over HTTP and hands them to Apache Kafka. This page is its architecture.
//!
//! # What is promised
//!
//! A 2xx means that each accepted event is acknowledged by Kafka with `acks=all`, or durable in the spill log; the answer
//! says which. Events of one key stay in order, also through the log, and also when the key moves to another partition because their
//! number changes: what was acknowledged earlier is in Kafka before what came later is sent (`lane/routing`). What an adopted directory
//! holds (`serve --adopt`) goes before newer events of its streams (`app/chain`).
//! Memory is bounded in bytes. What can't be taken is refused, in the open, with a status that makes a good SDK retry,
//! within `http.answer_within`; and what was refused doesn't arrive later. The one exception is an event that Kafka has in
//! hand and doesn't answer for: its client is told so (`unknown`), and if it is stored after all, that is counted (`late`).
//!
//! # The path of an event
//!
//! ```text
//!  client ─▶ http ─▶ decode ─▶ route ─▶ admit ─▶ ring ─▶ worker ─▶ client of the cluster ─▶ Kafka
//!    ▲                                    │ full                 ▼   ▲                         │
//!    │                                    ▼                    spill ┴─ window: sent again     ▼
//!    └────────────── answer ◀──────── refusal                receipt ◀──────── delivery report ┘
//! ```
//!
//! 1. [`http`]: an HTTP thread reads the head, over TLS ([`tls`]) or without. [`auth`] decides who sends, by the head before the body
//!    comes. The body is read into memory that the [`budget`] was charged for. An SDK's own path is one of `http/routes`.
//! 2. [`decode`]: finds the events in it, validated, as ranges of the body. They are never copied or rewritten.
//! 3. [`route`]: the key, and from it the partition that the Java client would choose. The [`rate`] of the stream, the source and
//!    the [`owner`] is asked here, for all events of a request at once.
//! 4. [`lane`]: [`lane::admit()`] decides whether the events may wait; the lane's ring holds them; the worker of the
//!    cluster releases them in batches that are worth a request.
//! 5. [`produce`]: one librdkafka client per cluster.
//! 6. [`spill`]: the log on disk. A lane whose events wait too long goes over it, and comes back when it's empty
//!    (`lane/spilling`).
//! 7. [`receipt`]: Kafka's or the log's acknowledgements resolve what was promised, and the HTTP thread answers.
//!
//! # Threads
//!
//! | threads | do |
//! | --- | --- |
//! | `http-N`, one per core, or `http.threads` | connections, handshakes, keys and signatures, decoding, routing, admission, answers |
//! | `lanes-CLUSTER`, one per cluster | rings, windows, producing, delivery reports |
//! | `replay-CLUSTER`, while it has a backlog in the log | reading lanes back, so that a hanging disk doesn't hold the lanes |
//! | `spill-writer`, `spill-steward` | the log: one durable write for all that waits; files and watermarks |
//! | `spill-room` | the free space of the log's disk, which a disk that hangs doesn't tell |
//! | `probe`, two for all clusters, and one more for each that hangs | partition counts, signs of life |
//! | librdkafka's own, two per cluster and one per broker; none for a cluster that is away | batches on the wire |
//! | `accept` | accepting connections and dealing them out to HTTP threads |
//! | `sampler` | a look at the log and the last seconds, once a second or when somebody asks, for the admin port |
//! | `partitions`, `limits`, if there is a log | writing down what is known of topics, for the next start |
//! | `burial`, `resume`, `redrive`, for a while | the end of a client that failed; partitions that go on; dead letters that are sent again |
//! | `reload`, for a while | reading the files that a reload, keys and certificates need, from disks that may hang |
//! | `manager`, if there is a service manager | telling it of start, reload, stop and status |
//! | control (`main`), and helpers of its runtime for a while | admin port, signals, reload, stop; the log's end, an adopted directory |
//!
//! HTTP threads never wait for a cluster, and clusters share nothing but the memory budget, so that a dead one costs
//! the others nothing. The control thread waits for no disk.
//!
//! A thread or task that ends too early is seen: a guard that it holds is dropped ([`lifecycle::vital`]), and the process
//! says so, turns unready and stops in order, with an error. Where a half-done step would leave clients without answers
//! (workers, replay, the log) it ends at once. Nothing acknowledged is lost either way.
//!
//! # Who may import whom
//!
//! A stage may use itself, and what stands behind it here. `main` takes `cli` and `commands`. `config` takes the settings of the
//! stages and nothing else of them. No stage below `app` knows the configuration.
//!
//! | stage | may import |
//! | --- | --- |
//! | `cli` | – |
//! | `commands` | `app` `auth` `cli` `config` `event` `http` `lifecycle` `produce` `route` `service` `spill` `telemetry` `tls` |
//! | `app` | `admin` `budget` `config` `http` `lane` `lifecycle` `owner` `produce` `rate` `route` `service` `spill` `telemetry` `tls` |
//! | `admin` | `auth` `budget` `decode` `http` `lane` `lifecycle` `owner` `produce` `route` `spill` `telemetry` `tls` |
//! | `http` | `auth` `budget` `decode` `event` `lane` `lifecycle` `owner` `produce` `rate` `receipt` `route` `telemetry` `tls` |
//! | `config` | `admin` `auth` `decode` `http` `lane` `lifecycle` `owner` `produce` `rate` `route` `spill` `telemetry` `tls` |
//! | `lane` | `budget` `event` `produce` `receipt` `route` `spill` `telemetry` |
//! | `spill` | – |
//! | `produce` | `telemetry` |
//! | `route` | `decode` `rate` |
//! | `auth` | `decode` `rate` `telemetry` |
//! | `decode` | – |
//! | `receipt` | `budget` `event` |
//! | `budget` | – |
//! | `event` | – |
//! | `owner` | `budget` `rate` `spill` |
//! | `rate` | – |
//! | `telemetry` | – |
//! | `lifecycle` | – |
//! | `service` | – |
//! | `tls` | – |
//!
//! `tests/tidy.rs` holds the code to this table, and the files of one stage to one direction.
//!
//! # Invariants, and the tests that guard them
//!
//! - Every admitted event has one owner and its receipt is resolved exactly once; a parcel dropped unresolved counts as
//!   `lost`, and every test at whose end a gateway runs fails on it (`tests/support/gateway.rs`).
//! - Nothing on the path of an event waits without a bound: every queue is bounded in bytes, every wait has a deadline
//!   (`tests/overload.rs`, `tests/hostile.rs`).
//! - What was refused never arrives; what was acknowledged is there, in order per key (`tests/faults.rs`, with an audit of
//!   every id, on three real brokers that are killed, frozen and stopped; `tests/spilling.rs`, with the gateway killed as
//!   well; `tests/disks.rs`, with disks that fail, lie, hang and fill up; `tests/chaos.rs`, with all of it at random).
//! - The spill log keeps what it acknowledged through crashes, torn writes, failing syncs and bit rot
//!   (`src/spill/tests/`: a simulated disk, thousands of seeds, with negative controls). What damage of the disk costs all the same
//!   is counted by lane, once (`src/spill/tests/losses.rs`).
//! - What Kafka refused for good after it was acknowledged is kept, counted, and sent again on demand (`tests/redrive.rs`).
//! - Without a good key nothing is accepted where one is asked for, and the body isn't read for it (`tests/auth`, `tests/tls`).
//! - A route never says that an event is durable that isn't (`tests/routes`, and published SDKs in `tests/sdks`).
//! - An owner over its share is refused and nobody else is (`tests/owners.rs`).
//! - A reload is in force as a whole or not at all, and costs no event (`tests/reload.rs`). Clusters that are dead or idle cost next to
//!   nothing (`tests/clusters.rs`).
//! - `decode`, `route`, `lane::pace` and `produce::verdict` do no I/O and read no clock.
//! - A status is chosen in `http` alone, or in `admin` for its own port. `http::answer` makes one of what became of the events; what
//!   is refused before it reaches a lane gets its status where it is found, as a `http::answer::Problem`.
//! - Only `produce::verdict` says whose fault it is that Kafka refused a batch; the probe and `check --connect` read the answers to
//!   their own questions. Only `telemetry::metrics` names a metric. Only `config::load` reads the configuration and its secrets from
//!   files and the environment, and `tls::files` certificates. Only `produce::native` has `unsafe` code (and `main` the declaration of one
//!   function of the allocator).
//!
//! # Things that have bitten, or nearly
//!
//! - A slice of a connection's read buffer keeps all of it alive. Bodies are copied once, so that what is charged is what is
//!   held.
//! - librdkafka must never give up on a record by itself (`message.timeout.ms=0`): with a timeout it reports records as failed
//!   that Kafka stored, and leaves gaps in the order.
//! - An acknowledgement may race the client's deadline. Both sides of that race go through one atomic of the parcel.
//! - A lane that stands still gets nothing more handed over, so that what waits in it can still be refused for certain.
//!
//! # Words
//!
//! | word | means |
//! | --- | --- |
//! | event | what one client wants stored. [`decode::Event`] is where it stands in a body, [`event::Event`] what is carried for it until it's durable |
//! | stream | what a client names: `[streams.NAME]`, with an owner, counts and limits |
//! | route | `[routes.NAME]`, paths on which an SDK sends as it's made to (`http/routes`). In the code a stream's way to its topic has the name, too: [`http::streams::Route`], and the stage [`route`], which chooses key and partition |
//! | source, owner | who sends, known by a key ([`auth`]); the team that a stream or cluster belongs to ([`owner`]) |
//! | lane | the events of one stream for one partition, in order. The log has one of the same name for what it holds of them (`spill/lane`) |
//! | ring, window | what a lane has that isn't handed to Kafka, and what is handed over and not yet acknowledged |
//! | admit, refuse | the one decision on an event: it's forebay's from now on, or its client is told why not |
//! | parcel, receipt | the events of one request for one lane; what became of them, which the answer waits for |
//! | ledger | a stream's counts of what became of its events ([`receipt::Ledger`]) |
//! | durable | acknowledged by Kafka with `acks=all`, or fsynced in the log |
//! | log, spill, backlog, replay | the log on disk; to write to it for want of Kafka; what waits in it; to bring that to Kafka |
//! | dead letter, redrive | an event that Kafka refused for good after it was acknowledged; to send such ones again |
//! | drain | to bring to Kafka all that was taken before, and take nothing new: of a lane, a stream that moves or goes, a process that stops, a directory |
//! | unknown, late | an event that Kafka had in hand when its client was answered; one of those that was stored after all |
//! | lost, residual | events dropped without an answer; those that no count explains. Both are 0, or forebay has a bug |
//! | share, rate | what an owner, a stream or a cluster may hold of memory or disk; what may come in a second |
//! | health, intake | how a cluster is ([`produce::health`]); whether the log takes records (`spill/intake`) |
//!
//! # Reading order
//!
//! This page, `app`, `http/ingest`, `decode/mod`, `route/key`, `lane/mod`, `lane/admit`, `lane/worker`, `receipt`,
//! `produce/mod`.

pub mod cli;
pub mod commands;

pub mod app;

pub mod http;

pub mod auth;
pub mod decode;
pub mod route;

pub mod lane;
pub mod produce;
pub mod spill;

pub mod admin;
pub mod config;

pub mod budget;
pub mod event;
pub mod lifecycle;
pub mod owner;
pub mod rate;
pub mod receipt;
pub mod service;
pub mod telemetry;
pub mod tls;
