//! Keys of sources that are in files: a file that changes is read again within a second, without a reload of all else.
//! What a file holds that is no good changes nothing and is told once, until the file is another.

use std::sync::Arc;

use super::looks::{Look, Seen, look};
use super::{READ_WITHIN, Reloader};
use crate::config::plan::Plan;

impl Reloader {
    /// Whether keys come from files.
    pub(super) fn has_key_files(&self) -> bool {
        !self.config.load().in_files.paths().is_empty()
    }

    /// Looks at the files, and puts in force what has changed in them.
    pub(super) async fn look_at_keys(&mut self, seen: &mut Seen) {
        let old = self.config.load_full();
        let (its, before) = (Arc::clone(&old), seen.stamps.clone());
        let looked = self
            .beside
            .run(READ_WITHIN, move || look(&its, before))
            .await;
        let Look { stamps, read } = match looked {
            Ok(look) => look,
            Err(why) => {
                if !std::mem::replace(&mut seen.hangs, true) {
                    tracing::warn!("the files of keys can't be looked at: {why}");
                }
                return;
            }
        };
        *seen = Seen {
            stamps,
            hangs: false,
        };
        let new = match read {
            None => return,
            Some(Ok(new)) if new.sources == old.sources => return,
            Some(Ok(new)) => new,
            Some(Err(why)) => {
                tracing::error!(
                    "a file of keys has changed, and its keys stay as they were: {why}"
                );
                return;
            }
        };
        let plan = Plan::new(&old, &new);
        match self.apply(&plan, new).await {
            Ok(()) => tracing::info!("a file of keys has changed: its keys are in force"),
            Err(why) => {
                tracing::error!("a file of keys has changed, and its keys stay as they were: {why}")
            }
        }
    }
}
