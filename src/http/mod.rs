//! Stages 1 and 7, HTTP: bytes in, answers out. Nothing here knows Kafka's client or files.
//!
//! - [`listener`] accepts connections within their limits and gives each to the HTTP thread with the fewest.
//! - [`server`] runs the HTTP threads, a single-threaded runtime each; `connection` is one of their connections, HTTP/1.1 or HTTP/2 by hyper.
//! - [`ingest`] is one request from head to answer; [`body`] reads it, [`plan`] decodes and routes it.
//! - [`streams`] are what has a name and counts, and the routes that their events take; a [`snapshot`] is all that is configured of
//!   the port. A request sees one snapshot.
//! - [`access`] asks who may send, `web` tells browsers what they have to know of it.
//! - [`answer`] says what became of the events, and has the form of all refusals ([`answer::Problem`]). `respond` makes a response of
//!   it. What is refused before the lanes see it gets its status where it is found: [`ingest`], [`plan`], `target`, `head`, `heads`.
//! - [`retry`] computes an honest `Retry-After`.
//! - [`linger`] sees to it that a refusal reaches its client, and `ending` that a stop breaks nobody's request.
//! - `secure` is a connection over TLS, `handshakes` the turns of those that begin; [`peer`] says who is at the other end.
//! - `proxy` and [`address`] find the address of a client behind load balancers, whose [`networks`] are trusted.
//! - [`watch`] closes connections that are too slow, [`deadlines`] ends waiting for lanes that are.
//!
//! **What a client can make us hold**, who is charged for it, and for how long. Parts of the budget that leave room for
//! others are `framed` and `answers` of [`Port`], and the shares of streams and clusters.
//!
//! | what | charged | ends |
//! | --- | --- | --- |
//! | a connection: read and write buffer, state, task | the process, before it's accepted, or it's answered 503 | `idle_timeout`, `head_timeout` |
//! | over TLS: records that aren't complete or not read, its state | the process, as above | as above; its handshake: `tls.handshake_timeout` |
//! | the head of the PROXY protocol | the connection; HTTP has nothing yet | `head_timeout` |
//! | HTTP/2: bytes in its windows, table of heads | `framed`, with its first bytes | with the connection |
//! | HTTP/2: read buffers that entries of that table are slices of | `framed`, when it has brought 64 KiB; without room it ends in order, with what is under way | with the connection |
//! | HTTP/2: a stream's state, task, small answer | `framed`, when its head comes | when its answer is written |
//! | a head: entries and text, path | HTTP/1.1: the connection's buffer; HTTP/2: `framed`; at most `max_headers`, `max_head` | when it's understood, before the body |
//! | a key from header or path | the stream, for each event that has it | with the events |
//! | a body, as sent and decompressed; a decompressor's window | the stream, before it's taken | `body_timeout`; the window at once |
//! | events: bookkeeping, keys, Kafka's messages | the stream, once decoded | `answer_within`, or when Kafka or the log has them |
//! | what is said of events that aren't taken | `answers`; at most a hundred are listed | with the answer, or the connection |
//! | an answer that isn't read | the connection, the stream of HTTP/2, or `answers` | `send_timeout` |
//! | a pipeline's further requests | the connection's buffer: the next one is read when the last is answered | as a head |
//! | events on their way to the disk | `spill.queue`, beside the budget; until they're stored the stream as well | `spill.stalled_after` |
//! | events read back from the disk | shares of their own (`lane/replay`), before they're read; more, when they turn out to be more | when Kafka has them |
//!
//! Not charged, and bounded by the 64 MiB beside the budget: the heads that one HTTP/2 connection brings in one turn of its
//! thread, until each is seen; `answers` of less than 1 KiB; where the runs of the log's segments are that are being read, 8 MiB
//! and one segment; a piece of 64 KiB of each lane whose dead letters are sent again, of one topic at a time; a run's checksums.
//!
//! **One address** has no part of its own by default: behind a load balancer all clients share a few, and a bound that is right
//! for one client would refuse the others. What one address can hold is bounded all the same: by its connections times what each
//! may hold, and by the shares above, which leave room to others. Who is reached by clients directly sets
//! `http.max_connections_per_address`, which bounds both. One key can take its lane (`lane.max_bytes`), and no other.
//!
//! **Threads.** One single-threaded runtime per core, not one that steals work: a request's whole life except Kafka's part
//! stays on one core, and no queue is shared. `benches/DECISIONS.md` has the figures.
//! Connections are dealt out by one acceptor to the thread that has the
//! fewest, instead of by the kernel (`SO_REUSEPORT`), which hashes: 64 connections of a load balancer on 8 threads would
//! be 3 on one and 14 on another, for as long as they live; and closing one of several such listeners resets what
//! waits in its backlog.

pub mod access;
pub mod address;
mod addresses;
mod admission;
pub mod answer;
pub mod body;
mod callers;
mod connection;
pub mod deadlines;
mod door;
mod ending;
mod entry;
mod forget;
mod frames;
mod handshakes;
mod head;
mod heads;
pub mod ingest;
pub mod linger;
pub mod listener;
pub mod networks;
pub mod peer;
pub mod plan;
pub mod port;
mod preface;
mod protocols;
mod proxy;
mod reasons;
pub mod rejected;
mod respond;
pub mod retry;
pub mod routes;
mod secure;
pub mod sending;
pub mod server;
pub mod settings;
mod shares;
mod shown;
mod shows;
pub mod snapshot;
pub mod streams;
mod target;
mod turned;
mod unread;
pub mod watch;
mod watched;
mod web;

pub use crate::telemetry::Refusals;
pub use address::ClientAddress;
pub use addresses::Addresses;
pub use peer::Peer;
pub use port::Port;
pub use server::Server;
pub use settings::Settings;
pub use shown::shown;
pub use snapshot::Snapshot;
pub use streams::{Route, Routes, Stream};
