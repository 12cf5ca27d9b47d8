//! Undoing encodings: what goes in comes out, and nothing else does.

use super::super::encoding::{DecompressError, Encoding, decompress};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use std::io::Write;

const TEXT: &[u8] = br#"{"id":"hello, hello, hello"}"#;

/// `TEXT`, ten million zeros, and the two with windows of 2^24 and 2^30, compressed by the
/// reference encoder; nothing else here needs one.
const BROTLI_TEXT: &[u8] = &[
    0x1b, 0x1b, 0x00, 0x00, 0x04, 0x5a, 0x72, 0xa4, 0xed, 0x38, 0xa0, 0x8c, 0x93, 0x80, 0x7f, 0x9f,
    0x92, 0xcc, 0x12, 0x4d, 0x25, 0x5e, 0x8f, 0x95, 0x50, 0x7b, 0x16, 0x3c,
];
const BROTLI_BOMB: &[u8] = &[
    0xcb, 0xff, 0xff, 0x3f, 0x00, 0x24, 0x00, 0xe2, 0xb1, 0x40, 0x72, 0xef, 0xff, 0xf2, 0xcf, 0x12,
    0x03, 0x80, 0x04, 0x40, 0x1c, 0x16, 0x80, 0x8e, 0x23, 0x06,
];
const BROTLI_WINDOW_24: &[u8] = &[
    0x1f, 0xe7, 0x03, 0x00, 0x24, 0xc2, 0xa2, 0xb1, 0x40, 0x42, 0x03,
];
const BROTLI_WINDOW_30: &[u8] = &[
    0x11, 0x5e, 0x9c, 0x0f, 0x00, 0x90, 0x08, 0x8b, 0xc6, 0x02, 0x21, 0x34,
];

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("in memory");
    encoder.finish().expect("in memory")
}

fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 3).expect("in memory")
}

/// Frames as streaming senders make them: without the size of the content.
fn zstd_stream(data: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("in memory");
    encoder.window_log(window_log).expect("a window");
    encoder.write_all(data).expect("in memory");
    encoder.finish().expect("in memory")
}

fn undo(encoding: Encoding, compressed: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    decompress(encoding, compressed, max, &mut |_| true)
}

/// `TEXT` in each encoding.
fn samples() -> Vec<(Encoding, Vec<u8>)> {
    vec![
        (Encoding::Gzip, gzip(TEXT)),
        (Encoding::Deflate, zlib(TEXT)),
        (Encoding::Deflate, raw_deflate(TEXT)),
        (Encoding::Brotli, BROTLI_TEXT.to_vec()),
        (Encoding::Zstd, zstd(TEXT)),
        (Encoding::Zstd, zstd_stream(TEXT, 20)),
    ]
}

#[test]
fn headers_name_encodings() {
    for (name, encoding) in [
        ("gzip", Encoding::Gzip),
        ("X-GZip", Encoding::Gzip),
        (" deflate ", Encoding::Deflate),
        ("BR", Encoding::Brotli),
        ("zstd", Encoding::Zstd),
        ("Identity", Encoding::Identity),
    ] {
        assert_eq!(Encoding::from_header(name), Some(encoding), "{name}");
        assert_eq!(Encoding::from_header(encoding.as_str()), Some(encoding));
    }
    for name in ["", "gzip, gzip", "gzip,", "compress", "gzip;q=1"] {
        assert_eq!(Encoding::from_header(name), None, "{name}");
    }
}

#[test]
fn what_was_compressed_comes_back() {
    for (encoding, compressed) in samples() {
        assert_eq!(
            undo(encoding, &compressed, TEXT.len()),
            Ok(TEXT.to_vec()),
            "{encoding:?}"
        );
        let error = Err(DecompressError::TooLarge {
            limit: TEXT.len() - 1,
        });
        assert_eq!(
            undo(encoding, &compressed, TEXT.len() - 1),
            error,
            "{encoding:?}"
        );
    }
    assert_eq!(
        undo(Encoding::Identity, TEXT, TEXT.len()),
        Ok(TEXT.to_vec())
    );
    assert_eq!(undo(Encoding::Identity, b"", 0), Ok(Vec::new()));
    let error = Err(DecompressError::TooLarge { limit: 3 });
    assert_eq!(undo(Encoding::Identity, TEXT, 3), error);
}

