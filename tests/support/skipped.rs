//! What can't be tested here is said aloud, and fails where everything has to be tested.

use std::process::Command;

use super::{need, program_or_skip};

/// Set for the process whose outcome the test looks at.
const VICTIM: &str = "FOREBAY_TEST_VICTIM_OF_A_SKIP";

#[test]
fn a_missing_program_is_a_failure_with_ci_and_said_aloud_without() {
    if std::env::var_os(VICTIM).is_some() {
        assert_eq!(program_or_skip("a-program-that-nobody-has", &[]), None);
        return;
    }
    let run = |ci: &str| {
        let name = std::thread::current().name().unwrap().to_owned();
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        let command = command.args(["--exact", &name]).env(VICTIM, "1");
        let output = command.env("CI", ci).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), errors)
    };
    let (passes, errors) = run("");
    assert!(
        passes && errors.contains("SKIPPED: a-program-that-nobody-has"),
        "{errors}"
    );
    assert!(!run("true").0);
}

#[test]
fn what_a_check_finds_is_told() {
    assert_eq!(need("echo there", &[]), Ok("there".into()));
    assert!(need("false", &[]).is_err_and(|why| why.ends_with(": false")));
}
