//! HTTP/1.1 by hand, so that tests can also do what a good client never does.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A connection.
pub struct Client<S = TcpStream> {
    /// The socket, for tests that write by hand; or TLS on it.
    pub socket: S,
    unread: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Client {
    /// Connects; reads time out after 60 s.
    pub fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).unwrap())
    }

    /// Takes over a socket that is connected.
    pub fn over(socket: TcpStream) -> Client {
        socket.set_nodelay(true).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Client {
            socket,
            unread: Vec::new(),
        }
    }

    /// Connects, or not.
    pub fn try_connect(address: SocketAddr) -> Option<Client> {
        let socket = TcpStream::connect(address).ok()?;
        socket.set_nodelay(true).ok()?;
        Some(Client {
            socket,
            unread: Vec::new(),
        })
    }

    /// Reads until the other side closes or breaks the connection; nothing if it doesn't within this time.
    pub fn until_closed(&mut self, within: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + within;
        let step = Duration::from_millis(20);
        self.socket.set_read_timeout(Some(step)).unwrap();
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if Instant::now() >= deadline {
                        return None;
                    }
                }
                Err(_) => return Some(std::mem::take(&mut self.unread)),
            }
        }
    }
}

impl<S: Read + Write> Client<S> {
    /// Takes over what is connected.
    pub fn on(socket: S) -> Client<S> {
        Client {
            socket,
            unread: Vec::new(),
        }
    }

    /// Posts a body to a path, with further headers, and reads the answer.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(path, headers, body).unwrap();
        self.answer().unwrap()
    }

    /// Posts JSON to a stream.
    pub fn post_json(&mut self, stream: &str, body: &str) -> Answer {
        self.post(
            &format!("/v1/events/{stream}"),
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
    }

    /// Writes a POST without reading the answer.
    pub fn send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<()> {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut bytes = (request + "\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.socket.write_all(&bytes)
    }

    /// Gets a path.
    pub fn get(&mut self, path: &str) -> Answer {
        self.socket
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").as_bytes())
            .unwrap();
        self.answer().unwrap()
    }

    /// Reads one answer. An error if the connection ends or times out before.
    pub fn answer(&mut self) -> std::io::Result<Answer> {
        let head_end = loop {
            if let Some(at) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at;
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(&self.unread[..head_end]).into_owned();
        self.unread.drain(..head_end + 4);
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status: status.unwrap_or(0),
            headers,
            body: Vec::new(),
        };
        if answer.status == 100 {
            return self.answer();
        }
        let length = answer
            .header("content-length")
            .map_or(0, |value| value.parse().unwrap());
        while self.unread.len() < length {
            self.fill()?;
        }
        answer.body = self.unread.drain(..length).collect();
        Ok(answer)
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes)
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}
