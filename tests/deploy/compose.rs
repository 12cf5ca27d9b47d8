//! `deploy/compose.yaml`, what it mounts, and the dashboards: read strictly by Go packages of those who made them, and by the programs that
//! read them.

use super::go;
use crate::support::program_or_skip;

#[test]
fn the_compose_file_what_it_mounts_and_the_dashboards_are_what_their_programs_read() {
    let Some(promtool) = program_or_skip("promtool", &["prometheus"]) else {
        return;
    };
    let programs = [
        ("FOREBAY", env!("CARGO_BIN_EXE_forebay")),
        ("PROMTOOL", &promtool),
    ];
    go::tests(&["-run", go::OBSERVED], &programs);
}
