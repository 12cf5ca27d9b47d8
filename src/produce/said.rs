//! What lines of librdkafka's log say that nothing else tells.

/// What a line of librdkafka's log means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The idempotent producer has its id, or has not.
    ProducerId(bool),
    /// The brokers' view of the sequence of a partition's batches doesn't fit ours, so librdkafka begins a new one. What
    /// was under way and stored can't be recognised then, and is stored once more: seen after kills of all brokers at once.
    NewEpoch,
    /// Something else.
    Other,
}

/// What a line means, by librdkafka's short name for its kind.
pub fn said(facility: &str, line: &str) -> Said {
    match facility {
        "IDEMPSTATE" => Said::ProducerId(line.ends_with("-> Assigned")),
        // A gap is what a refused batch leaves; nothing behind it was stored.
        "DRAIN" if line.ends_with("message sequence gap") => Said::Other,
        "DRAIN" if line.contains("Beginning partition drain") => Said::NewEpoch,
        _ => Said::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_state_is_told_by_its_log() {
        let line = |to| format!("[thrd:main]: Idempotent producer state change WaitPID -> {to}");
        let said_of = |to| said("IDEMPSTATE", &line(to));
        assert_eq!(said_of("Assigned"), Said::ProducerId(true));
        assert_eq!(said_of("DrainBump"), Said::ProducerId(false));
        let drain = "Beginning partition drain in state Assigned for PID{Id:1,Epoch:0} epoch bump for 2 partition(s) with in-flight requests: skipped sequence numbers";
        assert_eq!(said("DRAIN", drain), Said::NewEpoch);
        let refused = drain.replace("skipped sequence numbers", "message sequence gap");
        assert_eq!(said("DRAIN", &refused), Said::Other);
        assert_eq!(said("FAIL", "connection refused"), Said::Other);
    }
}
