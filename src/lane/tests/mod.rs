//! Tests of a lane's life as a whole.

mod audit;
mod gateway;
mod kafka;
mod model;
