//! A directory that was adopted, until it's empty: its events go to Kafka, and the admin port shows how many are left.

use std::sync::Arc;

use super::drain::{Drain, Left};
use crate::admin::View;
use crate::lifecycle::{Phase, Watch, reached};

/// Brings an adopted directory to Kafka until nothing is left, or until the process drains.
pub(super) async fn adopt(drain: Drain, view: Arc<View>, mut watch: Watch) {
    let dir = drain.dir().to_owned();
    tracing::info!(dir = %dir.display(), "adopted a spill directory");
    let note = |left: Left| view.adopted.note(&dir, left.events, left.bytes);
    tokio::select! {
        () = drain.finished(note) => {}
        () = reached(&mut watch, Phase::Draining) => {}
    }
    let Left {
        events, staying, ..
    } = drain.stop().await.left;
    if events == 0 {
        tracing::info!(dir = %dir.display(), staying, "all that an adopted spill directory held for kafka is there");
    } else {
        tracing::warn!(dir = %dir.display(), events, staying, "an adopted spill directory still holds events; adopt it again");
    }
}
