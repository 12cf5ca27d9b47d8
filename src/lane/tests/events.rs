//! What the model's clients send: events with a number, a mark that says what becomes of them, and a size.

/// Kafka refuses a batch with such an event.
pub(super) const LARGE: u8 = b'L';
/// Kafka refuses a batch with such an event, and nothing tells why.
pub(super) const REFUSED: u8 = b'R';
/// The client refuses such an event.
pub(super) const LARGE_FOR_CLIENT: u8 = b'C';
/// An event without faults.
pub(super) const FINE: u8 = b'f';

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
