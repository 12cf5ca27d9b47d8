//! The service manager (systemd, or what speaks its protocol): which listening sockets it passes on, and what it is told.
//!
//! - [`sockets`]: sockets that the manager holds open. While forebay restarts, connections wait in them, and none is refused.
//! - [`notify`]: start, reload, stop, status and watchdog, as sd_notify(3) has them.
//!
//! # A restart in place
//!
//! The manager stops the old process and starts the new one, on the same sockets. Between the two nobody accepts, and clients wait in
//! the sockets. Their wait is the sum of these steps, and each is kept short:
//!
//! | step | what bounds it |
//! | --- | --- |
//! | the old process serves on in the grace, and each answer ends its connection; nobody waits yet | `shutdown.grace`, at least `shutdown.idle` |
//! | it accepts nothing more; a connection that rests is closed soon, as it could have brought its request in the grace (`http::ending`) | 50 ms |
//! | it answers what is under way | the clients that send, at most `http.answer_within` |
//! | it brings to Kafka or to the log what it has, and gives the log back | some milliseconds; what waits in the log goes on waiting |
//! | the new process starts, and opens the log | some ten milliseconds, and more with many segments that were never sealed |
//! | it waits for its Kafka clients, or no longer than 100 ms if a log takes events in their place, or not at all if something waits in that (`app::vital`) | a connection and two requests; 3 s without a log |
//!
//! **Order.** There is never more than one process that sends. The old one's events of a key are acknowledged by Kafka or in the log when
//! it gives the log back; the new one sends what is in the log first. Until a cluster's first client is ready, its lanes go over the
//! log at once (`lane::send`), so that nobody waits for Kafka there.
//!
//! Both are off where the environment doesn't name a manager. What is absent: when something is told, and how a socket is
//! served. `commands` and `app` know that.

pub mod notify;
pub mod sockets;

pub use notify::Manager;
pub use sockets::Sockets;
