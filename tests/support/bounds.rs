//! How soon things recover: each bound beside its reason. Reasons are what is set in forebay and in the brokers of the tests; the
//! rest of a bound is room for a machine that does other things. A recovery that takes longer is a fault, not a slow machine.

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Brokers that were started or thawed answer, with leaders and replicas in sync. Their own time, and none of ours: a JVM each,
/// an election of the controllers, and what was missed is fetched.
pub const BROKERS_READY: Duration = SECOND.saturating_mul(120);

/// A gateway that starts gets its first events through: it connects, asks for partitions (at most 5 s for a connection, 1 s
/// until the next try) and reads its log.
pub const STARTS: Duration = SECOND.saturating_mul(30);

/// Events flow on when one broker of several is gone or silent: its session ends after 3 s, others are elected, and what was
/// sent to it is waited for until `socket.timeout.ms`, 10 s.
pub const FAILS_OVER: Duration = SECOND.saturating_mul(30);

/// Events flow again when Kafka is back: the longest pause between two connects is 1 s, a request that a frozen broker held
/// is given up after 10 s, and a lane that was refused is tried again some seconds later.
pub const FLOWS_AGAIN: Duration = SECOND.saturating_mul(30);

/// What waited is in Kafka when that is back: [`FLOWS_AGAIN`], and the backlog of a test, some ten thousand events, of which a
/// slow machine replays some thousands per second beside its new ones.
pub const DRAINED: Duration = SECOND.saturating_mul(60);

/// A gateway with a log gives 200s when Kafka takes nothing: `lane.stalled_after` is 3 s, and a write to the log some
/// milliseconds; a client whose request was under way waits for its answer, 5 s.
pub const SPILLS: Duration = SECOND.saturating_mul(20);

/// The log says that its disk is sick: a write is tried, or has hung for `spill.stalled_after`.
pub const NOTICES: Duration = SECOND.saturating_mul(20);

/// The log takes events again when its disk does: probes begin 1 s apart and double, so that the next one is no further away
/// than the fault was long, here some 10 s.
pub const HEALS: Duration = SECOND.saturating_mul(30);

/// A killed process is gone.
pub const DIES: Duration = SECOND.saturating_mul(10);

/// No client waits longer for its answer, whatever is broken: `http.answer_within` is 5 s. Where a test keeps the machine's disk busy,
/// it allows a second or two more, in which the client itself waits for its turn.
pub const ANSWERS: Duration = SECOND.saturating_mul(6);
