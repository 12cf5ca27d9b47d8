//! `deploy/forebay.toml` shows every key, and says the truth about the defaults.

use super::super::Config;
use super::super::check::check;
use super::super::load::load;
use super::super::tree::{self, Node, Table, table_at};
use super::*;

fn text() -> String {
    std::fs::read_to_string(reference_path()).unwrap()
}

/// The file with the settings that are off (`#key = value`) switched on.
fn text_with_all() -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest)
            if rest.starts_with(|c: char| c == '"' || c == '[' || c.is_ascii_lowercase()) =>
        {
            format!("{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    text().lines().map(on).collect()
}

/// Whether the path, in which maps are entered as `any`, is there; the examples that show every key stand for `any`.
fn holds(root: &Table, path: &[&str]) -> bool {
    let example: Vec<&str> = match path {
        ["clusters", "any", "kafka", "any"] => {
            vec!["clusters", "attribution", "kafka", "compression.type"]
        }
        ["clusters", "any", rest @ ..] => [&["clusters", "attribution"], rest].concat(),
        ["owners", "any", rest @ ..] => [&["owners", "measurement"], rest].concat(),
        ["streams", "any", rest @ ..] => [&["streams", "installs"], rest].concat(),
        ["sources", "any", rest @ ..] => [&["sources", "shop"], rest].concat(),
        ["cors", "any", rest @ ..] => [&["cors", "web"], rest].concat(),
        ["routes", "any", "streams", "any"] => vec!["routes", "shop", "streams", "buy"],
        ["routes", "any", "headers", "any"] => vec!["routes", "shop", "headers", "kind"],
        ["routes", "any", "answers", "any", rest @ ..] => {
            [&["routes", "shop", "answers", "accepted"], rest].concat()
        }
        ["routes", "any", rest @ ..] => [&["routes", "shop"], rest].concat(),
        ["http", "tls", "certificates", "any", rest @ ..] => {
            [&["http", "tls", "certificates", "main"], rest].concat()
        }
        path => path.to_vec(),
    };
    assert!(!example.contains(&"any"), "no example stands for {path:?}");
    let (key, above) = example.split_last().unwrap();
    table_at(root, above).is_some_and(|table| table.contains_key(*key))
}

#[test]
fn it_loads_and_validates() {
    let config =
        load(Some(&reference_path()), std::iter::empty()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(
        config.clusters.keys().collect::<Vec<_>>(),
        ["ads", "attribution"]
    );
    assert_eq!(
        config.streams.keys().collect::<Vec<_>>(),
        ["clicks", "impressions", "installs"]
    );
    assert_eq!(config.routes.keys().collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn it_shows_every_key_of_every_settings_struct() {
    let root = tree::parse(&text_with_all()).unwrap();
    let missing: Vec<_> = leaves()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !holds(&root, path))
        .collect();
    assert!(
        missing.is_empty(),
        "deploy/forebay.toml doesn't show {missing:?}"
    );
}

#[test]
fn what_is_off_in_it_is_right_as_well() {
    let root = tree::parse(&text_with_all()).unwrap();
    assert_eq!(check(&root), []);
}

#[test]
fn only_keys_without_a_default_value_are_off_in_it() {
    let root = tree::parse(&text()).unwrap();
    let off: Vec<_> = leaves()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !holds(&root, path))
        .collect();
    assert_eq!(
        off,
        [
            &["http", "max_connections"][..],
            &["http", "cors"],
            &["http", "tls", "listen"],
            &["http", "tls", "certificates", "any", "cert"],
            &["http", "tls", "certificates", "any", "key"],
            &["http", "tls", "default_certificate"],
            &["http", "tls", "client_ca"],
            &["streams", "any", "owner"],
            &["streams", "any", "topic"],
            &["streams", "any", "key"],
            &["streams", "any", "id"],
            &["streams", "any", "auth"],
            &["streams", "any", "cors"],
            &["streams", "any", "address_key"],
            &["routes", "any", "streams", "any"],
            &["routes", "any", "events"],
            &["routes", "any", "key"],
            &["routes", "any", "id"],
            &["routes", "any", "time_header"],
            &["routes", "any", "auth"],
            &["routes", "any", "cors"],
            &["routes", "any", "answers", "any", "type"],
            &["routes", "any", "answers", "any", "body"],
            &["routes", "any", "answers", "any", "location"],
            &["admin", "token"],
            &["admin", "read_token"],
            &["admin", "tls", "cert"],
            &["admin", "tls", "key"],
        ]
    );
}

#[test]
fn its_values_are_the_defaults() {
    let mut config = load(Some(&reference_path()), std::iter::empty()).unwrap();
    let attribution = config.clusters.remove("attribution").unwrap();
    let installs = config.streams.remove("installs").unwrap();
    let mut shop = config.sources.remove("shop").unwrap();
    shop.keys.clear();
    assert_eq!(shop, crate::auth::Settings::default());
    let cors = config.cors.remove("web").unwrap();
    assert_eq!(cors, crate::auth::CorsSettings::default());
    let mut owner = config.owners.remove("measurement").unwrap();
    config.owners.clear();
    config.clusters.clear();
    config.streams.clear();
    let mut shop = config.routes.remove("shop").unwrap();
    assert_eq!(shop.answers.remove("accepted").unwrap(), Default::default());
    let paths = toml::Table::from_iter([("paths".to_owned(), shop.paths.clone().into())]);
    let mut route: crate::http::routes::Settings = paths.try_into().unwrap();
    route.stream.clone_from(&shop.stream);
    shop.headers.clear();
    assert_eq!(shop, route);
    assert_eq!(format!("{config:#?}"), format!("{:#?}", Config::default()));

    // Whom to tell has no default.
    (owner.contact, owner.runbook) = Default::default();
    assert_eq!(owner, Default::default());

    let small = load_text(SMALL, &[]).unwrap();
    let mut cluster = small.clusters["ads"].clone();
    // What has no default, or where an empty one would make a poor example.
    cluster.bootstrap.clone_from(&attribution.bootstrap);
    cluster.owner.clone_from(&attribution.owner);
    cluster.kafka.clone_from(&attribution.kafka);
    assert_eq!(format!("{attribution:#?}"), format!("{cluster:#?}"));

    let mut stream = small.streams["clicks"].clone();
    stream.cluster.clone_from(&installs.cluster);
    assert_eq!(format!("{installs:#?}"), format!("{stream:#?}"));
}

#[test]
fn every_key_in_it_has_a_comment_above() {
    let text = text();
    let mut above = "";
    let mut bare = Vec::new();
    for line in text.lines() {
        let is_setting = line.contains(" = ") && !line.starts_with("# ");
        // The second cluster, the further streams and further properties follow their like.
        let follows = above.contains(" = ") && !above.starts_with("# ") || above.starts_with('[');
        if is_setting && !above.starts_with('#') && !follows {
            bare.push(line);
        }
        above = line;
    }
    assert!(bare.is_empty(), "no comment above {bare:?}");
}

/// The shape that everything else rests on is compared with what the settings serialise to.
#[test]
fn the_known_keys_are_those_that_settings_serialise() {
    fn paths(table: &toml::Table, path: &[&str], found: &mut Vec<(String, toml::Value)>) {
        for (key, value) in table {
            // Names of streams, clusters and properties are free.
            let name = if matches!(
                path,
                ["clusters" | "owners" | "streams" | "sources" | "cors" | "routes"]
                    | [.., "kafka" | "certificates"]
                    | ["routes", _, "streams" | "headers" | "answers"]
            ) {
                "any"
            } else {
                key
            };
            let inside = [path, &[name]].concat();
            match value {
                toml::Value::Table(table) => paths(table, &inside, found),
                value => found.push((inside.join("."), value.clone())),
            }
        }
    }
    // Every `Option` is set and every map has an entry, so that serialisation leaves nothing out.
    let full = load_text(&text_with_all().replace("${file:", "$${file:"), &[]).unwrap();
    let mut full = full;
    full.clusters.retain(|name, _| name == "attribution");
    full.owners.retain(|name, _| name == "measurement");
    full.streams.retain(|name, _| name == "installs");
    let mut serialised = Vec::new();
    paths(&toml::Table::try_from(&full).unwrap(), &[], &mut serialised);
    serialised.sort_by(|a, b| a.0.cmp(&b.0));
    serialised.dedup_by(|a, b| a.0 == b.0);

    let mut known: Vec<_> = leaves()
        .into_iter()
        .map(|(path, kind)| (path.join("."), kind))
        .collect();
    known.sort_by(|a, b| a.0.cmp(&b.0));
    let names = |(name, _): &(String, _)| name.clone();
    assert_eq!(
        serialised.iter().map(names).collect::<Vec<_>>(),
        known.iter().map(|k| k.0.clone()).collect::<Vec<_>>()
    );
    for ((name, value), (_, kind)) in serialised.iter().zip(&known) {
        let fits = match kind {
            Kind::Flag => value.is_bool(),
            Kind::Whole(_) => value.is_integer(),
            Kind::List => value.is_array(),
            _ => value.is_str(),
        };
        assert!(fits, "{name} = {value} isn't of kind {kind:?}");
    }
}

#[test]
fn text_that_is_parsed_is_known_by_kind() {
    let kind = |path: &[&str]| Kind::at(path).unwrap();
    assert_eq!(kind(&["http", "listen"]), Kind::Address);
    assert_eq!(kind(&["http", "max_body"]), Kind::Size);
    assert_eq!(kind(&["http", "head_timeout"]), Kind::Duration);
    assert_eq!(kind(&["decode", "max_depth"]), Kind::Whole(65535));
    assert_eq!(kind(&["streams", "x", "topic"]), Kind::Text);
    assert_eq!(
        kind(&["streams", "x", "format"]),
        Kind::Choice(&["json", "raw"])
    );
    assert_eq!(kind(&["clusters", "x", "kafka"]), Kind::Named);
    assert_eq!(Kind::at(&["http", "lisen"]), None);
    assert_eq!(Kind::at(&["http", "listen", "port"]), None);
}

/// The file with every leaf given once more by its environment variable is the same configuration.
#[test]
fn every_key_is_a_variable_too() {
    let root = tree::parse(&text_with_all()).unwrap();
    let mut env: Vec<(String, String)> = Vec::new();
    fn collect(table: &Table, prefix: &str, env: &mut Vec<(String, String)>) {
        for (key, entry) in table {
            let key = key.to_uppercase().replace(['.', '-'], "_");
            match &entry.node {
                Node::Table(inner) => collect(inner, &format!("{prefix}__{key}"), env),
                Node::Leaf(leaf) => {
                    let value = leaf.value.clone().unwrap();
                    // A list is written as in TOML.
                    let bare = value
                        .as_str()
                        .map_or_else(|| value.to_string(), String::from);
                    env.push((
                        format!("{prefix}__{key}"),
                        bare.replace("${file:", "$${file:"),
                    ));
                }
            }
        }
    }
    collect(&root, "FOREBAY", &mut env);
    assert!(env.len() > leaves().len());
    let from_file = load_text(&text_with_all().replace("${file:", "$${file:"), &[]).unwrap();
    let from_env = load(None, env.into_iter()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(format!("{from_env:#?}"), format!("{from_file:#?}"));
}
