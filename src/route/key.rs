//! Where a stream's key comes from, and the partition that belongs to a key.

use crate::decode::{Pointer, PointerError};

/// Where the key of a stream's events is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// There is none.
    None,
    /// At a JSON pointer (RFC 6901) in the event.
    Event(Pointer),
    /// In a request header, the same for all events of the request.
    Header(hyper::header::HeaderName),
    /// In the path, after the stream's name, the same for all events of the request.
    Path,
}

/// Why a `key` setting isn't understood.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// It begins with `/` but isn't a JSON pointer.
    #[error("{0}")]
    Pointer(#[from] PointerError),
    /// Not the name of a header.
    #[error("{0:?} is not a header's name")]
    Header(String),
    /// Something else.
    #[error(
        "{0:?} is neither a JSON pointer such as \"/device/id\", nor \"header:NAME\", nor \"path\""
    )]
    Unknown(String),
}

impl KeySource {
    /// Reads a stream's `key` setting.
    pub fn parse(text: Option<&str>) -> Result<KeySource, KeySourceError> {
        match text {
            None => Ok(KeySource::None),
            Some("path") => Ok(KeySource::Path),
            Some(text) if text.starts_with('/') => Ok(KeySource::Event(Pointer::parse(text)?)),
            Some(text) => {
                let Some(name) = text.strip_prefix("header:") else {
                    return Err(KeySourceError::Unknown(text.into()));
                };
                let header = hyper::header::HeaderName::from_bytes(name.trim().as_bytes());
                header
                    .map(KeySource::Header)
                    .map_err(|_| KeySourceError::Header(name.into()))
            }
        }
    }
}

/// The partition of a key among `partitions`, as `BuiltInPartitioner.partitionForKey` of the Java client has it:
/// `toPositive(murmur2(key)) % partitions`. An empty key is a key.
pub fn partition_of(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

/// MurmurHash2 with the seed and byte order of Kafka's `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (position, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * position);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Kafka's own `UtilsTest.testMurmur2`; the whole partitioner is compared with the Java client in `tests/`.
    #[test]
    fn murmur2_agrees_with_kafkas_own_test_vectors() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn key_settings_are_read_or_refused_with_advice() {
        assert!(matches!(KeySource::parse(None), Ok(KeySource::None)));
        assert!(matches!(
            KeySource::parse(Some("path")),
            Ok(KeySource::Path)
        ));
        assert!(matches!(
            KeySource::parse(Some("/device/id")),
            Ok(KeySource::Event(_))
        ));
        assert!(
            matches!(KeySource::parse(Some("header:X-Device")), Ok(KeySource::Header(name)) if name == "x-device")
        );
        assert!(
            KeySource::parse(Some("device.id"))
                .unwrap_err()
                .to_string()
                .contains("/device/id")
        );
        assert!(KeySource::parse(Some("header:a b")).is_err());
    }
}
