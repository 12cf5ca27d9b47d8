//! TLS: the certificates that clients are shown, the clients that are let in, and the sessions that they resume.
//!
//! - [`files`] reads certificates and keys, and tells whether they are others than before.
//! - `names` chooses a certificate by the name that a client asks for.
//! - [`server`] is all of it, for one listener; [`client`] is the other side, for commands that ask the admin port.
//! - [`certificate`] says who a client is, by the certificate that it showed.
//! - `reason` names why a handshake failed, for the metric that counts them.
//!
//! **Renewal.** A certificate is replaced by writing its files. Whoever has a [`Server`] asks for another one now and then, and after a
//! reload; connections that are open keep what they began with. Files that can't be read, or a key that belongs to another
//! certificate, leave the old one in force: a renewal that is half written is tried again.
//!
//! **Sessions.** A client resumes its session with a ticket, which the client keeps and the server doesn't. The keys of tickets live as
//! long as the process, and are replaced every six hours. They are also replaced when other clients are let in, because a ticket
//! lets its client in without another look at its certificate.
//!
//! What is absent: sockets, HTTP and waiting. Reading files is the only I/O.

pub mod certificate;
pub mod client;
mod der;
pub mod files;
mod names;
pub mod reason;
pub mod server;
pub mod settings;
#[cfg(test)]
mod tests;

pub use certificate::Certificate;
pub use reason::{TOO_LARGE, reason};
pub use server::Server;
pub use settings::Settings;
