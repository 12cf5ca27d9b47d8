//! Secrets come from files and variables, and are never shown.

use super::super::print::effective;
use super::super::secret::is_secret;
use super::*;

fn with_property(name: &str, value: &str) -> String {
    format!("{SMALL}[clusters.ads.kafka]\n\"{name}\" = '{value}'\n")
}

fn password(text: &str, env: &[(&str, &str)]) -> String {
    load_text(text, env).unwrap().clusters["ads"].kafka["sasl.password"].clone()
}

#[test]
fn a_file_stands_for_its_content_without_the_last_newline() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sasl");
    let reference = format!("${{file:{}}}", file.display());
    for (content, expected) in [
        ("p1", "p1"),
        ("p1\n", "p1"),
        ("p1\r\n", "p1"),
        (" p1\n\n", " p1\n"),
        ("${env:X}", "${env:X}"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(
            password(&with_property("sasl.password", &reference), &[]),
            expected
        );
        assert_eq!(
            password(
                SMALL,
                &[("FOREBAY__CLUSTERS__ADS__KAFKA__SASL_PASSWORD", &reference)]
            ),
            expected
        );
    }
}

#[test]
fn a_variable_stands_for_its_value_anywhere_in_a_property() {
    let text = with_property("sasl.password", "a-${env:ONE}-${env:TWO}$");
    assert_eq!(
        password(&text, &[("ONE", "1"), ("TWO", "${file:/x}")]),
        "a-1-${file:/x}$"
    );
}

#[test]
fn a_doubled_dollar_is_itself() {
    assert_eq!(
        password(&with_property("sasl.password", "$${env:X}$$ $x"), &[]),
        "${env:X}$$ $x"
    );
}

#[test]
fn a_reference_that_leads_to_nothing_names_the_key_and_the_source() {
    let text = format!(
        "{}\"ssl.key.password\" = '${{env:NOPE}}'\n\"sasl.username\" = '${{hunter2}}'\n\"client.rack\" = 'a${{env:X'\n",
        with_property("sasl.password", "${file:/no/such/file}")
    );
    let all = mistakes(&text, &[]);
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(
        all[0].starts_with(
            "clusters.ads.kafka.\"client.rack\" (line 9, column 1): \"${\" has no \"}\""
        ),
        "{}",
        all[0]
    );
    let missing = "clusters.ads.kafka.\"sasl.password\" (line 6, column 1): can't read the file /no/such/file: ";
    assert!(all[1].starts_with(missing), "{}", all[1]);
    assert!(
        all[2].contains("must go on with file:PATH or env:NAME") && !all[2].contains("hunter2"),
        "{}",
        all[2]
    );
    assert!(
        all[3].ends_with("environment variable NOPE isn't set; set it or correct the name"),
        "{}",
        all[3]
    );
}

#[test]
fn a_file_too_large_for_a_secret_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sasl");
    std::fs::write(&file, vec![b'x'; 65537]).unwrap();
    let all = mistakes(
        &with_property("sasl.password", &format!("${{file:{}}}", file.display())),
        &[],
    );
    assert!(
        all[0].contains("it's larger than 65536 bytes"),
        "{}",
        all[0]
    );
}

#[test]
fn references_are_for_properties_only() {
    let text = SMALL.replace("k1:9092", "${env:BROKERS}");
    assert_eq!(
        load_text(&text, &[("BROKERS", "k:1")]).unwrap().clusters["ads"].bootstrap,
        "${env:BROKERS}"
    );
}

#[test]
fn no_message_shows_a_secret() {
    let text = format!(
        "{SMALL}[clusters.ads.kafka]\n\"sasl.password\" = 123456\n\"ssl.key.pem\" = [\"123456\"]\n"
    );
    let all = mistakes(&text, &[]).join("\n");
    assert!(!all.contains("123456"), "{all}");
    assert!(
        all.contains(
            "wrong value *** for clusters.ads.kafka.\"sasl.password\" (line 6, column 19)"
        ),
        "{all}"
    );

    let text = format!(
        "{SMALL}[clusters.ads.kafka]\nsasl.password = \"123456\"\n\"ssl.key.pem\" = {{ file = \"123456\" }}\n"
    );
    let all = mistakes(&text, &[]).join("\n");
    assert!(!all.contains("123456"), "{all}");
}

#[test]
fn properties_with_secrets_are_known_by_name() {
    for property in [
        "sasl.password",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.key.pem",
        "ssl_key",
        "sasl.jaas.config",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "SASL.Password",
    ] {
        assert!(is_secret(property), "{property}");
    }
    for property in [
        "sasl.username",
        "ssl.key.location",
        "ssl.ca.pem",
        "security.protocol",
        "sasl.oauthbearer.scope",
    ] {
        assert!(!is_secret(property), "{property}");
    }
}

#[test]
fn the_effective_configuration_masks_secrets_and_shows_the_rest() {
    let env = [("FOREBAY__CLUSTERS__ADS__KAFKA__SASL_PASSWORD", "hunter2")];
    let shown = effective(&load_text(&with_property("sasl.username", "me"), &env).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("\"sasl.password\" = \"***\""), "{shown}");
    assert!(shown.contains("\"sasl.username\" = \"me\""), "{shown}");
    assert!(shown.contains("idle_timeout = \"1m 15s\""), "{shown}");
    assert!(shown.contains("max_event = \"900KiB\""), "{shown}");
}

