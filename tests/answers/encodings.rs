//! Compressed bodies: what goes in arrives, what is broken is refused, and a bomb takes no memory.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::*;
use crate::support::topic::values;

const EVENT: &str = r#"{"id":"hello, hello, hello"}"#;
/// `EVENT`, and ten million zeros, by the reference encoder of brotli.
const BROTLI_EVENT: &[u8] = &[
    0x1b, 0x1b, 0x00, 0x00, 0x04, 0x5a, 0x72, 0xa4, 0xed, 0x38, 0xa0, 0x8c, 0x93, 0x80, 0x7f, 0x9f,
    0x92, 0xcc, 0x12, 0x4d, 0x25, 0x5e, 0x8f, 0x95, 0x50, 0x7b, 0x16, 0x3c,
];
const BROTLI_BOMB: &[u8] = &[
    0xcb, 0xff, 0xff, 0x3f, 0x00, 0x24, 0x00, 0xe2, 0xb1, 0x40, 0x72, 0xef, 0xff, 0xf2, 0xcf, 0x12,
    0x03, 0x80, 0x04, 0x40, 0x1c, 0x16, 0x80, 0x8e, 0x23, 0x06,
];

pub(super) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(data, 3).unwrap()
}

/// A mock cluster and a gateway whose stream takes events without a key.
fn keyless(more: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 1)]);
    let config = config(mock.bootstrap(), more) + "on_missing_key = \"null\"\n";
    let gateway = Gateway::ready(&config);
    (mock, gateway)
}

#[test]
fn every_known_encoding_is_undone() {
    let (mock, gateway) = keyless("");
    let mut client = gateway.client();
    let event = EVENT.as_bytes();
    let two_members = [gzip(&event[..9]), gzip(&event[9..])].concat();
    let bodies = [
        ("gzip", gzip(event)),
        ("GZIP", two_members),
        ("x-gzip", gzip(event)),
        ("deflate", zlib(event)),
        ("deflate", deflate(event)),
        ("br", BROTLI_EVENT.to_vec()),
        ("zstd", zstd(event)),
        ("identity", event.to_vec()),
    ];
    for (encoding, body) in &bodies {
        check_taken(
            &client.post(EVENTS, &[JSON, ("content-encoding", encoding)], body),
            1,
        );
    }
    assert_eq!(values(mock.bootstrap(), "events"), [EVENT; 8]);
}

#[test]
fn a_broken_body_is_the_clients_fault_and_nothing_of_it_is_taken() {
    let (_mock, gateway) = keyless("");
    let event = EVENT.as_bytes();
    let whole = [
        ("gzip", gzip(event)),
        ("deflate", zlib(event)),
        ("br", BROTLI_EVENT.to_vec()),
        ("zstd", zstd(event)),
    ];
    for (encoding, body) in whole {
        let mut flipped = body.clone();
        *flipped.last_mut().unwrap() ^= 0x55;
        let cut = &body[..body.len() - 3];
        let followed = [&body[..], b"more"].concat();
        for broken in [&flipped, cut, event, b"", &followed] {
            // A flipped bit in a brotli stream without a checksum may go unnoticed here, and shows as malformed JSON.
            let answer =
                gateway
                    .client()
                    .post(EVENTS, &[JSON, ("content-encoding", encoding)], broken);
            assert_eq!(
                answer.status,
                400,
                "{encoding} {broken:x?}: {}",
                answer.text()
            );
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
        }
    }
    assert_eq!(gateway.events("events", "accepted"), 0);
    check_taken(&gateway.client().post(EVENTS, &[JSON], event), 1);
}

#[test]
fn a_bomb_is_413_and_takes_no_memory() {
    let (_mock, gateway) =
        keyless("[http]\nthreads = 1\nmax_body = \"1MiB\"\nmax_decompressed = \"2MiB\"\n");
    check_taken(
        &gateway.client().post(
            EVENTS,
            &[JSON, ("content-encoding", "gzip")],
            &gzip(EVENT.as_bytes()),
        ),
        1,
    );
    let zeros = vec![0; 64 << 20];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("deflate", deflate(&zeros)),
        ("br", BROTLI_BOMB.to_vec()),
        ("zstd", zstd(&zeros)),
    ];
    // Tables and windows of the decoders come on top of the limit, once.
    for may_grow in [40 << 20, 8 << 20] {
        let before = gateway.peak();
        for (encoding, bomb) in &bombs {
            let mut client = gateway.client();
            let answer = client.post(EVENTS, &[JSON, ("content-encoding", encoding)], bomb);
            check_problem(&answer, 413, "body_too_large");
            assert!(client.until_closed(Duration::from_secs(5)).is_some());
        }
        let grown = gateway.peak() - before;
        assert!(grown < may_grow, "{} MiB", grown >> 20);
    }
    check_taken(&gateway.client().post(EVENTS, &[JSON], EVENT.as_bytes()), 1);
}
