//! How keys are shown.

use serde_json::{Map, Value, json};

use crate::auth::Policy;
use crate::auth::kind::Kind;
use crate::auth::view::Place;

/// How a key is shown, in any of several ways; the ways are added to `schemes`. One that the document has no words for is left out.
pub(super) fn schemes_of<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    schemes: &mut Map<String, Value>,
) -> Vec<Value> {
    let mut named = Vec::new();
    for kind in policies.into_iter().flat_map(Policy::kinds) {
        let Some((name, scheme)) = scheme(kind) else {
            continue;
        };
        let one = json!({ name.as_str(): [] });
        if !named.contains(&one) {
            named.push(one);
        }
        schemes.insert(name, scheme);
    }
    named
}

fn scheme(kind: &Kind) -> Option<(String, Value)> {
    let in_place = |place: &str, name: &str| {
        let scheme = json!({ "type": "apiKey", "in": place, "name": name });
        Some((format!("{place}-{name}"), scheme))
    };
    match kind {
        Kind::Basic => Some((
            "basic".into(),
            json!({ "type": "http", "scheme": "basic", "description": "the key as the user's name" }),
        )),
        Kind::Bearer => Some((
            "bearer".into(),
            json!({ "type": "http", "scheme": "bearer" }),
        )),
        Kind::Plain(Place::Header(name)) => in_place("header", name.as_str()),
        Kind::Plain(Place::Query(name)) => in_place("query", name),
        Kind::Signature(it) => in_place("header", it.header().as_str()),
        Kind::Certificate => Some(("certificate".into(), json!({ "type": "mutualTLS" }))),
        Kind::Plain(Place::Capture(_)) | Kind::Member(_) => None,
    }
}
