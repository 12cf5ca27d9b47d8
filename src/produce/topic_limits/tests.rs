//! What is known of a topic, and what follows from it for sizes, keys and timestamps.

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn limits(entries: &[(&str, &str)]) -> TopicLimits {
    let limits = TopicLimits::new(1_048_588, 1_000_000_000);
    assert!(limits.set(config(entries)));
    limits
}

fn config(entries: &[(&str, &str)]) -> TopicConfig {
    let mut config = TopicConfig::default();
    for (name, value) in entries {
        config.note(name, value);
    }
    config
}

#[test]
fn what_is_unknown_is_taken_to_be_the_brokers_default() {
    let limits = TopicLimits::new(1_048_588, 1_000_000_000);
    assert_eq!(limits.max_payload(), 1_048_588 - RECORD_OVERHEAD_BYTES);
    assert!(!limits.needs_key());
    assert_eq!(limits.stamp(0, i64::MAX), Stamp::Event);
    assert_eq!(limits.known(), None);
    // The client has a limit of its own.
    let limits = TopicLimits::new(1_048_588, 10_000);
    assert_eq!(limits.max_payload(), 10_000 - RECORD_OVERHEAD_BYTES);
}

#[test]
fn a_record_has_to_fit_a_batch_and_a_segment() {
    let known = limits(&[("max.message.bytes", "5000000")]);
    assert_eq!(known.max_payload(), 5_000_000 - RECORD_OVERHEAD_BYTES);
    let known = limits(&[("max.message.bytes", "5000000"), ("segment.bytes", "1000")]);
    assert_eq!(known.max_payload(), 1_000 - RECORD_OVERHEAD_BYTES);
    assert_eq!(limits(&[("max.message.bytes", "3")]).max_payload(), 0);
}

#[test]
fn only_compacted_topics_need_keys() {
    for (policy, needs_key) in [
        ("delete", false),
        ("compact", true),
        ("compact,delete", true),
        ("delete, compact", true),
    ] {
        assert_eq!(
            limits(&[("cleanup.policy", policy)]).needs_key(),
            needs_key,
            "{policy}"
        );
    }
}

#[test]
fn records_are_stamped_with_their_arrival_where_the_topic_takes_it() {
    let before = "message.timestamp.before.max.ms";
    let after = "message.timestamp.after.max.ms";
    let difference = "message.timestamp.difference.max.ms";
    let (never, hour) = (i64::MAX.to_string(), HOUR_MS.to_string());
    let now = 100 * HOUR_MS;
    let stamp = |entries: &[_], ago: i64| limits(entries).stamp(now - ago, now);
    let margin = STAMP_MARGIN_MS;
    for entries in [
        &[(before, &*hour), (after, &*hour)][..],
        &[(difference, &*hour)],
        &[(difference, &*hour), (before, &*never), (after, &*never)],
    ] {
        assert_eq!(stamp(entries, HOUR_MS - margin), Stamp::Event);
        assert_eq!(stamp(entries, HOUR_MS - margin + 1), Stamp::Present);
        assert_eq!(stamp(entries, margin - HOUR_MS), Stamp::Event);
        assert_eq!(stamp(entries, margin - HOUR_MS - 1), Stamp::Present);
    }
    assert_eq!(stamp(&[(before, "1000")], 500), Stamp::Event);
    assert_eq!(stamp(&[(before, "1000")], 501), Stamp::Present);
    let by_broker = ("message.timestamp.type", "LogAppendTime");
    let entries = [(before, "0"), by_broker, ("retention.ms", "1000")];
    assert_eq!(stamp(&entries, 99 * HOUR_MS), Stamp::Event);
    assert_eq!(
        stamp(&[("retention.ms", &*hour)], 2 * HOUR_MS),
        Stamp::Present
    );
    assert_eq!(stamp(&[("retention.ms", "-1")], 99 * HOUR_MS), Stamp::Event);
}

