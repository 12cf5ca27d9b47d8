//! The Helm chart: `tests/deploy/chart_test.go` renders it with Helm itself, and reads the result by the types of Kubernetes' API.

use std::process::Command;

use super::root;
use crate::support::skip;

#[test]
fn the_chart_makes_what_kubernetes_takes_and_each_value_does_something() {
    let folder = root().join("tests/deploy");
    let go = Command::new("go")
        .args(["mod", "download"])
        .current_dir(&folder)
        .status();
    if !go.is_ok_and(|status| status.success()) {
        skip::<()>("the chart's tests", "there is no go, or no helm for it");
        return;
    }
    let tested = Command::new("go")
        .args(["test", "-count=1", "."])
        .current_dir(&folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    let wrong = String::from_utf8_lossy(&tested.stderr);
    assert!(tested.status.success(), "{said}\n{wrong}");
}
