//! A segment file: its names and its header. Pure: no I/O.
//!
//! The header stands twice, on the first two pages, so that one bad sector doesn't hide a segment.

use bytes::Buf;

use super::Lsn;
use super::frame::{Buffer, PAGE};

/// Where the first frame begins: behind the two copies of the header.
pub(super) const DATA: u64 = 2 * PAGE as u64;
/// The format that this program writes, and the newest that it reads.
pub(super) const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"SPILSEG1";
const HEADER: usize = 128;

/// The head of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log_id: u128,
    pub(super) id: u64,
    pub(super) epoch: u64,
    /// All LSNs in it are at least this.
    pub(super) base_lsn: Lsn,
    pub(super) size: u64,
    /// The segment that was written before it, or zeros.
    pub(super) previous: End,
}

/// Where a segment really ended when the next one was begun: tells rot in its last frame from a torn tail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) segment: u64,
    pub(super) end: u64,
    pub(super) frames: u32,
}

/// What stands where a header should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A header that this program understands.
    Sound(Header),
    /// A sound header of a newer format.
    Newer(u16),
    /// No header.
    Bad,
}

impl Header {
    /// The two pages at the beginning of the file.
    pub(super) fn encode(&self) -> Buffer {
        let mut buffer = Buffer::zeroed(DATA as usize);
        let mut bytes = [0; HEADER];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.id.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.base_lsn.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.size.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.previous.segment.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.previous.end.to_le_bytes());
        bytes[80..84].copy_from_slice(&self.previous.frames.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        for copy in buffer.bytes_mut().chunks_exact_mut(PAGE) {
            copy[..HEADER].copy_from_slice(&bytes);
        }
        buffer
    }

    /// The header in the first two pages of a file: whichever copy is sound.
    pub(super) fn decode(pages: &[u8]) -> Decoded {
        let copies = pages.chunks(PAGE).take(2).map(Self::decode_copy);
        copies.fold(Decoded::Bad, |best, copy| match best {
            Decoded::Bad => copy,
            best => best,
        })
    }

    fn decode_copy(page: &[u8]) -> Decoded {
        let Some(bytes) = page.get(..HEADER) else {
            return Decoded::Bad;
        };
        let crc = (&bytes[HEADER - 4..]).get_u32_le();
        if &bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..HEADER - 4]) != crc {
            return Decoded::Bad;
        }
        let version = (&bytes[8..]).get_u16_le();
        if version > VERSION {
            return Decoded::Newer(version);
        }
        let mut rest = &bytes[16..];
        Decoded::Sound(Header {
            log_id: rest.get_u128_le(),
            id: rest.get_u64_le(),
            epoch: rest.get_u64_le(),
            base_lsn: rest.get_u64_le(),
            size: rest.get_u64_le(),
            previous: End {
                segment: rest.get_u64_le(),
                end: rest.get_u64_le(),
                frames: rest.get_u32_le(),
            },
        })
    }
}

/// What a file of the directory is, by its name. All numbers come from one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A segment.
    Segment(u64),
    /// A file that waits to become a segment. Its number is that of the segment it was, or a fresh one.
    Spare(u64),
    /// A segment that was put aside because it is damaged.
    Bad(u64),
}

impl Name {
    /// The name as a file name.
    pub(super) fn file(self) -> String {
        match self {
            Name::Segment(id) => format!("{id:016x}.seg"),
            Name::Spare(id) => format!("spare-{id:016x}.tmp"),
            Name::Bad(id) => format!("{id:016x}.bad"),
        }
    }

    /// What `file` is, if it is ours.
    pub(super) fn parse(file: &str) -> Option<Name> {
        let number = |hex: &str| {
            let plain = hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(hex, 16).ok()).flatten()
        };
        if let Some(hex) = file.strip_prefix("spare-") {
            return Some(Name::Spare(number(hex.strip_suffix(".tmp")?)?));
        }
        let (hex, kind) = file.split_once('.')?;
        match kind {
            "seg" => Some(Name::Segment(number(hex)?)),
            "bad" => Some(Name::Bad(number(hex)?)),
            _ => None,
        }
    }

    /// Its number.
    pub(super) fn id(self) -> u64 {
        match self {
            Name::Segment(id) | Name::Spare(id) | Name::Bad(id) => id,
        }
    }
}
