//! The image of `deploy/Dockerfile`, without Docker: its files run as a container would run them, and its text keeps a few rules.

use std::os::unix::fs::chown;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::root;
use crate::support::gateway::{Gateway, config};
use crate::support::mock::Mock;
use crate::support::skip;

/// Bytes of the image, at most.
const SIZE: u64 = 60_000_000;
/// The image's user.
const USER: u32 = 65_532;

/// The bytes of all files in a folder.
fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let each = entries.map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => size(&entry.path()),
        _ => entry.metadata().unwrap().len(),
    });
    each.sum()
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn the_images_files_are_few_and_serve_as_a_user_who_may_write_nothing_but_the_log() {
    if !run("unshare", &["-m", "mount", "--make-rprivate", "/"]) {
        skip::<()>("the image", "nobody may have mounts of his own here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (image, log) = (folder.path().join("image"), folder.path().join("log"));
    let [image_text, log_text] = [&image, &log].map(|path| path.to_str().unwrap().to_owned());
    let make = root().join("deploy/image");
    let forebay = env!("CARGO_BIN_EXE_forebay");
    assert!(run(make.to_str().unwrap(), &[forebay, &image_text]));
    let size = size(&image);
    println!("the image has {size} bytes");
    assert!(size < SIZE, "the image has {size} bytes");
    std::fs::create_dir(&log).unwrap();
    chown(&log, Some(USER), Some(USER)).unwrap();

    let mock = Mock::start(1, &[("events", 1)]);
    // A name, so that the image has what finding its address takes.
    let bootstrap = mock.bootstrap().replace("127.0.0.1", "localhost");
    let enter = root().join("tests/deploy/enter.sh");
    // The harness runs PROGRAM serve --config FILE.
    let by = "root=$1 log=$2 enter=$3; shift 6; \
        exec unshare -m \"$enter\" \"$root\" \"$log\" \"$1\" /usr/bin/forebay serve --config /etc/forebay/forebay.toml";
    let by = [
        "sh",
        "-c",
        by,
        "sh",
        &image_text,
        &log_text,
        enter.to_str().unwrap(),
    ];
    let env = [
        ("FOREBAY__SPILL__DIR", "/var/lib/forebay/spill"),
        ("FOREBAY__SPILL__QUOTA", "256MiB"),
    ];
    let gateway = Gateway::try_start(&by, &config(&bootstrap, ""), &[], &env).unwrap();
    gateway.wait_ready(Duration::from_secs(30));
    let answer = gateway
        .client()
        .post_json("events", r#"{"user":"a","id":"1"}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", gateway.pid()));
    let status = shown("status").unwrap();
    let users = format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}");
    assert!(status.contains(&users), "{status}");
    let mounts = shown("mountinfo").unwrap();
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    let mounted = mounts.lines().rfind(is_root).unwrap();
    assert!(
        mounted.split(' ').nth(5).unwrap().starts_with("ro"),
        "{mounted}"
    );
    assert!(log.join("spill").is_dir(), "the log is where it's kept");
    gateway.stop();
}

/// The instructions of the Dockerfile, with lines that go on as one.
fn instructions(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = lines.filter_map(|line| line.split_once(' '));
    split
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// What is wrong with a Dockerfile.
fn faults(text: &str) -> Vec<String> {
    let all = instructions(text);
    let mut faults = Vec::new();
    let mut user = None;
    let mut arguments = Vec::new();
    for (name, rest) in &all {
        match name.as_str() {
            "ARG" => arguments.extend(rest.split_once('=')),
            "FROM" => {
                user = None;
                let image = rest.split(' ').next().unwrap();
                let known = arguments.iter();
                let known = known.filter(|(name, _)| image == format!("${{{name}}}"));
                let image = known.map(|(_, value)| *value).next().unwrap_or(image);
                let tag = image.rsplit('/').next().unwrap().split_once(':');
                if image != "scratch" && tag.is_none_or(|(_, tag)| tag.starts_with("latest")) {
                    faults.push(format!("{image} has no version"));
                }
            }
            "ADD" => faults.push("ADD fetches and unpacks; COPY does neither".into()),
            "USER" => user = Some(rest.clone()),
            "RUN" if rest.contains("curl") || rest.contains("wget") => {
                faults.push(format!("{rest} fetches what nobody has checked"));
            }
            "RUN" if rest.contains("cargo build") && !rest.contains("--locked") => {
                faults.push("cargo may build something newer than Cargo.lock".into());
            }
            "ENTRYPOINT" | "CMD" if !rest.starts_with('[') => {
                faults.push(format!("{name} needs a shell, which gets the signals"));
            }
            _ => {}
        }
    }
    let is_number = |user: &str| {
        user.split(':')
            .all(|it| it.parse().is_ok_and(|it: u32| it > 0))
    };
    if !user.as_deref().is_some_and(is_number) {
        faults.push(format!(
            "the image's user is {user:?}, and no number above 0"
        ));
    }
    faults
}

#[test]
fn the_dockerfile_keeps_its_rules() {
    let text = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    assert_eq!(faults(&text), Vec::<String>::new());
    assert!(
        text.contains("\nFROM scratch\n"),
        "the image has what deploy/image puts there, alone"
    );
    for (from, to, fault) in [
        ("COPY . .", "ADD . .", "ADD"),
        ("USER 65532:65532", "USER forebay", "user"),
        ("USER 65532:65532", "USER 0:0", "user"),
        ("USER 65532:65532", "", "user"),
        ("rust:1.91-bookworm\n\n", "rust:latest\n\n", "version"),
        ("rust:1.91-bookworm\n\n", "rust\n\n", "version"),
        ("--locked --bin", "--bin", "Cargo.lock"),
        ("CMD [", "CMD ", "shell"),
    ] {
        let worse = text.replacen(from, to, 1);
        assert!(worse != text, "{from}");
        let found = faults(&worse).join("; ");
        assert!(found.contains(fault), "{to}: {found}");
    }
}

#[test]
fn what_the_image_is_built_of_is_let_in() {
    let ignored = std::fs::read_to_string(root().join("deploy/Dockerfile.dockerignore")).unwrap();
    let let_in: Vec<_> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    for path in &let_in {
        assert!(root().join(path).exists(), "{path} isn't there");
    }
    // Each member of the workspace has to be there for cargo, and each target of the package.
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "benches",
        "loadtest",
        "tests",
        "deploy/image",
    ] {
        assert!(let_in.contains(&path), "{path}");
    }
}
