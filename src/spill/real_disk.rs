//! The disk of the machine: a directory, written past the page cache where the file system can do it.
//!
//! `O_DIRECT|O_DSYNC` makes a write durable when it returns, reports errors where they happen, and needs half the CPU of
//! the page cache. Where the file system refuses it, a write is followed by `fdatasync`; the log says which it is.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, FlockOperation, OFlags};

use super::disk::{Cache, Disk, Entry, File, Lock};
use super::frame::{Buffer, PAGE};

const LOCK: &str = "LOCK";
const PROBE: &str = "probe.tmp";
/// How long the directory may still be another process's: one that was killed lets go when its last file is closed, and a
/// child that's being started holds its parent's files for a moment.
const LOCK_WITHIN: Duration = Duration::from_millis(250);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// File systems that never write in place, by their magic numbers: btrfs and zfs.
const COPY_ON_WRITE: [i64; 2] = [0x9123_683e, 0x2fc1_2fc1];

/// A directory on a file system of this machine.
#[derive(Clone, Debug)]
pub struct RealDisk {
    dir: PathBuf,
    mode: Mode,
    recycles: bool,
}

/// How writes become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `O_DIRECT|O_DSYNC`.
    Direct,
    /// Through the page cache, then `fdatasync`.
    Buffered,
    /// Not at all.
    ReadOnly,
}

impl RealDisk {
    /// Makes the directory if it's missing and finds out how it can be written.
    pub fn new(dir: &Path) -> io::Result<RealDisk> {
        fs::create_dir_all(dir)?;
        let mut disk = RealDisk::buffered(dir);
        if disk.can_write_direct() {
            disk.mode = Mode::Direct;
        }
        Ok(disk)
    }

    /// The directory, written through the page cache.
    pub fn buffered(dir: &Path) -> RealDisk {
        let kind = rustix::fs::statfs(dir).map_or(0, |stat| stat.f_type);
        RealDisk {
            dir: dir.to_owned(),
            mode: Mode::Buffered,
            recycles: !COPY_ON_WRITE.contains(&kind),
        }
    }

    /// The directory, for reading only: nothing is created in it.
    pub fn read_only(dir: &Path) -> RealDisk {
        RealDisk {
            dir: dir.to_owned(),
            mode: Mode::ReadOnly,
            recycles: false,
        }
    }

    /// How writes become durable.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Opening alone proves nothing: some file systems refuse direct I/O only when it is done. Other errors, such as no
    /// room at the moment, say nothing about it.
    fn can_write_direct(&self) -> bool {
        let path = self.dir.join(PROBE);
        let page = Buffer::zeroed(PAGE);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(direct_flags())
            .open(&path)
            .and_then(|file| file.write_all_at(page.bytes(), 0));
        if let Err(error) = fs::remove_file(&path) {
            tracing::debug!(%error, "can't remove the probe of the spill directory");
        }
        use io::ErrorKind::{InvalidInput, Unsupported};
        !matches!(&written, Err(error) if matches!(error.kind(), InvalidInput | Unsupported))
    }

    fn writable(&self, name: &str, create: bool) -> io::Result<RealFile> {
        if self.mode == Mode::ReadOnly {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let path = self.dir.join(name);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(create)
            .mode(0o640);
        if self.mode == Mode::Direct {
            options.custom_flags(direct_flags());
        }
        let file = options.open(&path)?;
        Ok(RealFile {
            file,
            mode: self.mode,
            path,
        })
    }
}

/// `O_DSYNC` as Linux has it. The constant of that name in rustix is `O_SYNC`, which also writes the file's times: a
/// commit of the journal for every frame.
const DSYNC: i32 = 0o10000;

fn direct_flags() -> i32 {
    OFlags::DIRECT.bits() as i32 | DSYNC
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed meanwhile: only when another process owns the directory and we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                entries.push(Entry {
                    name,
                    bytes: metadata.len(),
                });
            }
        }
        Ok(entries)
    }

    fn create(&self, name: &str, size: u64) -> io::Result<Box<dyn File>> {
        let file = self.writable(name, true)?;
        let allocated = match rustix::fs::fallocate(&file.file, FallocateFlags::empty(), 0, size) {
            // Without preallocation the log is slower, and learns only while writing that the disk is full.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.file.set_len(size),
            other => other.map_err(io::Error::from),
        };
        if let Err(error) = allocated {
            if let Err(unlink) = self.unlink(name) {
                tracing::warn!(file = name, error = %unlink, "can't remove a file that couldn't be allocated");
            }
            return Err(error);
        }
        Ok(Box::new(file))
    }

    fn open_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.writable(name, false)?))
    }

    fn open_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        let path = self.dir.join(name);
        let file = fs::File::open(&path)?;
        Ok(Box::new(RealFile {
            file,
            mode: Mode::ReadOnly,
            path,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.dir)?.sync_all()
    }

    fn free_space(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self) -> io::Result<Option<Lock>> {
        let path = self.dir.join(LOCK);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(path)?;
        let deadline = Instant::now() + LOCK_WITHIN;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Box::new(file))),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn recycles(&self) -> bool {
        self.recycles
    }

    fn describe(&self) -> String {
        let how = match self.mode {
            Mode::Direct => "direct I/O",
            Mode::Buffered => "page cache and fdatasync: the file system doesn't do direct I/O",
            Mode::ReadOnly => "read only",
        };
        format!("{} ({how})", self.dir.display())
    }
}

struct RealFile {
    file: fs::File,
    mode: Mode,
    path: PathBuf,
}

impl File for RealFile {
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // One call, without a loop: a short write means trouble, and only the caller may decide what then.
        let written = loop {
            match self.file.write_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if written != bytes.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if self.mode == Mode::Buffered {
            self.file.sync_data()?;
        }
        // A file that somebody removed takes writes all the same, and nobody would ever find them again.
        match self.file.metadata()?.nlink() {
            0 => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8], cache: Cache) -> io::Result<usize> {
        if cache == Cache::Avoided
            && let Ok(read) = read_direct(&self.path, offset, buffer)
        {
            return Ok(read);
        }
        read_fully(&self.file, offset, buffer)
    }
}

fn read_fully(file: &fs::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads past the page cache, in whole pages into memory that is aligned.
fn read_direct(path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::DIRECT.bits() as i32)
        .open(path)?;
    let skip = (offset % PAGE as u64) as usize;
    let mut pages = Buffer::zeroed((skip + buffer.len()).next_multiple_of(PAGE));
    let read = file.read_at(pages.bytes_mut(), offset - skip as u64)?;
    let len = read.saturating_sub(skip).min(buffer.len());
    buffer[..len].copy_from_slice(&pages.bytes()[skip..skip + len]);
    Ok(len)
}
