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
//! | `/` | a page for people |
//!
//! It only reads, but for the redrive: shared counters and gauges, never the data path's locks. What needs one is read by
//! the sampler's thread (`sampler`), so that a disk that hangs doesn't hold the answers.

mod adopted;
mod damage;
mod dead;
mod disk;
mod page;
pub mod readiness;
mod redrive;
mod resident;
pub mod sampler;
pub mod server;
pub mod settings;
pub mod status;
mod streams;
mod trend;

pub use adopted::Adopted;
pub use redrive::Redriver;
pub use sampler::Sampler;
pub use settings::Settings;
pub use status::View;
pub use trend::Trend;
