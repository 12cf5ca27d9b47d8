//! Clients that behave badly on purpose, which k6 can't be: heads and bodies that arrive byte by byte, requests that stop
//! in the middle, hang-ups, and noise. None of them ever completes an event, so that nothing of theirs may arrive.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::load::Address;

/// Who to be hostile to.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The gateway's data port: http://HOST:PORT.
    #[arg(long, env = "FOREBAY_URL")]
    url: String,
    /// The stream to pretend to send to.
    #[arg(long, default_value = "events")]
    stream: String,
    /// Connections at once.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// How long.
    #[arg(long, default_value = "30s")]
    duration: humantime::Duration,
    /// Time between two bytes of a slow one.
    #[arg(long, default_value = "500ms")]
    pause: humantime::Duration,
}

#[derive(Default)]
struct Counts {
    opened: AtomicU64,
    answered: AtomicU64,
    closed: AtomicU64,
    hung_up: AtomicU64,
    refused: AtomicU64,
}

/// How a connection behaves.
#[derive(Clone, Copy)]
enum Manner {
    SlowHead,
    SlowBody,
    HalfBody,
    HangUp,
    Noise,
}

const MANNERS: [Manner; 5] = [
    Manner::SlowHead,
    Manner::SlowBody,
    Manner::HalfBody,
    Manner::HangUp,
    Manner::Noise,
];

/// Behaves badly for a while and prints how the gateway took it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let address = Address::parse(&args.url)?;
    address.reachable()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start a runtime")?;
    let counts = Arc::new(Counts::default());
    runtime.block_on(async {
        let until = Instant::now() + *args.duration;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..args.connections {
            let client = Client {
                host: address.host().to_owned(),
                stream: args.stream.clone(),
                pause: *args.pause,
                manner: MANNERS[number % MANNERS.len()],
                counts: Arc::clone(&counts),
                until,
            };
            tasks.spawn(client.run());
        }
        while tasks.join_next().await.is_some() {}
    });
    let read = |count: &AtomicU64| count.load(Relaxed);
    writeln!(
        std::io::stdout(),
        "hostile: {} connections   answered {}   closed by the gateway {}   hung up on it {}   not accepted {}",
        read(&counts.opened),
        read(&counts.answered),
        read(&counts.closed),
        read(&counts.hung_up),
        read(&counts.refused),
    )?;
    Ok(())
}

struct Client {
    host: String,
    stream: String,
    pause: Duration,
    manner: Manner,
    counts: Arc<Counts>,
    until: Instant,
}

impl Client {
    async fn run(self) {
        while Instant::now() < self.until {
            match TcpStream::connect(&self.host).await {
                Ok(socket) => {
                    self.counts.opened.fetch_add(1, Relaxed);
                    self.misbehave(socket).await;
                }
                Err(_) => {
                    self.counts.refused.fetch_add(1, Relaxed);
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn misbehave(&self, mut socket: TcpStream) {
        let head = format!(
            "POST /v1/events/{} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n",
            self.stream, self.host
        );
        let body = b"{\"id\":\"hostile\",\"user\":\"hostile\",\"pad\":\"";
        let head = head.as_bytes();
        // A write that fails is the gateway's doing: the wait for its answer finds out.
        match self.manner {
            Manner::SlowHead => self.trickle(&mut socket, &head[..head.len() - 4]).await,
            Manner::SlowBody => {
                drop(socket.write_all(head).await);
                self.trickle(&mut socket, body).await;
            }
            Manner::HalfBody => {
                drop(socket.write_all(head).await);
                drop(socket.write_all(body).await);
            }
            Manner::HangUp => {
                drop(socket.write_all(head).await);
                drop(socket.write_all(body).await);
                sleep(self.pause).await;
                self.counts.hung_up.fetch_add(1, Relaxed);
                return;
            }
            Manner::Noise => drop(socket.write_all(&[0xff; 100]).await),
        }
        self.wait_for_the_end(socket).await;
    }

    /// Byte by byte, until the gateway has enough of it.
    async fn trickle(&self, socket: &mut TcpStream, bytes: &[u8]) {
        for byte in bytes {
            if Instant::now() >= self.until || socket.write_all(&[*byte]).await.is_err() {
                return;
            }
            let mut peeked = [0];
            // An answer, or the end of the connection, can be there already.
            if timeout(self.pause, socket.peek(&mut peeked)).await.is_ok() {
                return;
            }
        }
    }

    async fn wait_for_the_end(&self, mut socket: TcpStream) {
        let left = self.until.saturating_duration_since(Instant::now());
        let mut answer = [0; 1024];
        match timeout(left, socket.read(&mut answer)).await {
            Ok(Ok(1..)) => self.counts.answered.fetch_add(1, Relaxed),
            Ok(_) => self.counts.closed.fetch_add(1, Relaxed),
            Err(_) => self.counts.hung_up.fetch_add(1, Relaxed),
        };
    }
}