#[test]
fn what_was_learned_from_a_refusal_counts_until_kafka_says_something_new() {
    let said = config(&[("max.message.bytes", "10000")]);
    let limits = TopicLimits::new(1_048_588, 1_000_000_000);
    limits.set(said);
    assert!(!limits.takes_doubt());
    limits.size_refused(5_000);
    assert!(limits.stamp_refused(0, 1_000));
    assert!(limits.stamp_refused(5_000, 1_000));
    let learned = |limits: &TopicLimits| {
        let stamps = (limits.stamp(0, 501), limits.stamp(2_002, 0));
        (limits.max_payload(), stamps)
    };
    let expected = (4_999, (Stamp::Present, Stamp::Present));
    assert_eq!(learned(&limits), expected);
    assert!(limits.takes_doubt() && !limits.takes_doubt());
    assert!(!limits.set(said));
    assert_eq!(learned(&limits), expected);
    let said = config(&[("max.message.bytes", "10001")]);
    assert!(limits.set(said));
    assert_eq!(
        learned(&limits),
        (10_001 - RECORD_OVERHEAD_BYTES, (Stamp::Event, Stamp::Event))
    );
    // An event is refused for its age again and again until the present is tried.
    for age in [1_i64 << 40, 1_000, 1] {
        let mut tries = 0;
        while limits.stamp(0, age) == Stamp::Event {
            assert!(limits.stamp_refused(0, age));
            tries += 1;
        }
        assert!(tries <= 1, "{tries} tries for {age}");
        // What was under way then is refused as well, and only after that it's the clock.
        assert!(limits.stamp_refused(0, age + UNDER_WAY_MS - 1));
        assert!(!limits.stamp_refused(0, age + UNDER_WAY_MS));
    }
    // The clock is right again.
    limits.forget_stamps();
    assert_eq!(limits.stamp(0, 501), Stamp::Event);
    // What Kafka said isn't forgotten.
    limits.size_refused(5_000);
    limits.forget();
    assert_eq!(limits.max_payload(), 4_999);
    let unknown = TopicLimits::new(1_048_588, 1_000_000_000);
    unknown.size_refused(5_000);
    unknown.forget();
    assert_eq!(unknown.max_payload(), 1_048_588 - RECORD_OVERHEAD_BYTES);
}

#[test]
fn batches_are_bounded_where_the_client_would_make_larger_ones_than_the_topic_takes() {
    let limits = TopicLimits::new(1_048_588, 1_000_000_000);
    assert_eq!(
        limits.max_batch(),
        u64::MAX,
        "the client makes no larger one"
    );
    limits.set(config(&[("max.message.bytes", "20000")]));
    assert_eq!(limits.max_batch(), 20_000);
    // Kafka says something else than it does.
    limits.batch_refused(16_000);
    limits.batch_refused(16_000);
    assert_eq!(limits.max_batch(), 8_000);
    assert!(limits.takes_doubt());
    // One event was alone: the batches that it was in may be fine.
    limits.size_refused(9_000);
    assert_eq!(limits.max_batch(), batch_bytes(1, 9_000));
    limits.size_refused(5_000);
    assert_eq!(limits.max_batch(), batch_bytes(1, 9_000));
    limits.set(config(&[("max.message.bytes", "1000000")]));
    assert_eq!(limits.max_batch(), u64::MAX);
    // What is compressed is smaller by nobody knows how much.
    let mut cluster = Settings::new("127.0.0.1:1");
    let compressed = ("compression.type".into(), "zstd".into());
    cluster.kafka.extend([compressed]);
    limits.change(&cluster);
    limits.set(config(&[("max.message.bytes", "20000")]));
    assert_eq!(limits.max_batch(), u64::MAX);
    limits.batch_refused(90_000);
    assert_eq!(limits.max_batch(), 45_000);
}

/// A record that is stamped with the present has two headers of ours, in a batch as well as alone.
#[test]
fn a_batch_has_room_for_both_headers_of_each_record() {
    assert_eq!(batch_bytes(1, 500), 500 + RECORD_OVERHEAD_BYTES);
    let more = batch_bytes(2, 1_000) - batch_bytes(1, 500);
    assert_eq!(more, 500 + RECORD_BYTES + HEADERS_BYTES);
}
