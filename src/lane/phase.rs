//! The names of the phases of a lane's life, for all who look at it from outside.

/// The name of what a lane does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Events go from the ring to Kafka.
    Direct,
    /// Events go into the spill log; Kafka still has, or doesn't take, what was sent before.
    Spilling,
    /// Events go through the spill log, which is being read back.
    Replaying,
    /// The same, but new events wait in memory: the lane is about to be direct again.
    Returning,
    /// Events go into the spill log, of which the next record isn't understood.
    Blocked,
}

impl Phase {
    /// All of them, each at the place of its number.
    pub const ALL: [Phase; 5] = [
        Phase::Direct,
        Phase::Spilling,
        Phase::Replaying,
        Phase::Returning,
        Phase::Blocked,
    ];

    /// The word on the admin port.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Direct => "direct",
            Phase::Spilling => "spilling",
            Phase::Replaying => "replaying",
            Phase::Returning => "returning",
            Phase::Blocked => "blocked",
        }
    }
}
