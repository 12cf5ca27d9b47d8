//! Heads beside a slow reader, which knows no slices.

use super::*;
use crate::auth::tests::dice::{Dice, ip, ipv4, ipv6};

/// A number of digits alone, as large as a port.
fn port(text: &[u8]) -> Option<u16> {
    let mut number = 0_u32;
    for byte in text {
        let digit = char::from(*byte).to_digit(10)?;
        number = (number * 10 + digit).min(100_000);
    }
    (!text.is_empty() && number < 65_536).then_some(number as u16)
}

/// The client that a line of version 1 names, without its end.
fn line(text: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    if std::str::from_utf8(text).is_err() {
        return Err(Malformed);
    }
    let words: Vec<_> = text.split(|byte| *byte == b' ').collect();
    match &words[..] {
        [b"PROXY", b"UNKNOWN", ..] => Ok(None),
        [b"PROXY", kind, from, to, from_port, to_port] => {
            let read = |text: &[u8]| match *kind {
                b"TCP4" => ipv4(text).map(IpAddr::V4),
                b"TCP6" => ipv6(text).map(IpAddr::V6),
                _ => None,
            };
            let read = (read(from), read(to), port(from_port), port(to_port));
            let (Some(from), Some(_), Some(port), Some(_)) = read else {
                return Err(Malformed);
            };
            Ok(Some(SocketAddr::new(from, port)))
        }
        _ => Err(Malformed),
    }
}

/// What stands at the beginning of `bytes`, read one byte after the other.
fn slowly(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let is_second = bytes.iter().zip(SIGNATURE).all(|(one, other)| one == other);
    if is_second {
        return slowly_2(bytes);
    }
    let mut text = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at == 107 {
            return Err(Malformed);
        }
        text.push(*byte);
        if let Some(text) = text.strip_suffix(b"\r\n") {
            let client = line(text)?;
            return Ok(Some(Head {
                len: at + 1,
                client,
            }));
        }
    }
    let begins = text.iter().zip(b"PROXY ").all(|(one, other)| one == other);
    match begins && text.len() < 107 {
        true => Ok(None),
        false => Err(Malformed),
    }
}

fn slowly_2(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    if bytes.len() < 16 {
        return Ok(None);
    }
    let at = |index: usize| bytes.get(index).copied();
    let rest = usize::from(bytes[14]) * 256 + usize::from(bytes[15]);
    let is_known = bytes[12] == 0x20 || bytes[12] == 0x21;
    if !is_known || 16 + rest > 4_096 {
        return Err(Malformed);
    }
    if bytes.len() < 16 + rest {
        return Ok(None);
    }
    let size = match bytes[13] {
        0x11 => 4,
        0x21 => 16,
        _ => 0,
    };
    let mut head = Head {
        len: 16 + rest,
        client: None,
    };
    if bytes[12] == 0x20 || size == 0 {
        return Ok(Some(head));
    }
    if rest < 2 * size + 4 {
        return Err(Malformed);
    }
    let octets = (16..16 + size).map(|index| at(index).ok_or(Malformed));
    let octets = octets.collect::<Result<Vec<_>, _>>()?;
    let ip = match octets.len() {
        4 => IpAddr::V4(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3])),
        _ => {
            let number = octets
                .iter()
                .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
            IpAddr::V6(number.into())
        }
    };
    let port = u16::from(bytes[16 + 2 * size]) << 8 | u16::from(bytes[17 + 2 * size]);
    head.client = Some(SocketAddr::new(ip, port));
    Ok(Some(head))
}

fn first(dice: &mut Dice) -> Vec<u8> {
    let kinds: [&[u8]; 6] = [b"TCP4", b"TCP4", b"TCP6", b"TCP6", b"UNKNOWN", b"UDP4"];
    let kind = dice.pick(&kinds);
    let mut all = [b"PROXY ", kind].concat();
    for _ in 0..2 {
        all.push(b' ');
        let mut address = dice.address();
        // One of the right kind, most of the time.
        for _ in 0..6 {
            let is_right = ip(&address).is_some_and(|ip| ip.is_ipv4() == (kind == b"TCP4"));
            if is_right {
                break;
            }
            address = dice.address();
        }
        all.extend(address);
    }
    for _ in 0..2 {
        let number = dice.below(70_000);
        all.extend(format!(" {number}").into_bytes());
    }
    all.extend_from_slice(b"\r\n");
    all
}

fn second(dice: &mut Dice) -> Vec<u8> {
    let mut all = SIGNATURE.to_vec();
    all.push(*dice.pick(&[&0x21, &0x21, &0x21, &0x20, &0x22, &0x11]));
    all.push(*dice.pick(&[&0x11, &0x11, &0x21, &0x21, &0x12, &0x31, &0x00]));
    let rest = *dice.pick(&[&12, &36, &11, &35, &50, &0, &300, &4_080, &4_081]);
    all.extend_from_slice(&(rest as u16).to_be_bytes());
    let there = if dice.once_in(4) {
        dice.below(rest + 1)
    } else {
        rest
    };
    all.extend(dice.bytes(there));
    all
}

#[test]
fn a_head_is_what_a_slow_reader_makes_of_it() {
    Dice::try_all(|dice| {
        let mut bytes = match dice.below(8) {
            0..4 => first(dice),
            4..7 => second(dice),
            _ => {
                let of: [&[u8]; 6] = [
                    b"PROXY",
                    b" ",
                    b"\r\n",
                    b"UNKNOWN",
                    b"\r\n\r\n\0\r\nQUIT\n",
                    b"GET / HTTP/1.1",
                ];
                dice.pieces(&of, 12)
            }
        };
        dice.damage(&mut bytes);
        if dice.once_in(3) {
            bytes.extend_from_slice(b"POST / HTTP/1.1\r\n");
        }
        let found = parse(&bytes);
        assert_eq!(found, slowly(&bytes), "{}", bytes.escape_ascii());
        matches!(
            found,
            Ok(Some(Head {
                client: Some(_),
                ..
            }))
        )
    });
}
