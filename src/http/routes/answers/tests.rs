//! Answers by outcome, and where clients are sent on to.

use http_body_util::BodyExt as _;

use super::*;
use crate::http::answer::Problem;

fn answers(outcome: &str, answer: Answer) -> Answers {
    let mut answers = Answers::default();
    answers.add(outcome, &answer).unwrap();
    answers
}

fn own(status: u16) -> Reply {
    let status = StatusCode::from_u16(status).unwrap();
    let problem = Problem::unavailable("x", "y", std::time::Duration::from_secs(7));
    Problem { status, ..problem }.reply()
}

async fn applied(answers: &Answers, status: u16, target: Option<&str>) -> (u16, String, String) {
    let mut reply = own(status);
    answers.apply(&mut reply, target.map(str::as_bytes));
    let shown = |name: &str| {
        let value = reply.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    assert_eq!(shown("retry-after"), "7");
    let head = format!("{}{}", shown("content-type"), shown("location"));
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    let body = if body == PIXEL {
        "pixel".into()
    } else {
        String::from_utf8(body.to_vec()).unwrap()
    };
    (status, head, body)
}

#[tokio::test]
async fn each_outcome_gets_its_answer_and_no_other() {
    for (outcome, status, own) in [
        ("accepted", 202, 200),
        ("partly", 200, 207),
        ("bad", 400, 422),
        ("unauthorized", 403, 401),
        ("too_large", 400, 413),
        ("overloaded", 429, 503),
    ] {
        let answers = answers(
            outcome,
            Answer {
                status,
                r#type: Some("text/plain".into()),
                body: Some("OK".into()),
                ..Answer::default()
            },
        );
        let expected = (status, "text/plain".into(), "OK".into());
        assert_eq!(applied(&answers, own, None).await, expected, "{outcome}");
        for other in [200, 207, 400, 401, 408, 413, 415, 429, 500, 501, 503] {
            if outcome_of(StatusCode::from_u16(other).unwrap())
                != outcome_of(StatusCode::from_u16(own).unwrap())
            {
                assert_eq!(applied(&answers, other, None).await.0, other, "{outcome}");
            }
        }
    }
    let pixel = answers(
        "accepted",
        Answer {
            gif: true,
            ..Answer::default()
        },
    );
    let expected = (200, "image/gif".into(), "pixel".into());
    assert_eq!(applied(&pixel, 200, None).await, expected);
    let nothing = answers(
        "accepted",
        Answer {
            status: 204,
            ..Answer::default()
        },
    );
    assert_eq!(
        applied(&nothing, 200, None).await,
        (204, String::new(), String::new())
    );
}

#[tokio::test]
async fn clients_are_sent_on_to_where_the_list_says_only() {
    let answer = Answer {
        redirect: vec!["query:af_r".into()],
        allowed: vec!["https://shop.example/".into(), "market://details?".into()],
        location: Some("https://shop.example/home".into()),
        ..Answer::default()
    };
    let fixed = answers("accepted", answer.clone());
    for (target, location) in [
        ("https://shop.example/x?y", "https://shop.example/x?y"),
        ("market://details?id=1", "market://details?id=1"),
        ("https://shop.example.evil/", "https://shop.example/home"),
        ("https://shop.example@evil/", "https://shop.example/home"),
        ("https:\\\\shop.example/", "https://shop.example/home"),
        ("https://shop.example/\r\nx: y", "https://shop.example/home"),
        ("//evil/", "https://shop.example/home"),
        ("javascript:alert(1)", "https://shop.example/home"),
    ] {
        let (status, head, body) = applied(&fixed, 200, Some(target)).await;
        assert_eq!((status, &*head, &*body), (302, location, ""), "{target}");
    }
    let open = answers(
        "accepted",
        Answer {
            location: None,
            ..answer
        },
    );
    assert_eq!(applied(&open, 200, Some("https://evil/")).await.0, 204);
    assert_eq!(
        applied(&open, 503, Some("https://shop.example/")).await.0,
        503
    );
}

/// Checks that an answer can't be given, and that the words say why.
#[track_caller]
fn check_refused(outcome: &str, answer: Answer, part: &str) {
    let error = Answers::default().add(outcome, &answer).unwrap_err();
    assert!(error.contains(part), "{outcome} {answer:?}: {error}");
}

#[test]
fn an_answer_that_would_lie_is_refused() {
    for (outcome, status, part) in [
        ("bad", 200, "400 to 499"),
        ("overloaded", 200, "429 or 503"),
        ("overloaded", 500, "429 or 503"),
        ("unauthorized", 302, "400 to 499"),
        ("accepted", 302, "an address to go to"),
        ("accepted", 400, "200 to 299"),
        ("partly", 422, "200 to 299"),
        ("ok", 200, "no such outcome"),
        ("accepted", 1_000, "no status"),
    ] {
        check_refused(outcome, with_status(status), part);
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let body = Some("x".to_owned());
    let gif = Answer {
        gif: true,
        body: body.clone(),
        ..Answer::default()
    };
    check_refused("accepted", gif, "one of them");
    let empty = Answer {
        body,
        ..with_status(204)
    };
    check_refused("accepted", empty, "no body");
    let redirect = Answer {
        redirect: vec!["query:to".into()],
        ..Answer::default()
    };
    check_refused("accepted", redirect.clone(), "`allowed`");
    for open in [
        "https://shop.example",
        "https:///",
        "https://u@shop.example/",
    ] {
        let allowed = Answer {
            allowed: vec![open.into()],
            ..redirect.clone()
        };
        check_refused("accepted", allowed, "where a host ends");
    }
    let allowed = Answer {
        allowed: vec!["https://a/".into()],
        ..Answer::default()
    };
    check_refused("accepted", allowed, "no source");
    for (outcome, location, part) in [
        ("bad", "https://a/", "`accepted`"),
        ("accepted", "/x", "no address"),
    ] {
        let answer = Answer {
            location: Some(location.into()),
            ..Answer::default()
        };
        check_refused(outcome, answer, part);
    }
}

fn with_status(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

#[tokio::test]
async fn a_body_has_its_own_type_and_not_the_one_of_what_it_replaces() {
    for (body, given, shown) in [
        ("taken", None, "text/plain; charset=utf-8"),
        ("{\"ok\":true}", None, "application/json"),
        ("<p>", Some("text/html"), "text/html"),
    ] {
        let answer = Answer {
            body: Some(body.into()),
            r#type: given.map(Into::into),
            ..Answer::default()
        };
        let (_, head, text) = applied(&answers("bad", answer), 400, None).await;
        assert_eq!((&*head, &*text), (shown, body));
    }
}
