//! Keys of sources that are in files: a file that changes is read again within a second, without a reload of all else.
//!
//! What a file holds that is no good changes nothing. It's told once, `/status` and a metric say so until it's mended, and it's tried again
//! ([`super::looks`]). That is a fact of its own: keys that are renewed don't make good a reload that failed.

use std::sync::Arc;

use tokio::time::Instant;

use super::looks::{KeyFiles, Look, Looked};
use super::{READ_WITHIN, Reloader};
use crate::config::plan::Plan;

impl Reloader {
    /// Begins a look at the files, unless there are none or one is under way.
    pub(super) fn look_at_keys(&mut self) {
        let config = self.config.load_full();
        let KeyFiles { looking, seen } = &mut self.keys;
        if looking.is_under_way() || config.in_files.paths().is_empty() {
            return;
        }
        let seen = seen.clone();
        looking.begin(READ_WITHIN, move || {
            let look = seen.look(&config, Instant::now());
            (config, look)
        });
    }

    /// Puts in force what a look has found.
    pub(super) async fn take_keys(&mut self, looked: Result<Looked, String>) {
        let (old, look) = match looked {
            Ok(looked) => looked,
            Err(why) => return self.keys_failed(&format!("looking at the files failed: {why}")),
        };
        // A reload came between, which has read the files as well.
        if !Arc::ptr_eq(&old, &self.config.load_full()) {
            return;
        }
        let (stamps, read) = match look {
            Look::Later => return,
            Look::Same => return self.view.reloads.keys_are_good(),
            Look::Read(stamps, read) => (stamps, read),
        };
        let taken = match read {
            Ok(new) if new.sources == old.sources => Ok(false),
            Ok(new) => {
                let plan = Plan::new(&old, &new);
                self.apply(&plan, *new).await.map(|()| true)
            }
            Err(why) => Err(why),
        };
        match taken {
            Ok(is_new) => {
                self.keys.seen.take(stamps);
                self.view.reloads.keys_are_good();
                if is_new {
                    tracing::info!("a file of keys has changed: its keys are in force");
                }
            }
            Err(why) => {
                self.keys.seen.fail(stamps, Instant::now());
                self.keys_failed(&why);
            }
        }
    }

    fn keys_failed(&self, why: &str) {
        if self.view.reloads.keys_failed(why) {
            tracing::error!("a file of keys can't be taken, and its keys stay as they were: {why}");
        }
    }
}
