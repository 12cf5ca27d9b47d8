//! Reading files and variables, within bounds.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::secret::Source;

/// Largest configuration file, in bytes.
pub(super) const FILE_MAX: u64 = 4 << 20;

/// Largest file that `${file:…}` may name, in bytes.
pub(super) const SECRET_MAX: u64 = 64 << 10;

/// The text of a file of at most `max` bytes. One that is written while it's read is an error.
pub(super) fn read_text(path: &Path, max: u64) -> io::Result<String> {
    let file = File::open(path)?;
    let before = file.metadata()?;
    let mut text = String::new();
    (&file).take(max + 1).read_to_string(&mut text)?;
    // What comes from a pipe changes as it comes.
    if before.is_file() && stamp(&before) != stamp(&file.metadata()?) {
        let what = "it was written while it was read; try again";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
    }
    if text.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it's larger than {max} bytes"),
        ));
    }
    Ok(text)
}

/// What changes when a file is written.
fn stamp(file: &Metadata) -> (u64, i64, i64) {
    (file.len(), file.mtime(), file.mtime_nsec())
}

/// What stands for a `${…}` of a property.
pub(super) fn read_secret(
    source: Source<'_>,
    env: &BTreeMap<String, String>,
) -> Result<String, String> {
    read(source, env, SECRET_MAX)
}

/// What stands for a `${…}`; a file has at most `max` bytes.
pub(super) fn read(
    source: Source<'_>,
    env: &BTreeMap<String, String>,
    max: u64,
) -> Result<String, String> {
    match source {
        Source::Variable(name) => env.get(name).cloned().ok_or_else(|| {
            format!("environment variable {name} isn't set; set it or correct the name")
        }),
        Source::File(path) => {
            let mut text = read_file(path, max)?;
            if text.ends_with('\n') {
                text.pop();
                if text.ends_with('\r') {
                    text.pop();
                }
            }
            Ok(text)
        }
    }
}

/// The text of a file that a value refers to, as it stands there. The error says what to do.
pub(super) fn read_file(path: &str, max: u64) -> Result<String, String> {
    read_text(Path::new(path), max).map_err(|cause| {
        format!(
            "can't read the file {path}: {cause}; create it, or correct the path or its permissions"
        )
    })
}
