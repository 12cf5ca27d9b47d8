//! A request as it's written in a file.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};

/// A request as it's written in a file.
#[derive(Debug)]
pub struct Written {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Written {
    /// Reads a request: its first line, its headers, an empty line, its body. Lines may end with or without a carriage return.
    pub fn parse(text: &[u8]) -> Result<Written, String> {
        let mut rest = text;
        let mut line = || {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, behind) = match end {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None if rest.is_empty() => return None,
                None => (rest, &[][..]),
            };
            rest = behind;
            Some(line.strip_suffix(b"\r").unwrap_or(line))
        };
        let first = line().unwrap_or_default();
        let first = String::from_utf8_lossy(first).into_owned();
        let wrong = || {
            format!(
                "{first:?} is no first line of a request; write it like \"POST /v1/batch HTTP/1.1\""
            )
        };
        let mut parts = first.split_whitespace();
        let (method, target) = parts.next().zip(parts.next()).ok_or_else(wrong)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong())?;
        let uri = target.parse::<Uri>().map_err(|_| wrong())?;
        let mut headers = HeaderMap::new();
        while let Some(line) = line().filter(|line| !line.is_empty()) {
            let shown = String::from_utf8_lossy(line);
            let wrong = || format!("{shown:?} is no header; an empty line comes before the body");
            let at = line
                .iter()
                .position(|byte| *byte == b':')
                .ok_or_else(wrong)?;
            let name = HeaderName::from_bytes(&line[..at]).map_err(|_| wrong())?;
            let value = HeaderValue::from_bytes(line[at + 1..].trim_ascii());
            headers.append(name, value.map_err(|_| wrong())?);
        }
        Ok(Written {
            method,
            uri,
            headers,
            body: rest.to_vec(),
        })
    }
}
