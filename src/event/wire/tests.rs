//! Records that are written and read again, byte by byte where a version's layout is promised.

use proptest::prelude::*;

use super::*;
use crate::event::headers::Block;

fn event(value: &[u8], key: Option<Vec<u8>>, id: Option<u128>, extra: Option<Extra>) -> Event {
    let is_null = extra.as_ref().is_some_and(|extra| extra.is_null);
    Event {
        index: 0,
        start: 0,
        end: if is_null { 0 } else { value.len() as u32 },
        key: key.map_or(Key::None, |key| Key::Apart(key.into())),
        header_id: id.map(Uuid::from_u128),
        extra: extra.map(Arc::new),
    }
}

fn written(event: &Event, value: &[u8], received_ms: i64) -> Vec<u8> {
    let mut record = Vec::new();
    encode(event, value, received_ms, &mut record);
    record
}

fn bytes(at_most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..at_most)
}

prop_compose! {
    fn any_extra()(
        headers in proptest::collection::vec((".{0,6}", proptest::option::of(bytes(9))), 0..4),
        timestamp_ms in any::<Option<i64>>(),
        is_null in any::<bool>(),
    ) -> Extra {
        let mut block = Block::default();
        headers.iter().for_each(|(name, value)| block.push(name, value.as_deref()));
        Extra { headers: block.finish(), timestamp_ms, is_null }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        value in bytes(50),
        key in proptest::option::of(bytes(20)),
        id in any::<Option<u128>>(),
        received_ms in any::<i64>(),
        extra in proptest::option::of(any_extra()),
    ) {
        let event = event(&value, key, id, extra);
        let record = written(&event, &value, received_ms);
        let body = [b"xx", &record[..], b"yy"].concat();
        let (read, at) = decode(&body, 2, 2 + record.len() as u32, 7).unwrap();
        prop_assert_eq!(read.record_value(&body), event.record_value(&value));
        prop_assert_eq!(read.key.bytes(&body), event.key.bytes(&value));
        prop_assert_eq!((read.header_id, at, read.index), (event.header_id, received_ms, 7));
        prop_assert_eq!(read.timestamp_ms(), event.timestamp_ms());
        prop_assert_eq!(read.header_block(&body), event.header_block(&value));
        prop_assert_eq!(read.weight(), event.weight());
        // Written again, it's the same: as a dead letter, for example.
        prop_assert_eq!(written(&read, &body, at), record);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in bytes(60)) {
        drop(decode(&bytes, 0, bytes.len() as u32, 0));
    }

    #[test]
    fn a_record_that_is_cut_off_is_refused(extra in any_extra(), key in bytes(5)) {
        let event = event(b"", Some(key), Some(7), Some(extra));
        let record = written(&event, b"", 1);
        for end in 0..record.len() as u32 {
            prop_assert_eq!(decode(&record, 0, end, 0).unwrap_err(), WireError::Short);
        }
    }
}

#[test]
fn a_record_without_headers_time_and_null_has_the_bytes_of_version_1() {
    let plain = event(b"{}", Some(b"k".into()), Some(1), Some(Extra::default()));
    let mut expected = vec![1, 3, 2, 1, 0, 0, 0, 0, 0, 0];
    expected.extend_from_slice(&1_u128.to_be_bytes());
    expected.extend_from_slice(b"\x01\0\0\0k{}");
    assert_eq!(written(&plain, b"{}", 258), expected);
    let (read, at) = decode(&expected, 0, expected.len() as u32, 0).unwrap();
    assert_eq!((read.value(&expected), at), (&b"{}"[..], 258));
    assert_eq!(read.extra, None);
}

#[test]
fn the_bytes_of_version_2_are_these() {
    let mut block = Block::default();
    block.push("a", Some(b"\xff"));
    block.push("b", None);
    let extra = Extra {
        headers: block.finish(),
        timestamp_ms: Some(3),
        is_null: true,
    };
    let record = written(&event(b"", Some(b"k".into()), None, Some(extra)), b"", 2);
    let parts: [&[u8]; 6] = [
        &[2, 1 | 4 | 8 | 16],
        &2_i64.to_le_bytes(),
        &3_i64.to_le_bytes(),
        b"\x01\0\0\0k",
        b"\x13\0\0\0",
        b"\x01\0\0\0\x01\0\0\0a\xff\x01\0\0\0\xff\xff\xff\xffb",
    ];
    assert_eq!(record, parts.concat());
}

#[test]
fn what_a_later_version_wrote_is_refused_and_not_misread() {
    let record = |version: u8, flags: u8| [&[version, flags], &[0; 12][..]].concat();
    let read = |record: Vec<u8>| decode(&record, 0, record.len() as u32, 0);
    assert_eq!(read(record(3, 0)).unwrap_err(), WireError::Version(3));
    assert_eq!(read(record(2, 32)).unwrap_err(), WireError::Flags(32));
    // A null has no bytes.
    assert_eq!(read(record(2, 16)).unwrap_err(), WireError::Flags(16));
    let broken = [&record(2, 4)[..10], b"\x03\0\0\0abc"].concat();
    assert_eq!(read(broken).unwrap_err(), WireError::Headers);
    // Version 1 knew two flags and ignored the others.
    assert!(read(record(1, 32)).unwrap().0.extra.is_none());
}
