//! The service manager (systemd, or what speaks its protocol): which listening sockets it passes on, and what it is told.
//!
//! - [`sockets`]: sockets that the manager holds open. While forebay restarts, connections wait in them, and none is refused.
//! - [`notify`]: start, reload, stop, status and watchdog, as sd_notify(3) has them.
//!
//! Both are off where the environment doesn't name a manager. What is absent: when something is told, and how a socket is
//! served. `commands` and `app` know that.

pub mod notify;
pub mod sockets;

pub use notify::Manager;
pub use sockets::Sockets;
