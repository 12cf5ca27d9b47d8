//! Headers that say whose a request is, beside a slow reader that goes letter by letter.

use hyper::header::HeaderValue;

use super::*;
use crate::auth::tests::dice::{Dice, ip, ipv4, ipv6, trimmed};

/// The parts of a text between these letters where no quotes are, without what is white around them.
fn parts(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut letters = text.iter().copied();
    let mut is_quoted = false;
    while let Some(letter) = letters.next() {
        if letter == separator && !is_quoted {
            all.push(Vec::new());
            continue;
        }
        is_quoted ^= letter == b'"';
        let last = all.len() - 1;
        all[last].push(letter);
        if letter == b'\\'
            && is_quoted
            && let Some(escaped) = letters.next()
        {
            all[last].push(escaped);
        }
    }
    all.iter().map(|part| trimmed(part).to_vec()).collect()
}

/// An address with a port or without.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = trimmed(text);
    let is_port = |text: &[u8]| match text {
        [b':', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let found = match text.first() {
        Some(b'[') => {
            let end = text.iter().position(|letter| *letter == b']')?;
            let behind = &text[end + 1..];
            (behind.is_empty() || is_port(behind))
                .then(|| ipv6(&text[1..end]))??
                .into()
        }
        _ => match ip(text) {
            Some(found) => found,
            None => {
                let colon = text.iter().position(|letter| *letter == b':')?;
                is_port(&text[colon..])
                    .then(|| ipv4(&text[..colon]))??
                    .into()
            }
        },
    };
    Some(found.to_canonical())
}

/// The address in an element of `Forwarded`.
fn of_forwarded(element: &[u8]) -> Option<IpAddr> {
    let mut values = Vec::new();
    for pair in parts(element, b';') {
        let Some(sign) = pair.iter().position(|letter| *letter == b'=') else {
            continue;
        };
        if trimmed(&pair[..sign]).eq_ignore_ascii_case(b"for") {
            values.push(trimmed(&pair[sign + 1..]).to_vec());
        }
    }
    let [value] = &values[..] else { return None };
    match &value[..] {
        [b'"', inside @ .., b'"'] => address(inside),
        plain => address(plain),
    }
}

/// Whose a request is that came from 10.0.0.1, if 10.0.0.0/8 is trusted.
fn slowly(lines: &[Vec<u8>], read: impl Fn(&[u8]) -> Option<IpAddr>) -> IpAddr {
    let mut elements: Vec<_> = lines.iter().flat_map(|line| parts(line, b',')).collect();
    elements.retain(|element| !element.is_empty());
    let mut now = IpAddr::from([10, 0, 0, 1]);
    let is_trusted = |address: IpAddr| matches!(address, IpAddr::V4(it) if it.octets()[0] == 10);
    while is_trusted(now)
        && let Some(last) = elements.pop()
    {
        match read(&last) {
            Some(before) => now = before,
            None => break,
        }
    }
    now
}

/// One element of a list, or nearly.
fn element(dice: &mut Dice, is_forwarded: bool) -> Vec<u8> {
    let mut node = dice.address();
    if dice.once_in(2) {
        node = [&b"10.1.2."[..], dice.pick(&[&b"3"[..], b"255", b"256"])].concat();
    }
    if dice.once_in(3) {
        node = [b"[", &node[..], b"]"].concat();
    }
    if dice.once_in(3) {
        node.extend_from_slice(dice.pick(&[&b":80"[..], b":", b":99999", b":x"]));
    }
    if !is_forwarded {
        return node;
    }
    if dice.once_in(2) {
        node = [b"\"", &node[..], b"\""].concat();
    }
    let pairs: [&[u8]; 9] = [
        b"proto=https;",
        b"by=10.0.0.9;",
        b"host=\"a;b,c\";",
        b"host=\"\\\";for=1.1.1.1;\\\"\";",
        b" ",
        b"\"",
        b"\\",
        b"for=1.2.3.4;",
        b";",
    ];
    let before = dice.pieces(&pairs, 2);
    let name = dice.pick(&[&b"for="[..], b"for=", b"For = ", b"FOR=", b"by="]);
    [&before[..], name, &node, b";", &dice.pieces(&pairs, 1)].concat()
}

#[test]
fn the_client_is_whom_a_slow_reader_finds() {
    let trusted: Networks = vec!["10.0.0.0/8".to_owned()].try_into().unwrap();
    let peer = Peer::at(([10, 0, 0, 1], 1).into());
    Dice::try_all(|dice| {
        let is_forwarded = dice.once_in(2);
        let mut lines = Vec::new();
        for _ in 0..1 + dice.below(2) {
            let mut line = Vec::new();
            for _ in 0..1 + dice.below(3) {
                line.extend(element(dice, is_forwarded));
                line.extend_from_slice(dice.pick(&[&b","[..], b", ", b",,"]));
            }
            dice.damage(&mut line);
            lines.push(line);
        }
        let mut headers = HeaderMap::new();
        let (name, from) = match is_forwarded {
            true => (FORWARDED, AddressFrom::Forwarded),
            false => (X_FORWARDED_FOR, AddressFrom::XForwardedFor),
        };
        for line in &lines {
            let Ok(value) = HeaderValue::from_bytes(line) else {
                return false;
            };
            headers.append(&name, value);
        }
        let found = ClientAddress::of(&peer, &headers, from, &trusted).ip();
        let expected = match is_forwarded {
            true => slowly(&lines, of_forwarded),
            false => slowly(&lines, address),
        };
        let shown: Vec<_> = lines
            .iter()
            .map(|line| line.escape_ascii().to_string())
            .collect();
        assert_eq!(found, expected, "{shown:?}");
        found != IpAddr::from([10, 0, 0, 1])
    });
}
