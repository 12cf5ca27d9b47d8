//! Routes come, change and go while the gateway runs, and with them the files that they're taken in from.

use super::*;

#[test]
fn a_reload_brings_routes_and_reads_presets_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let own = |path: &str| {
        format!("[routes.own]\npaths = [\"{path}\"]\nstream = \"all\"\nkey = [\"/k\"]\n")
    };
    std::fs::write(&file, own("/one")).unwrap();
    let include = format!("include = [\"{}\"]\n", file.display());
    let (mock, gateway) = started(&include, &["all"], "");
    let text = std::fs::read_to_string(gateway.file()).unwrap();
    let mut client = gateway.client();
    let mut post = |path: &str| {
        let head = format!("POST {path} HTTP/1.1");
        let status = send(&mut client, &head, br#"{"k":1}"#).status;
        if status >= 400 {
            client = gateway.client();
        }
        status
    };
    assert_eq!([post("/one"), post("/two")], [200, 404]);
    std::fs::write(&file, own("/two")).unwrap();
    let (status, answer) = gateway.reload("");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.to_string().contains("routes.own.paths"), "{answer}");
    assert_eq!([post("/one"), post("/two")], [404, 200]);
    std::fs::write(&file, own("/v1/events/x")).unwrap();
    let (status, answer) = gateway.reload("");
    assert_ne!(status, 200, "{answer}");
    assert!(answer.to_string().contains("where streams are"), "{answer}");
    assert_eq!(post("/two"), 200, "nothing has changed");
    gateway.rewrite(&text.replace(&include, ""));
    assert_eq!(gateway.reload("").0, 200);
    assert_eq!(post("/two"), 404);
    assert_eq!(records(mock.bootstrap(), "all").len(), 3);
}
