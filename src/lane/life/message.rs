//! What a worker tells a lane's life, and what it's told to do.

/// By how many partitions the events of a lane are sorted when they are read; by none if all go to the lane's own.
pub(in crate::lane) type Sorting = Option<usize>;

/// What a lane has on the way, as the worker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) struct Stock {
    /// Nothing that was sent is unresolved.
    pub(in crate::lane) is_window_empty: bool,
    /// Copies of what is in the window wait for the disk.
    pub(in crate::lane) has_to_copy: bool,
    /// Something else waits for the disk, and is no longer in the ring.
    pub(in crate::lane) has_to_append: bool,
    /// Something was read and not yet sent.
    pub(in crate::lane) has_read: bool,
}

/// What happens to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) enum Input {
    /// Its events can't go directly. `is_all_in_window`: the log holds nothing of the lane that isn't in the window.
    GoOver { is_all_in_window: bool },
    /// An append to its part of the log is under way.
    AppendBegun { is_copy: bool },
    /// An append has its answer.
    AppendEnded { is_copy: bool },
    /// Events that the log holds are in Kafka.
    Arrived,
    /// The worker asks where new events go. `is_prompt`: what was sent last arrived soon enough, so far.
    New { stock: Stock, is_prompt: bool },
    /// The lane may send. `may_read`: and it may have something read.
    Turn { stock: Stock, may_read: bool },
    /// What was to be read couldn't be asked for.
    NotAsked,
    /// A read ended.
    Read(Brought),
    /// The lane wants to send, and what is read is to be sorted like this. Its own partition has the number `partition`.
    Sort {
        to: Sorting,
        partition: i32,
        stock: Stock,
    },
    /// All that was sent is in the log, and nothing of it with the client any more, after [`Effect::Recall`].
    Recalled { to: Sorting },
    /// The worker has sent what it could.
    Sent { stock: Stock },
    /// The worker has looked at the log, after [`Effect::Look`].
    Looked { is_empty: bool },
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) enum Brought {
    /// Events or nothing. `is_all`: there was nothing more.
    Events { has_some: bool, is_all: bool },
    /// The disk failed.
    Failure,
    /// A record that isn't understood, behind those that were read.
    Unknown,
}

/// What the worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lane) enum Effect {
    /// Nothing.
    Nothing,
    /// Copy what is in the window into the log.
    Copy,
    /// New events go into the log.
    Append,
    /// New events wait.
    Hold,
    /// Have something read, sorted like this; `is_first`: from the first record on that hasn't arrived.
    Read { sorting: Sorting, is_first: bool },
    /// The lane may send what it has.
    Send,
    /// The lane may not send.
    Wait,
    /// The lane may not send: all that was sent has to come into the log, and back from the client.
    Recall,
    /// Forget what was read and sent, and the reader; the lane may send.
    Forget,
    /// Look whether the log holds anything of the lane.
    Look,
    /// The reader is of no more use.
    Close,
}
