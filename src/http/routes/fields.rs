//! The fields of a form or a query (`a=1&b=2`), as browsers write them, and cookies.
//!
//! Names and values are percent-encoded; `+` is a space. An escape that is none stays as it is. Of fields with one name the first
//! that isn't empty counts: an empty one is what a link has that was made without the value.

use std::borrow::Cow;

/// The value of the field `name`.
pub(super) fn field<'a>(fields: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let all = fields.split(|byte| *byte == b'&');
    all.filter_map(|field| {
        let at = field.iter().position(|byte| *byte == b'=');
        let (given, value) = at.map_or((field, &[][..]), |at| (&field[..at], &field[at + 1..]));
        (!value.is_empty() && plain(given) == name.as_bytes()).then(|| plain(value))
    })
    .next()
}

/// What an encoded text stands for.
pub(super) fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    let mut spaced = Cow::Borrowed(text);
    if text.contains(&b'+') {
        let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
        spaced = Cow::Owned(text.iter().map(space).collect());
    }
    if !text.contains(&b'%') {
        return spaced;
    }
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

/// The value of the cookie `name` in a line of the header `cookie`.
pub(super) fn cookie<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    line.split(|byte| *byte == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let inside = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some(inside.unwrap_or(value)).filter(|value| !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(fields: &str, name: &str) -> Option<String> {
        let value = field(fields.as_bytes(), name)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    #[test]
    fn fields_are_found_and_decoded_once() {
        let fields = "k=a%20b&u=K%C3%B6ln&plus=1+2%2B3&empty=&empty=2&twice=%2541&flag&a%5B%5D=x&bad=5%&eq=a=b";
        for (name, value) in [
            ("k", Some("a b")),
            ("u", Some("K\u{f6}ln")),
            ("plus", Some("1 2+3")),
            ("empty", Some("2")),
            ("twice", Some("%41")),
            ("flag", None),
            ("a[]", Some("x")),
            ("bad", Some("5%")),
            ("eq", Some("a=b")),
            ("K", None),
            ("", None),
        ] {
            assert_eq!(found(fields, name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let line = b"asid=1; sid=\"2\" ;sid=3; e=;x";
        assert_eq!(cookie(line, "sid"), Some(&b"2"[..]));
        assert_eq!(cookie(line, "asid"), Some(&b"1"[..]));
        assert_eq!(cookie(line, "e"), None);
        assert_eq!(cookie(line, "x"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(name in "[a-z&=+% \u{e4}]{1,8}", value in "[a-z&=+% \u{e4}]{1,8}") {
            let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let fields = format!("x=1&{}={}&y=2", encoded(&name), encoded(&value));
            prop_assume!(name != "x" && name != "y");
            let back = found(&fields, &name);
            prop_assert_eq!(back.as_deref(), Some(value.as_str()));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            field(&bytes, "a");
            cookie(&bytes, "a");
        }
    }
}
