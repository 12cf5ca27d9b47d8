//! The bytes that a connection of HTTP/2 begins with, in whatever pieces they come.
//!
//! hyper collects them over any number of reads and serves HTTP/1.1 from the first byte that differs. Here the same is
//! decided at the same byte: a connection that hyper serves as one thing is never charged and watched as the other.

/// RFC 9113, 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of the preface has come.
#[derive(Debug, Default)]
pub(super) struct Preface {
    matched: usize,
}

impl Preface {
    /// The next bytes: whether the connection is one of HTTP/2, or nothing while they don't tell. Not to be asked again then.
    pub(super) fn next(&mut self, came: &[u8]) -> Option<bool> {
        let rest = &PREFACE[self.matched..];
        let of_it = came.len().min(rest.len());
        if came[..of_it] != rest[..of_it] {
            return Some(false);
        }
        self.matched += of_it;
        (of_it == rest.len()).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decided of bytes that come in these pieces, and with which of them.
    fn decided(pieces: &[&[u8]]) -> Option<(usize, bool)> {
        let mut preface = Preface::default();
        let told = pieces.iter().map(|piece| preface.next(piece));
        { told }
            .enumerate()
            .find_map(|(at, told)| Some((at, told?)))
    }

    #[test]
    fn a_preface_in_any_two_pieces_is_one_and_a_part_of_it_is_nothing_yet() {
        for at in 0..PREFACE.len() {
            let (first, second) = PREFACE.split_at(at);
            assert_eq!(decided(&[first]), None, "{at} bytes of it");
            assert_eq!(decided(&[first, second]), Some((1, true)), "split at {at}");
            let more = [second, b"\0\0\0"].concat();
            assert_eq!(decided(&[first, &more]), Some((1, true)), "split at {at}");
        }
        let drops: Vec<_> = PREFACE.chunks(1).collect();
        assert_eq!(decided(&drops), Some((23, true)));
    }

    #[test]
    fn what_differs_in_any_byte_is_none_with_that_byte() {
        for wrong in 0..PREFACE.len() {
            let mut other = *PREFACE;
            other[wrong] ^= 1;
            let drops: Vec<_> = other.chunks(1).collect();
            assert_eq!(decided(&drops), Some((wrong, false)), "byte {wrong}");
            for at in 1..PREFACE.len() {
                let (first, second) = other.split_at(at);
                let with = usize::from(wrong >= at);
                assert_eq!(
                    decided(&[first, second]),
                    Some((with, false)),
                    "{wrong}, {at}"
                );
            }
        }
    }
}
