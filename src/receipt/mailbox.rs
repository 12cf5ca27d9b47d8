//! How finished requests get from lane workers to the HTTP threads that answer them: one wake-up per bunch.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;

/// Something whose task waits for its end.
pub trait Waits {
    /// Wakes the task.
    fn wake(&self);
}

/// Where finished requests wait for the HTTP thread that answers them.
#[derive(Debug)]
pub struct Mailbox<T> {
    finished: SegQueue<Arc<T>>,
    knocked: AtomicBool,
    reader: AtomicWaker,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        Mailbox {
            finished: SegQueue::new(),
            knocked: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }
    }
}

impl<T: Waits> Mailbox<T> {
    /// Puts a finished request in. True if the mailbox has to be [knocked](Mailbox::knock) at, once, after the bunch.
    pub fn put(&self, request: Arc<T>) -> bool {
        self.finished.push(request);
        !self.knocked.swap(true, AcqRel)
    }

    /// Wakes the reader.
    pub fn knock(&self) {
        self.reader.wake();
    }

    /// Wakes the waiting tasks of finished requests, for ever; one task per HTTP thread runs this.
    pub async fn deliver(&self) {
        poll_fn(|cx| {
            self.reader.register(cx.waker());
            self.knocked.store(false, Release);
            while let Some(request) = self.finished.pop() {
                request.wake();
            }
            Poll::<()>::Pending
        })
        .await;
    }
}
