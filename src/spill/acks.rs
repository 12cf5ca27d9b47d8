//! The watermarks on disk: how far each lane was acknowledged. Two slots, written in turn.
//!
//! They only spare duplicates after a restart, keep LSNs from being used twice, and tell what is lost when files are damaged or
//! gone. Nothing has to agree with them: a slot that is damaged or old means that some records are delivered again.

use std::io;

use bytes::{Buf, BufMut};

use super::Lsn;
use super::disk::{Cache, Disk, File, read_exact};
use super::frame::{Buffer, pages};

/// The files of the two slots.
pub(super) const FILES: [&str; 2] = ["acks-0", "acks-1"];
const TEMPORARY: [&str; 2] = ["acks-0.tmp", "acks-1.tmp"];
const MAGIC: &[u8; 8] = b"SPILACK1";
const VERSION: u16 = 1;
const HEADER: usize = 80;
const ENTRY: usize = 18;
/// What the tallies begin with, behind the watermarks. Versions that don't know them don't look there.
const TALLIES: &[u8; 8] = b"SPILENDS";
const TALLY: usize = 34;
/// What follows them; the same is true of it.
const TOLD: &[u8; 8] = b"SPILTOLD";
/// No slot is longer: some million lanes.
const MAX: u64 = 256 << 20;

/// How far a lane was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watermark {
    /// All records up to here are acknowledged.
    pub(super) lsn: Lsn,
    /// How many records of the lane that are.
    pub(super) events: u64,
}

/// How many records of a lane were stored, and how many of them are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Records stored so far: the ordinal of the next one.
    pub(super) end: u64,
    /// Those of them that damage has cost, as far as it was noticed.
    pub(super) lost: u64,
    /// Lost records below this ordinal are counted.
    pub(super) counted: u64,
    /// When the oldest of them was stored, or the one before it; 0 if that isn't known.
    pub(super) since_ms: u64,
    /// How many lost records a process has told of: also those that no reader has come to, whom the next start finds again.
    pub(super) told: u64,
}

/// What a slot says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acks {
    pub(super) log_id: u128,
    pub(super) generation: u64,
    pub(super) epoch: u64,
    pub(super) next_lsn: Lsn,
    pub(super) next_id: u64,
    pub(super) lanes: Vec<(Box<[u8]>, Watermark)>,
    /// Empty if an earlier version wrote the slot.
    pub(super) tallies: Vec<(Box<[u8]>, Tally)>,
}

