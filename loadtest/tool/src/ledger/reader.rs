//! Reads a ledger from its beginning, one entry at a time.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Entry, MAGIC, Request, Run, Sample, varint};
use crate::outcome::{Fates, Outcome};

/// No frame of ours is larger: a request of 100,000 keys has some 1.5 MB.
const MAX_FRAME_BYTES: u64 = 64 << 20;

/// A ledger being read. Ends at the end of the file, or where a frame isn't whole.
#[derive(Debug)]
pub(crate) struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    frame: Vec<u8>,
}

impl Reader {
    /// Opens a ledger.
    pub(crate) fn open(path: &Path) -> Result<Reader> {
        let file = File::open(path)
            .with_context(|| format!("can't open the ledger {}", path.display()))?;
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let mut magic = [0; MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || magic != *MAGIC {
            bail!("{} is not a ledger of this version", path.display());
        }
        Ok(Reader {
            file,
            path: path.to_owned(),
            frame: Vec::new(),
        })
    }

    /// Whether a whole frame was read.
    fn fill(&mut self) -> Result<bool> {
        let mut length = 0_u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if !self.read(&mut byte)? {
                return Ok(false);
            }
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        if length > MAX_FRAME_BYTES {
            bail!("{} has a damaged frame", self.path.display());
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(length as usize, 0);
        let whole = self.read(&mut frame);
        self.frame = frame;
        whole
    }

    /// Fills `bytes`; false if the file ends before.
    fn read(&mut self, bytes: &mut [u8]) -> Result<bool> {
        match self.file.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error).with_context(|| format!("can't read {}", self.path.display())),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(false) => None,
            Err(error) => Some(Err(error)),
            Ok(true) => {
                let entry = parse(&self.frame);
                Some(entry.with_context(|| format!("{} has a damaged frame", self.path.display())))
            }
        }
    }
}

fn parse(frame: &[u8]) -> Option<Entry> {
    let (tag, mut rest) = frame.split_first()?;
    let rest = &mut rest;
    Some(match tag {
        1 => Entry::Start {
            unix_us: varint::take(rest)?,
            title: take_text(rest)?,
        },
        2 => Entry::Source {
            index: take_u32(rest)?,
            id: varint::take(rest)?,
            stream: take_text(rest)?,
        },
        3 => Entry::Request(take_request(rest)?),
        4 => Entry::Shed {
            due_us: varint::take(rest)?,
            events: varint::take(rest)?,
        },
        5 => Entry::Sample(take_sample(rest)?),
        6 => Entry::End,
        _ => return None,
    })
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(varint::take(rest)?).ok()
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(varint::take(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

fn take_sample(rest: &mut &[u8]) -> Option<Sample> {
    let mut sample = Sample {
        at_us: varint::take(rest)?,
        ..Sample::default()
    };
    let count = varint::take(rest)?;
    for place in 0..count {
        let value = varint::take(rest)?;
        // A later version may have more.
        if let Some(slot) = sample.values.get_mut(usize::try_from(place).ok()?) {
            *slot = value;
        }
    }
    Some(sample)
}

fn take_request(rest: &mut &[u8]) -> Option<Request> {
    let mut request = Request {
        source: take_u32(rest)?,
        due_us: varint::take(rest)?,
        sent_after_us: varint::take(rest)?,
        latency_us: varint::take(rest)?,
        status: u16::try_from(varint::take(rest)?).ok()?,
        runs: Vec::new(),
        fates: Fates::each([]),
    };
    for _ in 0..varint::take(rest)? {
        request.runs.push(Run {
            key: take_u32(rest)?,
            first: take_u32(rest)?,
            count: take_u32(rest)?,
        });
    }
    let mut fates = Vec::new();
    for _ in 0..varint::take(rest)? {
        let (code, after) = rest.split_first()?;
        *rest = after;
        fates.push((Outcome::of_code(*code)?, take_u32(rest)?));
    }
    request.fates = Fates::from_runs(fates);
    let told: u64 = request
        .fates
        .runs()
        .iter()
        .map(|(_, count)| u64::from(*count))
        .sum();
    (told == request.events()).then_some(request)
}
