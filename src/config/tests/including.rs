//! Files that are taken in, and what goes over what.

use super::super::plan::Plan;
use super::*;

/// Loads `main` beside the other files.
fn load_files(main: &str, others: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("presets")).unwrap();
    for (name, text) in others.iter().chain(&[("forebay.toml", main)]) {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let env = env
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    let shown_dir = format!("{}/", dir.path().display());
    load(Some(&dir.path().join("forebay.toml")), env)
        .map_err(|error| error.to_string().replace(&shown_dir, ""))
}

const PRESET: &str =
    "[routes.a-b]\npaths = [\"/a\"]\nstream = \"x\"\nkey = [\"/k\"]\n[http]\nthreads = 3\n";

#[test]
fn the_file_goes_over_what_it_takes_in_and_variables_over_both() {
    let main = format!(
        "include = [\"presets/a.toml\", \"b.toml\"]\n{SMALL}[routes.a-b]\nstream = \"clicks\"\n"
    );
    let files = [
        ("presets/a.toml", PRESET),
        ("b.toml", "[http]\nthreads = 4\nmax_headers = 7\n"),
    ];
    let config = load_files(&main, &files, &[("FOREBAY__ROUTES__A_B__TIME_HEADER", "t")]).unwrap();
    let route = &config.routes["a-b"];
    assert_eq!(route.stream.as_deref(), Some("clicks"));
    assert_eq!(route.paths, ["/a"]);
    assert_eq!(route.time_header.as_deref(), Some("t"));
    assert_eq!((config.http.threads, config.http.max_headers), (4, 7));
    // What it says is in it: nothing has to be read again.
    assert!(config.include.is_empty());
    let shown = crate::config::print::effective(&config);
    let again = load_text(&shown, &[]).unwrap();
    assert!(Plan::new(&config, &again).is_empty());
}

#[test]
fn a_variable_may_say_which_files() {
    let files = [
        ("presets/a.toml", PRESET),
        ("b.toml", "[http]\nthreads = 4\n"),
    ];
    let main = format!("include = [\"b.toml\"]\n{SMALL}");
    let config = load_files(&main, &files, &[("FOREBAY__INCLUDE", "presets/a.toml")]).unwrap();
    assert_eq!(config.http.threads, 3);
    assert!(config.routes.contains_key("a-b"));
}

#[test]
fn mistakes_are_told_with_the_file_they_are_in() {
    let main = format!("include = [\"presets/a.toml\"]\n{SMALL}");
    let with = |text: &str| load_files(&main, &[("presets/a.toml", text)], &[]).unwrap_err();
    let unknown = with("[routes.x]\npaths = [\"/a\"]\nbodi = \"json\"\n");
    assert!(
        unknown.contains("unknown key \"bodi\" in [routes.x] (presets/a.toml, line 3, column 1); did you mean \"body\"?"),
        "{unknown}"
    );
    let missing = with("[routes.x]\nstream = \"clicks\"\n");
    assert!(
        missing.contains("key \"paths\" is missing in [routes.x] (presets/a.toml, line 1"),
        "{missing}"
    );
    let nested = with("include = [\"b.toml\"]\n");
    assert!(nested.contains("takes in no other"), "{nested}");
    let syntax = with("[routes");
    assert!(
        syntax.contains("presets/a.toml isn't valid TOML"),
        "{syntax}"
    );
    let absent = load_files(&main, &[], &[]).unwrap_err();
    assert!(
        absent.contains("can't read the configuration file presets/a.toml"),
        "{absent}"
    );
    let wrong =
        load_files(&format!("include = \"presets/a.toml\"\n{SMALL}"), &[], &[]).unwrap_err();
    assert!(wrong.contains("a list of texts"), "{wrong}");
}

/// Every preset is good, with the stream that it says it needs.
#[test]
fn presets_are_good() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/presets"));
    let mut count = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(&format!("include = [\"presets/{name}.toml\"]")),
            "{name}"
        );
        assert!(text.contains(&format!("[streams.{name}]")), "{name}");
        let main = format!(
            "include = [\"{}\"]\n{SMALL}[streams.{name}]\ncluster = \"ads\"\n",
            path.display()
        );
        let config = load_text(&main, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.validate(), Ok(()), "{name}");
        count += 1;
    }
    assert!(count >= 3);
}