impl Acks {
    /// The bytes of a slot, padded to whole pages.
    pub(super) fn encode(&self) -> Buffer {
        let names: usize = self.lanes.iter().map(|(name, _)| name.len()).sum();
        let tallied: usize = self
            .tallies
            .iter()
            .map(|(name, _)| TALLY + name.len() + 8)
            .sum();
        let heads = TALLIES.len() + 4 + TOLD.len();
        let len = HEADER + self.lanes.len() * ENTRY + names + heads + tallied;
        let mut buffer = Buffer::zeroed(pages(len));
        let bytes = buffer.bytes_mut();
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.log_id.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.next_lsn.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.next_id.to_le_bytes());
        bytes[64..68].copy_from_slice(&(self.lanes.len() as u32).to_le_bytes());
        bytes[68..72].copy_from_slice(&(len as u32).to_le_bytes());
        let mut at = HEADER;
        for (name, mark) in &self.lanes {
            bytes[at..at + 2].copy_from_slice(&(name.len() as u16).to_le_bytes());
            bytes[at + 2..at + 10].copy_from_slice(&mark.lsn.to_le_bytes());
            bytes[at + 10..at + 18].copy_from_slice(&mark.events.to_le_bytes());
            bytes[at + ENTRY..at + ENTRY + name.len()].copy_from_slice(name);
            at += ENTRY + name.len();
        }
        self.encode_tallies(&mut bytes[at..len]);
        let crc = slot_crc(&bytes[..len]);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        buffer
    }

    fn encode_tallies(&self, bytes: &mut [u8]) {
        let mut out = bytes;
        out.put_slice(TALLIES);
        out.put_u32_le(self.tallies.len() as u32);
        for (name, tally) in &self.tallies {
            out.put_u16_le(name.len() as u16);
            for value in [tally.end, tally.lost, tally.counted, tally.since_ms] {
                out.put_u64_le(value);
            }
            out.put_slice(name);
        }
        out.put_slice(TOLD);
        for (_, tally) in &self.tallies {
            out.put_u64_le(tally.told);
        }
    }

    /// The tallies in what stands behind the watermarks; none if it's something else.
    fn decode_tallies(bytes: &[u8]) -> Option<Vec<(Box<[u8]>, Tally)>> {
        let mut rest = bytes.strip_prefix(TALLIES)?;
        let count = rest.try_get_u32_le().ok()?;
        let mut tallies = Vec::new();
        for _ in 0..count {
            if rest.len() < TALLY {
                return None;
            }
            let name_len = rest.get_u16_le() as usize;
            let mut tally = Tally {
                end: rest.get_u64_le(),
                lost: rest.get_u64_le(),
                counted: rest.get_u64_le(),
                since_ms: rest.get_u64_le(),
                told: 0,
            };
            tally.told = tally.lost;
            let (name, after) = rest.split_at_checked(name_len)?;
            rest = after;
            tallies.push((name.into(), tally));
        }
        if let Some(mut told) = rest.strip_prefix(TOLD) {
            for (_, tally) in &mut tallies {
                tally.told = told.try_get_u64_le().ok()?;
            }
        }
        Some(tallies)
    }

    /// What the slot in `bytes` says, if it is sound.
    pub(super) fn decode(bytes: &[u8]) -> Option<Acks> {
        let head = bytes.get(..HEADER)?;
        let len = (&head[68..]).get_u32_le() as usize;
        let all = bytes.get(..len.max(HEADER))?;
        let known = &head[..8] == MAGIC && (&head[8..]).get_u16_le() == VERSION;
        if !known || len < HEADER || slot_crc(all) != (&head[76..]).get_u32_le() {
            return None;
        }
        let mut fields = &head[16..];
        let mut acks = Acks {
            log_id: fields.get_u128_le(),
            generation: fields.get_u64_le(),
            epoch: fields.get_u64_le(),
            next_lsn: fields.get_u64_le(),
            next_id: fields.get_u64_le(),
            lanes: Vec::new(),
            tallies: Vec::new(),
        };
        let lanes = fields.get_u32_le();
        let mut rest = &all[HEADER..];
        for _ in 0..lanes {
            if rest.len() < ENTRY {
                return None;
            }
            let name_len = rest.get_u16_le() as usize;
            let mark = Watermark {
                lsn: rest.get_u64_le(),
                events: rest.get_u64_le(),
            };
            let (name, after) = rest.split_at_checked(name_len)?;
            rest = after;
            acks.lanes.push((name.into(), mark));
        }
        acks.tallies = Self::decode_tallies(rest).unwrap_or_default();
        Some(acks)
    }
}

/// The checksum of a slot: over everything but itself.
fn slot_crc(slot: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&slot[..76]), &slot[HEADER..])
}

/// What the slots say: the newer of the sound ones, and how many are damaged.
pub(super) fn read(disk: &dyn Disk, entries: &[super::disk::Entry]) -> (Option<Acks>, u32) {
    let (mut newest, mut damaged) = (None::<Acks>, 0);
    for entry in entries
        .iter()
        .filter(|entry| FILES.contains(&entry.name.as_str()))
    {
        let read = || -> io::Result<Option<Acks>> {
            let mut bytes = vec![0; entry.bytes.min(MAX) as usize];
            let file = disk.open_read(&entry.name)?;
            read_exact(&*file, 0, &mut bytes, Cache::Avoided)?;
            Ok(Acks::decode(&bytes))
        };
        match read().or_else(|_| read()) {
            Ok(Some(acks)) => {
                if newest
                    .as_ref()
                    .is_none_or(|newest| newest.generation < acks.generation)
                {
                    newest = Some(acks);
                }
            }
            Ok(None) => damaged += 1,
            Err(error) => {
                tracing::warn!(file = entry.name, %error, "can't read a slot of the watermarks");
                damaged += 1;
            }
        }
    }
    (newest, damaged)
}

