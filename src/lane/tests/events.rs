//! What the model's clients send: events with a number, a mark that says what becomes of them, and a size.

use std::sync::Arc;

use crate::event::Extra;
use crate::event::headers::Block;
use crate::receipt::Parcel;

/// Kafka refuses a batch with such an event.
pub(super) const LARGE: u8 = b'L';
/// Kafka refuses a batch with such an event, and nothing tells why.
pub(super) const REFUSED: u8 = b'R';
/// The client refuses such an event.
pub(super) const LARGE_FOR_CLIENT: u8 = b'C';
/// An event without faults.
pub(super) const FINE: u8 = b'f';

/// What an event has beside its value, by its number: one in three a header that has the number, and a time that is the number.
pub(super) fn extra(id: usize) -> Option<Arc<Extra>> {
    if id % 3 != 1 {
        return None;
    }
    let mut block = Block::default();
    block.push("number", Some(&id.to_le_bytes()));
    block.push("none", None);
    let extra = Extra {
        headers: block.finish(),
        timestamp_ms: Some(id as i64),
        is_null: false,
    };
    Some(Arc::new(extra))
}

/// Checks that an event has what it was sent with, wherever it was meanwhile.
pub(super) fn check_extra(parcel: &Parcel, position: u32) {
    let event = &parcel.events()[position as usize];
    let body = parcel.request().body();
    let sent = extra(id_of(event.value(body)));
    let sent = sent.as_deref().cloned().unwrap_or_default();
    assert_eq!(event.timestamp_ms(), sent.timestamp_ms);
    assert_eq!(event.header_block(body), sent.headers.block(&[]));
}

/// An event's value: its number, its mark, and as many bytes as it's long.
pub(super) fn value(id: usize, mark: u8, bytes: usize) -> Vec<u8> {
    let mut value = format!("{id:08}").into_bytes();
    value.push(mark);
    value.resize(value.len().max(bytes), b'.');
    value
}

/// The number in an event's value.
pub(super) fn id_of(value: &[u8]) -> usize {
    let digits = std::str::from_utf8(&value[..8]).unwrap();
    digits.parse().unwrap()
}
