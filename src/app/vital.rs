//! The threads and tasks in front: accepting, sampling, the admin port. Each has its own way, so that none holds another
//! up, and a guard, so that its end is seen.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::reload::Reloader;
use crate::admin::looks;
use crate::admin::reload::Ask;
use crate::admin::sampler::Wishes;
use crate::admin::{self, View};
use crate::http::listener::{self, Way};
use crate::http::{Port, Server};
use crate::lifecycle::{Vital, Vitals, Watch};

/// What accepting needs.
pub(super) struct Door {
    pub(super) listeners: Vec<(std::net::TcpListener, Way)>,
    pub(super) port: Arc<Port>,
    pub(super) watch: Watch,
    pub(super) server: Arc<Server>,
}

/// Starts all of them. Must be called within the control runtime, which serves the admin port.
pub(super) fn spawn(
    door: Door,
    admin: std::net::TcpListener,
    view: &Arc<View>,
    wishes: Wishes,
) -> io::Result<()> {
    let vitals: &Vitals = &view.vitals;
    looks::spawn(view, wishes, vitals.guard("the sampler's thread"))?;
    accept(door, vitals.guard("accepting connections"))?;
    let (view, vital) = (Arc::clone(view), vitals.guard("the admin port"));
    tokio::spawn(async move {
        if let Err(error) = admin::server::serve(admin, view).await {
            vital.fail(error);
        }
    });
    Ok(())
}

/// Reloading has a task of its own: it waits for files and threads, which nobody else does.
pub(super) fn reload(
    reloader: Reloader,
    asks: mpsc::Receiver<Ask>,
    view: &Arc<View>,
    watch: Watch,
) {
    let vital = view.vitals.guard("reloading the configuration");
    tokio::spawn(async move {
        reloader.run(asks, watch).await;
        drop(vital);
    });
}

/// Accepting has a thread of its own: `http` says why there is one acceptor.
fn accept(door: Door, vital: Vital) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let run = move || {
        let Door {
            listeners,
            port,
            watch,
            server,
        } = door;
        let deal = |accepted| server.deal(accepted);
        let accepting = listener::accept(listeners, port, watch, deal);
        if let Err(error) = runtime.block_on(accepting) {
            vital.fail(error);
        }
    };
    let name = "accept".to_owned();
    std::thread::Builder::new().name(name).spawn(run)?;
    Ok(())
}
