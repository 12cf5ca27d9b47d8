//! What a request's head says of the request and its body.
//!
//! A header that may come in several lines is one list (RFC 9110, 5.3), however many lines it has; empty elements and empty
//! lines mean nothing (5.6.1). So nothing here looks at a first line alone: what a proxy joins or splits stays the same.

use hyper::body::Body;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, Request, StatusCode, Version};

use super::answer::Problem;
use super::plan::Shape;
use super::shown::shown;
use super::streams::Route;
use crate::decode::encoding::Encoding;
use crate::route::Format;

/// A line of each header that each request is asked for. They're found in one walk: a look-up of each by name costs
/// as much as some ten headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<'a> {
    all: &'a HeaderMap,
    host: Option<&'a HeaderValue>,
    content_type: Option<&'a HeaderValue>,
    content_encoding: Option<&'a HeaderValue>,
    transfer_encoding: Option<&'a HeaderValue>,
    /// Each header has one line, so that this one tells all of it.
    are_single: bool,
}

impl<'a> Lines<'a> {
    /// Finds them.
    #[inline]
    pub(super) fn of(headers: &'a HeaderMap) -> Lines<'a> {
        let mut lines = Lines {
            all: headers,
            host: None,
            content_type: None,
            content_encoding: None,
            transfer_encoding: None,
            are_single: headers.len() == headers.keys_len(),
        };
        for (name, value) in headers {
            // Of several lines the last stays, which is as good as any: then all are looked at.
            match *name {
                HOST => lines.host = Some(value),
                CONTENT_TYPE => lines.content_type = Some(value),
                CONTENT_ENCODING => lines.content_encoding = Some(value),
                TRANSFER_ENCODING => lines.transfer_encoding = Some(value),
                _ => {}
            }
        }
        lines
    }
}

/// Checks what decides where the request ends and whom it's for. What fails here ends the connection, because nothing behind
/// it can be trusted.
pub(super) fn check_framing<B: Body>(
    request: &Request<B>,
    lines: &Lines<'_>,
) -> Result<(), Problem> {
    let headers = lines.all;
    // A body whose length was told has no transfer coding: hyper goes by the coding where there are both.
    if lines.transfer_encoding.is_some() && request.body().size_hint().exact().is_none() {
        check_codings(headers)?;
    }
    match lines.host {
        Some(host) if lines.are_single && is_host(host.as_bytes()) => Ok(()),
        // Its authority stands elsewhere.
        None if request.version() == Version::HTTP_2 => Ok(()),
        _ => check_host(headers, request.version()),
    }
}

/// Chunked is the only coding that a body may have.
#[cold]
fn check_codings(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = elements(headers, TRANSFER_ENCODING);
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(is_chunked) && codings.next().is_none() {
        return Ok(());
    }
    Err(Problem {
        close: true,
        ..Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "unsupported_transfer_coding",
            "the only transfer coding that is taken is \"chunked\", once; compress with content-encoding instead",
        )
    })
}

/// There is one host, or none where the version of HTTP lets it be absent.
#[cold]
fn check_host(headers: &HeaderMap, version: Version) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let what = match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => return Ok(()),
        (None, _) if version != Version::HTTP_11 => return Ok(()),
        (None, _) => "has no host header",
        (Some(_), None) => "has a host header that names no host",
        (Some(_), Some(_)) => "has more than one host header",
    };
    Err(Problem {
        close: true,
        ..Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_host",
            format!("the request {what}; send one, as http/1.1 asks for"),
        )
    })
}

