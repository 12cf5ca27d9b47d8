//! Tests of a lane's life as a whole.

mod audit;
mod ends;
mod gateway;
mod kafka;
mod model;
mod window;
