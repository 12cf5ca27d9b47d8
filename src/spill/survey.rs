//! What a directory holds: headers, seals, and scans of the segments that have none. Reads only.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;

use super::Lsn;
use super::acks::{self, Acks, Tally, Watermark};
use super::disk::{Cache, Disk, Entry, File, read_exact};
use super::frame::PAGE;
use super::gaps::{Gap, Ordinals};
use super::opened::{Damage, OpenError};
use super::scan::{Found, Step, Walk, read_body};
use super::seal::{self, Seal, Span};
use super::segment::{DATA, Decoded, Header, Name};

/// What was found.
pub(super) struct Survey {
    pub(super) entries: Vec<Entry>,
    pub(super) acks: Option<Acks>,
    pub(super) log_id: u128,
    /// Sound segments, oldest first.
    pub(super) segments: Vec<Surveyed>,
    /// Segments to be put aside: their numbers.
    pub(super) bad: Vec<u64>,
    pub(super) damage: Damage,
    /// Stored records that are missing, in the order of their lane.
    pub(super) gaps: Vec<Gap>,
    pub(super) epoch: u64,
    pub(super) last_lsn: Lsn,
    pub(super) last_id: u64,
}

/// One segment.
pub(super) struct Surveyed {
    pub(super) id: u64,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Where its frames end.
    pub(super) end: u64,
    pub(super) lanes: Vec<(Box<[u8]>, Span)>,
}

struct Headed {
    header: Header,
    bytes: u64,
    file: Box<dyn File>,
}

/// Looks at everything. Fails only if the directory can't be read, or holds a newer format.
pub(super) fn survey(disk: &dyn Disk) -> Result<Survey, OpenError> {
    let mut entries = disk.list().map_err(OpenError::Directory)?;
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let mut damage = Damage::default();
    let (acks, bad_acks) = acks::read(disk, &entries);
    damage.bad_watermarks = bad_acks;
    let mut bad = Vec::new();
    let mut heads = read_headers(disk, &entries, &mut bad, &mut damage)?;
    let log_id = log_id(&heads, acks.as_ref());
    heads.retain(|head| {
        let is_ours = head.header.log_id == log_id;
        if !is_ours {
            bad.push(head.header.id);
        }
        is_ours
    });
    let acks = acks.filter(|acks| acks.log_id == log_id);
    let names = entries.iter().filter_map(|entry| Name::parse(&entry.name));
    let known = acks.as_ref();
    let mut survey = Survey {
        log_id,
        epoch: known.map_or(0, |acks| acks.epoch),
        last_lsn: known.map_or(0, |acks| acks.next_lsn),
        last_id: names
            .map(Name::id)
            .max()
            .max(known.map(|acks| acks.next_id))
            .unwrap_or(0),
        segments: Vec::with_capacity(heads.len()),
        entries,
        acks,
        bad,
        damage,
        gaps: Vec::new(),
    };
    survey.damage.bad_headers = survey.bad.len() as u32;
    survey.read_contents(&heads);
    Ok(survey)
}

fn read_headers(
    disk: &dyn Disk,
    entries: &[Entry],
    bad: &mut Vec<u64>,
    damage: &mut Damage,
) -> Result<Vec<Headed>, OpenError> {
    let mut heads = Vec::new();
    for entry in entries {
        let Some(Name::Segment(id)) = Name::parse(&entry.name) else {
            continue;
        };
        match read_header(disk, entry).or_else(|_| read_header(disk, entry)) {
            Ok((file, Decoded::Sound(header))) if header.id == id => {
                heads.push(Headed {
                    header,
                    bytes: entry.bytes,
                    file,
                });
            }
            Ok((_, Decoded::Newer(version))) => {
                let file = entry.name.clone();
                return Err(OpenError::NewerFormat { file, version });
            }
            Ok(_) => bad.push(id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(file = entry.name, %error, "can't read a segment; it's left for the next start");
                damage.unreadable_files += 1;
            }
        }
    }
    heads.sort_by_key(|head| head.header.id);
    Ok(heads)
}