#[test]
fn members_and_frames_are_joined() {
    let twice = [TEXT, TEXT].concat();
    for (encoding, one) in [
        (Encoding::Gzip, gzip(TEXT)),
        (Encoding::Zstd, zstd(TEXT)),
        (Encoding::Zstd, zstd_stream(TEXT, 20)),
    ] {
        let both = [one.clone(), one.clone()].concat();
        assert_eq!(
            undo(encoding, &both, 1000).as_ref(),
            Ok(&twice),
            "{encoding:?}"
        );
        let error = undo(encoding, &both[..both.len() - 1], 1000);
        assert!(
            matches!(error, Err(DecompressError::Corrupt(_))),
            "{encoding:?}"
        );
        let error = undo(encoding, &[&one[..], b"rest"].concat(), 1000);
        assert!(
            matches!(error, Err(DecompressError::Corrupt(_))),
            "{encoding:?}"
        );
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![0; 10_000_000];
    let limit = 1 << 20;
    for (encoding, bomb) in [
        (Encoding::Gzip, gzip(&zeros)),
        (Encoding::Deflate, zlib(&zeros)),
        (Encoding::Deflate, raw_deflate(&zeros)),
        (Encoding::Brotli, BROTLI_BOMB.to_vec()),
        (Encoding::Zstd, zstd(&zeros)),
        (Encoding::Zstd, zstd_stream(&zeros, 20)),
    ] {
        let mut steps = Vec::new();
        let outcome = decompress(encoding, &bomb, limit, &mut |capacity| {
            steps.push(capacity);
            true
        });
        assert_eq!(
            outcome,
            Err(DecompressError::TooLarge { limit }),
            "{encoding:?}"
        );
        assert!(
            steps.is_sorted() && steps.last() <= Some(&(limit + 1)),
            "{steps:?}"
        );
        assert!(steps.first() <= Some(&65_536), "{steps:?}");
        let all = undo(encoding, &bomb, zeros.len()).expect("it just fits");
        assert!(all == zeros, "{encoding:?}");
    }
}

#[test]
fn memory_is_taken_only_when_agreed_to() {
    let bomb = gzip(&vec![0; 1_000_000]);
    let mut granted = 0;
    let outcome = decompress(Encoding::Gzip, &bomb, 1 << 20, &mut |capacity| {
        let agreed = capacity <= 100_000;
        granted = if agreed { capacity } else { granted };
        agreed
    });
    assert_eq!(outcome, Err(DecompressError::NoMemory));
    assert!(granted > 0);
    let outcome = decompress(Encoding::Identity, TEXT, 1000, &mut |_| false);
    assert_eq!(outcome, Err(DecompressError::NoMemory));
}

#[test]
fn nothing_cut_short_passes() {
    let long: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let mut all = samples();
    all.push((Encoding::Gzip, gzip(&long)));
    all.push((Encoding::Deflate, zlib(&long)));
    all.push((Encoding::Deflate, raw_deflate(&long)));
    all.push((Encoding::Zstd, zstd(&long)));
    all.push((Encoding::Zstd, zstd_stream(&long, 20)));
    for (encoding, compressed) in all {
        let step = 1 + compressed.len() / 200;
        for end in (0..compressed.len()).rev().step_by(step) {
            let outcome = undo(encoding, &compressed[..end], 1 << 20);
            assert!(
                matches!(outcome, Err(DecompressError::Corrupt(_))),
                "{encoding:?} {end}"
            );
        }
    }
}

#[test]
fn nothing_may_follow_the_end() {
    for (encoding, mut compressed) in samples() {
        compressed.extend_from_slice(b"more");
        let outcome = undo(encoding, &compressed, 1000);
        assert!(
            matches!(outcome, Err(DecompressError::Corrupt(_))),
            "{encoding:?}"
        );
    }
}

#[test]
fn windows_are_bounded() {
    let text = vec![b'a'; 1000];
    assert_eq!(
        undo(Encoding::Brotli, BROTLI_WINDOW_24, 1000),
        Ok(text.clone())
    );
    let outcome = undo(Encoding::Brotli, BROTLI_WINDOW_30, 1000);
    assert!(matches!(outcome, Err(DecompressError::Corrupt(_))));
    assert_eq!(
        undo(Encoding::Zstd, &zstd_stream(&text, 23), 1000),
        Ok(text.clone())
    );
    let outcome = undo(Encoding::Zstd, &zstd_stream(&text, 24), 1000);
    assert!(matches!(outcome, Err(DecompressError::Corrupt(_))));
}

#[test]
fn sums_are_checked() {
    for (encoding, compressed) in [
        (Encoding::Gzip, gzip(TEXT)),
        (Encoding::Deflate, zlib(TEXT)),
    ] {
        for at in 1..=4 {
            let mut damaged = compressed.clone();
            let end = damaged.len();
            // gzip ends with its sum and its length, zlib with its sum.
            damaged[end - at] ^= 1;
            let outcome = undo(encoding, &damaged, 1000);
            assert!(
                matches!(outcome, Err(DecompressError::Corrupt(_))),
                "{encoding:?} {at}"
            );
        }
    }
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_within_the_limit(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        header in 0_usize..5,
    ) {
        let headers: [&[u8]; 5] = [
            b"", b"\x1F\x8B\x08\0\0\0\0\0\0\0", b"\x78\x9C", b"\x28\xB5\x2F\xFD\x24", b"\x0B",
        ];
        let body = [headers[header], &bytes].concat();
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli, Encoding::Zstd] {
            if let Ok(result) = undo(encoding, &body, 100) {
                prop_assert!(result.len() <= 100);
            }
        }
    }

    #[test]
    fn anything_comes_back(data in proptest::collection::vec(any::<u8>(), 0..5000)) {
        for (encoding, compressed) in [
            (Encoding::Gzip, gzip(&data)),
            (Encoding::Deflate, zlib(&data)),
            (Encoding::Deflate, raw_deflate(&data)),
            (Encoding::Zstd, zstd(&data)),
        ] {
            let result = undo(encoding, &compressed, data.len());
            prop_assert_eq!(result.as_ref(), Ok(&data));
        }
    }
}
