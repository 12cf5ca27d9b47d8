//! How connections over TLS end: as those without it, and in a way that their clients can tell from a break.

use std::io::Write;

use super::*;

#[test]
fn an_answer_that_is_the_last_is_followed_by_the_end_in_order() {
    let world = World::new("");
    let client = secure::client(&world.authority, None);
    let mut connection = secure::connect(world.address(), &client, "localhost").unwrap();
    let close = [("connection", "close")];
    assert_eq!(
        connection.post(EVENTS, &close, EVENT.as_bytes()).status,
        200
    );
    secure::was_closed_in_order(&mut connection).unwrap();
}

#[test]
fn a_client_that_has_ended_its_side_is_answered() {
    let world = World::new("");
    let client = secure::client(&world.authority, None);
    let mut connection = secure::connect(world.address(), &client, "localhost").unwrap();
    connection.send(EVENTS, &[], EVENT.as_bytes()).unwrap();
    connection.socket.conn.send_close_notify();
    connection.socket.flush().unwrap();
    assert_eq!(connection.answer().unwrap().status, 200);
    secure::was_closed_in_order(&mut connection).unwrap();
}

#[test]
fn a_refusal_reaches_a_client_that_writes_all_before_it_reads() {
    let world = World::with("[http]\nmax_body = \"64KiB\"", "");
    let client = secure::client(&world.authority, None);
    let mut connection = secure::connect(world.address(), &client, "localhost").unwrap();
    let body = vec![b'x'; 8 << 20];
    connection.send(EVENTS, &[], &body).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    secure::was_closed_in_order(&mut connection).unwrap();
}

#[test]
fn a_stop_answers_what_is_under_way_and_ends_each_connection_in_order() {
    let world = World::new("");
    let client = secure::client(&world.authority, None);
    let mut resting = secure::connect(world.address(), &client, "localhost").unwrap();
    assert_eq!(resting.post_json("events", EVENT).status, 200);
    let mut busy = secure::connect(world.address(), &client, "localhost").unwrap();
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
        EVENT.len()
    );
    busy.write(head.as_bytes()).unwrap();
    busy.write(&EVENT.as_bytes()[..5]).unwrap();
    eventually("it's known", SOON, || {
        world.gateway.status()["connections"].as_u64() >= Some(2)
    });
    world.gateway.signal("TERM");
    std::thread::scope(|scope| {
        scope.spawn(|| secure::was_closed_in_order(&mut resting).unwrap());
        std::thread::sleep(50 * MS);
        busy.write(&EVENT.as_bytes()[5..]).unwrap();
        let answer = busy.answer().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"));
        secure::was_closed_in_order(&mut busy).unwrap();
    });
    world.gateway.stop();
}

#[test]
fn a_client_that_takes_no_answers_is_left_after_its_time() {
    let world = World::with("[http]\nsend_timeout = \"500ms\"", "");
    let client = secure::client(&world.authority, None);
    let mut connection = secure::connect(world.address(), &client, "localhost").unwrap();
    let socket = &connection.socket.sock;
    socket.set_write_timeout(Some(500 * MS)).unwrap();
    let requests = "GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    while connection.write(requests.as_bytes()).is_ok() {}
    eventually("it's left", 2 * SOON, || {
        world.gateway.status()["connections"] == 0
    });
    assert_eq!(world.refused("answer_not_taken"), 1);
    assert_eq!(world.post(&client).unwrap(), 200);
}
