//! HTTP threads as the gateway has them: a single-threaded runtime per core, connections dealt out in turn.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use tokio::sync::mpsc;

/// Listens, says on which port, and serves every connection with `serve` until standard input ends.
pub(crate) fn listen<F>(serve: impl Fn(tokio::net::TcpStream) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound port").port();
    let count = std::thread::available_parallelism().map_or(1, Into::into);
    let threads: Vec<_> = (0..count).map(|_| spawn(serve.clone())).collect();
    std::thread::spawn(move || {
        for (socket, thread) in listener.incoming().zip(threads.iter().cycle()) {
            let socket = socket.expect("a connection");
            socket.set_nonblocking(true).expect("a socket's mode");
            socket.set_nodelay(true).expect("a socket's mode");
            thread.send(socket).expect("threads never end");
        }
    });
    say(&format!("ready {port}"));
    until_input_ends();
}

fn spawn<F>(
    serve: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> mpsc::UnboundedSender<TcpStream>
where
    F: Future<Output = ()> + 'static,
{
    let (sender, mut sockets) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            while let Some(socket) = sockets.recv().await {
                let socket = tokio::net::TcpStream::from_std(socket).expect("a socket");
                tokio::task::spawn_local(serve(socket));
            }
        });
    });
    sender
}

/// Tells the parent process something.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("the parent listens");
}

/// Ends with the parent, however it ends.
pub(crate) fn until_input_ends() {
    // Whether it ends by an error or not, it has ended.
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}
