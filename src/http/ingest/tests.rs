//! One request, without its body.

use super::*;

/// hyper moves it with each request, several times for HTTP/2.
#[test]
fn what_a_request_is_while_it_waits_is_small() {
    fn size<F>(_: impl Fn(Arc<Local>, Busy, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }
    // Without optimisation it's larger than it really is.
    let size = size(handle);
    assert!(size <= 1_200, "{size} bytes");
}

#[test]
fn a_request_that_waits_holds_nothing_of_its_head_but_room_for_a_few_headers() {
    for (count, is_reused) in [(4, true), (1_000, false)] {
        let mut request = Request::post("/v1/events/installs?and=more");
        for number in 0..count {
            request = request.header(format!("x-{number}"), "value");
        }
        let mut request = request.body(()).unwrap();
        forget_head(&mut request, None);
        assert_eq!((request.uri().path(), request.headers().len()), ("/", 0));
        assert_eq!(request.uri().query(), None);
        assert_eq!(request.headers().capacity() > 0, is_reused);
    }
}
