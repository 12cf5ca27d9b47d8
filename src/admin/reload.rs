//! The configuration as the admin port shows it, and the way to ask for another.
//!
//! | path | answers |
//! | --- | --- |
//! | `POST /reload` | 200: the file was read again, and all of it is in force; with what changed. 422: the file is wrong. 409: a restart is needed, for these keys. 503: forebay is stopping. Nothing has changed unless it's 200 |
//! | `POST /reload?dry_run=true` | the same, without changing anything |
//! | `GET /config` | the configuration in force as TOML, secrets masked |
//!
//! What is absent: files, and the configuration itself. `app` has these, and does what is asked for here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// How long an answer may take: a cluster that comes has threads to start, and a topic that comes is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
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
}

impl Outcome {
    /// Why it was not done, if it was not.
    pub fn error(&self) -> Option<&str> {
        match self {
            Outcome::Done(_) => None,
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
        };
        let mut body = json!({ "dry_run": is_dry, "generation": generation });
        if let Some(changes) = changes {
            body["changes"] = changes.clone();
        }
        if let Some(why) = self.error() {
            body["error"] = why.into();
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

    /// Notes what is loaded, or that it couldn't be.
    pub fn note(&self, loaded: Loaded) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }

    /// Asks for a reload and waits for the outcome.
    pub async fn ask(&self, is_dry: bool, by: &'static str) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let ask = Ask { is_dry, by, answer };
        if self.asks.try_send(ask).is_err() {
            return Outcome::Unavailable("forebay is stopping, or reloads already".into());
        }
        match tokio::time::timeout(ANSWER_WITHIN, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Outcome::Unavailable("forebay is stopping".into()),
            Err(_) => Outcome::Unavailable("the reload takes too long; see /status".into()),
        }
    }
}

impl Loaded {
    pub(super) fn status(&self) -> Value {
        let failed = self.failed.as_ref();
        json!({
            "generation": self.generation,
            "hash": self.hash,
            "loaded_unix_seconds": unix_seconds(self.at),
            "last_reload_failed": failed.is_some(),
            "last_reload_failed_unix_seconds": failed.map(|(at, _)| unix_seconds(*at)),
            "last_reload_error": failed.map(|(_, why)| why),
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
