//! Receipts: what was promised for each event, resolved exactly once.
//!
//! A [`Request`] is what one HTTP request brought: its body, its events, and how many of them are still open. Its events
//! go to lanes in [`Parcel`]s, one per lane that they touch, so that hand-over, wake-up and bookkeeping cost once per
//! request and lane instead of once per event. A parcel is in one of three states:
//!
//! ```text
//!            claim (lane worker)              last event acked or failed
//!  queued ──────────────────────────▶ sent ──────────────────────────────▶ resolved
//!     └──────── give_up (client's deadline) or refuse (lane worker) ──────────▲
//! ```
//!
//! - `refusing` is left out above: the short time in which a refused parcel's events are noted as such.
//! - Both ends of `queued` race for one atomic: what was refused can't be sent later (no ghosts), and what was sent can't
//!   be refused any more. A request whose deadline passes while events are `sent` is answered with these listed as
//!   unknown; if they are acknowledged afterwards, the ledger counts them as `late`.
//! - A parcel that is dropped before it is resolved counts as `lost` in the [`Ledger`]: a bug, and tests fail on it.
//! - The client's disconnect changes nothing: parcels belong to their lanes.
//! - The thread that completes requests (a lane worker) doesn't wake tasks one by one: it puts finished requests into the
//!   [`Mailbox`] of the HTTP thread that waits for them, and knocks once per mailbox and bunch. A lone wake-up across
//!   threads costs about 6 µs of CPU, one in a bunch 0.2.

mod cause;
mod ledger;
mod mailbox;
mod outcome;
mod parcel;
mod request;

pub use cause::Cause;
pub use ledger::Ledger;
pub use outcome::{Outcome, settle};
pub use parcel::{Parcel, Parcels, Slot};
pub use request::{Arrival, Mailbox, Request};

#[cfg(test)]
mod tests;
