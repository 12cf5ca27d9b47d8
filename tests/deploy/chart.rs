//! The Helm chart: `tests/deploy/chart_test.go` renders it with Helm itself, and reads the result by the types of Kubernetes' API.

use super::go;

#[test]
fn the_chart_makes_what_kubernetes_takes_and_each_value_does_something() {
    go::tests(&["-skip", go::OBSERVED], &[]);
}
