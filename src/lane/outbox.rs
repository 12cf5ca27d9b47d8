//! What a worker has to tell HTTP threads: which requests are finished. One knock per thread and turn.

use std::sync::Arc;

use crate::receipt::{Mailbox, Parcel};

/// The mailboxes in which something is, and whose threads don't know yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    to_knock: Vec<Arc<Mailbox>>,
}

impl Outbox {
    /// The request of a parcel is finished.
    pub(super) fn finished(&mut self, parcel: &Arc<Parcel>) {
        let request = parcel.request();
        if let Some(mailbox) = request.mailbox()
            && mailbox.put(Arc::clone(request))
        {
            self.to_knock.push(Arc::clone(mailbox));
        }
    }

    /// Tells the threads.
    pub(super) fn knock(&mut self) {
        for mailbox in self.to_knock.drain(..) {
            mailbox.knock();
        }
    }
}
