//! From what is to be said to the response that hyper writes, and what it's charged until its client has it.
//!
//! A list of events is charged, to a part of the budget that answers can't exceed; without room the answer is sent without its
//! list. The charge stays for as long as the connection lives, which of HTTP/1.1 may keep the memory. What a small answer of
//! HTTP/2 holds is charged with its stream.

use std::sync::atomic::Ordering::Relaxed;

use hyper::header::CONNECTION;
use hyper::{Request, Response, Version};

use super::admission::Answered;
use super::answer::{self, Said};
use super::port::{Local, Port};
use super::rejected::{LISTED, Rejected};
use super::sending::Sending;
use super::watch::Busy;
use super::web::Web;
use crate::budget::HeldByProcess;

/// What an entry of `errors` is charged: its words, and what serialising them takes.
const ENTRY_BYTES: u64 = 256;
/// What a connection is charged for writing from, HTTP/1.1. It may keep the memory of its largest answer, so it ends with one
/// that is larger.
const LARGE_ANSWER_BYTES: u64 = 8 * 1024;
/// The largest answer that a stream of HTTP/2 is charged for anyway.
const SMALL_ANSWER_BYTES: u64 = 1024;

/// Charges the list that an answer is to have: `rejected`, and `more` events. Without room for it nothing is listed.
pub(super) fn hold_list(
    port: &Port,
    rejected: &mut Rejected,
    more: usize,
) -> Option<HeldByProcess> {
    let entries = (rejected.count() as usize + more).min(LISTED) as u64;
    if entries == 0 {
        return None;
    }
    let held = HeldByProcess::hold_part(&port.budget, &port.answers, entries * ENTRY_BYTES);
    if held.is_err() {
        rejected.list_none();
    }
    held.ok()
}

/// The response to a request. It's made and changed in one place, because each copy of it costs as much as a look at a header.
/// `web` is what a page's browser has to know, `stream` what a stream of HTTP/2 is charged.
pub(super) fn respond<B>(
    local: &Local,
    request: &mut Request<B>,
    said: Said,
    answered: Answered,
    web: Option<Box<Web>>,
    stream: Option<HeldByProcess>,
    busy: Busy,
) -> Response<Sending> {
    let is_framed = request.version() == Version::HTTP_2;
    let mut reply = said.reply(request.headers_mut());
    if answered.is_last {
        answer::make_last(&mut reply);
    }
    if let Some(web) = web {
        web.write(&mut reply);
    }
    if !reply.status().is_success() && reply.headers().contains_key(CONNECTION) {
        busy.leaves_unread();
    }
    if let Some(within) = answered.turned_away
        && busy.is_refused_since(answered.at, within)
    {
        answer::make_last(&mut reply);
    }
    if local.is_stopping.load(Relaxed) {
        answer::make_last(&mut reply);
    }
    if let Some(list) = answered.list {
        let bytes = reply.body().len();
        let is_large = match is_framed {
            true => bytes > SMALL_ANSWER_BYTES,
            false => bytes > LARGE_ANSWER_BYTES,
        };
        if is_large && busy.keep(list, !is_framed) && !is_framed {
            answer::make_last(&mut reply);
        }
    }
    if is_framed {
        reply.body_mut().keep(busy.answer(), stream);
    }
    busy.end(answered.at);
    reply
}
