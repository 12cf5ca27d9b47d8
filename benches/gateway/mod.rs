//! The gateway beside its yardsticks.
//!
//! Reading order: [`options`] → [`run`](mod@run) (what is measured, in which order) → [`subjects`] (each of them) →
//! [`table`] (on the terminal) → [`machine`], [`comparisons`] and [`results`] (in a file).

pub(crate) mod comparisons;
pub(crate) mod estimate;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod results;
pub(crate) mod run;
pub(crate) mod subjects;
pub(crate) mod table;
