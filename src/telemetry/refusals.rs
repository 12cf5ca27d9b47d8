//! What is refused before it's known which stream it's for, counted by reason. The number of reasons is fixed, so no client
//! can add a label.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The reasons: codes of problems, as answers have them in their `type`; and why a connection, or a stream of HTTP/2, ended without one.
pub const REASONS: [&str; 39] = [
    "not_found",
    "unknown_stream",
    "empty_key",
    "method_not_allowed",
    "bad_host",
    "unsupported_transfer_coding",
    "too_many_headers",
    "head_too_large",
    "malformed",
    "head_timeout",
    "answer_not_taken",
    "too_many_streams",
    "flood",
    "no_memory",
    "too_many_connections",
    "proxy_untrusted",
    "proxy_malformed",
    "proxy_timeout",
    "too_many_handshakes",
    "tls_timeout",
    "tls_malformed",
    "tls_incompatible",
    "tls_unknown_name",
    "tls_refused_by_client",
    "tls_client_certificate",
    "tls_broken_off",
    "tls_too_large",
    "no_key",
    "unknown_key",
    "key_expired",
    "bad_signature",
    "signature_time",
    "credentials_doubled",
    "source_not_allowed",
    "origin_not_allowed",
    "webhook_origin_not_allowed",
    "source_quota",
    "address_quota",
    OTHER,
];
/// What has no entry of its own.
const OTHER: &str = "other";

/// Requests and connections that were refused so, since the start.
#[derive(Debug)]
pub struct Refusals([AtomicU64; REASONS.len()]);

impl Default for Refusals {
    fn default() -> Self {
        Refusals(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Refusals {
    /// Notes one, by the code of its problem.
    pub fn count(&self, code: &str) {
        let place = REASONS.iter().position(|reason| *reason == code);
        self.0[place.unwrap_or(REASONS.len() - 1)].fetch_add(1, Relaxed);
    }

    /// All reasons with their numbers.
    pub fn all(&self) -> [(&'static str, u64); REASONS.len()] {
        std::array::from_fn(|place| (REASONS[place], self.0[place].load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_an_entry_counts_as_other() {
        let refusals = Refusals::default();
        for code in ["malformed", "unheard_of", "not_found", "malformed"] {
            refusals.count(code);
        }
        let counted: Vec<_> = refusals.all().into_iter().filter(|it| it.1 > 0).collect();
        assert_eq!(counted, [("not_found", 1), ("malformed", 2), ("other", 1)]);
    }
}
