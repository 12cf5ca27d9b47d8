//! What bodies hold, as JSON Schema.

use serde_json::{Map, Value, json};

use crate::decode::Pointer;

/// An object with these members, each of them inside of others if its pointer says so.
pub(super) fn object(members: &[(&Pointer, Value)], required: &[&Pointer]) -> Value {
    let members: Vec<(Vec<&str>, &Value)> = { members.iter() }
        .map(|(pointer, schema)| (pointer.names().collect(), schema))
        .collect();
    let required: Vec<Vec<&str>> = required.iter().map(|it| it.names().collect()).collect();
    nested(&members, &required)
}

fn nested(members: &[(Vec<&str>, &Value)], required: &[Vec<&str>]) -> Value {
    let mut names: Vec<&str> = members
        .iter()
        .filter_map(|it| it.0.first().copied())
        .collect();
    names.dedup();
    let mut properties = Map::new();
    for name in names {
        if properties.contains_key(name) {
            continue;
        }
        let inside = members
            .iter()
            .filter(|(path, _)| path.first() == Some(&name));
        let inside: Vec<_> = inside.map(|(path, it)| (path[1..].to_vec(), *it)).collect();
        let below = required.iter().filter(|path| path.first() == Some(&name));
        let below: Vec<_> = below.map(|path| path[1..].to_vec()).collect();
        let schema = match inside.iter().find(|(path, _)| path.is_empty()) {
            Some((_, schema)) => (*schema).clone(),
            None => nested(&inside, &below),
        };
        properties.insert(name.into(), schema);
    }
    let mut object = json!({ "type": "object" });
    if !properties.is_empty() {
        object["properties"] = properties.into();
    }
    let mut needed: Vec<_> = required
        .iter()
        .filter_map(|path| path.first().copied())
        .collect();
    needed.dedup();
    if !needed.is_empty() {
        object["required"] = needed.into();
    }
    object
}

/// A value that can be a key, or one that counts as missing as well.
pub(super) fn scalar(may_be_missing: bool) -> Value {
    match may_be_missing {
        false => json!({ "type": ["string", "number", "boolean"] }),
        true => json!({ "type": ["string", "number", "boolean", "null"] }),
    }
}

/// One event, or an array of them.
pub(super) fn one_or_several(event: Value) -> Value {
    let several = json!({ "type": "array", "items": event, "minItems": 1 });
    json!({ "oneOf": [event, several] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_put_together_by_where_they_are() {
        let pointers = ["/a/b", "/a/c", "/d"].map(|text| Pointer::parse(text).unwrap());
        let [b, c, d] = &pointers;
        let found = object(&[(b, json!(1)), (c, json!(2)), (d, json!(3))], &[c, d]);
        assert_eq!(
            found,
            json!({
                "type": "object",
                "properties": {
                    "a": { "type": "object", "properties": { "b": 1, "c": 2 }, "required": ["c"] },
                    "d": 3,
                },
                "required": ["a", "d"],
            })
        );
        assert_eq!(object(&[], &[]), json!({ "type": "object" }));
    }
}
