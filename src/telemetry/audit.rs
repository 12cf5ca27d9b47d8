//! The audit: one line of the log for whatever was changed through the admin port or by a signal, and for each attempt that was refused.
//!
//! The line has the target [`TARGET`] and the message `audit`. It's written whatever the filter of the log is, unless that names it.
//! Its fields keep their names (`deploy/logs.md`).

/// The target of its lines.
pub const TARGET: &str = "audit";

/// What a signal has changed, or is about to: `result` is `done`, `begun` or `failed`.
pub fn signalled(
    action: &str,
    result: &str,
    via: &str,
    generation: Option<u64>,
    error: Option<&str>,
) {
    tracing::info!(
        target: TARGET,
        action,
        result,
        via,
        generation,
        error,
        "audit"
    );
}
