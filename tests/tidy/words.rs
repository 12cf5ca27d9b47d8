//! What may stand in one place only, and words that have no place in the product.

use super::source::{none, sources};

#[test]
fn words_that_have_no_place_in_the_product() {
    let banned = [
        ("unbounded_channel", "every queue has a bound"),
        (".unwrap()", "say what must hold, or return an error"),
        ("dbg!(", "a left-over"),
        ("todo!(", "unfinished"),
        ("unimplemented!(", "unfinished"),
        (
            "std::env::var(",
            "only `commands` reads the environment, for `config::load`",
        ),
        ("RD_KAFKA_MSG_F_FREE |", "another allocator's memory"),
    ];
    let mut problems = Vec::new();
    for (file, text) in sources() {
        for (word, why) in banned {
            if text.contains(word) {
                problems.push(format!("src/{file} has {word:?}: {why}"));
            }
        }
    }
    none(problems);
}

#[test]
fn unsafe_code_is_in_one_folder() {
    let with = sources()
        .into_iter()
        .filter(|(_, text)| text.contains("unsafe {") || text.contains("unsafe impl"));
    none(
        with.map(|(file, _)| file)
            .filter(|file| !file.starts_with("produce/native/"))
            .collect(),
    );
}

#[test]
fn metric_names_stand_in_one_file() {
    let mut problems = Vec::new();
    for (file, text) in sources() {
        // `telemetry::encode` writes what it is given.
        let mut encoded = text.split("encode_descriptor(").skip(1);
        let names =
            encoded.any(|call| file != "telemetry/encode.rs" || call.trim_start().starts_with('"'));
        if file != "telemetry/metrics.rs" && (names || text.contains("\"forebay_")) {
            problems.push(format!("src/{file} names a metric"));
        }
    }
    none(problems);
}
