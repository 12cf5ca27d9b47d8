//! The configuration as the admin port shows it, and the way to ask for another.
//!
//! | path | answers |
//! | --- | --- |
//! | `POST /reload` | 200: the file was read again, and all of it is in force; with what changed. 202: it has begun and takes longer than 30 s; it goes on, and `/status` says what becomes of it. 422: the file is wrong. 409: a restart is needed, for these keys. 503: forebay is stopping, can't read its files, or had no turn for it within 30 s. Nothing has changed or will unless it's 200 or 202 |
//! | `POST /reload?dry_run=true` | the same, without changing anything |
//! | `GET /config` | the configuration in force as TOML, secrets masked |
//!
//! A reload that has begun isn't taken back half-way, so who waits for it in vain is told that it goes on. One that hasn't begun when its
//! asker is told so never begins: the two agree on that by one atomic.
//!
//! What is absent: files, and the configuration itself. `app` has these, and does what is asked for here.

use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::telemetry::audit;

/// How long an answer may take: a cluster that comes has threads to start, and a topic that comes is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// What who asked is told of a reload that goes on without him.
const GOES_ON: &str = "the reload takes longer than 30 s and goes on; configuration.generation in /status grows when it is in force, and last_reload_error says why if it fails";
/// Reloads that wait for their turn, at most.
const WAITING: usize = 8;

/// Somebody wants the configuration read again.
#[derive(Debug)]
pub struct Ask {
    /// Only what it would change is asked for.
    pub is_dry: bool,
    /// Who asks.
    pub by: &'static str,
    /// Where the outcome goes.
    pub answer: oneshot::Sender<Outcome>,
    turn: Arc<Turn>,
}

/// Whether a reload begins: decided once, by who reloads or by who asks.
#[derive(Debug, Default)]
struct Turn(AtomicU8);

const WAITS: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Turn {
    /// False if it was decided otherwise.
    fn decide(&self, turn: u8) -> bool {
        let decided = self.0.compare_exchange(WAITS, turn, AcqRel, Acquire);
        decided.is_ok()
    }
}

impl Ask {
    /// Whether it's to be done now. False: nobody waits for it any more, and who asked knows that it isn't done.
    pub fn begin(&self) -> bool {
        !self.answer.is_closed() && self.turn.decide(BEGUN)
    }
}

/// What became of a reload.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It's in force, or it was a dry run: what changes, by key.
    Done(Value),
    /// The file is wrong, or what it names can't be had. Nothing has changed.
    Wrong(String),
    /// These keys need a restart. Nothing has changed.
    NeedsRestart(String, Value),
    /// The process doesn't reload now. Nothing has changed.
    Unavailable(String),
    /// It has begun and isn't done yet. It goes on.
    GoesOn,
}

impl Outcome {
    /// Why it was not done, if it was not.
    pub fn error(&self) -> Option<&str> {
        match self {
            Outcome::Done(_) | Outcome::GoesOn => None,
            Outcome::Wrong(why) | Outcome::NeedsRestart(why, _) | Outcome::Unavailable(why) => {
                Some(why)
            }
        }
    }

    fn answer(&self, is_dry: bool, generation: u64) -> (StatusCode, Value) {
        let (status, changes) = match self {
            Outcome::Done(changes) => (StatusCode::OK, Some(changes)),
            Outcome::Wrong(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
            Outcome::NeedsRestart(_, changes) => (StatusCode::CONFLICT, Some(changes)),
            Outcome::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
            Outcome::GoesOn => (StatusCode::ACCEPTED, None),
        };
        let mut body = json!({ "dry_run": is_dry, "generation": generation });
        if let Some(changes) = changes {
            body["changes"] = changes.clone();
        }
        if let Some(why) = self.error() {
            body["error"] = why.into();
        }
        if matches!(self, Outcome::GoesOn) {
            body["detail"] = GOES_ON.into();
        }
        (status, body)
    }
}

/// The configuration in force, and what became of the last reload.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// 1 at the start, one more with each reload.
    pub generation: u64,
    /// The same for the same configuration, whatever its secrets are.
    pub hash: String,
    /// Since when it's in force.
    pub at: SystemTime,
    /// All of it as TOML, secrets masked.
    pub text: String,
    /// When the last reload failed, and why; nothing if it didn't.
    pub failed: Option<(SystemTime, String)>,
    /// Since when files of keys can't be taken that have changed, and why; nothing if they can.
    pub keys_failed: Option<(SystemTime, String)>,
}

