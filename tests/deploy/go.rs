//! Tests of `deploy/` that are written in Go, because what reads it is.

use std::process::Command;

use super::root;
use crate::support::skip;

/// Those of the compose file and the dashboards. The others are the chart's.
pub(super) const OBSERVED: &str = "Compose|Grafana|Dashboards";

/// Runs those that `which` chooses.
#[track_caller]
pub(super) fn tests(which: &[&str], env: &[(&str, &str)]) {
    let folder = root().join("tests/deploy");
    let go = Command::new("go")
        .args(["mod", "download"])
        .current_dir(&folder)
        .status();
    if !go.is_ok_and(|status| status.success()) {
        skip::<()>("tests in Go", "there is no go, or not its modules");
        return;
    }
    let tested = Command::new("go")
        .args(["test", "-count=1", "-v"])
        .args(which)
        .arg(".")
        .envs(env.iter().copied())
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    let wrong = String::from_utf8_lossy(&tested.stderr);
    let ran = said.contains("--- PASS") && !said.contains("isn't set");
    assert!(tested.status.success() && ran, "{said}\n{wrong}");
}
