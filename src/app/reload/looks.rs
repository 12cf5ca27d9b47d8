//! A look at the files that keys of sources are in. They are told apart by what the system says of them (times, length, number), so
//! that looking costs next to nothing while they stay. It may take as long as a disk.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::config::Config;
use crate::config::validate::Problem;

/// What tells a file from the one that was there before; nothing of one that can't be looked at.
pub(super) type Stamp = Option<(i64, i64, u64, u64)>;

/// What was seen of the files last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) stamps: Vec<(PathBuf, Stamp)>,
    /// They couldn't be looked at, and that was told.
    pub(super) hangs: bool,
}

/// What a look has found.
pub(super) struct Look {
    pub(super) stamps: Vec<(PathBuf, Stamp)>,
    /// The configuration with what the files hold, if they have changed.
    pub(super) read: Option<Result<Config, String>>,
}

/// Looks at the files of a configuration, and reads them if they aren't as before.
pub(super) fn look(config: &Config, before: Vec<(PathBuf, Stamp)>) -> Look {
    let files = config.in_files.paths().into_iter();
    let stamps: Vec<_> = files.map(|path| (path.clone(), stamp(&path))).collect();
    let is_same = stamps == before;
    let read = (!is_same).then(|| {
        let new = config.with_key_files()?;
        let lines = |problems: Vec<Problem>| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("; ")
        };
        new.validate().map_err(lines)?;
        Ok(new)
    });
    Look { stamps, read }
}

fn stamp(path: &PathBuf) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    // The time of a change of its rights counts as well: it may be readable now.
    let changed = file.ctime().wrapping_mul(1_000_000_000) + file.ctime_nsec();
    let written = file.mtime().wrapping_mul(1_000_000_000) + file.mtime_nsec();
    Some((changed, written, file.len(), file.ino()))
}