fn read_header(disk: &dyn Disk, entry: &Entry) -> io::Result<(Box<dyn File>, Decoded)> {
    let file = disk.open_read(&entry.name)?;
    let mut pages = [0; DATA as usize];
    let read = file.read_at(0, &mut pages, Cache::Allowed)?;
    let decoded = Header::decode(&pages[..read]);
    Ok((file, decoded))
}

/// The id that most segments have; without segments the watermarks', or a new one.
fn log_id(heads: &[Headed], acks: Option<&Acks>) -> u128 {
    let mut counts = HashMap::<u128, (u32, bool)>::new();
    for head in heads {
        counts.entry(head.header.log_id).or_default().0 += 1;
    }
    if let Some(acks) = acks {
        counts.entry(acks.log_id).or_default().1 = true;
    }
    let likeliest = counts.into_iter().max_by_key(|&(id, count)| (count, id));
    likeliest.map_or_else(new_log_id, |(id, _)| id)
}

/// Hash keys are random for every call.
fn new_log_id() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

impl Survey {
    fn read_contents(&mut self, heads: &[Headed]) {
        let mut ordinals = Ordinals::new(self.acks.as_ref(), self.damage.bad_watermarks == 0);
        for (at, head) in heads.iter().enumerate() {
            let header = &head.header;
            if head.bytes < header.size {
                let (segment, bytes, size) = (header.id, head.bytes, header.size);
                tracing::error!(segment, bytes, size, "a segment's file is cut off");
                self.damage.cut_segments += 1;
            }
            self.epoch = self.epoch.max(header.epoch);
            self.last_lsn = self.last_lsn.max(header.base_lsn);
            let next = heads.get(at + 1).map(|next| next.header.previous);
            let told_end = next
                .filter(|end| end.segment == header.id)
                .map(|end| end.end);
            let contents = match read_seal(head) {
                Some(seal) => {
                    for (name, span) in &seal.lanes {
                        ordinals.note(name, span.first, span.end, span.since_ms);
                    }
                    Surveyed {
                        id: header.id,
                        bytes: head.bytes,
                        end: seal.end,
                        lanes: seal.lanes,
                    }
                }
                None => Scan::new(head, told_end, &mut self.damage, &mut ordinals).run(),
            };
            let lsns = contents.lanes.iter().map(|(_, span)| span.last_lsn);
            self.last_lsn = self.last_lsn.max(lsns.max().unwrap_or(0));
            self.segments.push(contents);
        }
        for (name, tally) in self.tallies() {
            ordinals.note_end(name, tally.end);
        }
        self.damage.lost_events = ordinals.gaps.iter().map(|gap| gap.to - gap.from).sum();
        self.gaps = ordinals.gaps;
    }

    /// How much of each lane was stored, as far as the watermarks' file tells.
    pub(super) fn tallies(&self) -> impl Iterator<Item = &(Box<[u8]>, Tally)> {
        self.acks.iter().flat_map(|acks| &acks.tallies)
    }

    /// What the watermarks say about a lane.
    pub(super) fn watermarks(&self) -> impl Iterator<Item = &(Box<[u8]>, Watermark)> {
        self.acks.iter().flat_map(|acks| &acks.lanes)
    }
}

fn read_seal(head: &Headed) -> Option<Seal> {
    let Header {
        log_id, id, size, ..
    } = head.header;
    let mut tail = [0; PAGE];
    let file = &*head.file;
    read_exact(
        file,
        size.checked_sub(PAGE as u64)?,
        &mut tail,
        Cache::Allowed,
    )
    .ok()?;
    let len = seal::trailer(log_id, id, &tail)?;
    let at = size.checked_sub(len.into()).filter(|at| *at >= DATA)?;
    let mut bytes = vec![0; len as usize];
    read_exact(file, at, &mut bytes, Cache::Allowed).ok()?;
    seal::decode(log_id, id, &bytes).filter(|seal| seal.end <= at)
}

