//! What `rd_kafka_produceva` is told of one message: its arguments, as librdkafka's types.
//!
//! What is absent: no call of librdkafka. Who builds an argument keeps what it points to valid during the call.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaTopic;
use sys::rd_kafka_vtype_t::*;

use super::headers::Headers;

/// The arguments of one message. What they point to has to stay valid until the call is over.
pub(super) struct Arguments {
    all: [sys::rd_kafka_vu_t; 8],
    count: usize,
}

impl Arguments {
    /// Where a message goes, and what it consists of but for headers.
    pub(super) fn new(
        (topic, partition): (*mut RDKafkaTopic, i32),
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        timestamp_ms: i64,
        opaque: *mut c_void,
    ) -> Arguments {
        let mut arguments = Arguments {
            all: [argument(RD_KAFKA_VTYPE_END, |u| u.ptr = null_mut()); 8],
            count: 0,
        };
        arguments.push(argument(RD_KAFKA_VTYPE_RKT, |u| u.rkt = topic));
        arguments.push(argument(RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = partition));
        arguments.push(argument(RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(value)));
        arguments.push(argument(RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(key)));
        arguments.push(argument(RD_KAFKA_VTYPE_TIMESTAMP, |u| {
            u.i64_ = timestamp_ms
        }));
        arguments.push(argument(RD_KAFKA_VTYPE_OPAQUE, |u| u.ptr = opaque));
        arguments
    }

    /// Adds an argument. There's room for two beside those that each message has.
    pub(super) fn push(&mut self, argument: sys::rd_kafka_vu_t) {
        self.all[self.count] = argument;
        self.count += 1;
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[sys::rd_kafka_vu_t] {
        &self.all[..self.count]
    }
}

fn argument(
    kind: sys::rd_kafka_vtype_t,
    set: impl FnOnce(&mut sys::rd_kafka_vu_s__bindgen_ty_1),
) -> sys::rd_kafka_vu_t {
    let mut value = sys::rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
    set(&mut value);
    sys::rd_kafka_vu_t {
        vtype: kind,
        u: value,
    }
}

/// One header, which librdkafka copies.
pub(super) fn header(name: &CStr, value: &str) -> sys::rd_kafka_vu_t {
    argument(RD_KAFKA_VTYPE_HEADER, |u| {
        u.header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
            name: name.as_ptr(),
            val: value.as_ptr().cast(),
            size: value.len() as isize,
        };
    })
}

/// All headers of a message, which belong to it when it's taken.
pub(super) fn headers(headers: &Headers) -> sys::rd_kafka_vu_t {
    argument(RD_KAFKA_VTYPE_HEADERS, |u| u.headers = headers.as_ptr())
}

fn memory(bytes: Option<&[u8]>) -> sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    let ptr: *const c_void = bytes.map_or(null(), |bytes| bytes.as_ptr().cast());
    sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: ptr.cast_mut(),
        size: bytes.map_or(0, <[u8]>::len),
    }
}
