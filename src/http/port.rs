//! What requests of the data port need, of all threads and of one.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::deadlines::Deadlines;
use super::linger::Lingering;
use super::settings::Settings;
use super::streams::Streams;
use crate::budget::{Budget, Share};
use crate::decode::Limits;
use crate::receipt::Mailbox;
use crate::telemetry::Refusals;

/// What all requests of the data port need.
#[derive(Debug)]
pub struct Port {
    /// The port's settings.
    pub settings: Settings,
    /// What a body may hold.
    pub limits: Limits,
    /// The streams by name.
    pub streams: Streams,
    /// When the process started, for quotas.
    pub start: Instant,
    /// How long a connection may rest while the process closes.
    pub idle_at_end: Duration,
    /// The connections whose refused clients may still be sending.
    pub lingering: Lingering,
    /// What was refused before its stream was known.
    pub refusals: Arc<Refusals>,
    /// The memory that everything is charged to.
    pub budget: Arc<Budget>,
    /// The part of it that connections and requests of HTTP/2 may hold beside events.
    pub framed: Arc<Share>,
    /// The part of it that the lists in answers may hold.
    pub answers: Arc<Share>,
}

/// What the requests of one HTTP thread need.
#[derive(Debug)]
pub struct Local {
    /// What all threads share.
    pub port: Arc<Port>,
    /// Where lanes put this thread's finished requests.
    pub mailbox: Arc<Mailbox>,
    /// The process will stop: each connection ends with its next answer.
    pub is_stopping: AtomicBool,
    /// When its waiting requests have to be answered.
    pub deadlines: Deadlines,
}
