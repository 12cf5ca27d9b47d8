//! What `deploy/` has for operators, held to the programs that read it.

mod chart;
mod compose;
mod go;
mod image;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
