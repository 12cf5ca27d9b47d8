//! Headers of a record, as librdkafka has them: a list of copies that belongs to the message from the moment in which it's taken.

use std::ffi::CStr;
use std::ptr::null;

use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaRespErr;

/// Room from the beginning.
const FEW: usize = 8;

/// Headers of a message that isn't taken yet.
pub(super) struct Headers(*mut sys::rd_kafka_headers_t);

impl Headers {
    /// None yet.
    pub(super) fn new() -> Headers {
        // SAFETY: it's destroyed when it's dropped, or given away.
        Headers(unsafe { sys::rd_kafka_headers_new(FEW) })
    }

    /// Adds a header.
    pub(super) fn push(&mut self, name: &[u8], value: Option<&[u8]>) {
        let pointer = value.map_or(null(), |value| value.as_ptr().cast());
        // SAFETY: the list is valid; name and value are copied during the call. It has no error.
        let _: RDKafkaRespErr = unsafe {
            sys::rd_kafka_header_add(
                self.0,
                name.as_ptr().cast(),
                name.len() as isize,
                pointer,
                value.map_or(0, <[u8]>::len) as isize,
            )
        };
    }

    /// Adds a header of ours, if it has a value.
    pub(super) fn push_text(&mut self, name: &CStr, value: Option<&str>) {
        if let Some(value) = value {
            self.push(name.to_bytes(), Some(value.as_bytes()));
        }
    }

    /// For the call that takes the message.
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.0
    }

    /// A message took them.
    pub(super) fn given(self) {
        std::mem::forget(self);
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: no message took them.
        unsafe { sys::rd_kafka_headers_destroy(self.0) };
    }
}

/// The headers of a message that has some of its own, with ours behind them. Ours alone go the shorter way.
pub(super) fn of<'a>(
    own: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ours: [(&CStr, Option<&str>); 2],
) -> Option<Headers> {
    let mut headers = None;
    for (name, value) in own {
        let headers = headers.get_or_insert_with(Headers::new);
        headers.push(name, value);
    }
    let all = headers.as_mut()?;
    ours.into_iter()
        .for_each(|(name, value)| all.push_text(name, value));
    headers
}
