//! The gateway from outside: the real binary, over HTTP, in front of real and mock Kafka clusters.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "modules of one test program share what they have, and a test may panic and print"
)]

mod adopting;
mod alerts;
mod answers;
mod auth;
mod backlog;
mod chaos;
mod check;
mod clusters;
mod dashboards;
mod delivery;
mod deploy;
mod disks;
mod door;
mod doors;
mod extras;
mod faults;
mod hostile;
mod isolation;
mod kafka;
mod lifecycle;
mod logs;
mod openapi;
mod overload;
mod owners;
mod page;
mod partitions;
mod redrive;
mod reload;
mod rights;
mod routes;
mod sdks;
mod spilling;
mod support;
mod systemd;
mod tidy;
mod tls;
mod topics;
mod versions;
