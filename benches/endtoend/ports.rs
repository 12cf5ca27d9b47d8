//! Ports, and what is asked there.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

pub(crate) fn port_of(ready: &[String]) -> u16 {
    ready[0].parse().expect("a port")
}

pub(crate) fn number(word: &str) -> f64 {
    word.parse()
        .unwrap_or_else(|_| panic!("`{word}` is no number"))
}

/// Different ports; asked for one after the other, the kernel may give the same one twice.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listen = |_| TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listeners = [(); COUNT].map(listen);
    listeners.map(|listener| listener.local_addr().expect("a bound port").port())
}

/// Waits until somebody listens there.
pub(crate) fn wait_until_open(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
        assert!(Instant::now() < deadline, "nobody listens: {error}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks `/readyz` until it says yes.
pub(crate) fn wait_until_ready(admin: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = get(admin, "/readyz");
        if answer
            .as_ref()
            .is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
        {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the gateway wasn't ready: {answer:?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The whole answer to a GET, with its head.
pub(crate) fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