/// The bytes that a host's name may have (RFC 3986, 3.2.2), as a table: each request has some twenty of them.
const OF_NAME: [bool; 256] = {
    let (mut table, signs) = ([false; 256], b"-._~%!$&'()*+,;=");
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether this is a host and perhaps a port, as RFC 9112 (3.2) has it. It may be empty.
fn is_host(value: &[u8]) -> bool {
    // Without a branch per byte, because most hosts are names alone.
    let is_name = value
        .iter()
        .fold(true, |all, byte| all & OF_NAME[usize::from(*byte)]);
    is_name || is_host_and_port(value)
}

fn is_host_and_port(value: &[u8]) -> bool {
    let of_name = |byte: &u8| OF_NAME[usize::from(*byte)];
    let named = value.iter().take_while(|byte| of_name(byte)).count();
    match &value[named..] {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        [b'[', literal @ ..] if named == 0 => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let is_address = |byte: &u8| *byte == b':' || of_name(byte);
            let port_is_good = match &literal[end + 1..] {
                [] => true,
                [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
                _ => false,
            };
            end > 0 && literal[..end].iter().all(is_address) && port_is_good
        }
        _ => false,
    }
}

/// The elements of a header that is a list, over all its lines, without the whitespace around them. Empty ones are left out.
/// A comma within quotes belongs to its element.
pub(super) fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    let all = lines.flat_map(|line| {
        let (mut is_quoted, mut is_escaped) = (false, false);
        line.as_bytes().split(move |byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = is_quoted,
                b'"' => is_quoted = !is_quoted,
                b',' => return !is_quoted,
                _ => {}
            }
            false
        })
    });
    all.map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// The key that a header has, or none. More than one line is refused, because nobody can say which of them is meant.
pub(super) fn key_of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<u8>>, Problem> {
    let mut lines = headers.get_all(name).iter();
    let key = lines.next().map(|value| value.as_bytes().to_vec());
    if lines.next().is_some() {
        let detail = format!("header {name} has the key, and there is more than one; send it once");
        return Err(Problem {
            close: true,
            ..Problem::new(StatusCode::BAD_REQUEST, "key_doubled", detail)
        });
    }
    Ok(key)
}

/// What a request's body holds, and how it's compressed.
pub(super) struct Coded {
    pub(super) shape: Shape,
    pub(super) encoding: Encoding,
}

impl Coded {
    pub(super) fn of(route: &Route, lines: &Lines<'_>) -> Result<Coded, Problem> {
        let (shape, encoding) = (shape_of(route, lines)?, encoding_of(lines)?);
        Ok(Coded { shape, encoding })
    }
}

/// What a body of the stream holds, by its content type.
fn shape_of(route: &Route, lines: &Lines<'_>) -> Result<Shape, Problem> {
    if route.format == Format::Raw {
        return Ok(Shape::Raw);
    }
    match lines.content_type {
        None => Ok(Shape::Json),
        Some(value) if lines.are_single && value == "application/json" => Ok(Shape::Json),
        Some(_) => shape_by_list(lines.all),
    }
}

/// The same for whatever content types there are.
fn shape_by_list(headers: &HeaderMap) -> Result<Shape, Problem> {
    let mut medias = elements(headers, CONTENT_TYPE).map(media_of);
    let Some(media) = medias.next() else {
        return Ok(Shape::Json);
    };
    if let Some(other) = medias.find(|other| *other != media) {
        let detail = format!(
            "the request has two content types, {} and {}; send one",
            shown(&media),
            shown(&other)
        );
        return Err(Problem {
            close: true,
            ..Problem::new(StatusCode::BAD_REQUEST, "two_content_types", detail)
        });
    }
    shape_by(&media).ok_or_else(|| Problem {
        close: true,
        ..Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!(
                "content type {} is not taken; send application/json or application/x-ndjson",
                shown(&media)
            ),
        )
    })
}

/// The media type without its parameters, in lower case.
fn media_of(element: &[u8]) -> String {
    let end = element.iter().position(|byte| *byte == b';');
    let media = element[..end.unwrap_or(element.len())].trim_ascii();
    String::from_utf8_lossy(media).to_ascii_lowercase()
}

