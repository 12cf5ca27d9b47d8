//! How hyper is set up to speak HTTP/1.1 and HTTP/2.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;

use super::settings::Settings;

/// The windows of HTTP/2 bound what one connection may make us buffer before a request is charged for it.
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// What connections with these settings are served by.
pub(super) fn builder(settings: &Settings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Slow heads are watched for without a timer per request: see `watch`.
        .header_read_timeout(None)
        // Answers are small: head and body are cheaper to send as one piece of memory than as two.
        .writev(false)
        .max_buf_size(settings.max_head.as_u64() as usize)
        // Requests of a pipeline are taken one after the other (RFC 9112, 9.3.2: only those with safe methods may be taken
        // together), so each waits for Kafka by itself and no two answers are ever ready at once: there's nothing to gather.
        // No `pipeline_flush`: it holds answers back while any byte of a further request is buffered (and loses them if
        // the connection then ends), and it lifts the bound on answers that a client doesn't read.
        .half_close(true);
    // hyper's own limit, and then the headers of a request need no memory while they're read.
    if settings.max_headers != 100 {
        builder.http1().max_headers(settings.max_headers);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(settings.max_head.as_u64() as u32)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
