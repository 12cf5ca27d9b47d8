//! The PROXY protocol (haproxy's proxy-protocol.txt, versions 1 and 2): a load balancer says at the beginning of a connection whose it
//! is.
//!
//! Only trusted networks are believed. A head is bounded in bytes ([`MOST`]) and in time; nothing behind it is read here, because that
//! belongs to TLS or HTTP. What a balancer says of itself (a health check: `LOCAL`, `UNKNOWN`) leaves the connection's own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 2 has before its addresses.
const HEAD_2: usize = 16;
/// The longest head of version 1, with its line end.
const MOST_1: usize = 107;
/// The longest head: addresses, and what balancers like to add to them.
const MOST: usize = 4 * 1024;

/// A head that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// Its length in bytes.
    len: usize,
    /// The client; none if the balancer speaks for itself.
    client: Option<SocketAddr>,
}

/// It isn't a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// Reads the head of a connection: who its client is, if it isn't the balancer. The reason by which it's counted if there is none; that
/// is nothing for a connection that came and went without a word.
pub(super) async fn read(
    socket: &mut TcpStream,
    within: Duration,
) -> Result<Option<SocketAddr>, Option<&'static str>> {
    match tokio::time::timeout(within, begin(socket)).await {
        Ok(read) => read,
        Err(_) => Err(Some("proxy_timeout")),
    }
}

async fn begin(socket: &mut TcpStream) -> Result<Option<SocketAddr>, Option<&'static str>> {
    const MALFORMED: Option<&str> = Some("proxy_malformed");
    let mut bytes = vec![0; 256];
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            bytes.resize((2 * filled).min(MOST), 0);
        }
        let peeked = socket.peek(&mut bytes[filled..]).await.unwrap_or(0);
        if peeked == 0 {
            return Err(if filled > 0 { MALFORMED } else { None });
        }
        let head = parse(&bytes[..filled + peeked]).map_err(|Malformed| MALFORMED)?;
        // While it isn't complete, all of it belongs to the head.
        let len = head.map_or(filled + peeked, |head| head.len);
        let taken = socket.read_exact(&mut bytes[filled..len]).await;
        taken.map_err(|_| MALFORMED)?;
        filled = len;
        if let Some(head) = head {
            return Ok(head.client);
        }
    }
}

/// The head at the beginning of `bytes`; nothing while it isn't complete.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let of_signature = bytes.len().min(SIGNATURE.len());
    if bytes[..of_signature] == SIGNATURE[..of_signature] {
        return parse_2(bytes);
    }
    let line = &bytes[..bytes.len().min(MOST_1)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        let begins = b"PROXY ".iter().zip(line).all(|(one, other)| one == other);
        let is_longest = line.len() == MOST_1;
        return if begins && !is_longest {
            Ok(None)
        } else {
            Err(Malformed)
        };
    };
    let text = std::str::from_utf8(&line[..end]).map_err(|_| Malformed)?;
    let client = client_1(text).ok_or(Malformed)?;
    Ok(Some(Head {
        len: end + 2,
        client,
    }))
}

/// The client that a line of version 1 names; `Some(None)` if the balancer speaks for itself.
fn client_1(text: &str) -> Option<Option<SocketAddr>> {
    let mut words = text.strip_prefix("PROXY ")?.split(' ');
    let kind = words.next()?;
    if kind == "UNKNOWN" {
        return Some(None);
    }
    let mut next = || words.next();
    let (from, to, from_port, to_port) = (next()?, next()?, next()?, next()?);
    if next().is_some() {
        return None;
    }
    let address = |text: &str| match kind {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let port = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_number)
    };
    address(to)?;
    port(to_port)?;
    Some(Some(SocketAddr::new(address(from)?, port(from_port)?)))
}

fn parse_2(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(head) = bytes.first_chunk::<HEAD_2>() else {
        return Ok(None);
    };
    let [.., version, kind, high, low] = *head;
    let len = HEAD_2 + usize::from(u16::from_be_bytes([high, low]));
    let is_local = version == 0x20;
    if (version != 0x21 && !is_local) || len > MOST {
        return Err(Malformed);
    }
    let Some(rest) = bytes.get(HEAD_2..len) else {
        return Ok(None);
    };
    let client = match kind {
        _ if is_local => None,
        0x11 => Some(client_2::<4>(rest)?),
        0x21 => Some(client_2::<16>(rest)?),
        // Unspecified, datagrams, sockets of UNIX: nothing that a client of ours can be.
        _ => None,
    };
    Ok(Some(Head { len, client }))
}

