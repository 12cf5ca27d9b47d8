//! Requests whose end or host can be read in two ways. Whatever stands behind one of them on its connection is never taken
//! for a request: that is how one client's request becomes part of another's.

use std::net::Shutdown;

use super::*;

/// What a front that reads differently would send along.
fn smuggled() -> String {
    head(&format!("content-length: {}\r\n", EVENT.len())) + EVENT
}

/// Sends `first` with a request behind it. The statuses of the answers, and how many events were taken.
#[track_caller]
fn sent(gateway: &Gateway, first: &str) -> (Vec<u16>, i64) {
    let before = gateway.events("events", "accepted");
    let mut client = gateway.client();
    drop(client.write((first.to_owned() + &smuggled()).as_bytes()));
    drop(client.socket.shutdown(Shutdown::Write));
    let came = client.until_closed(SOON).expect("the connection is closed");
    let came = String::from_utf8_lossy(&came).into_owned();
    let answers = came.split("HTTP/1.1 ").skip(1);
    let statuses = answers.map(|answer| answer[..3].parse().unwrap()).collect();
    (statuses, gateway.events("events", "accepted") - before)
}

fn chunk() -> String {
    format!("{:x}\r\n{EVENT}\r\n", EVENT.len())
}

#[test]
fn a_request_with_trailers_is_the_last_of_its_connection() {
    let (_mock, gateway) = started("");
    let begin = head("transfer-encoding: chunked\r\n") + &chunk();
    for end in [
        // hyper takes all up to the empty line of the next head for trailers, and the body behind it for a request.
        "0\r\nX: 1\n\n",
        "0\r\nX: 1\r\n\n",
        "0\r\nX: 1\r\n\r\n",
        "0\r\nX: 1\n\r\n\r\n",
        "0\r\nX: 1\r\nY: 2\r\n\r\n",
    ] {
        let (statuses, taken) = sent(&gateway, &(begin.clone() + end));
        // Trailers that are none make the request a bad one.
        assert!(
            matches!((&statuses[..], taken), ([200], 1) | ([400], 0)),
            "{end:?}: {statuses:?}, {taken} taken"
        );
    }
    // Also where nobody reads the body: a stream that isn't there, a method that isn't possible, no event in it.
    for first in [
        begin.replace(EVENTS, "/v1/events/nobody") + "0\r\nX: 1\n\n",
        begin.replace("POST", "PUT") + "0\r\nX: 1\n\n",
        head("transfer-encoding: chunked\r\n") + "0\r\nX: 1\n\n",
        head("transfer-encoding: chunked\r\n").replace("POST", "PUT") + "0\r\nX: 1\n\n",
    ] {
        let (statuses, taken) = sent(&gateway, &first);
        assert_eq!((statuses.len(), taken), (1, 0), "{first:?}: {statuses:?}");
        assert!(statuses[0] / 100 == 4, "{first:?}: {statuses:?}");
    }
    // Without trailers the connection goes on.
    assert_eq!(sent(&gateway, &(begin + "0\r\n\r\n")), (vec![200, 200], 2));
}

#[test]
fn any_transfer_coding_but_chunked_alone_is_refused() {
    let (_mock, gateway) = started("");
    let body = chunk() + "0\r\n\r\n";
    let coded = |lines: &[&str]| {
        let lines: String = lines
            .iter()
            .map(|line| format!("transfer-encoding: {line}\r\n"))
            .collect();
        sent(&gateway, &(head(&lines) + &body))
    };
    for lines in [
        &["gzip, chunked"][..],
        &["gzip", "chunked"],
        &["identity", "chunked"],
        &["identity, chunked"],
        &["chunked", "chunked"],
        &["chunked, chunked"],
        &["chunked;q=1", "chunked"],
    ] {
        assert_eq!(coded(lines), (vec![501], 0), "{lines:?}");
    }
    // RFC 9112, 6.3: what doesn't end in chunked has no end, which is a bad request.
    for lines in [
        &["gzip"][..],
        &["identity"],
        &["chunked, gzip"],
        &["chunked", "gzip"],
        &["xchunked"],
        &["chunked\u{b}"],
        &["\"chunked\""],
    ] {
        assert_eq!(coded(lines), (vec![400], 0), "{lines:?}");
    }
    for lines in [
        &["chunked"][..],
        &["CHUNKED"],
        &["", "chunked"],
        &[" , chunked"],
    ] {
        assert_eq!(coded(lines), (vec![200, 200], 2), "{lines:?}");
    }
    // HTTP/1.0 knows none.
    let old = head("transfer-encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0") + &body;
    let (statuses, taken) = sent(&gateway, &old);
    assert_eq!(taken, 0, "{statuses:?}");
}

