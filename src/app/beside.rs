//! Work that may hang, such as reading a file of a mount whose server is gone: beside the control thread, with a deadline.
//!
//! It has a plain thread. The runtime's own threads for work that blocks are waited for at the end without limit, so that one
//! read that hangs would keep the process from ending. What hangs is left behind, and there are never more than
//! [`HUNG_AT_MOST`] of it: what is asked for then fails at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

/// Threads that may hang at a time. One is enough to be told; the others are for who has mended the file meanwhile.
const HUNG_AT_MOST: usize = 4;

/// Where work that may hang is done.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Held by each thread.
    threads: Arc<()>,
}

impl Beside {
    /// Does `work` on a thread of its own, and waits for it at most so long.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        if Arc::strong_count(&self.threads) > HUNG_AT_MOST {
            return Err(format!("{HUNG_AT_MOST} earlier ones still hang"));
        }
        let (tell, told) = oneshot::channel();
        let its = Arc::clone(&self.threads);
        let run = move || {
            // Who asked may have gone.
            drop(tell.send(work()));
            drop(its);
        };
        let thread = std::thread::Builder::new().name("reload".into());
        let spawned = thread.spawn(run);
        drop(spawned.map_err(|error| format!("there is no thread for it: {error}"))?);
        match tokio::time::timeout(within, told).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err("it panicked: this is a bug in forebay".into()),
            Err(_) => Err(format!("it takes longer than {} s", within.as_secs())),
        }
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
}
