//! Telemetry: logs and metrics. It knows no stage; the stages write into what stands here.

pub mod audit;
pub mod durations;
mod encode;
pub mod limit;
pub mod logs;
pub mod metrics;
pub mod refusals;
pub mod samples;
pub mod settings;
pub mod source;
pub mod standing;
pub mod stream;

pub use durations::Durations;
pub use limit::LogLimit;
pub use refusals::Refusals;
pub use settings::Settings;
pub use standing::Standing;
pub use stream::{Answer, StreamMetrics};