/// Each size in turn is set to one that no unit fits: the print must show it to the byte.
#[test]
fn the_effective_configuration_shows_every_size_exactly() {
    let sizes: Vec<_> = leaves()
        .into_iter()
        .filter(|(_, kind)| *kind == Kind::Size)
        .collect();
    assert!(sizes.len() >= 8);
    for (path, _) in sizes {
        let any = if path[0] == "streams" {
            "__CLICKS__"
        } else {
            "__ADS__"
        };
        let name = format!("FOREBAY__{}", path.join("__").to_uppercase()).replace("__ANY__", any);
        let config = load_text(SMALL, &[(&name, "1234567")]).unwrap();
        let key = path.last().unwrap();
        assert!(
            effective(&config).contains(&format!("{key} = \"1234567B\"")),
            "{path:?}"
        );
    }
}

#[test]
fn a_file_of_keys_that_may_be_cut_or_has_none_is_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    let sources = format!(
        "[http]\nauth = [\"bearer\"]\n[sources.shop]\nkeys = [\"${{file:{}}}\"]\n",
        file.display()
    );
    let text = format!("{SMALL}{sources}");
    for (keys, what) in [
        ("a-key-that-is-whole\na-key-that-i", "may be cut"),
        ("# of the shop\na-key-that-i", "may be cut"),
        ("", "no key"),
        ("# of the shop\n", "no key"),
    ] {
        std::fs::write(&file, keys).unwrap();
        let all = mistakes(&text, &[]);
        let [mistake] = &all[..] else {
            panic!("{all:?}");
        };
        assert!(
            mistake.contains(what) && !mistake.contains("a-key"),
            "{mistake}"
        );
    }
    // As platforms write a single one.
    for keys in [
        "a-key-that-is-whole",
        "a-key-that-is-whole\n",
        "\na-key-that-is-whole\nanother-one\n",
    ] {
        std::fs::write(&file, keys).unwrap();
        assert!(load_text(&text, &[]).is_ok(), "{keys:?}");
    }
}

#[test]
fn keys_of_sources_are_hashed_and_come_from_files_and_variables_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    std::fs::write(
        &file,
        "# two of them\n\na-key-in-a-file\r\n a-key-until until 2030-01-01T00:00:00Z\n",
    )
    .unwrap();
    let sources = format!(
        "[http]\nauth = [\"bearer\"]\n[sources.shop]\nkeys = [\"a-plain-key\", \"${{file:{}}}\", \"${{env:KEY}}\"]\nsecrets = [\"${{env:KEY}}\"]\n",
        file.display()
    );
    let config = load_text(
        &format!("{SMALL}{sources}"),
        &[("KEY", "a-key-in-the-environment")],
    )
    .unwrap();
    assert_eq!(config.validate(), Ok(()));
    let shop = &config.sources["shop"];
    assert_eq!(shop.keys.len(), 4);
    assert!(
        shop.keys.iter().all(|key| key.starts_with("sha256:")),
        "{:?}",
        shop.keys
    );
    assert!(shop.keys[2].ends_with(" until 2030-01-01T00:00:00Z"));
    assert_eq!(shop.secrets, ["a-key-in-the-environment"]);
    let shown = effective(&config);
    assert!(
        !shown.contains("a-key") && !shown.contains("sha256"),
        "{shown}"
    );
    assert!(
        shown.contains("keys = [\"***\", \"***\", \"***\", \"***\"]"),
        "{shown}"
    );
}

#[test]
fn a_list_is_given_by_a_variable_with_commas_or_as_toml() {
    for value in [
        "basic,bearer",
        " basic , bearer,",
        "[\"basic\", \"bearer\"]",
    ] {
        let config = load_text(SMALL, &[("FOREBAY__HTTP__AUTH", value)]).unwrap();
        assert_eq!(config.http.auth, ["basic", "bearer"], "{value}");
    }
    let config = load_text(SMALL, &[("FOREBAY__HTTP__AUTH", "")]).unwrap();
    assert!(config.http.auth.is_empty());
    let expected = "give a list of texts, like [\"a\", \"b\"]";
    for (text, env) in [
        ("auth = \"basic\"\n", &[][..]),
        ("auth = [1]\n", &[]),
        ("", &[("FOREBAY__HTTP__AUTH", "[1")]),
    ] {
        let all = mistakes(&format!("[http]\n{text}{SMALL}"), env);
        assert!(all.len() == 1 && all[0].contains(expected), "{all:?}");
    }
    let all = mistakes(
        &format!("{SMALL}[sources.a]\nkeys = \"a-secret-key\"\n"),
        &[],
    );
    assert!(
        all[0].contains("wrong value *** for sources.a.keys"),
        "{all:?}"
    );
    let all = mistakes(&format!("{SMALL}[sources.a]\nkeys = [\"hunter2\"]\n"), &[]);
    assert!(
        all[0].contains("sources.a.keys") && !all[0].contains("hunter2"),
        "{all:?}"
    );
}

#[test]
fn the_effective_configuration_can_be_loaded_again() {
    let mut config = load(Some(&reference_path()), std::iter::empty()).unwrap();
    // A mask is no key, so that nobody runs with one by mistake.
    assert!(load_text(&effective(&config), &[]).is_err());
    for source in config.sources.values_mut() {
        source.keys.clear();
    }
    let again = load_text(&effective(&config), &[]).unwrap();
    assert_eq!(format!("{again:#?}"), format!("{config:#?}"));
}