/// JSON lines have no registered media type; these are in use. `application/json-seq` isn't: its records begin with a control
/// character (RFC 7464).
fn shape_by(media: &str) -> Option<Shape> {
    let Some((kind, name)) = media.split_once('/') else {
        return media.is_empty().then_some(Shape::Json);
    };
    let name = name.strip_prefix("x-").unwrap_or(name);
    match (kind, name) {
        (
            "application" | "text",
            "ndjson" | "nd-json" | "jsonl" | "jsonlines" | "json-lines" | "ldjson" | "ld-json"
            | "json-stream" | "stream+json" | "jsonstream",
        ) => Some(Shape::Ndjson),
        (_, name) if name.ends_with("+ndjson") || name.ends_with("+jsonl") => Some(Shape::Ndjson),
        ("application" | "text", "json")
        | ("text", "plain")
        | ("application", "www-form-urlencoded") => Some(Shape::Json),
        (_, name) if name.ends_with("+json") => Some(Shape::Json),
        _ => None,
    }
}

/// How it is compressed: by one coding. `identity` means none, wherever it stands.
#[inline(always)]
pub(super) fn encoding_of(lines: &Lines<'_>) -> Result<Encoding, Problem> {
    match lines.content_encoding {
        None => Ok(Encoding::Identity),
        Some(_) => encoding_by_list(lines.all),
    }
}

/// The same for whatever codings there are.
#[cold]
fn encoding_by_list(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut encoding = Encoding::Identity;
    for element in elements(headers, CONTENT_ENCODING) {
        let known = std::str::from_utf8(element)
            .ok()
            .and_then(Encoding::from_header);
        encoding = match known {
            Some(Encoding::Identity) => encoding,
            Some(known) if encoding == Encoding::Identity => known,
            _ => return Err(unsupported(element)),
        };
    }
    Ok(encoding)
}

fn unsupported(coding: &[u8]) -> Problem {
    let coding = shown(&String::from_utf8_lossy(coding));
    Problem {
        close: true,
        ..Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            format!(
                "content encoding {coding} is not taken, or not beside another; send one of gzip, deflate, br and zstd, or none"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let lines = lines.iter();
        lines
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_list_is_the_same_in_one_line_and_in_several() {
        for lines in [
            &["a, b;q=\"x, \\\", y\" ,c"][..],
            &["a", "b;q=\"x, \\\", y\"", "c"],
            &["", ", a ,, b;q=\"x, \\\", y\",", " c\t", " , "],
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (CONTENT_TYPE, *line)).collect();
            let headers = headers(&lines);
            let found: Vec<_> = elements(&headers, CONTENT_TYPE).collect();
            let expected: [&[u8]; 3] = [b"a", b"b;q=\"x, \\\", y\"", b"c"];
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn a_body_has_one_coding_at_most() {
        use Encoding::*;
        let rows: [(&[&str], Option<Encoding>); 12] = [
            (&[], Some(Identity)),
            (&[""], Some(Identity)),
            (&["", ", identity ,"], Some(Identity)),
            (&["gzip"], Some(Gzip)),
            (&["identity", "GZIP"], Some(Gzip)),
            (&["gzip", "identity"], Some(Gzip)),
            (&["identity, gzip,, identity"], Some(Gzip)),
            (&["gzip, gzip"], None),
            (&["gzip", "gzip"], None),
            (&["gzip", "br"], None),
            (&["identity", "compress"], None),
            (&["gzip;q=1"], None),
        ];
        for (lines, expected) in rows {
            let named: Vec<_> = lines.iter().map(|line| (CONTENT_ENCODING, *line)).collect();
            let found = encoding_of(&Lines::of(&headers(&named)));
            assert_eq!(found.ok(), expected, "{lines:?}");
        }
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for good in [
            "",
            "a",
            "a.b-c_d:80",
            "127.0.0.1:",
            "[::1]",
            "[::1]:80",
            "x%20y",
            "a,b",
        ] {
            assert!(is_host(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b", "a/b", "u@h", "a:b", "a:1:2", "[::1", "[]", "[::1]x", "a\u{e9}", "a\"", "a, b",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
    }
}
