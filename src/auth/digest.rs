//! The SHA-256 of a key, which is all that is kept of it.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

/// The SHA-256 of something. Comparing two takes the same time wherever they differ.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        let digest = digest(&SHA256, bytes);
        Digest::from_bytes(digest.as_ref()).unwrap_or(Digest([0; 32]))
    }

    /// From 64 hexadecimal digits, of either case.
    pub fn from_hex(text: &[u8]) -> Option<Digest> {
        let pairs = text.as_chunks::<2>();
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs.0) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Digest(bytes))
    }

    /// These bytes, if they are as many as a digest has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }

    /// A number out of all of its bytes: evenly distributed, as a hash is, also if only some of the bytes were chosen at random.
    pub(super) fn bucket(&self) -> u64 {
        let (parts, _) = self.0.as_chunks::<8>();
        let parts = parts.iter().map(|part| u64::from_le_bytes(*part));
        parts.fold(0, |sum, part| sum ^ part)
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

impl PartialEq for Digest {
    fn eq(&self, other: &Digest) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Digest {}

/// In hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Not shown: whoever has the digest of a short key can guess the key.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
