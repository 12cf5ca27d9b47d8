//! What the gateway is measured against, each in a process of its own: the parts that any gateway needs, bare, and a
//! prototype that does the same with the usual means.

pub(crate) mod bare_hyper;
pub(crate) mod parse;
pub(crate) mod raw_producer;
pub(crate) mod threads;
pub(crate) mod toy;
