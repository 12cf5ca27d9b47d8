//! Memory: whatever clients promise, begin and leave undone, what the process holds stays within its budget.

use socket2::{Domain, Socket, Type};

use super::*;

const MIB: u64 = 1 << 20;

fn used(gateway: &Gateway) -> u64 {
    gateway.status()["memory"]["used_bytes"].as_u64().unwrap()
}

/// A gateway with a budget of 64 MiB and a second stream, `other`, of the same cluster.
fn small(more: &str) -> (Mock, Gateway) {
    let mock = Mock::start(1, &[("events", 1), ("other", 1)]);
    let limits =
        "[memory]\nbudget = \"64MiB\"\n[http]\nmax_connections = 2400\nmax_head = \"8KiB\"\n";
    let config = config(mock.bootstrap(), &format!("{limits}{more}"))
        + "[streams.other]\ncluster = \"main\"\n";
    let gateway = Gateway::ready(&config);
    (mock, gateway)
}

#[test]
fn two_thousand_clients_that_stall_halfway_leave_room_for_a_good_one() {
    let (_mock, gateway) = small("");
    check_good_client(&gateway);
    let heads = "x-more: 1\r\n".repeat(500);
    let stalled: Vec<_> = (0..2000)
        .map(|number| {
            let mut client = gateway.client();
            let request = match number % 2 {
                0 => head(&heads),
                _ => head("content-length: 1000\r\n") + &"x".repeat(500),
            };
            client
                .write(&request.as_bytes()[..request.len() - 2])
                .unwrap();
            client
        })
        .collect();
    eventually("all are accepted", 4 * SOON, || {
        gateway.status()["connections"] == 2000
    });
    check_good_client(&gateway);

    // Large bodies may take their stream's fair part, and no more; other streams don't notice.
    let large: Vec<_> = (0..300)
        .map(|_| {
            let mut client = gateway.client();
            drop(
                client
                    .write((head("content-length: 1000000\r\n") + &"x".repeat(500_000)).as_bytes()),
            );
            client
        })
        .collect();
    let refused = large.into_iter().map(|mut client| {
        client.socket.set_read_timeout(Some(MS)).unwrap();
        (client.answer().map_or(0, |answer| answer.status), client)
    });
    let (statuses, large): (Vec<_>, Vec<_>) = refused.unzip();
    assert!(
        statuses.contains(&503) && statuses.contains(&0),
        "{statuses:?}"
    );
    assert_eq!(gateway.client().post_json("other", EVENT).status, 200);
    let (resident, used) = (gateway.resident(), used(&gateway));
    assert!(
        used <= 64 * MIB && resident < (64 + 64) * MIB,
        "{} MiB of which {} counted",
        resident / MIB,
        used / MIB
    );

    drop((stalled, large));
    eventually("nothing is held", 2 * SOON, || {
        gateway.status()["memory"]["used_bytes"] == 0
    });
    check_good_client(&gateway);
}

#[test]
fn memory_is_in_small_pages_that_can_be_given_back_one_by_one() {
    let (_mock, gateway) = small("");
    check_good_client(&gateway);
    let pages = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", gateway.pid())).unwrap();
    let mut huge = pages
        .lines()
        .filter_map(|line| line.strip_prefix("AnonHugePages:"));
    assert_eq!(huge.next().map(str::trim), Some("0 kB"));
}

#[test]
fn answers_list_a_hundred_events_and_count_the_others() {
    let (_mock, gateway) = small("");
    check_good_client(&gateway);
    let before = gateway.resident();
    let good_and_bad = format!("[{EVENT}{}]", ",1".repeat(9_999));
    let all_bad = format!("[1{}]", ",1".repeat(9_999));
    let clients: Vec<_> = (0..100)
        .map(|number| {
            let mut client = gateway.client();
            let (body, status) = match number % 2 {
                0 => (&good_and_bad, 207),
                _ => (&all_bad, 422),
            };
            let answer = client.post_json("events", body);
            assert_eq!(answer.status, status);
            let (errors, rejected) = (answer.json(), 9_999 + number % 2);
            assert_eq!(errors["errors"].as_array().unwrap().len(), 100);
            assert_eq!(errors["errors_omitted"], rejected - 100);
            assert!(answer.text().len() < 16 * 1024);
            client
        })
        .collect();
    check_growth(&gateway, before);
    drop(clients);
}

#[test]
fn a_promised_body_takes_no_memory_until_it_comes() {
    let (_mock, gateway) = small("");
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let mut client = gateway.client();
            client
                .write(head("content-length: 4194304\r\n\r\n").as_bytes())
                .unwrap();
            client
        })
        .collect();
    eventually("all are accepted", SOON, || {
        gateway.status()["connections"] == 100
    });
    check_good_client(&gateway);
    let used = used(&gateway);
    // Each is charged for its connection, 20 KiB, and for a first buffer: two bytes of its body are here.
    assert!(
        used <= 100 * 88 * 1024,
        "{} KiB for each",
        used / 100 / 1024
    );
    drop(clients);
    eventually("nothing is held", SOON, || {
        gateway.status()["memory"]["used_bytes"] == 0
    });
}

