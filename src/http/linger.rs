//! The end of a connection whose client may still be sending: a refusal has to reach it.
//!
//! A client that writes its whole body before it reads gets a reset if the socket is closed meanwhile, and the reset takes away
//! the answer that already lay at the client. So our side of the connection is shut down, which the client can see, and what it
//! still sends is read and dropped (RFC 9112, 9.6: half-close, read, close).
//!
//! That must not help an attacker. It's bounded in time (`http.linger`), in bytes (`http.linger_bytes`) and in number
//! (`http.max_lingering`); the connection keeps its place among `http.max_connections` and what it's charged for meanwhile, and
//! holds no more than a buffer on the stack of its thread.

use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;
use tokio::time::sleep;

use super::settings::Settings;

/// What is read at once.
const PIECE: usize = 16 * 1024;
/// What is read to see whether anything came: every connection ends with that.
const LOOK: usize = 64;

/// The connections of the process that linger.
#[derive(Debug, Default)]
pub struct Lingering(AtomicUsize);

impl Lingering {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    fn enter(&self, most: usize) -> Option<Place<'_>> {
        let more = |count: usize| (count < most).then_some(count + 1);
        self.0.fetch_update(AcqRel, Relaxed, more).ok()?;
        Some(Place(self))
    }
}

/// A lingering connection's place among them.
struct Place<'a>(&'a Lingering);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, AcqRel);
    }
}

/// Closes `socket`, on which all has been written. `is_sending` says that the client hasn't sent all of what was refused; if
/// it isn't known to be sending, and nothing has come, the socket is closed at once.
pub async fn close(
    socket: TcpStream,
    is_sending: bool,
    lingering: &Lingering,
    settings: &Settings,
) {
    // hyper has done this, unless the connection ended in an unusual way. Where it fails there's nothing left to close.
    let shut = SockRef::from(&socket).shutdown(Shutdown::Write);
    let mut left = settings.linger_bytes.as_u64();
    if !is_sending {
        match socket.try_read(&mut [0; LOOK]) {
            Ok(read) if read > 0 => left = left.saturating_sub(read as u64),
            _ => return,
        }
    }
    let Some(_place) = lingering.enter(settings.max_lingering) else {
        return;
    };
    if shut.is_err() {
        return;
    }
    let mut over = pin!(sleep(settings.linger));
    loop {
        tokio::select! {
            biased;
            () = &mut over => return,
            ready = socket.readable() => if ready.is_err() { return },
        }
        match discard(&socket) {
            Ok(0) => return,
            Ok(read) if read as u64 > left => return,
            Ok(read) => left -= read as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        // A fast sender must not keep the thread from its other connections.
        consume_budget().await;
    }
}

/// Reads and drops what came. The buffer isn't zeroed, which took most of what a refusal took. Not inlined, so that it's on no other stack.
#[inline(never)]
fn discard(socket: &TcpStream) -> std::io::Result<usize> {
    let mut piece = [MaybeUninit::uninit(); PIECE];
    socket.try_read_buf(&mut ReadBuf::uninit(&mut piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_linger() {
        let lingering = Lingering::default();
        let places = [lingering.enter(2), lingering.enter(2)];
        assert!(places.iter().all(Option::is_some) && lingering.enter(2).is_none());
        drop(places);
        assert!(lingering.enter(1).is_some() && lingering.count() == 0);
        assert!(lingering.enter(0).is_none());
    }
}