/// The client, in addresses of `N` bytes: two of these, and two ports.
fn client_2<const N: usize>(rest: &[u8]) -> Result<SocketAddr, Malformed>
where
    [u8; N]: Into<IpAddr>,
{
    let address = *rest.first_chunk::<N>().ok_or(Malformed)?;
    let ports = rest.get(2 * N..2 * N + 4).ok_or(Malformed)?;
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    Ok(SocketAddr::new(address.into(), port))
}

#[cfg(test)]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Version 2, with so many bytes added behind its addresses.
    fn second(version: u8, client: SocketAddr, added: usize) -> Vec<u8> {
        let (kind, addresses) = match client.ip() {
            IpAddr::V4(ip) => (0x11, [ip.octets(), [127, 0, 0, 1]].concat()),
            IpAddr::V6(ip) => (0x21, [ip.octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
        };
        let rest = [
            &addresses[..],
            &client.port().to_be_bytes(),
            &443_u16.to_be_bytes(),
            &vec![7; added],
        ];
        let rest = rest.concat();
        let len = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[version, kind], &len, &rest].concat()
    }

    fn first(client: SocketAddr) -> Vec<u8> {
        let (kind, to) = match client {
            SocketAddr::V4(_) => ("TCP4", "127.0.0.1"),
            SocketAddr::V6(_) => ("TCP6", "::1"),
        };
        let (ip, port) = (client.ip(), client.port());
        format!("PROXY {kind} {ip} {to} {port} 443\r\n").into_bytes()
    }

    #[test]
    fn what_balancers_say_of_themselves_names_no_client() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:: :: 1 2\r\n"] {
            let head = parse(line.as_bytes()).unwrap().unwrap();
            assert_eq!((head.len, head.client), (line.len(), None));
        }
        let local = second(0x20, "192.0.2.1:1".parse().unwrap(), 0);
        assert_eq!(parse(&local).unwrap().unwrap().client, None);
    }

    #[test]
    fn what_is_no_head_is_refused_as_soon_as_it_shows() {
        let long = format!("PROXY UNKNOWN {}", "x".repeat(93));
        let mut too_large = second(0x21, "192.0.2.1:1".parse().unwrap(), 0);
        too_large[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        for wrong in [
            &b"G"[..],
            b"POST / HTTP/1.1\r\n",
            b"PROXY\r\n",
            b"PROXY TCP4 192.0.2.1 127.0.0.1 1\r\n",
            b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2 3\r\n",
            b"PROXY TCP4 ::1 127.0.0.1 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 127.0.0.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 127.0.0.1 +1 2\r\n",
            b"PROXY TCP4 192.0.2.1 127.0.0.1 65536 2\r\n",
            b"PROXY TCP4  192.0.2.1 127.0.0.1 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 127.0.0.1 1 2\r\n",
            long.as_bytes(),
            &too_large,
            &second(0x31, "192.0.2.1:1".parse().unwrap(), 0),
            &second(0x22, "192.0.2.1:1".parse().unwrap(), 0),
        ] {
            let text = String::from_utf8_lossy(wrong);
            assert_eq!(parse(wrong), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_head_says_who_the_client_is_in_whatever_pieces_it_comes(
            ip in any::<IpAddr>(), port in any::<u16>(), added in 0_usize..300, behind in "[a-z]{0,20}",
        ) {
            let client = SocketAddr::new(ip, port);
            for head in [first(client), second(0x21, client, added)] {
                let all = [&head[..], behind.as_bytes()].concat();
                for cut in 0..head.len() {
                    prop_assert_eq!(parse(&all[..cut]), Ok(None), "{} of it", cut);
                }
                let expected = Head { len: head.len(), client: Some(client) };
                prop_assert_eq!(parse(&all), Ok(Some(expected)));
            }
        }

        #[test]
        fn any_bytes_are_a_head_or_none(
            begins in 0_usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let begins = [&b""[..], b"PROXY TCP4 ", SIGNATURE][begins];
            let all = [begins, &bytes].concat();
            if let Ok(Some(head)) = parse(&all) {
                prop_assert!(head.len <= all.len() && head.len <= MOST);
                // A part of a head is never refused, and never one.
                prop_assert_eq!(parse(&all[..head.len - 1]), Ok(None));
            }
        }
    }
}
