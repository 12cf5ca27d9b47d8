//! A fault that lasts: what it is, in words, and since when. Whoever has to give a reason finds the true one here.

use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::Instant;

use arc_swap::ArcSwapOption;

/// A fault that lasts.
#[derive(Clone, Debug)]
pub struct Trouble<F> {
    /// What is wrong.
    pub fault: F,
    /// The same in words, with the name of what it concerns.
    pub reason: String,
    /// Since when.
    pub since: Instant,
}

/// Where a trouble is kept while it lasts. It may be read from any thread.
#[derive(Debug)]
pub struct Troubled<F> {
    trouble: ArcSwapOption<Trouble<F>>,
    /// False only while nothing is wrong. Each request asks, and one load costs less than what is kept.
    may_be: AtomicBool,
}

impl<F> Default for Troubled<F> {
    fn default() -> Self {
        Troubled {
            trouble: ArcSwapOption::empty(),
            may_be: AtomicBool::new(false),
        }
    }
}

impl<F: Copy + PartialEq> Troubled<F> {
    /// What is wrong, if anything is.
    pub fn get(&self) -> Option<std::sync::Arc<Trouble<F>>> {
        self.trouble.load_full()
    }

    /// Whether this is what is wrong.
    pub fn is(&self, fault: F) -> bool {
        self.may_be.load(Acquire) && self.has(fault)
    }

    #[cold]
    fn has(&self, fault: F) -> bool {
        let trouble = self.trouble.load();
        trouble.as_ref().is_some_and(|it| it.fault == fault)
    }

    /// Notes what is wrong `now`. True if that is news; else the first one is kept, and since when.
    pub fn set(&self, fault: F, now: Instant, reason: impl FnOnce() -> String) -> bool {
        let is_known = self.is(fault);
        if !is_known {
            let reason = reason();
            let since = now;
            let trouble = Trouble {
                fault,
                reason,
                since,
            };
            self.trouble.store(Some(trouble.into()));
            self.may_be.store(true, SeqCst);
        }
        !is_known
    }

    /// It's mended. Returns what was wrong.
    pub fn clear(&self) -> Option<std::sync::Arc<Trouble<F>>> {
        self.trouble.load().as_ref()?;
        // Before the trouble goes, so that one that is set meanwhile isn't hidden.
        self.may_be.store(false, SeqCst);
        self.trouble.swap(None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_trouble_is_as_old_as_its_first_sign() {
        let (troubled, start) = (Troubled::default(), Instant::now());
        let later = start + Duration::from_secs(9);
        assert!(troubled.get().is_none() && troubled.clear().is_none());
        assert!(troubled.set(1, start, || "one".into()));
        assert!(!troubled.set(1, later, || unreachable!()));
        assert_eq!(troubled.get().unwrap().since, start);
        assert!(troubled.set(2, later, || "two".into()));
        assert_eq!(troubled.clear().unwrap().reason, "two");
        assert!(troubled.get().is_none());
    }
}