#[test]
fn a_request_names_one_host() {
    let (_mock, gateway) = started("");
    let length = format!("content-length: {}\r\n", EVENT.len());
    let hosted = |lines: &str| {
        let head = format!("POST {EVENTS} HTTP/1.1\r\n{lines}{length}\r\n");
        sent(&gateway, &(head + EVENT))
    };
    for lines in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nHost: b\r\n",
        "host:\r\nhost: a\r\n",
        "host: a b\r\n",
        "host: a/b\r\n",
        "host: user@a\r\n",
        "host: a:b\r\n",
        "host: a, b\r\n",
        "host: [::1\r\n",
    ] {
        assert_eq!(hosted(lines), (vec![400], 0), "{lines:?}");
    }
    for lines in [
        "host: a\r\n",
        "host: [::1]:80\r\n",
        "HOST:\ta.b:8080 \r\n",
        "host:\r\n",
    ] {
        assert_eq!(hosted(lines), (vec![200, 200], 2), "{lines:?}");
    }
    let old = format!("POST {EVENTS} HTTP/1.0\r\n{length}\r\n{EVENT}");
    let (statuses, taken) = sent(&gateway, &old);
    assert_eq!(taken, 1, "HTTP/1.0 knows no host: {statuses:?}");
}

#[test]
fn lines_that_end_or_go_on_in_an_unusual_way_hide_nothing() {
    let (_mock, gateway) = started("");
    let length = EVENT.len();
    let end = chunk() + "0\r\n\r\n";
    for first in [
        // A line that goes on in the next one.
        head(&format!("x: y\r\n content-length: {length}\r\n")) + EVENT,
        head(&format!("content-length:\r\n {length}\r\n")) + EVENT,
        // Names with space around them.
        head(&format!("content-length : {length}\r\n")) + EVENT,
        head("transfer-encoding\t: chunked\r\n") + &end,
        // A carriage return, a nul or another control character within.
        head(&format!("x: y\rcontent-length: {length}\r\n")) + EVENT,
        head("x: \0\r\n"),
        head("x\u{7f}: y\r\n"),
        // Two lengths, and lengths that are none.
        head(&format!(
            "content-length: {length}\r\ncontent-length: 0\r\n"
        )) + EVENT,
        head(&format!("content-length: {length}, 0\r\n")) + EVENT,
        head(&format!("content-length: 0{length}x\r\n")) + EVENT,
        // Chunks that end in a bare line feed, or have a sign or a prefix.
        head("transfer-encoding: chunked\r\n") + &end.replacen("\r\n", "\n", 1),
        head("transfer-encoding: chunked\r\n") + "0x1\r\nx\r\n0\r\n\r\n",
        head("transfer-encoding: chunked\r\n") + "+1\r\nx\r\n0\r\n\r\n",
        head("transfer-encoding: chunked\r\n") + "1;a\nb\r\nx\r\n0\r\n\r\n",
        head("transfer-encoding: chunked\r\n") + "2\r\nxyz\r\n0\r\n\r\n",
    ] {
        let (statuses, taken) = sent(&gateway, &first);
        assert_eq!((statuses.len(), taken), (1, 0), "{first:?}: {statuses:?}");
        assert_eq!(statuses[0] / 100, 4, "{first:?}: {statuses:?}");
    }
    check_good_client(&gateway);
}
