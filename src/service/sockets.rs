//! Listening sockets by inheritance: the protocol of sd_listen_fds(3), with a name for each socket.
//!
//! | name (`FileDescriptorName=`) | takes the place of | how many |
//! | --- | --- | --- |
//! | `data` | `http.listen` | any number |
//! | `tls` | `http.tls.listen`, which has to be set | any number |
//! | `admin` | `admin.listen` | one |
//!
//! A name that isn't here ends the start: whoever wrote it expects something of it. A name that isn't passed on is bound as
//! configured. Whoever passes a socket on holds it open: it is there before this process, and after it.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;

/// The sockets that were passed on, by their names.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For requests.
    pub data: Vec<TcpListener>,
    /// For requests over TLS.
    pub tls: Vec<TcpListener>,
    /// For the admin port.
    pub admin: Option<TcpListener>,
}

impl Sockets {
    /// Takes what the environment names: none if it names none, or means another process. Once, at the start of a process.
    ///
    /// # Errors
    ///
    /// A descriptor that isn't a listening TCP socket, and names that aren't in the table above.
    pub fn inherited() -> io::Result<Sockets> {
        let mut sockets = Sockets::default();
        // Asked first: the names that another process is meant to have fit no sockets here.
        if sd_notify::listen_fds()?.len() == 0 {
            return Ok(sockets);
        }
        let names = sd_notify::listen_fds_with_names()?;
        let mut given = ListenFd::from_env();
        for (number, (_, name)) in names.enumerate() {
            let socket = given.take_tcp_listener(number)?;
            let socket = socket.ok_or_else(|| wrong(format!("the socket {name:?} is missing")))?;
            if !SockRef::from(&socket).is_listener()? {
                return Err(wrong(format!("the socket {name:?} doesn't listen")));
            }
            socket.set_nonblocking(true)?;
            sockets.put(&name, socket)?;
        }
        Ok(sockets)
    }

    fn put(&mut self, name: &str, socket: TcpListener) -> io::Result<()> {
        match name {
            "data" => self.data.push(socket),
            "tls" => self.tls.push(socket),
            "admin" if self.admin.is_none() => self.admin = Some(socket),
            "admin" => {
                return Err(wrong(
                    "there are two sockets \"admin\"; one is enough".into(),
                ));
            }
            _ => {
                let known = "there are \"data\", \"tls\" and \"admin\" (FileDescriptorName=)";
                return Err(wrong(format!("a socket is called {name:?}; {known}")));
            }
        }
        Ok(())
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_a_known_name_and_there_is_one_for_the_admin_port() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = Sockets::default();
        for name in ["data", "tls", "data", "admin"] {
            sockets.put(name, socket()).unwrap();
        }
        assert_eq!((sockets.data.len(), sockets.tls.len()), (2, 1));
        let twice = sockets.put("admin", socket()).unwrap_err();
        assert!(twice.to_string().contains("two sockets"), "{twice}");
        let unknown = sockets.put("forebay.socket", socket()).unwrap_err();
        assert!(unknown.to_string().contains("\"data\""), "{unknown}");
    }
}
