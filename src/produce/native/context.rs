//! What a client's interceptors share with its worker, and how they are added.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::config::NativeClientConfig;
use rdkafka::types::{RDKafka, RDKafkaRespErr};

use super::hold::{self, Hold};
use super::lost::{self, Lost};
use super::wakeups::{self, Sockets};

/// The context of a client.
#[derive(Debug, Default)]
pub struct Context {
    pub(super) hold: Hold,
    pub(super) sockets: Sockets,
    pub(super) lost: Lost,
}

impl ClientContext for Context {}

/// Adds all interceptors to a client of this configuration. Its context has to be a [`Context`].
pub(super) fn intercept(config: &NativeClientConfig) {
    // Errors of the client come as events of its queue. What is left are those in partitions' queues, which are thrown away (`hold`).
    // SAFETY: the configuration is valid and not yet used.
    unsafe { sys::rd_kafka_conf_set_error_cb(config.ptr(), Some(ignore)) };
    // SAFETY: as above; the name is a C string.
    let _: RDKafkaRespErr = unsafe {
        sys::rd_kafka_conf_interceptor_add_on_new(
            config.ptr(),
            c"forebay".as_ptr(),
            Some(on_new),
            null_mut(),
        )
    };
}

unsafe extern "C" fn ignore(_: *mut RDKafka, _: i32, _: *const c_char, _: *mut c_void) {}

unsafe extern "C" fn on_new(
    rk: *mut RDKafka,
    _: *const sys::rd_kafka_conf_t,
    _: *mut c_void,
    _: *mut c_char,
    _: usize,
) -> RDKafkaRespErr {
    // SAFETY: the client's opaque is its context, set by the crate, and lives longer than the client. The client is being made, which
    // is when interceptors may be added.
    unsafe {
        if let Some(context) = sys::rd_kafka_opaque(rk).cast::<Context>().as_ref() {
            hold::add(rk, &context.hold);
            wakeups::add(rk, &context.sockets);
            lost::add(rk, &context.lost);
        }
    }
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}
