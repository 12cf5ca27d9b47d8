//! Letting go of what a request's head holds, once it's understood.

use hyper::{HeaderMap, Request, Uri};

use crate::budget::HeldByProcess;

/// What a stream of HTTP/2 holds beside its body: hyper's state and ours, the task, room for a few headers, and an answer
/// without a list.
pub(super) const STREAM_BYTES: u64 = 8 * 1024;
/// As many headers as a request from an SDK through a load balancer may have.
const FEW_HEADERS: usize = 32;

/// Lets go of what a request's head holds, whose size is the client's choice, before its body comes. A map with room for a
/// few headers stays for the answer's.
#[inline(always)]
pub(super) fn forget_head<B>(request: &mut Request<B>, head: Option<&mut HeldByProcess>) {
    if let Some(held) = head {
        held.shrink_to(STREAM_BYTES);
    }
    *request.uri_mut() = Uri::default();
    let headers = request.headers_mut();
    if headers.capacity() > FEW_HEADERS {
        *headers = HeaderMap::new();
    }
    headers.clear();
}
