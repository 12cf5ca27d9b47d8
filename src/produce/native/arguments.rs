//! What `rd_kafka_produceva` is told of one message: its arguments, as librdkafka's types.
//!
//! What is absent: no call of librdkafka. Who builds an argument keeps what it points to valid during the call.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use rdkafka::bindings as sys;

pub(super) fn argument(
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

pub(super) fn end() -> sys::rd_kafka_vu_t {
    argument(sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END, |u| {
        u.ptr = null_mut()
    })
}

pub(super) fn header(name: &CStr, value: &str) -> sys::rd_kafka_vu_t {
    argument(sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADER, |u| {
        u.header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
            name: name.as_ptr(),
            val: value.as_ptr().cast(),
            size: value.len() as isize,
        };
    })
}

pub(super) fn memory(bytes: Option<&[u8]>) -> sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    let ptr: *const c_void = bytes.map_or(null(), |bytes| bytes.as_ptr().cast());
    sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: ptr.cast_mut(),
        size: bytes.map_or(0, <[u8]>::len),
    }
}
