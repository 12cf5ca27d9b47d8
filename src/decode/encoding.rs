//! Content encodings of bodies, and undoing them within bounds.
//!
//! Promises that [`decompress`] never returns more than was allowed, nor a part of a body
//! whose rest is missing or damaged, and that it asks before it takes memory for the
//! result. Knows bytes only: no HTTP but for the names of the encodings, no I/O.
//!
//! What the decompressors take for themselves isn't asked for. It goes with the window
//! that the sender chose, and the largest windows allowed here take 0.05 MiB for gzip and
//! deflate, 8.5 MiB for zstd and 16 MiB for brotli, whose tables may add some more. All of
//! it is given back before [`decompress`] returns.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::Read;
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::window::WindowAlloc;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, with any number of members.
    Gzip,
    /// RFC 9110 means zlib (RFC 1950) by it; some senders mean RFC 1951 without a frame.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878, with any number of frames.
    Zstd,
}

impl Encoding {
    /// Memory that decompressing takes beside its result, in bytes, whatever the input: the window above all. Measured
    /// with streams of 24 MB: gzip 0.05 MiB, zstd 8.5 MiB, brotli 16.0 MiB.
    #[must_use]
    pub const fn workspace_bytes(self) -> u64 {
        match self {
            Self::Identity => 0,
            Self::Gzip | Self::Deflate => 128 << 10,
            Self::Zstd => 9 << 20,
            Self::Brotli => 17 << 20,
        }
    }

    /// The encoding that a `Content-Encoding` header names, in whatever case; none if it's
    /// unknown, empty, or more than one.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        const NAMES: [(&str, Encoding); 6] = [
            ("identity", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("deflate", Encoding::Deflate),
            ("br", Encoding::Brotli),
            ("zstd", Encoding::Zstd),
        ];
        let value = value.trim_matches([' ', '\t']);
        let known = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(value));
        known.map(|(_, encoding)| *encoding)
    }

    /// The name of the encoding, as headers have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// Why a body can't be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// There's more in it than allowed.
    #[error("the body decompresses to more than {limit} bytes; send less in one request")]
    TooLarge {
        /// How many bytes there may be.
        limit: usize,
    },
    /// It isn't what its encoding says, it's damaged, cut short, or goes on behind its end.
    #[error(
        "the compressed body is corrupt: {0}; send it again, compressed as its content-encoding says"
    )]
    Corrupt(String),
    /// The memory for the result was refused.
    #[error("no memory is left to decompress the body; send it again later")]
    NoMemory,
}

/// The largest window of a zstd frame, as a power of two: 8 MiB, the most that RFC 9659
/// lets senders use for the content encoding.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The result starts with four times the compressed size, within these bounds.
const FIRST_CAPACITY: (usize, usize) = (1024, 64 * 1024);

/// Undoes `encoding`.
///
/// The result has `max_bytes` at most. Its memory grows in steps, and only after `grow`
/// has agreed to the new capacity in bytes, which is `max_bytes + 1` at most: the one more
/// byte tells a body that just fits from one that is too large. While it grows, the memory
/// of the step before may be held for a moment, too.
///
/// # Errors
///
/// If the body is corrupt or too large, or its memory is refused.
pub fn decompress(
    encoding: Encoding,
    compressed: &[u8],
    max_bytes: usize,
    grow: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, DecompressError> {
    let mut sink = Sink {
        bytes: Vec::new(),
        filled: 0,
        max_bytes,
        grow,
    };
    if encoding == Encoding::Identity {
        sink.copy(compressed)?;
        return Ok(sink.finish());
    }
    if compressed.is_empty() {
        return Err(corrupt("it is empty"));
    }
    let (least, most) = FIRST_CAPACITY;
    sink.reserve(compressed.len().saturating_mul(4).clamp(least, most))?;
    match encoding {
        Encoding::Identity => {}
        Encoding::Gzip => gzip(compressed, &mut sink)?,
        Encoding::Deflate => deflate(compressed, &mut sink)?,
        Encoding::Brotli => brotli(compressed, &mut sink)?,
        Encoding::Zstd => zstd(compressed, &mut sink)?,
    }
    Ok(sink.finish())
}

/// The result while it grows.
struct Sink<'g> {
    /// As long as memory has been agreed to; the bytes behind `filled` mean nothing.
    bytes: Vec<u8>,
    filled: usize,
    max_bytes: usize,
    grow: &'g mut dyn FnMut(usize) -> bool,
}

