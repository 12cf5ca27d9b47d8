//! The machinery of the end-to-end benchmark: processes and their CPU, the load, topics and their audit, the table.
//!
//! Reading order: [`options`] → [`cases`] (what is run) → [`child`] (processes) → [`load`] (clients) → [`topics`]
//! (Kafka's side of the audit) → [`table`].

pub(crate) mod cases;
pub(crate) mod child;
pub(crate) mod load;
pub(crate) mod options;
pub(crate) mod subjects;
pub(crate) mod table;
pub(crate) mod topics;