/// The scan of a segment without a seal.
struct Scan<'a> {
    head: &'a Headed,
    /// Where it ended, as the next segment's header tells.
    told_end: Option<u64>,
    damage: &'a mut Damage,
    ordinals: &'a mut Ordinals,
    lanes: HashMap<Box<[u8]>, Span>,
    end: u64,
}

impl<'a> Scan<'a> {
    fn new(
        head: &'a Headed,
        told_end: Option<u64>,
        damage: &'a mut Damage,
        ordinals: &'a mut Ordinals,
    ) -> Scan<'a> {
        damage.scanned_segments += 1;
        Scan {
            head,
            told_end,
            damage,
            ordinals,
            lanes: HashMap::new(),
            end: DATA,
        }
    }

    fn run(mut self) -> Surveyed {
        let header = &self.head.header;
        // What stands behind the told end was never acknowledged, or was written again elsewhere.
        let limit = self
            .told_end
            .unwrap_or(u64::MAX)
            .min(header.size)
            .min(self.head.bytes);
        let mut walk = Walk::new(&*self.head.file, header.log_id, header.id, DATA, limit);
        walk.base_lsn = header.base_lsn;
        walk.looks_twice = self.told_end.is_some();
        walk.skips_unreadable = true;
        let mut last = None;
        while let Ok(Some(step)) = walk.step() {
            match step {
                Step::Frame(frame) => {
                    if let Some(frame) = last.replace(frame) {
                        self.absorb(&frame);
                    }
                }
                Step::Bad { from, to } => self.note_damage(from, to >= limit),
            }
        }
        if let Some(frame) = last {
            if self.told_end.is_some() || self.is_whole(&frame) {
                self.absorb(&frame);
            } else {
                self.damage.torn_tails += 1;
            }
        }
        if let Some(told_end) = self.told_end {
            self.end = told_end.min(self.head.bytes).max(self.end);
        }
        let lanes = self.lanes.into_iter().collect();
        Surveyed {
            id: header.id,
            bytes: self.head.bytes,
            end: self.end,
            lanes,
        }
    }

    /// Pages that are no frame: rot, a torn tail, or simply never written.
    fn note_damage(&mut self, from: u64, is_tail: bool) {
        if !is_tail || self.told_end.is_some() {
            let segment = self.head.header.id;
            tracing::error!(
                segment,
                offset = from,
                "a damaged part of a segment is skipped"
            );
            self.damage.bad_stretches += 1;
            return;
        }
        let mut start = [0; 24];
        let begun = read_exact(&*self.head.file, from, &mut start, Cache::Allowed).is_ok()
            && start[..4] == *b"SFRM"
            && start[16..24] == self.head.header.id.to_le_bytes();
        self.damage.torn_tails += u32::from(begun);
    }

    fn is_whole(&self, frame: &Found) -> bool {
        frame.runs().iter().all(|run| {
            let offset = frame.offset + u64::from(run.offset);
            let body = read_body(&*self.head.file, offset, run.len, run.crc);
            matches!(body, Ok(Some(_)))
        })
    }

    fn absorb(&mut self, frame: &Found) {
        self.end = frame.end();
        for run in frame.runs() {
            let last_lsn = run.first_lsn + u64::from(run.count) - 1;
            let end = run.ordinal + u64::from(run.count);
            self.ordinals
                .note(run.lane, run.ordinal, end, frame.header.written_ms);
            match self.lanes.get_mut(run.lane) {
                Some(span) => {
                    span.last_lsn = span.last_lsn.max(last_lsn);
                    span.end = span.end.max(end);
                    span.bytes += u64::from(run.len);
                }
                None => {
                    let span = Span {
                        segment: self.head.header.id,
                        first_lsn: run.first_lsn,
                        last_lsn,
                        first: run.ordinal,
                        end,
                        bytes: run.len.into(),
                        since_ms: frame.header.written_ms,
                    };
                    self.lanes.insert(run.lane.into(), span);
                }
            }
        }
    }
}
