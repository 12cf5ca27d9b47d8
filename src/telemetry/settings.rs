//! Settings of the log.

use serde::{Deserialize, Serialize};

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Levels, as in `info` or `forebay=debug,info`. Default `info`.
    pub filter: String,
    /// `text` for people (the default) or `json` for machines.
    pub format: Format,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line of text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            filter: "info".into(),
            format: Format::Text,
        }
    }
}
