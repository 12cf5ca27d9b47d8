//! Work that may hang, such as reading a file of a mount whose server is gone: beside the control thread, with a deadline.
//!
//! It has a plain thread. The runtime's own threads for work that blocks are waited for at the end without limit, so that one
//! read that hangs would keep the process from ending. What hangs is left behind, and there are never more than
//! [`HUNG_AT_MOST`] of it: what is asked for then fails at once.
//!
//! What is looked at now and then has a [`Looking`] of its own, with one thread. A look that hangs thus costs reloads no thread, and
//! holds none of them up.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

/// Threads that may hang at a time. One is enough to be told; the others are for who has mended the file meanwhile.
const HUNG_AT_MOST: usize = 4;

/// Where work that may hang is done.
#[derive(Debug)]
pub(super) struct Beside {
    /// Threads that may hang at a time.
    most: usize,
    /// Held by each thread.
    threads: Arc<()>,
}

impl Default for Beside {
    fn default() -> Self {
        Beside::with(HUNG_AT_MOST)
    }
}

impl Beside {
    fn with(most: usize) -> Beside {
        Beside {
            most,
            threads: Arc::default(),
        }
    }

    /// Does `work` on a thread of its own, from now on, and waits for it at most so long.
    pub(super) fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        &self,
        within: Duration,
        work: W,
    ) -> impl Future<Output = Result<T, String>> + Send + use<T, W> {
        let begun = self.begin(work);
        async move {
            match tokio::time::timeout(within, begun?).await {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(_)) => Err("it panicked: this is a bug in forebay".into()),
                Err(_) => Err(format!("it takes longer than {} s", within.as_secs())),
            }
        }
    }

    fn begin<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, String> {
        match Arc::strong_count(&self.threads) > self.most {
            true if self.most == 1 => return Err("the last one still hangs".into()),
            true => return Err(format!("{} earlier ones still hang", self.most)),
            false => {}
        }
        let (tell, told) = oneshot::channel();
        let its = Arc::clone(&self.threads);
        let run = move || {
            let done = work();
            // Before it's told, so that whoever hears of it finds the place free.
            drop(its);
            // Who asked may have gone.
            drop(tell.send(done));
        };
        let thread = std::thread::Builder::new().name("reload".into());
        let spawned = thread.spawn(run);
        drop(spawned.map_err(|error| format!("there is no thread for it: {error}"))?);
        Ok(told)
    }
}

type UnderWay<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// Looks at something now and then: one at a time, and nothing else waits for it.
pub(super) struct Looking<T> {
    beside: Beside,
    under_way: Option<UnderWay<T>>,
}

impl<T> Default for Looking<T> {
    fn default() -> Self {
        Looking {
            beside: Beside::with(1),
            under_way: None,
        }
    }
}

impl<T: Send + 'static> Looking<T> {
    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins one, which may take so long. There must be none under way.
    pub(super) fn begin(&mut self, within: Duration, look: impl FnOnce() -> T + Send + 'static) {
        self.under_way = Some(Box::pin(self.beside.run(within, look)));
    }

    /// Waits for the end of the one that is under way; for ever if there is none. It may be asked for again and again.
    pub(super) async fn looked(&mut self) -> Result<T, String> {
        let Some(under_way) = &mut self.under_way else {
            return std::future::pending().await;
        };
        let looked = under_way.await;
        self.under_way = None;
        looked
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_left_behind_and_bounded() {
        let beside = Beside::default();
        assert_eq!(beside.run(Duration::from_secs(30), || 7).await, Ok(7));
        let panics = beside.run(Duration::from_secs(30), || panic!("on purpose"));
        let panicked: Result<(), String> = panics.await;
        assert!(panicked.unwrap_err().contains("panicked"));
        let mut ends = Vec::new();
        for _ in 0..HUNG_AT_MOST {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let hangs = beside.run(Duration::from_millis(20), move || ended.recv().ok());
            assert!(hangs.await.unwrap_err().contains("longer than"));
        }
        let one_more = beside.run(Duration::from_secs(30), || ()).await;
        assert!(one_more.unwrap_err().contains("still hang"));
        drop(ends);
        let is_over = || Arc::strong_count(&beside.threads) == 1;
        super::super::wait::wait_for(is_over, Duration::from_secs(30)).await;
        assert_eq!(beside.run(Duration::from_secs(30), || 8).await, Ok(8));
    }

    #[tokio::test]
    async fn a_look_that_hangs_has_one_thread_and_the_next_one_says_so() {
        let mut looking = Looking::default();
        let (end, ended) = mpsc::channel::<()>();
        looking.begin(Duration::from_millis(20), move || ended.recv().ok());
        assert!(looking.looked().await.unwrap_err().contains("longer than"));
        looking.begin(Duration::from_secs(30), || None);
        assert!(looking.looked().await.unwrap_err().contains("still hangs"));
        assert!(!looking.is_under_way());
        drop(end);
        let is_over = || Arc::strong_count(&looking.beside.threads) == 1;
        super::super::wait::wait_for(is_over, Duration::from_secs(30)).await;
        looking.begin(Duration::from_secs(30), || None);
        // Whoever waits may stop waiting, and wait again.
        drop(looking.looked());
        assert_eq!(looking.looked().await, Ok(None));
    }
}