/// What is loaded, and the way to the one who reloads.
#[derive(Debug)]
pub struct Reloads {
    loaded: Mutex<Arc<Loaded>>,
    asks: mpsc::Sender<Ask>,
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

impl Reloads {
    /// With the first configuration; who reloads gets what is asked for.
    pub fn new(loaded: Loaded) -> (Reloads, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(WAITING);
        let loaded = Mutex::new(Arc::new(loaded));
        (Reloads { loaded, asks }, asked)
    }

    /// What is loaded now.
    pub fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what has come into force. What failed before stays said.
    pub fn note(&self, loaded: Loaded) {
        self.change(|now| {
            let Loaded {
                failed,
                keys_failed,
                ..
            } = now.clone();
            *now = Loaded {
                failed,
                keys_failed,
                ..loaded
            };
        });
    }

    /// Notes that the last reload failed, and why.
    pub fn failed(&self, why: &str) {
        self.change(|now| now.failed = Some((SystemTime::now(), why.to_owned())));
    }

    /// Notes that the last reload is in force, which reads files of keys as well.
    pub fn succeeded(&self) {
        self.change(|now| (now.failed, now.keys_failed) = (None, None));
    }

    /// Notes that files of keys can't be taken. False if that was noted already.
    pub fn keys_failed(&self, why: &str) -> bool {
        let before = self.loaded();
        let is_known = before.keys_failed.as_ref().is_some_and(|it| it.1 == why);
        if !is_known {
            self.change(|now| now.keys_failed = Some((SystemTime::now(), why.to_owned())));
        }
        !is_known
    }

    /// Notes that what files of keys hold is in force.
    pub fn keys_are_good(&self) {
        if self.loaded().keys_failed.is_some() {
            self.change(|now| now.keys_failed = None);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Loaded)) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut loaded));
    }

    /// Asks for a reload and waits for the outcome.
    pub async fn ask(&self, is_dry: bool, by: &'static str) -> Outcome {
        self.ask_within(ANSWER_WITHIN, is_dry, by).await
    }

    /// A reload that a signal asks for. The log tells what becomes of it.
    pub async fn ask_by_signal(&self, signal: &'static str) {
        let outcome = self.ask(false, signal).await;
        let result = match outcome {
            Outcome::Done(_) => "done",
            Outcome::GoesOn => "begun",
            _ => "failed",
        };
        let generation = Some(self.loaded().generation);
        audit::signalled("reload", result, signal, generation, outcome.error());
    }

    async fn ask_within(&self, within: Duration, is_dry: bool, by: &'static str) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let turn = Arc::new(Turn::default());
        let ask = Ask {
            is_dry,
            by,
            answer,
            turn: Arc::clone(&turn),
        };
        if self.asks.try_send(ask).is_err() {
            return Outcome::Unavailable("forebay is stopping, or reloads already".into());
        }
        match tokio::time::timeout(within, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::Unavailable("forebay is stopping".into()),
            Err(_) if turn.decide(GIVEN_UP) => {
                Outcome::Unavailable("other reloads take too long, and this one isn't done".into())
            }
            Err(_) if is_dry => Outcome::Unavailable("trying it takes too long".into()),
            Err(_) => Outcome::GoesOn,
        }
    }
}

