//! The admin port, for people and machines that operate forebay.
//!
//! | path | answers |
//! | --- | --- |
//! | `/livez` | 200 while the process works. A dead Kafka never fails it: a restart would not mend that |
//! | `/readyz` | 200 while requests are accepted, else 503 with the reasons. False from the first moment of a stop; what isn't known to be good is bad |
//! | `/metrics` | Prometheus metrics (OpenMetrics text) |
//! | `/status` | all of it as JSON |
//! | `/lanes` | each lane as JSON: its way to Kafka, what waits in memory and in the spill log, and how old it is |
//! | `/dead` | the lanes of dead letters as JSON, and how far the last redrive is |
//! | `POST /dead/redrive` | sends dead letters again, `?lane=` (the beginning of a name) and `reason=` say which; `dry_run=true` only says what it would be |
//! | `POST /reload` | reads the configuration again; `dry_run=true` only says what it would change. See [`reload`] |
//! | `/config` | the configuration in force as TOML, secrets masked |
//! | `/openapi.json` | the data port as OpenAPI 3.1, with the streams and routes that are configured |
//! | `/history` | the last hour as JSON, for the charts of the page |
//! | `/` | a page for people; it reads `/status` and `/history` |
//!
//! With `admin.token` set, a change needs it, and the rest as well if `admin.token_for` says so; `admin.read_token` is for looking alone
//! ([`guard`]). Each change has a line in the log (`admin::audit`). With `[admin.tls]` all of it goes
//! over TLS, so that nobody on the way learns the token.
//!
//! It only reads, but for redrive and reload. Most of it is counters and gauges, which need no lock. The reason of a fault is a text under a lock
//! that everybody holds for a copy of it and no longer. The log's statistics need locks of the data path: the sampler's thread
//! takes them (`looks`), once a second and for as long as counting takes, and never while a disk is waited for. So no answer of
//! this port waits for a disk or for Kafka.

mod adopted;
mod audit;
mod damage;
mod dead;
mod disk;
pub mod guard;
mod history;
pub mod looks;
mod openapi;
mod owners;
mod page;
pub mod readiness;
mod redrive;
pub mod reload;
mod resident;
pub mod sampler;
pub mod server;
pub mod settings;
pub mod status;
mod streams;
mod topics;
mod trend;
pub mod trouble;
mod view;

pub use adopted::Adopted;
pub use guard::Guard;
pub use history::History;
pub use redrive::Redriver;
pub use reload::Reloads;
pub use sampler::Sampler;
pub use settings::Settings;
pub use trend::Trend;
pub use view::View;
