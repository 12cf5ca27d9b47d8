//! A thread that fails, beside one that doesn't.

use std::io::Read;
use std::net::TcpStream;
use std::task::{Wake, Waker};

use bytes::Bytes;
use smallvec::SmallVec;

use super::super::listener::{self, Listening, Way};
use super::super::{Routes, Settings, Snapshot};
use super::*;
use crate::budget::{Account, Budget, Share};
use crate::decode;
use crate::lifecycle::Life;
use crate::receipt::{Request, Slot};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("as a test");
    }
}

/// A request whose waking panics.
fn poisoned(budget: &Arc<Budget>) -> Arc<Request> {
    let account = Arc::new(Account {
        budget: Arc::clone(budget),
        stream: Share::of_stream(),
        cluster: Share::of_cluster(),
        owner: None,
    });
    let (slot, now) = (
        Slot {
            lane: 0,
            partition: 0,
            first: 0,
            count: 0,
        },
        Instant::now(),
    );
    let (events, held) = (SmallVec::new(), account.hold(0).unwrap());
    let (bytes, ledger) = (Bytes::new(), Arc::default());
    let parcels = Request::replay(
        now.into(),
        bytes,
        events,
        Box::default(),
        &[slot],
        ledger,
        held,
    );
    let request = Arc::clone(parcels[0].request());
    request.on_finish(&Waker::from(Arc::new(Panics)));
    request
}

#[track_caller]
fn eventually(what: &str, check: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !check() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn snapshot() -> Snapshot {
    let settings = Settings {
        answer_within: Duration::from_secs(60),
        ..Settings::default()
    };
    Snapshot::first(
        settings,
        Duration::from_secs(1),
        decode::Settings::default().limits().unwrap(),
        crate::lane::Settings::default(),
        Routes::default(),
    )
}

fn port(budget: &Arc<Budget>) -> Arc<Port> {
    Arc::new(Port {
        is_kept: false,
        snapshot: arc_swap::ArcSwap::from_pointee(snapshot()),
        replaced: tokio::sync::watch::Sender::default(),
        start: std::time::Instant::now(),
        lingering: super::super::linger::Lingering::default(),
        refusals: Arc::default(),
        budget: Arc::clone(budget),
        framed: Share::of_streams(),
        answers: Share::of_answers(),
        unsorted: Account::of_nobody(budget),
        tls: arc_swap::ArcSwapOption::empty(),
        addresses: Arc::default(),
    })
}

#[test]
fn a_configuration_that_was_replaced_is_let_go_of_by_a_thread_without_requests() {
    let life = Life::default();
    life.enter(Phase::Running);
    let port = port(&Budget::new(64 << 20));
    let local = Arc::new(Local::new(&port, 1));
    let (vitals, all_dealt) = (Vitals::new(&life.watch()), watch::Sender::new(false));
    let thread = Thread::start(
        "idle".into(),
        Arc::clone(&local),
        (&life.watch(), all_dealt.subscribe()),
        &vitals,
    );
    let first = Arc::downgrade(&local.now());
    let second = Snapshot {
        generation: 2,
        ..snapshot()
    };
    port.replace(second);
    eventually("the first one is gone", || first.strong_count() == 0);
    assert_eq!(local.now().generation, 2, "a request sees the second");
    life.enter(Phase::Draining);
    thread.unwrap().handle.join().unwrap();
}

#[test]
fn a_thread_that_can_wake_nobody_ends_with_its_connections_and_gets_no_more() {
    let life = Life::default();
    life.enter(Phase::Running);
    let (vitals, budget) = (Vitals::new(&life.watch()), Budget::new(64 << 20));
    let local = Arc::new(Local::new(&port(&budget), 2));
    let all_dealt = watch::Sender::new(false);
    let sick = Thread::start(
        "sick".into(),
        Arc::clone(&local),
        (&life.watch(), all_dealt.subscribe()),
        &vitals,
    );
    let healthy = Thread::spawn(
        (1, 2),
        &local.port,
        (&life.watch(), all_dealt.subscribe()),
        &vitals,
    );
    let threads = vec![sick.unwrap(), healthy.unwrap()];
    let server = Arc::new(Server { threads, all_dealt });
    let data = Listening::bind(([127, 0, 0, 1], 0).into(), Way::Plain).unwrap();
    let address = data.socket.local_addr().unwrap();
    let (dealer, watch) = (Arc::clone(&server), life.watch());
    let accepting = {
        let port = Arc::clone(&local.port);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let deal = |accepted| dealer.deal(accepted);
            runtime.block_on(listener::accept(vec![data], port, watch, deal))
        })
    };
    let open = || [0, 1].map(|at| server.threads[at].connections.load(Acquire));
    let mut first = TcpStream::connect(address).unwrap();
    eventually("the first is with the sick one", || open() == [1, 0]);
    let _second = TcpStream::connect(address).unwrap();
    eventually("the second is with the other", || open() == [1, 1]);

    assert!(local.mailbox.put(poisoned(&budget)));
    local.mailbox.knock();
    eventually("the failure is told", || vitals.failed().is_some());
    let why = vitals.failed().unwrap();
    assert!(
        why.starts_with("sick: ") && why.contains("panicked"),
        "{why}"
    );
    first
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert!(
        matches!(first.read(&mut [0; 8]), Ok(0)),
        "its connection ends"
    );
    let _third = TcpStream::connect(address).unwrap();
    eventually("the third is with the other", || open() == [0, 2]);
    life.enter(Phase::Draining);
    accepting.join().unwrap().unwrap();
}