impl Sink<'_> {
    fn reserve(&mut self, capacity: usize) -> Result<(), DecompressError> {
        let capacity = capacity.min(self.max_bytes.saturating_add(1));
        if !(self.grow)(capacity) {
            return Err(DecompressError::NoMemory);
        }
        let more = capacity.saturating_sub(self.bytes.len());
        if self.bytes.try_reserve_exact(more).is_err() {
            return Err(DecompressError::NoMemory);
        }
        self.bytes.resize(capacity, 0);
        Ok(())
    }

    /// Room for at least one more byte.
    fn room(&mut self) -> Result<&mut [u8], DecompressError> {
        if self.filled > self.max_bytes {
            return Err(DecompressError::TooLarge {
                limit: self.max_bytes,
            });
        }
        if self.filled == self.bytes.len() {
            self.reserve(self.filled.saturating_mul(2))?;
        }
        Ok(self.bytes.get_mut(self.filled..).unwrap_or_default())
    }

    fn filled(&mut self, more: usize) -> Result<(), DecompressError> {
        self.filled += more;
        if self.filled > self.max_bytes {
            return Err(DecompressError::TooLarge {
                limit: self.max_bytes,
            });
        }
        Ok(())
    }

    fn copy(&mut self, body: &[u8]) -> Result<(), DecompressError> {
        if body.len() > self.max_bytes {
            return self.filled(body.len());
        }
        self.reserve(body.len())?;
        self.bytes.copy_from_slice(body);
        self.filled(body.len())
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.bytes
    }
}

fn corrupt(why: impl ToString) -> DecompressError {
    DecompressError::Corrupt(why.to_string())
}

fn cut_short() -> DecompressError {
    corrupt("it ends too early")
}

/// Nothing may follow the end of the stream: it's more likely to be half of something than
/// to be meaningless.
fn ends_with(stream: usize, compressed: &[u8]) -> Result<(), DecompressError> {
    match compressed.len().saturating_sub(stream) {
        0 => Ok(()),
        bytes => Err(corrupt(format!("{bytes} bytes follow its end"))),
    }
}

fn gzip(compressed: &[u8], sink: &mut Sink<'_>) -> Result<(), DecompressError> {
    // Checks each member's length and sum, and takes what follows one for another.
    let mut decoder = MultiGzDecoder::new(compressed);
    loop {
        match decoder.read(sink.room()?) {
            Ok(0) => return Ok(()),
            Ok(written) => sink.filled(written)?,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(cut_short());
            }
            Err(error) => return Err(corrupt(error)),
        }
    }
}

fn deflate(compressed: &[u8], sink: &mut Sink<'_>) -> Result<(), DecompressError> {
    let mut decoder = Decompress::new(has_zlib_header(compressed));
    loop {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        // Both are within buffers in memory.
        let rest = compressed.get(read as usize..).unwrap_or_default();
        let status = decoder
            .decompress(rest, sink.room()?, FlushDecompress::None)
            .map_err(corrupt)?;
        sink.filled((decoder.total_out() - written) as usize)?;
        if status == Status::StreamEnd {
            return ends_with(decoder.total_in() as usize, compressed);
        }
        if (decoder.total_in(), decoder.total_out()) == (read, written) {
            return Err(cut_short());
        }
    }
}

/// Whether a deflate stream has the frame of RFC 1950: method 8, a window of at most
/// 32 KiB, and the check of the two bytes.
///
/// A bare stream can't be taken for it. Its first three bits would have to be 000, a
/// stored block, whose other five are padding, written as zeros; but the 8 isn't zero.
fn has_zlib_header(compressed: &[u8]) -> bool {
    match compressed {
        [method, flags, ..] => {
            method & 0x0F == 8
                && method >> 4 <= 7
                && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

fn brotli(compressed: &[u8], sink: &mut Sink<'_>) -> Result<(), DecompressError> {
    // Strict: without the large windows, of up to a gigabyte, that are no part of RFC 7932.
    // Plain `new` allows them.
    let mut state = BrotliState::new_strict(
        WindowAlloc,
        StandardAlloc::default(),
        StandardAlloc::default(),
    );
    let (mut left, mut read, mut total) = (compressed.len(), 0, 0);
    loop {
        let room = sink.room()?;
        let (mut free, mut written) = (room.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            compressed,
            &mut free,
            &mut written,
            room,
            &mut total,
            &mut state,
        );
        sink.filled(written)?;
        match result {
            BrotliResult::ResultSuccess => return ends_with(read, compressed),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(cut_short()),
            BrotliResult::ResultFailure => return Err(corrupt("it is no brotli stream")),
        }
    }
}

fn zstd(compressed: &[u8], sink: &mut Sink<'_>) -> Result<(), DecompressError> {
    let mut decoder = Decoder::new().map_err(corrupt)?;
    decoder
        .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))
        .map_err(corrupt)?;
    let mut rest = compressed;
    loop {
        let status = decoder
            .run_on_buffers(rest, sink.room()?)
            .map_err(corrupt)?;
        sink.filled(status.bytes_written)?;
        rest = rest.get(status.bytes_read..).unwrap_or_default();
        // Nothing remains of the frame, and no other follows.
        if status.remaining == 0 && rest.is_empty() {
            return Ok(());
        }
        if status.bytes_read == 0 && status.bytes_written == 0 {
            return Err(cut_short());
        }
    }
}
