//! What is wrong with routes is said by key, all at once, with the nearest name.

use super::*;

#[test]
fn what_is_wrong_with_routes_is_told_with_the_nearest_name() {
    let more = "[routes.a]\npaths = [\"/x/{id}\"]\nstream = \"click\"\nkey = [\"path:ID\"]\n\
                [routes.a.answers.acepted]\nstatus = 200\n\
                [routes.b]\npaths = [\"/x/{y}\"]\nstream = \"clicks\"\nkey = [\"heder:x\"]\n\
                [routes.c]\npaths = [\"/y\"]\nstream_by = [\"/t\"]\n[routes.c.streams]\nv = \"views\"\n";
    assert_eq!(
        problems(more, &[]),
        [
            "routes.a.stream: there is no stream \"click\"; did you mean \"clicks\"?",
            "routes.a.answers.acepted: there is no such outcome; did you mean \"accepted\"?",
            "routes.c.streams.v: there is no stream \"views\"; known here: clicks",
            "routes.a.key: path:ID: no capture that each path has; known are id",
            "routes.b.key: \"heder:x\" is no source; did you mean \"header:x\"?",
        ]
    );
}

#[test]
fn routes_in_each_others_way_are_told() {
    let more = "[routes.a]\npaths = [\"/x/{id}\"]\nstream = \"clicks\"\n[routes.b]\npaths = [\"/x/{y}\"]\nstream = \"clicks\"\n";
    assert_eq!(
        problems(more, &[]),
        [
            "routes.b.paths: POST \"/x/{0}\" is a path of route \"a\" as well; give one of them another path or method"
        ]
    );
}

#[test]
fn wrong_values_of_a_route_are_told_with_what_is_right() {
    let text = format!(
        "{SMALL}[routes.a]\npaths = \"/x\"\nbody = \"jsn\"\nkey = [1]\ncaptures = []\n[routes.b]\n"
    );
    let all = mistakes(&text, &[]);
    let parts = [
        "unknown key \"captures\" in [routes.a]",
        "did you mean \"json\"?",
        "a list of texts",
        "a list of texts",
        "key \"paths\" is missing in [routes.b]",
    ];
    for part in parts {
        assert!(
            all.iter().any(|line| line.contains(part)),
            "{part}: {all:#?}"
        );
    }
    assert_eq!(
        all.len(),
        parts.len()
            + usize::from(
                all.iter()
                    .any(|line| line.contains("missing in [routes.a]"))
            ),
        "{all:#?}"
    );
}
