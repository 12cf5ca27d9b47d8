//! Appends to a ledger. Nothing is fsynced: a ledger is for a sender that ends in peace, or is read up to where it broke.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Entry, MAGIC, Request, varint};

const BUFFER_BYTES: usize = 256 * 1024;

/// A ledger being written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: BufWriter<File>,
    frame: Vec<u8>,
    length: Vec<u8>,
}

impl Writer {
    /// Creates the file, or empties it.
    pub(crate) fn create(path: &Path) -> Result<Writer> {
        let file = File::create(path)
            .with_context(|| format!("can't create the ledger {}", path.display()))?;
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
        file.write_all(MAGIC).context("can't write the ledger")?;
        Ok(Writer {
            file,
            frame: Vec::new(),
            length: Vec::new(),
        })
    }

    /// Appends an entry. After an error the ledger can't be trusted beyond what was there.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<()> {
        let out = &mut self.frame;
        out.clear();
        match entry {
            Entry::Start { unix_us, title } => {
                out.push(1);
                varint::put(out, *unix_us);
                put_text(out, title);
            }
            Entry::Source { index, id, stream } => {
                out.push(2);
                varint::put(out, u64::from(*index));
                varint::put(out, *id);
                put_text(out, stream);
            }
            Entry::Request(request) => put_request(out, request),
            Entry::Shed { due_us, events } => {
                out.push(4);
                varint::put(out, *due_us);
                varint::put(out, *events);
            }
            Entry::Sample(sample) => {
                out.push(5);
                varint::put(out, sample.at_us);
                varint::put(out, sample.values.len() as u64);
                sample
                    .values
                    .iter()
                    .for_each(|value| varint::put(out, *value));
            }
            Entry::End => out.push(6),
        }
        self.length.clear();
        varint::put(&mut self.length, self.frame.len() as u64);
        self.file
            .write_all(&self.length)
            .and_then(|()| self.file.write_all(&self.frame))
            .context("can't write the ledger; is the disk full?")
    }

    /// Brings what was appended to the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.file
            .flush()
            .context("can't write the ledger; is the disk full?")
    }

    /// Marks it as complete.
    pub(crate) fn close(mut self) -> Result<()> {
        self.append(&Entry::End)?;
        self.flush()
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_request(out: &mut Vec<u8>, request: &Request) {
    out.push(3);
    for value in [
        u64::from(request.source),
        request.due_us,
        request.sent_after_us,
        request.latency_us,
        u64::from(request.status),
        request.runs.len() as u64,
    ] {
        varint::put(out, value);
    }
    for run in &request.runs {
        varint::put(out, u64::from(run.key));
        varint::put(out, u64::from(run.first));
        varint::put(out, u64::from(run.count));
    }
    varint::put(out, request.fates.runs().len() as u64);
    for (outcome, count) in request.fates.runs() {
        out.push(*outcome as u8);
        varint::put(out, u64::from(*count));
    }
}
