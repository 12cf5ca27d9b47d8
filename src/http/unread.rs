//! The answers to heads that hyper can't read. hyper makes them itself, without a body; here they get one, as every other refusal
//! has.

use super::answer::Problem;

/// hyper's own answers have no more than a status line, a date, a length and how the connection goes on.
const LONGEST: usize = 256;
const NO_LENGTH: &[u8] = b"content-length: 0\r\n";

/// The code of the problem when a head is larger than allowed, or the address in it.
pub(super) const HEAD_TOO_LARGE: &str = "head_too_large";
/// The code of the problem when a head isn't one.
pub(super) const MALFORMED: &str = "malformed";

/// The code for an error that ended a connection, if it's a head that can't be read.
pub(super) fn code_of(
    error: &(dyn std::error::Error + Send + Sync + 'static),
) -> Option<&'static str> {
    let error = error.downcast_ref::<hyper::Error>()?;
    match error {
        error if error.is_parse_too_large() => Some(HEAD_TOO_LARGE),
        error if error.is_parse() => Some(MALFORMED),
        _ => None,
    }
}

/// What to write instead of `written`, if that is an answer that hyper made itself. Answers of ours have a content type in their
/// heads, and their bodies have no line ends.
#[inline(always)]
pub(super) fn with_body(written: &[u8]) -> Option<Vec<u8>> {
    // The end first: answers of ours have another, and so it tells the most.
    if !written.ends_with(b"\r\n\r\n") || written.len() > LONGEST {
        return None;
    }
    with_body_of(written)
}

#[cold]
fn with_body_of(written: &[u8]) -> Option<Vec<u8>> {
    if !written.starts_with(b"HTTP/1.") {
        return None;
    }
    let (code, detail) = match written.get(8..13)? {
        b" 400 " => (MALFORMED, "the request's head is not valid http/1.1"),
        b" 414 " => (HEAD_TOO_LARGE, "the request's address is too long"),
        b" 431 " => (
            HEAD_TOO_LARGE,
            "the request's head is larger, or has more headers, than forebay takes (http.max_head, http.max_headers)",
        ),
        _ => return None,
    };
    if find(written, b"\r\ncontent-type:").is_some() {
        return None;
    }
    let at = find(written, NO_LENGTH)?;
    let status = std::str::from_utf8(&written[9..12]).ok()?.parse().ok()?;
    let body = Problem::new(status, code, detail).body();
    let (before, behind) = (&written[..at], &written[at + NO_LENGTH.len()..]);
    let headers = format!(
        "content-type: application/problem+json\r\ncontent-length: {}\r\n",
        body.len()
    );
    Some([before, headers.as_bytes(), behind, &body].concat())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|piece| piece == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_that_hyper_made_get_a_body() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let text = String::from_utf8(with_body(own.as_bytes()).unwrap()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(
            head.ends_with("\r\ndate: x") && head.contains("\r\nconnection: close\r\n"),
            "{head}"
        );
        assert!(body.contains("urn:forebay:head_too_large"), "{body}");
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: x\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(with_body(other.as_bytes()), None, "{other}");
        }
    }
}
