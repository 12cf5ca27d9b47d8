//! Pages: beacons, fetch, pixels.

use super::*;

#[test]
fn beacons_are_json_whatever_they_say_and_a_pixel_is_an_image() {
    let (mock, gateway) = preset("web", "web", "");
    let mut client = gateway.client();
    for content_type in [
        "Content-Type: text/plain;charset=UTF-8\n",
        "",
        "Content-Type: application/x-www-form-urlencoded;charset=UTF-8\n",
        "Content-Type: image/x-odd\n",
    ] {
        let head = format!(
            "POST /web/events HTTP/1.1\n{content_type}Cookie: a=1; uid=cookie-1\nOrigin: https://shop.example"
        );
        let answer = send(
            &mut client,
            &head,
            br#"{"id":"1","user_id":null,"time":1795730677}"#,
        );
        assert_eq!(
            (answer.status, answer.text()),
            (204, String::new()),
            "{head}"
        );
    }
    let pixel = send(
        &mut client,
        "GET /web/pixel.gif?id=p-1&user_id=K%C3%B6ln+1 HTTP/1.1\nReferer: https://shop.example/",
        b"",
    );
    assert_eq!(
        (pixel.status, pixel.header("content-type")),
        (200, Some("image/gif"))
    );
    assert!(pixel.body.starts_with(b"GIF89a") && pixel.body.len() == 43);
    let records = sorted(&mock, "web");
    assert_eq!(records.len(), 5);
    let (pixel, beacons) = records.split_first().unwrap_or_else(|| panic!("none"));
    let (pixel, beacons) = match pixel.text().starts_with("id=") {
        true => (pixel, beacons),
        false => {
            let (last, others) = records.split_last().unwrap();
            (last, others)
        }
    };
    assert_eq!(pixel.text(), "id=p-1&user_id=K%C3%B6ln+1");
    assert_eq!(pixel.key_text().unwrap(), "K\u{f6}ln 1");
    assert_eq!(header(pixel, "referer"), Some("https://shop.example/"));
    for beacon in beacons {
        assert_eq!(beacon.key_text().unwrap(), "cookie-1");
        assert_eq!(header(beacon, "origin"), Some("https://shop.example"));
        assert_eq!(header(beacon, "event-time"), Some("1795730677000"));
    }
}

#[test]
fn a_pixel_with_a_body_is_refused_rather_than_half_taken() {
    let (mock, gateway) = preset("web", "web", "");
    let mut client = gateway.client();
    let answer = send(&mut client, "GET /web/pixel.gif?user_id=u HTTP/1.1", b"{}");
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.json()["type"], "urn:forebay:unexpected_body");
    let empty = client.get("/web/pixel.gif");
    assert_eq!(
        (empty.status, empty.json()["type"].as_str()),
        (400, Some("urn:forebay:empty"))
    );
    assert_eq!(records(mock.bootstrap(), "web").len(), 0);
}
