//! The gateway beside its yardsticks.
//!
//! Reading order: [`options`] → [`cases`] (what is run) → [`subjects`] (each of them) → [`table`].

pub(crate) mod cases;
pub(crate) mod options;
pub(crate) mod subjects;
pub(crate) mod table;
