//! Reading files and variables, within bounds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::super::secret::Source;

/// Largest configuration file, in bytes.
pub(super) const FILE_MAX: u64 = 4 << 20;

/// Largest file that `${file:…}` may name, in bytes.
pub(super) const SECRET_MAX: u64 = 64 << 10;

/// The text of a file of at most `max` bytes.
pub(super) fn read_text(path: &Path, max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it's larger than {max} bytes"),
        ));
    }
    Ok(text)
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
            let mut text = read_text(Path::new(path), max).map_err(|cause| {
                format!("can't read the file {path}: {cause}; create it, or correct the path or its permissions")
            })?;
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
