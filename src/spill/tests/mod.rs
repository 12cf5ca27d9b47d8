//! Tests of the log as a whole, most of them on a simulated disk with all faults that a disk has.

mod damage;
mod errors;
mod formats;
pub(crate) mod hand;
mod hanging;
mod known;
mod losses;
mod model;
mod parts;
mod real;
mod restarts;
mod seeds;
mod sim_disk;
mod sim_io;
mod world;
