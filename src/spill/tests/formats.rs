//! Decoders take any bytes: no panic, no allocation beyond the input, and what was encoded comes back.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::acks::{Acks, Tally, Watermark};
use super::super::frame::{self, Buffer, HEADER, Header, NewRun};
use super::super::record;
use super::super::seal::{self, Seal, Span};
use super::super::segment::{self, Decoded, End, Name};
use super::super::{Batch, Record, stats::State};

const LOG: u128 = 77;

fn records() -> impl Strategy<Value = Vec<Record>> {
    let record = (vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..300));
    vec(record, 1..6).prop_map(|records| {
        let record = |(meta, payload): (Vec<u8>, Vec<u8>)| Record {
            meta: meta.into(),
            payload: payload.into(),
        };
        records.into_iter().map(record).collect()
    })
}

fn encode(lanes: &[(Vec<u8>, Vec<Record>)]) -> Vec<u8> {
    let batches: Vec<_> = (lanes.iter())
        .map(|(_, records)| Batch::from(&**records))
        .collect();
    let runs: Vec<_> = (lanes.iter().zip(&batches))
        .map(|((lane, _), batch)| NewRun {
            lane,
            ordinal: 5,
            batches: vec![batch],
        })
        .collect();
    let mut buffer = Buffer::default();
    frame::encode(&mut buffer, 1_000, 9, &runs);
    frame::address(&mut buffer, LOG, 3);
    buffer.bytes().to_vec()
}

proptest! {
    #[test]
    fn frames_come_back_as_they_were(lanes in vec((vec(any::<u8>(), 1..40), records()), 1..5)) {
        let bytes = encode(&lanes);
        prop_assert_eq!(bytes.len() % 4096, 0);
        let header = Header::decode(LOG, &bytes).unwrap();
        prop_assert_eq!((header.segment, header.total_len as usize), (3, bytes.len()));
        let runs = frame::decode_directory(&header, &bytes[HEADER..header.head_len()]).unwrap();
        let mut lsn = 1_000;
        for (run, (lane, records)) in runs.iter().zip(&lanes) {
            prop_assert_eq!((run.lane, run.first_lsn, run.ordinal), (lane.as_slice(), lsn, 5));
            let body = &bytes[run.offset as usize..(run.offset + run.len) as usize];
            prop_assert_eq!(crc32c::crc32c(body), run.crc);
            let body = record::decode_body(Bytes::copy_from_slice(body), run.count).unwrap();
            let sent: Vec<_> = records.iter().map(|record| (record.meta.clone(), record.payload.clone())).collect();
            prop_assert_eq!(body, sent);
            lsn += u64::from(run.count);
        }
        prop_assert!(Header::decode(LOG + 1, &bytes).is_none(), "a frame of another log");
    }

    #[test]
    fn any_changed_bit_of_a_head_is_noticed(records in records(), bit in any::<prop::sample::Index>()) {
        let mut bytes = encode(&[(b"lane".to_vec(), records)]);
        let head = Header::decode(LOG, &bytes).unwrap().head_len();
        let bit = bit.index(head * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let runs = Header::decode(LOG, &bytes)
            .and_then(|header| frame::decode_directory(&header, &bytes[HEADER..header.head_len()]).map(|_| ()));
        prop_assert!(runs.is_none());
    }

    #[test]
    fn any_bytes_are_decoded_without_harm(mut bytes in vec(any::<u8>(), 0..9_000), count in any::<u32>(), seal_it in any::<bool>()) {
        prop_assert!(record::decode_body(Bytes::from(bytes.clone()), count).is_none_or(|all| all.len() == count as usize));
        segment::Header::decode(&bytes);
        Acks::decode(&bytes);
        seal::decode(LOG, 3, &bytes);
        seal::trailer(LOG, 3, &bytes);
        // With the checksums right, so that the fields behind them are reached.
        if bytes.len() > 200 {
            bytes[..4].copy_from_slice(b"SFRM");
            bytes[4] = 1 + u8::from(seal_it);
            let head = bytes.len().min(HEADER + 130);
            bytes[36..40].copy_from_slice(&130u32.to_le_bytes());
            bytes[8..12].copy_from_slice(&4096u32.to_le_bytes());
            bytes[16..24].copy_from_slice(&3u64.to_le_bytes());
            let crc = crc32c::crc32c(&bytes[HEADER..head]);
            bytes[48..52].copy_from_slice(&crc.to_le_bytes());
            let crc = frame::keyed_crc(LOG, &bytes[..60]);
            bytes[60..64].copy_from_slice(&crc.to_le_bytes());
            if let Some(header) = Header::decode(LOG, &bytes) {
                frame::decode_directory(&header, &bytes[HEADER..head]);
            }
            seal::decode(LOG, 3, &bytes);
        }
    }

    #[test]
    fn watermarks_and_seals_come_back(lanes in vec((vec(any::<u8>(), 0..50), any::<[u64; 7]>()), 0..40)) {
        let acks = Acks {
            log_id: LOG, generation: 1, epoch: 2, next_lsn: 3, next_id: 4,
            lanes: lanes.iter().map(|(name, n)| (name.as_slice().into(), Watermark { lsn: n[0], events: n[1] })).collect(),
            tallies: lanes.iter().map(|(name, n)| (name.as_slice().into(), Tally { end: n[2], lost: n[3], counted: n[4], since_ms: n[5], told: n[6] })).collect(),
        };
        prop_assert_eq!(Acks::decode(acks.encode().bytes()), Some(acks));
        let span = |n: &[u64; 7]| Span {
            segment: 3, first_lsn: n[0], last_lsn: n[1], first: n[2], end: n[3], bytes: n[4], since_ms: n[5],
        };
        let lanes: Vec<_> = lanes.iter().map(|(name, n)| (name.as_slice().into(), span(n))).collect();
        let seal = Seal { segment: 3, end: 8192, frames: 1, lanes };
        let bytes = seal::encode(&seal, LOG, 0);
        let names = seal.lanes.iter().map(|(name, _)| name.len()).sum();
        prop_assert_eq!(bytes.bytes().len(), seal::len(seal.lanes.len(), names));
        prop_assert_eq!(seal::trailer(LOG, 3, bytes.bytes()), Some(bytes.bytes().len() as u32));
        prop_assert_eq!(seal::decode(LOG, 3, bytes.bytes()), Some(seal));
    }
}

#[test]
fn one_copy_of_a_segments_header_is_enough() {
    let previous = End {
        segment: 4,
        end: 8192,
        frames: 2,
    };
    let header = segment::Header {
        log_id: LOG,
        id: 5,
        epoch: 6,
        base_lsn: 7,
        size: 65_536,
        previous,
    };
    let sound = header.encode().bytes().to_vec();
    for copy in [0, 4096] {
        let mut bytes = sound.clone();
        bytes[copy..copy + 512].fill(0xff);
        assert_eq!(
            segment::Header::decode(&bytes),
            Decoded::Sound(header.clone())
        );
    }
    assert_eq!(segment::Header::decode(&sound[..100]), Decoded::Bad);
}

#[test]
fn file_names_say_what_a_file_is() {
    for name in [Name::Segment(7), Name::Spare(u64::MAX), Name::Bad(0)] {
        assert_eq!(Name::parse(&name.file()), Some(name));
    }
    for foreign in [
        "LOCK",
        "acks-0",
        "7.seg",
        "spare-7.tmp",
        "000000000000000g.seg",
        "+00000000000000f.seg",
    ] {
        assert_eq!(Name::parse(foreign), None, "{foreign}");
    }
    assert_eq!(State::default(), State::Healthy);
}
