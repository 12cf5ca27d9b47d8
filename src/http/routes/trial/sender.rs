//! Who sends a request that is tried. Client certificates aren't known here, nor what an address has done.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderValue, ORIGIN};

use super::written::Written;
use crate::auth::{Found, Passed, Refusal, Refused, Source};
use crate::decode::Pointer;
use crate::http::access::{Access, Gate};
use crate::http::answer::Problem;
use crate::http::callers::problem_of;
use crate::http::routes::Endpoints;
use crate::http::shows::Head;

/// Who sends, as far as the request has shown it.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    access: &'a Access,
    pub(super) gate: &'a Gate,
    route: &'a str,
    /// The stream, if the head says which.
    stream: Option<&'a str>,
    origin: Option<&'a [u8]>,
    passed: Passed,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

impl<'a> Sender<'a> {
    /// Judges a head, as the gateway does. `stream` is what its events are for, if the head says so.
    pub(super) fn of(
        access: &'a Access,
        (route, endpoints): (&'a str, &Endpoints),
        stream: Option<&'a str>,
        request: &'a Written,
    ) -> Result<Sender<'a>, Problem> {
        let own = access.of_route(route);
        let sorting = access.of_sorting(route).filter(|_| stream.is_none());
        let of_stream = || access.of_stream(stream.unwrap_or_default());
        let gate = { own.or(sorting.map(|it| &it.gate)) }.unwrap_or_else(of_stream);
        let view = Head {
            headers: &request.headers,
            uri: &request.uri,
            method: &request.method,
            endpoints: Some(endpoints),
            names: &[],
        };
        let judged = gate.policy.before_body(&view, access.keys(), now);
        let passed = match judged {
            Err(_) if sorting.is_some_and(|it| it.has_open) => Ok(Passed::Anybody),
            judged => judged,
        };
        let sender = Sender {
            access,
            gate,
            route,
            stream,
            origin: request.headers.get(ORIGIN).map(HeaderValue::as_bytes),
            passed: passed.map_err(|refused| problem_of(refused.why))?,
        };
        match &sender.passed {
            Passed::Source(source) => sender.may_send(source)?,
            Passed::Anybody | Passed::Later(_) => {}
        }
        Ok(sender)
    }

    fn may_send(&self, source: &Arc<Source>) -> Result<(), Problem> {
        let may = match self.stream {
            Some(stream) => source.may_use(stream, self.origin),
            None => source.may_come_from(self.origin),
        };
        let may = may.and_then(|()| source.may_use_route(self.route));
        may.map_err(|refused| problem_of(refused.why))
    }

    /// Judges a body as it was sent, if it's signed.
    pub(super) fn with_body(&mut self, sent: &[u8]) -> Result<(), Problem> {
        let judged = match &self.passed {
            Passed::Later(pending) => self.gate.policy.signed(pending, sent),
            Passed::Anybody | Passed::Source(_) => None,
        };
        judged.map_or(Ok(()), |judged| self.take(judged))
    }

    /// Judges the members of a body, if the key is among them.
    pub(super) fn with_members<'b>(
        &mut self,
        member: impl Fn(&Pointer) -> Found<'b>,
    ) -> Result<(), Problem> {
        let Passed::Later(pending) = &self.passed else {
            return Ok(());
        };
        let keys = self.access.keys();
        let judged = self.gate.policy.member(pending, keys, now, member);
        self.take(judged.unwrap_or(Err(Refusal::NoKey.into())))
    }

    fn take(&mut self, judged: Result<Arc<Source>, Refused>) -> Result<(), Problem> {
        let source = judged.map_err(|refused| problem_of(refused.why))?;
        self.may_send(&source)?;
        self.passed = Passed::Source(source);
        Ok(())
    }

    /// The name of the source.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.passed {
            Passed::Source(source) => Some(&source.name),
            Passed::Anybody | Passed::Later(_) => None,
        }
    }
}