impl Loaded {
    pub(super) fn status(&self) -> Value {
        let (failed, keys) = (self.failed.as_ref(), self.keys_failed.as_ref());
        json!({
            "generation": self.generation,
            "hash": self.hash,
            "loaded_unix_seconds": unix_seconds(self.at),
            "last_reload_failed": failed.is_some(),
            "last_reload_failed_unix_seconds": failed.map(|(at, _)| unix_seconds(*at)),
            "last_reload_error": failed.map(|(_, why)| why),
            "key_files_failed": keys.is_some(),
            "key_files_failed_unix_seconds": keys.map(|(at, _)| unix_seconds(*at)),
            "key_files_error": keys.map(|(_, why)| why),
        })
    }
}

impl Reloads {
    /// `POST /reload`.
    pub(super) async fn answer(&self, query: &str) -> (StatusCode, Value) {
        let is_dry = match query {
            "" | "dry_run=false" | "dry_run=0" => false,
            "dry_run" | "dry_run=true" | "dry_run=1" => true,
            _ => {
                let error = "there is dry_run, which is true or false";
                return (StatusCode::BAD_REQUEST, json!({ "error": error }));
            }
        };
        let outcome = self.ask(is_dry, "POST /reload").await;
        outcome.answer(is_dry, self.loaded().generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reloads() -> (Reloads, mpsc::Receiver<Ask>) {
        Reloads::new(Loaded {
            generation: 1,
            hash: String::new(),
            at: UNIX_EPOCH,
            text: String::new(),
            failed: None,
            keys_failed: None,
        })
    }

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_reload_that_its_asker_was_told_is_not_done_never_begins() {
        let (reloads, mut asks) = reloads();
        let outcome = reloads.ask_within(SOON, false, "test").await;
        assert!(matches!(outcome, Outcome::Unavailable(_)), "{outcome:?}");
        assert!(!asks.recv().await.unwrap().begin());
        assert_eq!(outcome.answer(false, 1).0, 503);
    }

    #[tokio::test]
    async fn a_reload_that_has_begun_goes_on_and_its_asker_is_told_so() {
        let (reloads, mut asks) = reloads();
        for (is_dry, status) in [(false, 202), (true, 503)] {
            let asking = reloads.ask_within(SOON, is_dry, "test");
            let beginning = async {
                let ask = asks.recv().await.unwrap();
                assert!(ask.begin());
                ask
            };
            let (outcome, _ask) = tokio::join!(asking, beginning);
            let (told, body) = outcome.answer(is_dry, 1);
            assert_eq!(told, status, "{body}");
            assert_eq!(body["detail"].is_string(), !is_dry, "{body}");
        }
    }

    #[tokio::test]
    async fn one_whose_asker_has_gone_never_begins() {
        let (reloads, mut asks) = reloads();
        let mut asking = Box::pin(reloads.ask_within(30 * SOON, false, "test"));
        assert!(tokio::time::timeout(SOON, &mut asking).await.is_err());
        drop(asking);
        assert!(!asks.recv().await.unwrap().begin());
    }

    #[test]
    fn keys_that_are_renewed_make_no_failed_reload_good() {
        let (reloads, _asks) = reloads();
        let facts = || {
            let status = reloads.loaded().status();
            let fact = |name: &str| status[name].as_bool().unwrap();
            (fact("last_reload_failed"), fact("key_files_failed"))
        };
        reloads.failed("the file is wrong");
        assert!(reloads.keys_failed("no key"));
        assert!(!reloads.keys_failed("no key"));
        assert_eq!(facts(), (true, true));
        let next = Loaded {
            generation: 2,
            ..(*reloads.loaded()).clone()
        };
        reloads.note(Loaded {
            failed: None,
            keys_failed: None,
            ..next
        });
        reloads.keys_are_good();
        assert_eq!((facts(), reloads.loaded().generation), ((true, false), 2));
        reloads.keys_failed("no key");
        reloads.succeeded();
        assert_eq!(facts(), (false, false));
    }
}
