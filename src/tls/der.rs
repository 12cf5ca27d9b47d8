//! A certificate's subject in words: the content of an X.501 name (DER, X.690) as RFC 4514 writes it.

/// The attributes that have a short name (RFC 4514, 3), by their object identifiers.
const SHORT: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 9], "STREET"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        "DC",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
        "UID",
    ),
];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const IDENTIFIER: u8 = 0x06;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;

/// The name whose content this is, most specific part first. Nothing if it isn't one.
pub(super) fn name(mut content: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !content.is_empty() {
        let (mut set, rest) = value(SET, content)?;
        content = rest;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let (pair, rest) = value(SEQUENCE, set)?;
            set = rest;
            let (identifier, text) = value(IDENTIFIER, pair)?;
            attributes.push(format!("{}={}", kind(identifier)?, words(text)?));
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

/// The content of the value with this tag at the beginning, and what follows.
fn value(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = first(bytes)?;
    (found == tag).then_some((content, rest))
}

/// Tag and content of the value at the beginning, and what follows.
fn first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (&[high, low], rest) = rest.split_first_chunk()?;
            (usize::from(high) << 8 | usize::from(low), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// An attribute's name, or its numbers.
fn kind(identifier: &[u8]) -> Option<String> {
    if let Some((_, short)) = SHORT.iter().find(|(known, _)| *known == identifier) {
        return Some((*short).to_owned());
    }
    let (mut numbers, mut number) = (Vec::new(), 0_u64);
    for byte in identifier {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    // The first two share one.
    let first = *numbers.first()?;
    let root = (first / 40).min(2);
    numbers[0] = first - 40 * root;
    let all: Vec<_> = std::iter::once(root).chain(numbers).collect();
    let all: Vec<_> = all.iter().map(u64::to_string).collect();
    Some(all.join("."))
}

/// An attribute's value: text with its special characters escaped, or `#` and all of it in hexadecimal digits.
fn words(bytes: &[u8]) -> Option<String> {
    let (tag, content, _) = first(bytes)?;
    let text = match tag {
        UTF8 | PRINTABLE | IA5 => std::str::from_utf8(content).ok(),
        _ => None,
    };
    let Some(text) = text else {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        return Some(format!("#{}", digits.collect::<String>()));
    };
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, char) in text.chars().enumerate() {
        match char {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => escaped.extend(['\\', char]),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            '#' if at == 0 => escaped.push_str("\\#"),
            char if char.is_control() => {
                let mut bytes = [0; 4];
                for byte in char.encode_utf8(&mut bytes).bytes() {
                    escaped.push_str(&format!("\\{byte:02x}"));
                }
            }
            char => escaped.push(char),
        }
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = content.len();
        let head = match len {
            0..=0x7f => vec![tag, len as u8],
            0x80..=0xff => vec![tag, 0x81, len as u8],
            _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
        };
        [head, content.to_vec()].concat()
    }

    fn attribute(identifier: &[u8], tag: u8, text: &[u8]) -> Vec<u8> {
        let pair = [tagged(IDENTIFIER, identifier), tagged(tag, text)].concat();
        tagged(SEQUENCE, &pair)
    }

    #[test]
    fn a_name_is_written_most_specific_first_with_what_is_special_escaped() {
        let of = |parts: &[Vec<u8>]| name(&parts.concat());
        let country = tagged(SET, &attribute(&[0x55, 4, 6], PRINTABLE, b"DE"));
        let both = [
            attribute(&[0x55, 4, 3], UTF8, b"a,b=c+\"\\ "),
            attribute(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], IA5, b"#x\n"),
        ];
        let person = tagged(SET, &both.concat());
        assert_eq!(
            of(&[country, person]).unwrap(),
            "CN=a\\,b=c\\+\\\"\\\\\\ +1.2.840.113549.1.9.1=\\#x\\0a,C=DE"
        );
        let long = "x".repeat(300);
        let long = tagged(SET, &attribute(&[0x55, 4, 10], UTF8, long.as_bytes()));
        assert_eq!(of(&[long]).unwrap().len(), 302);
        let other = tagged(SET, &attribute(&[0x55, 4, 10], 0x1e, b"\0a"));
        assert_eq!(of(&[other]).unwrap(), "O=#1e020061");
        assert_eq!(of(&[]).unwrap(), "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            drop(name(&bytes));
        }

        #[test]
        fn a_name_that_is_cut_off_is_none(text in "[a-z]{1,40}", cut in 1_usize..40) {
            let whole = tagged(SET, &attribute(&[0x55, 4, 3], UTF8, text.as_bytes()));
            prop_assert_eq!(name(&whole), Some(format!("CN={text}")));
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(name(&whole[..whole.len() - cut]), None);
        }
    }
}
