//! The units of `deploy/systemd`, as systemd itself judges them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::program_or_skip;

/// The exposure that `systemd-analyze security` may give the service at most, in tenths.
const EXPOSURE: u32 = 20;

/// A folder with the units, whose program is the one that was built here.
fn units() -> tempfile::TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(root.join("deploy/systemd"))
        .unwrap()
        .flatten()
    {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let text = text.replace("/usr/bin/forebay", env!("CARGO_BIN_EXE_forebay"));
        let name: PathBuf = match file.file_name().to_str().unwrap() {
            "before-253.conf" => "forebay.service.d/before-253.conf".into(),
            name => name.into(),
        };
        let to = folder.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, text).unwrap();
    }
    folder
}

/// The major version of systemd here.
fn version() -> Option<u32> {
    program_or_skip("systemd-analyze", &["systemd"])?;
    let output = Command::new("systemd-analyze").arg("--version").output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    output.split_whitespace().nth(1)?.parse().ok()
}

fn analyze(arguments: &[&str], folder: &Path, units: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments);
    command.args(units.iter().map(|unit| folder.join(unit)));
    command.output().unwrap()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let Some(version) = version() else { return };
    let folder = units();
    if version >= 253 {
        std::fs::remove_dir_all(folder.path().join("forebay.service.d")).unwrap();
    }
    let all = ["forebay.service", "forebay.socket", "forebay-admin.socket"];
    let output = analyze(&["verify"], folder.path(), &all);
    let said = String::from_utf8(output.stderr).unwrap();
    let is_known = |line: &str| {
        version < 253 && line.ends_with("Failed to parse service type, ignoring: notify-reload")
    };
    let wrong: Vec<_> = said.lines().filter(|line| !is_known(line)).collect();
    assert!(output.status.success() && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_service_has_few_rights() {
    if version().is_none() {
        return;
    }
    let folder = units();
    let threshold = format!("--threshold={EXPOSURE}");
    let arguments = ["security", "--offline=true", &threshold, "--no-pager"];
    let output = analyze(&arguments, folder.path(), &["forebay.service"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("Overall exposure level for forebay.service"),
        "{said}"
    );
}
