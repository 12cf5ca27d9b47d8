//! Who is at the other end of a request's connection, as far as it's asked for: the names of a client's certificate, and an address
//! that may do so much and no more.
//!
//! An address is looked at before all else, so that a flood from one costs as little as possible. It outlives configurations.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::StatusCode;

use super::answer::Problem;
use super::settings::Settings;
use crate::auth::{Addresses, Refusal};
use crate::tls::Certificate;

/// What is asked for of callers.
#[derive(Debug)]
pub(super) struct Callers {
    /// Requests that an address may bring in a second; 0 means any number.
    most_requests: u32,
    /// Those of them that show no good key.
    most_failures: u32,
    /// Whether the names of certificates are asked for.
    certificates: bool,
    seen: Arc<Seen>,
}

/// What addresses have done lately.
#[derive(Debug)]
struct Seen {
    start: Instant,
    requests: Addresses,
    failures: Addresses,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    address: IpAddr,
    /// The subject of its certificate, and the other names in it: the connection's own.
    names: Option<Arc<[String]>>,
}

impl Caller {
    /// The subject of its certificate, and the other names in it.
    pub(super) fn names(&self) -> &[String] {
        self.names.as_deref().unwrap_or_default()
    }
}

impl Callers {
    /// As configured; `before` has seen some.
    pub(super) fn new(http: &Settings, certificates: bool, before: Option<&Callers>) -> Callers {
        let fresh = || {
            Arc::new(Seen {
                start: Instant::now(),
                requests: Addresses::default(),
                failures: Addresses::default(),
            })
        };
        Callers {
            most_requests: http.max_requests_per_address,
            most_failures: http.max_failures_per_address,
            certificates,
            seen: before.map_or_else(fresh, |before| Arc::clone(&before.seen)),
        }
    }

    /// Counts a request of an address, or says why there's no room for it.
    pub(super) fn count(&self, address: impl Fn() -> IpAddr) -> Result<(), Refusal> {
        if self.most_requests == 0 {
            return Ok(());
        }
        let now = self.seen.start.elapsed();
        let taken = self.seen.requests.take(address(), self.most_requests, now);
        taken.map_err(Refusal::AddressQuota)
    }

    /// Who calls, if anything asks for it.
    pub(super) fn of(
        &self,
        address: impl Fn() -> IpAddr,
        certificate: Option<&Certificate>,
    ) -> Option<Caller> {
        let certificate = certificate.filter(|_| self.certificates);
        if certificate.is_none() && self.most_failures == 0 {
            return None;
        }
        Some(Caller {
            address: address(),
            names: certificate.map(|it| Arc::clone(it.names())),
        })
    }

    /// Whether the keys of a caller are still looked at.
    pub(super) fn may_try(&self, caller: Option<&Caller>) -> Result<(), Refusal> {
        match caller {
            Some(caller) if self.most_failures > 0 => {
                let now = self.seen.start.elapsed();
                let failures = &self.seen.failures;
                let checked = failures.check(caller.address, self.most_failures, now);
                checked.map_err(Refusal::AddressQuota)
            }
            _ => Ok(()),
        }
    }

    /// Counts a request that has shown no good key.
    pub(super) fn failed(&self, caller: Option<&Caller>, why: Refusal) {
        if let Some(caller) = caller
            && self.most_failures > 0
            && why.is_unauthorised()
        {
            let now = self.seen.start.elapsed();
            // It was looked at before; one too many counts for nothing more.
            let taken = (self.seen.failures).take(caller.address, self.most_failures, now);
            taken.unwrap_or_default();
        }
    }
}

/// What a client that isn't let in is told.
pub(super) fn problem_of(why: Refusal) -> Problem {
    Problem {
        retry_after: why.retry_after(),
        ..Problem::new(status_of(why), why.code(), why.to_string())
    }
}

/// The status of it.
pub(super) fn status_of(why: Refusal) -> StatusCode {
    match why {
        Refusal::Doubled => StatusCode::BAD_REQUEST,
        Refusal::NotAllowed | Refusal::OriginNotAllowed => StatusCode::FORBIDDEN,
        Refusal::SourceQuota(_) | Refusal::AddressQuota(_) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNAUTHORIZED,
    }
}
