//! Stage 4, the lanes: the ordered path of one partition of one stream.
//!
//! ```text
//!  http threads ──▶ admit ──▶ ring ──▶ worker: backlog ──▶ window ──▶ producer ──▶ Kafka
//!                     │                    │        │         ▲  ▲                   │
//!                     └─ Refused           │        └─ given  │  └─── deliveries ────┘
//!                                          ▼           up     │
//!                                       spill log ──▶ replay ─┘
//! ```
//!
//! - [`mod@admit`] is the one place where it's decided whether an event may wait for Kafka. A request is taken whole or not at
//!   all, so that a client that sends everything again makes no duplicates of a part.
//! - A lane belongs to the [`worker`] of its cluster: one thread with its own producer client, so that a dead or slow
//!   cluster costs the others nothing. Many HTTP threads push, only the worker pops.
//! - Order: parcels leave in the order in which they came; the worker keeps all that isn't acknowledged in a [`window`]
//!   and can send it again, in order, through a new client.
//! - Bounds: a lane in bytes and events, the window of a cluster likewise, everything together by the memory budget.
//! - An event that Kafka doesn't take for its topic's fault comes back, and its lane waits: a topic and a lane have each a pause
//!   that grows while tries fail. `parts` has what the worker consists of, and `clients`
//!   keeps its client, with the pauses between one and the next. `away` has a cluster do without one while nobody is there.
//! - Without a log there is nowhere to wait in: `refusing` tells clients for certain what isn't stored and won't be.
//! - A topic whose events only Kafka can refuse, as the door can't know, sends seldom: `suspects` says when. Its neighbours have
//!   to settle with it each time.
//! - [`pace`] says when a lane's batch is worth a request, [`wave`] when those of many lanes have to wait for each other.
//! - `life` says when a lane's events leave the direct way for the spill log, and when they come back. `spilling` does what it
//!   says: `store` appends, `replay` reads. `unrouted` is for events whose partition isn't known yet, `finish` is the end. `learn` makes of
//!   refusals what is known of a topic.
//! - `topic` is the list of a cluster's topics, `change` what a reload does to a cluster while its worker turns.
//! - `routing` is about numbers of partitions that change, `counts` hears of them, `reroute` does it, and `publish` puts the new
//!   lanes into use. Per key, what was acknowledged earlier is in
//!   Kafka before what came later is sent, also if the key moves to another partition.
//!
//! # From direct to direct, over the log
//!
//! 1. `admit::admit` pushes a parcel into the ring; `worker::release_due` pulls it; `send::send_due` has it sent (*direct*).
//! 2. Kafka doesn't answer. `Work::is_late` says so, and `spilling::enter` steps the lane's life: it is *spilling*.
//! 3. The life says `Copy`: `store::append_copies` has a copy of the window stored; `appended::settle` resolves its receipts.
//! 4. What comes now goes behind it: `store::append_backlog`, and `reports::take_appended` hears that it's durable.
//! 5. Kafka answers. `reports::take_report` moves the window, and `spilling::note_arrivals` acknowledges the copies to the log.
//! 6. The window is empty: in `send::replay`, `spilling::read_on` is told to `Read`. The lane is *replaying*.
//! 7. `replay::Readers` reads on a thread of its own; `reports::take_reads` brings the parcels into `Work::queues`.
//! 8. `send::replay` sends them through the window; `spilling::note_arrivals` acknowledges them to the log when they have arrived.
//! 9. A read that brought all there was lets `spilling::holds_new` be told to `Hold`: new events wait. The lane is *returning*.
//! 10. The last read brings nothing, no append is under way: `spilling::holds_new` finds the lane *direct*, and
//!     `send::send_backlog` sends what waited, behind the window.
//!
//! What is absent: nothing here knows HTTP, JSON or sockets; nothing here blocks an HTTP thread.

pub mod admit;
mod appended;
mod away;
mod burial;
mod carried;
mod change;
mod clients;
pub mod cluster;
mod counts;
pub mod damage;
pub mod dead;
mod doubt;
mod finish;
mod learn;
mod life;
mod outbox;
pub mod pace;
mod parts;
mod path;
mod phase;
mod publish;
mod readers;
pub mod redrive;
mod refusing;
mod replay;
mod reports;
mod reroute;
pub mod ring;
mod routing;
mod send;
mod sent;
pub mod settings;
pub mod signal;
mod spilling;
mod store;
mod suspects;
#[cfg(test)]
mod tests;
pub mod topic;
mod turn;
mod unrouted;
pub mod wave;
pub mod window;
mod work;
pub mod worker;

pub use admit::{Refusal, Wanted, admit};
pub use cluster::Cluster;
pub use path::Lane;
pub(crate) use path::UNROUTED;
pub use phase::Phase;
pub use routing::Memory;
pub use settings::Settings;
pub use topic::{Topic, TopicOf, Topics};
