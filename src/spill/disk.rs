//! The disk as the log sees it: a flat directory of preallocated files. Small enough to be simulated with all its faults.
//!
//! What is absent: nothing here knows segments or frames.

use std::any::Any;
use std::io;

/// A directory and its files.
pub trait Disk: Send + Sync + 'static {
    /// All regular files of the directory.
    fn list(&self) -> io::Result<Vec<Entry>>;
    /// Makes a new file of `size` bytes with its blocks allocated. Fails if the name is taken; leaves nothing behind if
    /// it fails.
    fn create(&self, name: &str, size: u64) -> io::Result<Box<dyn File>>;
    /// Opens a file for durable writes.
    fn open_write(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Opens a file for reading.
    fn open_read(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Renames a file, replacing what had the new name. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn unlink(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// Bytes that may still be allocated on the file system.
    fn free_space(&self) -> io::Result<u64>;
    /// Takes the directory for this process until the guard is dropped; `None` if another one has it.
    fn lock(&self) -> io::Result<Option<Lock>>;
    /// Whether writing over an old file is cheaper than a new one (not so on copy-on-write file systems).
    fn recycles(&self) -> bool;
    /// Where and how it writes, for the log.
    fn describe(&self) -> String;
}

/// Holds the directory while it lives.
pub type Lock = Box<dyn Any + Send + Sync>;

/// One open file. Offsets and lengths of writes are multiples of a page.
pub trait File: Send + Sync {
    /// Writes all bytes and returns when they would survive a power cut. After an error nothing is known about the range,
    /// and it must not be written or synced again.
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads up to the end of the buffer or of the file; returns how many bytes.
    fn read_at(&self, offset: u64, buffer: &mut [u8], cache: Cache) -> io::Result<usize>;
}

/// Where a read may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// The page cache is fine.
    Allowed,
    /// From the device: for the second look at something that seems damaged.
    Avoided,
}

/// A file of the directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Reads exactly `buffer.len()` bytes, or fails.
pub(super) fn read_exact(
    file: &dyn File,
    offset: u64,
    buffer: &mut [u8],
    cache: Cache,
) -> io::Result<()> {
    let read = file.read_at(offset, buffer, cache)?;
    if read < buffer.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Whether the error says that there is no room, which heals by itself, unlike a broken disk.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
