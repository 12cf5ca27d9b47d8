//! Asks a cluster how its topics are configured, through a client that there is already.
//!
//! The answer comes through a queue of its own, so neither the worker that reads the client's reports nor the client's
//! threads notice. The crate's admin client would be a second client, with threads and connections of its own, for each
//! cluster.

use std::collections::BTreeSet;
use std::ffi::{CString, c_char};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::{RDKafka, RDKafkaQueue, RDKafkaRespErr};

use super::reports::text;
use crate::produce::topic_limits::TopicConfig;

/// How much longer than its deadline an answer is waited for: the client itself says that it didn't come.
const GRACE: Duration = Duration::from_millis(500);

/// What became of the question for one topic.
pub type Described = Result<TopicConfig, RDKafkaErrorCode>;

/// The configuration of each of `topics` as the cluster tells it, in the order in which they were asked for. An error for
/// all of them if there was no answer within `at_most`, or if the brokers are too old to be asked.
pub fn topic_configs<C: ClientContext>(
    client: &Client<C>,
    topics: &[&str],
    at_most: Duration,
) -> Result<Vec<Described>, RDKafkaErrorCode> {
    // Streams may share a topic, but librdkafka doesn't take an answer in which one stands twice.
    let unique: BTreeSet<_> = topics.iter().copied().collect();
    let names: Vec<_> = unique.iter().flat_map(|name| CString::new(*name)).collect();
    if names.len() != unique.len() {
        return Err(RDKafkaErrorCode::InvalidArgument);
    }
    // SAFETY: the client is valid for the call. All that is made here is destroyed here.
    unsafe {
        let queue = Queue::new(client.native_ptr());
        let options = Options::new(
            client.native_ptr(),
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            at_most,
        );
        let topic = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        let mut asked: Vec<_> = names
            .iter()
            .map(|name| sys::rd_kafka_ConfigResource_new(topic, name.as_ptr()))
            .collect();
        let count = asked.len();
        sys::rd_kafka_DescribeConfigs(
            client.native_ptr(),
            asked.as_mut_ptr(),
            count,
            options.0,
            queue.0,
        );
        sys::rd_kafka_ConfigResource_destroy_array(asked.as_mut_ptr(), count);
        let event = queue.answer(at_most + GRACE)?;
        let result = sys::rd_kafka_event_DescribeConfigs_result(event.0);
        if result.is_null() {
            return Err(RDKafkaErrorCode::BadMessage);
        }
        let mut found = vec![Err(RDKafkaErrorCode::UnknownTopic); topics.len()];
        let mut count = 0;
        let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        for index in 0..count {
            let resource = *resources.add(index);
            let name = text(sys::rd_kafka_ConfigResource_name(resource));
            let config = config_of(resource);
            let of_it = topics.iter().zip(&mut found);
            for (_, found) in of_it.filter(|(topic, _)| **topic == name) {
                *found = config;
            }
        }
        Ok(found)
    }
}

/// Whether we may write to a topic. None if the brokers don't tell: those before 2.3.
pub fn may_write<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    at_most: Duration,
) -> Result<Option<bool>, RDKafkaErrorCode> {
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidArgument)?;
    // SAFETY: the client is valid for the call. All that is made here is destroyed here.
    unsafe {
        let queue = Queue::new(client.native_ptr());
        let options = Options::new(
            client.native_ptr(),
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            at_most,
        );
        let error = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.0, 1);
        if !error.is_null() {
            sys::rd_kafka_error_destroy(error);
            return Ok(None);
        }
        let mut names = [name.as_ptr()];
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
        sys::rd_kafka_DescribeTopics(client.native_ptr(), topics, options.0, queue.0);
        sys::rd_kafka_TopicCollection_destroy(topics);
        let event = queue.answer(at_most + GRACE)?;
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err(RDKafkaErrorCode::BadMessage);
        }
        let mut count = 0;
        let described = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if count == 0 {
            return Ok(None);
        }
        let error = sys::rd_kafka_TopicDescription_error(*described);
        let code = sys::rd_kafka_error_code(error);
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(code.into());
        }
        let operations =
            sys::rd_kafka_TopicDescription_authorized_operations(*described, &raw mut count);
        if operations.is_null() {
            return Ok(None);
        }
        // As numbers: a later librdkafka may know operations that the bindings don't.
        let operations = std::slice::from_raw_parts(operations.cast::<u32>(), count);
        let [all, write] = [
            sys::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_ALL as u32,
            sys::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE as u32,
        ];
        let may = operations.iter().any(|known| [all, write].contains(known));
        Ok(Some(may))
    }
}

/// # Safety
/// `resource` must be a valid part of an answer.
unsafe fn config_of(resource: *const sys::rd_kafka_ConfigResource_t) -> Described {
    // SAFETY: the caller's promise; entries live as long as their resource.
    unsafe {
        let error = sys::rd_kafka_ConfigResource_error(resource);
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        let mut count = 0;
        let entries = sys::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        let mut config = TopicConfig::default();
        for index in 0..count {
            let entry = *entries.add(index);
            let name = text(sys::rd_kafka_ConfigEntry_name(entry));
            let value = text(sys::rd_kafka_ConfigEntry_value(entry));
            config.note(name, value);
        }
        Ok(config)
    }
}

/// A queue for one answer.
struct Queue(*mut RDKafkaQueue);

impl Queue {
    /// # Safety
    /// The client must be valid, and outlive the result.
    unsafe fn new(client: *mut RDKafka) -> Queue {
        // SAFETY: the caller's promise.
        Queue(unsafe { sys::rd_kafka_queue_new(client) })
    }

    /// The answer, unless it says that the question failed.
    fn answer(&self, at_most: Duration) -> Result<Event, RDKafkaErrorCode> {
        let at_most_ms = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; the event is destroyed when it's dropped.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.0, at_most_ms);
            if event.is_null() {
                return Err(RDKafkaErrorCode::OperationTimedOut);
            }
            let event = Event(event);
            match sys::rd_kafka_event_error(event.0) {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(event),
                error => Err(error.into()),
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is valid and used nowhere else. An answer that comes later is dropped by librdkafka.
        unsafe { sys::rd_kafka_queue_destroy(self.0) };
    }
}

struct Event(*mut sys::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is valid and used nowhere else.
        unsafe { sys::rd_kafka_event_destroy(self.0) };
    }
}

struct Options(*mut sys::rd_kafka_AdminOptions_t);

impl Options {
    /// # Safety
    /// The client must be valid.
    unsafe fn new(client: *mut RDKafka, what: sys::rd_kafka_admin_op_t, at_most: Duration) -> Self {
        let at_most_ms = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
        let mut words: [c_char; 128] = [0; 128];
        // SAFETY: the caller's promise. A time that isn't taken leaves the client's default, which is longer, and the
        // queue's deadline counts then.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client, what);
            let _: RDKafkaRespErr = sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                at_most_ms,
                words.as_mut_ptr(),
                words.len(),
            );
            Options(options)
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the options are valid and used nowhere else.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.0) };
    }
}
