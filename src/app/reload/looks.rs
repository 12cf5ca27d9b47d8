//! A look at the files that keys of sources are in. They are told apart by what the system says of them (times, length, number), so
//! that looking costs next to nothing while they stay. It may take as long as a disk.
//!
//! Files that have changed are read when they have stayed as they are for [`SETTLES`]: somebody may be writing them.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::beside::Looking;
use crate::config::Config;
use crate::config::validate::Problem;

/// How long a file has to stay as it is before it's read. Whoever writes a file in one go takes far less between two pieces of it, and a
/// change is still in force within a second.
pub(super) const SETTLES: Duration = Duration::from_millis(300);
/// How long files that couldn't be taken are left alone, unless they change: a disk that was away is back then.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What tells a file from the one that was there before; nothing of one that can't be looked at.
type Stamp = Option<(i64, i64, u64, u64)>;

/// The files with what tells each from the one before.
pub(super) type Stamps = Vec<(PathBuf, Stamp)>;

/// What became of earlier looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The files whose content is in force.
    taken: Stamps,
    /// Those that couldn't be taken, and when they are tried again.
    failed: Option<(Stamps, Instant)>,
}

/// A look, and the configuration that it began with.
pub(super) type Looked = (Arc<Config>, Look);

/// Looks at the files that keys are in.
#[derive(Default)]
pub(super) struct KeyFiles {
    pub(super) looking: Looking<Looked>,
    pub(super) seen: Seen,
}

/// What a look has found.
pub(super) enum Look {
    /// The content of these files is in force.
    Same,
    /// Nothing that can be judged now: they are being written, or were judged a moment ago.
    Later,
    /// Other files, and the configuration with what they hold.
    Read(Stamps, Result<Box<Config>, String>),
}

impl Seen {
    /// The content of these files is in force.
    pub(super) fn take(&mut self, stamps: Stamps) {
        self.taken = stamps;
        self.failed = None;
    }

    /// These files couldn't be taken. They are tried again, as nobody knows whether a file was at fault or its disk.
    pub(super) fn fail(&mut self, stamps: Stamps, now: Instant) {
        self.failed = Some((stamps, now + AGAIN_AFTER));
    }

    /// Looks at the files of a configuration, and reads them if they aren't those whose content is in force.
    pub(super) fn look(&self, config: &Config, at: Instant) -> Look {
        let now = stamps(config);
        if now == self.taken {
            return Look::Same;
        }
        if let Some((failed, again)) = &self.failed
            && *failed == now
            && at < *again
        {
            return Look::Later;
        }
        std::thread::sleep(SETTLES);
        if stamps(config) != now {
            return Look::Later;
        }
        let read = read(config);
        match stamps(config) == now {
            true => Look::Read(now, read),
            false => Look::Later,
        }
    }
}

fn read(config: &Config) -> Result<Box<Config>, String> {
    let new = Box::new(config.with_key_files()?);
    let lines = |problems: Vec<Problem>| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("; ")
    };
    new.validate().map_err(lines)?;
    Ok(new)
}

fn stamps(config: &Config) -> Stamps {
    let files = config.in_files.paths().into_iter();
    files.map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &PathBuf) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    // The time of a change of its rights counts as well: it may be readable now.
    let changed = file.ctime().wrapping_mul(1_000_000_000) + file.ctime_nsec();
    let written = file.mtime().wrapping_mul(1_000_000_000) + file.mtime_nsec();
    Some((changed, written, file.len(), file.ino()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;
    use crate::config::load::load;

    /// A configuration with a file of keys, in a folder.
    fn with_keys(keys: &str) -> (tempfile::TempDir, PathBuf, Config) {
        let folder = tempfile::tempdir().unwrap();
        let (file, text) = (folder.path().join("keys"), folder.path().join("forebay"));
        std::fs::write(&file, keys).unwrap();
        let written = format!(
            "[clusters.main]\nbootstrap = \"a:1\"\n[streams.events]\ncluster = \"main\"\n[http]\nauth = [\"bearer\"]\n[sources.shop]\nkeys = [\"${{file:{}}}\"]\n",
            file.display()
        );
        std::fs::write(&text, written).unwrap();
        let config = load(Some(&text), std::iter::empty()).unwrap();
        (folder, file, config)
    }

    #[test]
    fn files_that_could_not_be_taken_are_tried_again_though_they_have_not_changed() {
        let (_folder, file, config) = with_keys("the-first-key\n");
        let (mut seen, start) = (Seen::default(), Instant::now());
        let Look::Read(stamps, Ok(_)) = seen.look(&config, start) else {
            panic!("it's good");
        };
        seen.take(stamps);
        assert!(matches!(seen.look(&config, start), Look::Same));
        std::fs::write(&file, "").unwrap();
        let Look::Read(stamps, Err(why)) = seen.look(&config, start) else {
            panic!("there is no key in it");
        };
        assert!(why.contains("sources.shop.keys"), "{why}");
        seen.fail(stamps, start);
        assert!(matches!(seen.look(&config, start), Look::Later));
        let again = seen.look(&config, start + AGAIN_AFTER);
        assert!(matches!(again, Look::Read(_, Err(_))));
        // One that is mended isn't waited for.
        std::fs::write(&file, "the-second-key\n").unwrap();
        assert!(matches!(seen.look(&config, start), Look::Read(_, Ok(_))));
    }

    #[test]
    fn a_file_that_is_being_written_is_left_alone_until_it_is_whole() {
        let (_folder, file, config) = with_keys("the-first-key\n");
        let (seen, is_over) = (Seen::default(), AtomicBool::new(false));
        let mut writing = std::fs::File::create(&file).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 0.. {
                    writeln!(writing, "a-key-of-many-{number}").unwrap();
                    std::thread::sleep(SETTLES / 30);
                    if is_over.load(Relaxed) {
                        return number + 1;
                    }
                }
                0
            });
            let look = seen.look(&config, Instant::now());
            is_over.store(true, Relaxed);
            let written = writer.join().unwrap();
            assert!(matches!(look, Look::Later));
            let Look::Read(_, Ok(new)) = seen.look(&config, Instant::now()) else {
                panic!("it's whole");
            };
            assert_eq!(new.sources["shop"].keys.len(), written);
        });
    }
}