/// The slots as they are written.
#[derive(Default)]
pub(super) struct Slots {
    files: [Option<(Box<dyn File>, usize)>; 2],
}

impl Slots {
    /// Smallest file of a slot: room for a thousand lanes.
    const MIN: usize = 64 << 10;

    /// Writes `acks` to the slot whose turn it is by its generation; the other one stays as it is.
    pub(super) fn write(&mut self, disk: &dyn Disk, acks: &Acks) -> io::Result<()> {
        let slot = (acks.generation % 2) as usize;
        let buffer = acks.encode();
        let len = buffer.bytes().len();
        match &self.files[slot] {
            Some((file, room)) if *room >= len => {
                let written = file.write_durable(0, buffer.bytes());
                if written.is_err() {
                    // After a failed sync the file can't be trusted; the next turn makes a new one.
                    self.files[slot] = None;
                }
                written
            }
            _ => {
                let room = (2 * len).max(Self::MIN);
                let file = replace(disk, slot, room, &buffer)?;
                self.files[slot] = Some((file, room));
                Ok(())
            }
        }
    }
}

/// Makes a slot's file anew, and moves it over the old one only when its content is durable.
fn replace(
    disk: &dyn Disk,
    slot: usize,
    room: usize,
    buffer: &Buffer,
) -> io::Result<Box<dyn File>> {
    if let Err(error) = disk.unlink(TEMPORARY[slot])
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let file = disk.create(TEMPORARY[slot], room as u64)?;
    file.write_durable(0, buffer.bytes())?;
    disk.rename(TEMPORARY[slot], FILES[slot])?;
    disk.sync_dir()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_says_what_was_written_also_in_the_format_before() {
        let tally = |told| Tally {
            end: 9,
            lost: 2,
            counted: 5,
            since_ms: 7,
            told,
        };
        let acks = |told| Acks {
            tallies: vec![
                (b"lane"[..].into(), tally(told)),
                (b"other"[..].into(), tally(3)),
            ],
            ..Acks::default()
        };
        let mut bytes = acks(6).encode().bytes().to_vec();
        assert_eq!(Acks::decode(&bytes), Some(acks(6)));
        // Without what a process told, it's what readers had come to.
        let len = (&bytes[68..]).get_u32_le() as usize - TOLD.len() - 2 * 8;
        bytes[len..].fill(0);
        bytes[68..72].copy_from_slice(&(len as u32).to_le_bytes());
        let crc = slot_crc(&bytes[..len]);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        let read = Acks::decode(&bytes).unwrap();
        assert_eq!(read.tallies[0].1, tally(2));
    }

    /// As an earlier version wrote it.
    #[test]
    fn a_slot_without_tallies_is_sound() {
        let mark = Watermark { lsn: 7, events: 3 };
        let acks = Acks {
            log_id: 1,
            generation: 2,
            lanes: vec![(b"lane"[..].into(), mark)],
            tallies: vec![(b"lane"[..].into(), Tally::default())],
            ..Acks::default()
        };
        let mut bytes = acks.encode().bytes().to_vec();
        let len = HEADER + ENTRY + 4;
        bytes[len..].fill(0);
        bytes[68..72].copy_from_slice(&(len as u32).to_le_bytes());
        let crc = slot_crc(&bytes[..len]);
        bytes[76..80].copy_from_slice(&crc.to_le_bytes());
        let read = Acks::decode(&bytes).unwrap();
        assert_eq!((read.lanes, read.tallies), (acks.lanes, Vec::new()));
    }
}
