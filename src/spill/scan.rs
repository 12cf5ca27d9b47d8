//! Walks the frames of a segment by their headers and run directories, stepping over bodies and over damage.

use std::io;

use bytes::Bytes;

use super::Lsn;
use super::disk::{Cache, File, read_exact};
use super::frame::{self, Header, Kind, PAGE, Run, decode_directory};

/// Bytes read at once: covers header and directory of most frames, and many small frames.
const WINDOW: usize = 64 << 10;

/// What the walk comes upon.
pub(super) enum Step {
    /// A frame whose header and directory are sound.
    Frame(Found),
    /// Pages that are no frame.
    Bad {
        /// Where they begin.
        from: u64,
        /// Where they end.
        to: u64,
    },
}

/// A frame with a sound header and directory.
pub(super) struct Found {
    pub(super) offset: u64,
    pub(super) header: Header,
    directory: Vec<u8>,
}

impl Found {
    /// Where the frame ends.
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.header.total_len)
    }

    /// Its runs.
    pub(super) fn runs(&self) -> Vec<Run<'_>> {
        decode_directory(&self.header, &self.directory).unwrap_or_default()
    }
}

/// Which segment is walked, from where to where, and how.
pub(super) struct Walk<'a> {
    pub(super) file: &'a dyn File,
    pub(super) log_id: u128,
    pub(super) segment: u64,
    pub(super) base_lsn: Lsn,
    pub(super) at: u64,
    pub(super) end: u64,
    /// Looks a second time, past the page cache, before something is called damaged.
    pub(super) looks_twice: bool,
    /// Takes what can't be read for damage instead of failing.
    pub(super) skips_unreadable: bool,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a> Walk<'a> {
    /// A walk that looks twice and fails on what can't be read.
    pub(super) fn new(
        file: &'a dyn File,
        log_id: u128,
        segment: u64,
        at: u64,
        end: u64,
    ) -> Walk<'a> {
        Walk {
            file,
            log_id,
            segment,
            base_lsn: 0,
            at,
            end,
            looks_twice: true,
            skips_unreadable: false,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// The next step, or `None` at the end.
    pub(super) fn step(&mut self) -> io::Result<Option<Step>> {
        let from = self.at;
        while self.at < self.end {
            let mut found = self.frame_here(Cache::Allowed)?;
            if found.is_none() && self.looks_twice && self.at == from {
                found = self.frame_here(Cache::Avoided)?;
            }
            match found {
                Some(_) if self.at > from => return Ok(Some(Step::Bad { from, to: self.at })),
                Some(found) => {
                    self.at = found.end();
                    return Ok(Some(Step::Frame(found)));
                }
                None => self.at += PAGE as u64,
            }
        }
        self.at = self.at.max(from);
        Ok((self.at > from).then_some(Step::Bad { from, to: self.end }))
    }

    /// The frame that begins here, if a sound one does.
    fn frame_here(&mut self, cache: Cache) -> io::Result<Option<Found>> {
        let (offset, log_id) = (self.at, self.log_id);
        if self.end - offset < PAGE as u64 {
            return Ok(None);
        }
        let Some(head) = self.look(frame::HEADER, cache)? else {
            return Ok(None);
        };
        let Some(header) = Header::decode(log_id, head) else {
            return Ok(None);
        };
        let is_ours = header.kind == Kind::Data
            && header.segment == self.segment
            && header.base_lsn >= self.base_lsn
            && u64::from(header.total_len) <= self.end - offset;
        if !is_ours {
            return Ok(None);
        }
        let Some(head) = self.look(header.head_len(), cache)? else {
            return Ok(None);
        };
        let directory = head[frame::HEADER..].to_vec();
        let sound = decode_directory(&header, &directory).is_some();
        Ok(sound.then_some(Found {
            offset,
            header,
            directory,
        }))
    }

    /// `len` bytes from here, out of the window if they are in it; `None` if they can't be read and that is to be skipped.
    fn look(&mut self, len: usize, cache: Cache) -> io::Result<Option<&[u8]>> {
        let window_end = self.window_at + self.window.len() as u64;
        let inside = self.at >= self.window_at && self.at + len as u64 <= window_end;
        if !inside || cache == Cache::Avoided {
            let most = (self.end - self.at).min(len.max(WINDOW) as u64) as usize;
            let read = self
                .fill(most, cache)
                .or_else(|_| self.fill(len, Cache::Avoided));
            if let Err(error) = read {
                self.window.clear();
                return if self.skips_unreadable {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        }
        let start = (self.at - self.window_at) as usize;
        Ok(self.window.get(start..start + len))
    }

    fn fill(&mut self, len: usize, cache: Cache) -> io::Result<()> {
        self.window.resize(len, 0);
        self.window_at = self.at;
        read_exact(self.file, self.at, &mut self.window, cache)
    }
}

/// A run's body: read, checked, and if it's wrong read and checked once more past the page cache. `None` is damage.
pub(super) fn read_body(
    file: &dyn File,
    offset: u64,
    len: u32,
    crc: u32,
) -> io::Result<Option<Bytes>> {
    let read = |cache| {
        let mut body = vec![0; len as usize];
        read_exact(file, offset, &mut body, cache)?;
        Ok((crc32c::crc32c(&body) == crc).then(|| Bytes::from(body)))
    };
    match read(Cache::Allowed) {
        Ok(Some(body)) => Ok(Some(body)),
        Ok(None) | Err(_) => read(Cache::Avoided),
    }
}
