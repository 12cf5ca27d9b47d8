//! Tests of a lane's life as a whole: the worker of a cluster between clients, a fake Kafka and a real log on a simulated
//! disk. One thread turns all of it by hand, so that a seed and a list of steps tell everything.
//!
//! [`gateway`] holds the parts together and notes what clients were told, [`kafka`] does what it's told, [`audit`] compares in
//! the end, [`model`] has the random steps (more of them by `PROPTEST_CASES`), [`window`] is about the window alone, [`life`] about
//! a lane's phases alone, each with every input, and [`redrive`] about dead letters.
//!
//! **Negative controls.** Each of these changes was made by hand, and found within 256 to 1,500 cases:
//! - the log is acknowledged when half of a parcel has arrived: events are lost in a crash;
//! - real lanes aren't held while something is unrouted, or the unrouted lane doesn't wait for what real lanes have: order;
//! - nothing is sent again after a client failed: lanes stand still;
//! - a lane is direct before all is read: events are lost;
//! - a topic counts as drained though its lanes are in their worker's hands: events would be forgotten;
//! - an append that failed counts as spilled: events are lost;
//! - copies of the window are read before their fate is known: events are sent and counted twice.
//!
//! [`life`] finds three of them at once, and the model does too: a lane is direct before all is read, copies of the window
//! are read before their fate is known, a read that is under way is forgotten when a lane is sorted anew.
//!
//! One finds nothing: copying the window also where the log may hold unread events. In these places the window is empty.

mod audit;
mod away;
mod ends;
mod events;
mod faults;
mod gateway;
mod kafka;
mod life;
mod model;
mod redrive;
mod returns;
mod window;