#[test]
fn a_client_that_sends_and_never_reads_is_held_back_and_then_left() {
    let (_mock, gateway) = small("idle_timeout = \"1500ms\"\n");
    check_good_client(&gateway);
    let before = gateway.resident();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&gateway.data.into()).unwrap();
    socket.set_write_timeout(Some(1000 * MS)).unwrap();
    let mut socket = std::net::TcpStream::from(socket);
    let requests = "GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    let mut written = 0;
    while let Ok(bytes) = std::io::Write::write(&mut socket, requests.as_bytes()) {
        written += bytes as u64;
        assert!(
            written < 256 * MIB,
            "requests are taken for ever, and nobody reads the answers"
        );
        check_growth(&gateway, before);
    }
    check_good_client(&gateway);
    eventually("it is left", SOON, || gateway.status()["connections"] == 0);
    check_growth(&gateway, before);
}

#[track_caller]
fn check_growth(gateway: &Gateway, before: u64) {
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < 24 * MIB, "{} MiB", grown / MIB);
}

/// A budget of 16 MiB for six streams of three clusters, and eleven connections that are charged for a large head each.
fn narrow(mock: &Mock, streams: &[String]) -> Gateway {
    let mut config = "[memory]\nbudget = \"16MiB\"\n[lane]\nmax_bytes = \"16MiB\"\n\
         [http]\nmax_connections = 11\nmax_head = \"1MiB\"\n"
        .to_owned();
    for (number, stream) in streams.iter().enumerate() {
        if number < 3 {
            let bootstrap = mock.bootstrap();
            config += &format!("[clusters.c{number}]\nbootstrap = \"{bootstrap}\"\n");
        }
        config += &format!("[streams.{stream}]\ncluster = \"c{}\"\n", number % 3);
    }
    let gateway = Gateway::ready(&config);
    for stream in streams {
        eventually("the stream takes events", 2 * SOON, || {
            gateway.client().post_json(stream, EVENT).status == 200
        });
    }
    gateway
}

#[test]
fn a_connection_for_which_there_is_no_memory_is_told_so_and_harms_nobody() {
    let streams: Vec<_> = (0..6).map(|number| format!("s{number}")).collect();
    let topics: Vec<_> = streams.iter().map(|name| (name.as_str(), 1)).collect();
    let mock = Mock::start(1, &topics);
    let gateway = narrow(&mock, &streams);
    let mut clients: Vec<_> = (0..10).map(|_| gateway.client()).collect();
    // As much as there is, one stream after the other: all of a body but its last byte.
    let (mut senders, pad) = (Vec::new(), "x".repeat(850 << 10));
    for (client, stream) in clients.iter_mut().zip(&streams) {
        let before = used(&gateway);
        let body = format!(r#"{{"id":"1","x":"{pad}"}}"#);
        let more = format!(
            "POST /v1/events/{stream} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
        );
        let head = format!("{more}content-length: {}\r\n\r\n", body.len());
        client
            .write((head + &body[..body.len() - 1]).as_bytes())
            .unwrap();
        eventually("its body is held", SOON, || {
            used(&gateway) >= before + (850 << 10)
        });
        senders.push(client);
    }
    // It sends as soon as it's connected, as clients do, and hears why it's refused.
    let mut refused = None;
    eventually("there is no memory for a connection", 2 * SOON, || {
        let mut late = gateway.client();
        late.socket.set_read_timeout(Some(500 * MS)).unwrap();
        drop(late.send("/v1/events/s0", &[], &[b'x'; 100_000]));
        refused = late.answer().ok();
        let why = |answer: &crate::support::http::Answer| answer.text();
        refused
            .as_ref()
            .map(why)
            .is_some_and(|why| why.contains("no memory for a connection"))
    });
    let refused = refused.unwrap();
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(refused.header("retry-after").is_some());
    let (_, metrics) = gateway.get("/metrics");
    let is_counted = |line: &str| line.contains("\"no_memory\"") && !line.ends_with(" 0");
    assert!(metrics.lines().any(is_counted), "{metrics}");
    // Those that had come before are served, and then there's room again.
    for client in senders {
        client.write(b"}").unwrap();
        assert_eq!(client.answer().unwrap().status, 200);
    }
    drop(clients);
    eventually("a new one is served", SOON, || {
        let mut client = gateway.client();
        client.send("/v1/events/s0", &[], EVENT.as_bytes()).is_ok()
            && client.answer().is_ok_and(|answer| answer.status == 200)
    });
    gateway.stop();
}
