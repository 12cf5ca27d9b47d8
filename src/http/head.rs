//! What a request's head says of its body.

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{HeaderMap, StatusCode};

use super::answer::Problem;
use super::plan::Shape;
use super::streams::Stream;
use crate::decode::encoding::Encoding;
use crate::route::Format;

/// What a body of the stream holds, by its content type.
pub(super) fn shape_of(stream: &Stream, headers: &HeaderMap) -> Result<Shape, Problem> {
    if stream.format == Format::Raw {
        return Ok(Shape::Raw);
    }
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(Shape::Json);
    };
    if value == "application/json" {
        return Ok(Shape::Json);
    }
    let text = value.to_str().unwrap_or_default();
    let media = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media.as_str() {
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => Ok(Shape::Ndjson),
        ""
        | "application/json"
        | "text/json"
        | "text/plain"
        | "application/x-www-form-urlencoded" => Ok(Shape::Json),
        media if media.ends_with("+json") => Ok(Shape::Json),
        _ => Err(Problem {
            close: true,
            ..Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                format!(
                    "content type {media:?} is not taken; send application/json or application/x-ndjson"
                ),
            )
        }),
    }
}

/// How it is compressed.
pub(super) fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let Some(value) = headers.get(CONTENT_ENCODING) else {
        return Ok(Encoding::Identity);
    };
    let known = value.to_str().ok().and_then(Encoding::from_header);
    known.ok_or_else(|| Problem {
        close: true,
        ..Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            format!(
                "content encoding {value:?} is not taken; send gzip, deflate, br, zstd or none"
            ),
        )
    })
}
