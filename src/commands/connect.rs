//! What `forebay check --connect` finds out about a cluster: whether each broker can be reached, whether we have our rights,
//! and whether the topics take what the configuration sends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::MetadataTopic;

use super::brokers::unreachable;
use crate::config::Config;
use crate::produce::said::{Said, said};
use crate::produce::topic_limits::{RECORD_OVERHEAD_BYTES, TopicConfig};
use crate::produce::{Native, NoMessages, Producer, Report, Settings, client, native};
use crate::route;

/// How long a cluster may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Timestamps that may be less far in the future than this leave little for clocks that differ.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// What was found, in words.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What the cluster has to have mended.
    pub(super) unavailable: Vec<String>,
    /// What can never work as it is configured.
    pub(super) contradictions: Vec<String>,
    /// What works, but perhaps not as it's meant.
    pub(super) warnings: Vec<String>,
    /// What is good.
    pub(super) good: Vec<String>,
}

/// One cluster that is asked.
struct Asked<'a> {
    name: &'a str,
    settings: &'a Settings,
    client: Native<NoMessages>,
    /// Streams by topic.
    topics: BTreeMap<&'a str, Vec<(&'a str, &'a route::Settings)>>,
    max_event: u64,
}

/// Asks the cluster called `name` through `client`.
pub(super) fn ask(
    config: &Config,
    name: &str,
    settings: &Settings,
    client: Native<NoMessages>,
    found: &mut Findings,
) {
    let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (stream, of_stream) in &config.streams {
        if of_stream.cluster == name {
            let topic = of_stream.topic.as_ref().unwrap_or(stream);
            let streams = topics.entry(topic.as_str()).or_default();
            streams.push((stream.as_str(), of_stream));
        }
    }
    let max_event = config.decode.max_event.as_u64();
    let mut asked = Asked {
        name,
        settings,
        client,
        topics,
        max_event,
    };
    asked.all(found);
}

impl Asked<'_> {
    fn all(&mut self, found: &mut Findings) {
        let Some(brokers) = self.brokers(found) else {
            return;
        };
        for why in unreachable(self.name, self.settings, &brokers, self.first_topic()) {
            found.unavailable.push(why);
        }
        let properties = client::producer(self.name, self.settings);
        if properties.get("enable.idempotence") == Some("true") {
            self.producer_id(found);
        }
        let names: Vec<_> = self.topics.keys().copied().collect();
        for topic in names {
            self.topic(topic, found);
        }
    }

    fn first_topic(&self) -> Option<&str> {
        self.topics.keys().next().copied()
    }

    /// The brokers that the cluster tells of, as host and port; none if it doesn't answer.
    fn brokers(&mut self, found: &mut Findings) -> Option<BTreeSet<(String, u16)>> {
        let first = self.first_topic().map(str::to_owned);
        let answer = self
            .client
            .client()
            .fetch_metadata(first.as_deref(), ANSWER_WITHIN);
        match answer {
            Ok(metadata) => {
                let brokers = metadata.brokers().iter();
                Some(
                    brokers
                        .map(|broker| (broker.host().to_owned(), broker.port() as u16))
                        .collect(),
                )
            }
            Err(error) => {
                let mut why = format!("cluster {} doesn't answer: {error}", self.name);
                for trouble in self.troubles() {
                    why.push_str("; ");
                    why.push_str(&trouble);
                }
                why.push_str("; check `bootstrap` and `kafka`");
                found.unavailable.push(why);
                let bootstrap = self.settings.bootstrap.split(',').filter_map(|address| {
                    let (host, port) = address.trim().rsplit_once(':')?;
                    Some((host.to_owned(), port.parse().ok()?))
                });
                let bootstrap = bootstrap.collect();
                let whys = unreachable(self.name, self.settings, &bootstrap, None);
                found.unavailable.extend(whys);
                None
            }
        }
    }

    /// What the client has complained about, each once.
    fn troubles(&mut self) -> BTreeSet<String> {
        let mut troubles = BTreeSet::new();
        self.client.poll(usize::MAX, |report| {
            if let Report::Trouble { code, text, .. } = report
                && code != Code::AllBrokersDown
            {
                troubles.insert(text.to_owned());
            }
        });
        troubles
    }

    /// Whether the cluster gives an idempotent producer its id: without one nothing is sent.
    fn producer_id(&mut self, found: &mut Findings) {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let (mut has_id, mut why) = (false, None);
        while !has_id && why.is_none() && Instant::now() < deadline {
            self.client.poll(usize::MAX, |report| match report {
                Report::Log { facility, text, .. } => {
                    has_id |= said(facility, text) == Said::ProducerId(true);
                }
                Report::Trouble { code, fatal, text }
                    if fatal
                        || matches!(
                            code,
                            Code::UnsupportedFeature | Code::ClusterAuthorizationFailed
                        ) =>
                {
                    why = Some((code, text.to_owned()));
                }
                _ => {}
            });
            std::thread::sleep(Duration::from_millis(20));
        }
        let what = match why {
            _ if has_id => return,
            Some((Code::UnsupportedFeature, text)) => {
                format!("it has no idempotent producer, which kafka has from 0.11 on: {text}")
            }
            Some((Code::ClusterAuthorizationFailed, text)) => format!(
                "the idempotent producer is denied; before kafka 2.8 it needs the right IDEMPOTENT_WRITE on the cluster: {text}"
            ),
            Some((_, text)) => text,
            None => format!(
                "it gave the producer no id within {} s",
                ANSWER_WITHIN.as_secs()
            ),
        };
        let cluster = self.name;
        found.unavailable.push(format!("cluster {cluster}: {what}"));
    }

    fn topic(&self, topic: &str, found: &mut Findings) {
        let place = format!("cluster {}, topic {topic}", self.name);
        let client = self.client.client();
        let metadata = match client.fetch_metadata(Some(topic), ANSWER_WITHIN) {
            Ok(metadata) => metadata,
            Err(error) => {
                found.unavailable.push(format!("{place}: {error}"));
                return;
            }
        };
        let seen = metadata.topics().iter().find(|seen| seen.name() == topic);
        let error = seen.and_then(MetadataTopic::error).map(Code::from);
        let what = match (error, seen) {
            (Some(Code::TopicAuthorizationFailed), _) => Some(
                "denied; allow WRITE, DESCRIBE and DESCRIBE_CONFIGS on it to the user of `kafka`"
                    .into(),
            ),
            (Some(Code::UnknownTopicOrPartition | Code::UnknownTopic), _) => {
                Some("it doesn't exist; create it, or correct the stream's `topic`".into())
            }
            (Some(error), _) => Some(error.to_string()),
            (None, None) => Some("nothing is known of it".into()),
            (None, Some(seen)) if seen.partitions().is_empty() => {
                Some("it has no partitions".into())
            }
            (None, Some(_)) => None,
        };
        match (what, seen) {
            (Some(what), _) => found.unavailable.push(format!("{place}: {what}")),
            (None, Some(seen)) => {
                let before = found.unavailable.len() + found.contradictions.len();
                self.rights(&place, topic, found);
                self.limits(&place, seen, found);
                if before == found.unavailable.len() + found.contradictions.len() {
                    let partitions = seen.partitions().len();
                    let brokers = metadata.brokers().len();
                    found.good.push(format!(
                        "{place}: {partitions} partitions on {brokers} brokers"
                    ));
                }
            }
            (None, None) => {}
        }
    }

    /// Whether we may write. Brokers before 2.3 don't tell.
    fn rights(&self, place: &str, topic: &str, found: &mut Findings) {
        let client = self.client.client();
        if native::may_write(client, topic, ANSWER_WITHIN) == Ok(Some(false)) {
            found.unavailable.push(format!(
                "{place}: denied; allow WRITE on it to the user of `kafka`"
            ));
        }
    }

    fn limits(&self, place: &str, seen: &MetadataTopic, found: &mut Findings) {
        let parts = seen.partitions();
        let leaderless = parts.iter().filter(|part| part.leader() < 0).count();
        if leaderless > 0 {
            let all = parts.len();
            found.unavailable.push(format!(
                "{place}: {leaderless} of its {all} partitions have no leader"
            ));
        }
        let replicas = parts.iter().map(|part| part.replicas().len()).min();
        let replicas = replicas.unwrap_or_default();
        if replicas == 1 {
            found.warnings.push(format!(
                "{place}: it has one replica; what is acknowledged is lost with its broker's disk"
            ));
        }
        let client = self.client.client();
        let answer = native::topic_configs(client, &[seen.name()], ANSWER_WITHIN);
        let config = match answer.map(|mut configs| configs.remove(0)) {
            Ok(Ok(config)) => config,
            Ok(Err(error)) | Err(error) => {
                let assumed = self.settings.assumed_max_message;
                found.warnings.push(format!(
                    "{place}: what it takes can't be asked for ({error}); allow DESCRIBE_CONFIGS on it, else `assumed_max_message` counts, {} bytes",
                    assumed.as_u64()
                ));
                return;
            }
        };
        let in_sync = parts.iter().map(|part| part.isr().len()).min();
        let in_sync = in_sync.unwrap_or_default();
        self.replication(place, &config, replicas, in_sync, found);
        self.sizes_and_stamps(place, &config, found);
        if config.is_compacted {
            self.keys(place, seen.name(), found);
        }
    }

    fn replication(
        &self,
        place: &str,
        config: &TopicConfig,
        replicas: usize,
        in_sync: usize,
        found: &mut Findings,
    ) {
        let Some(least) = config.min_insync_replicas.map(|least| least as usize) else {
            return;
        };
        if least > replicas {
            found.unavailable.push(format!(
                "{place}: min.insync.replicas is {least} and it has {replicas} replicas, so nothing is ever acknowledged; lower the one or raise the other"
            ));
        } else if least > in_sync {
            found.unavailable.push(format!(
                "{place}: min.insync.replicas is {least} and only {in_sync} replicas are in sync, so nothing is acknowledged now"
            ));
        } else if least == 1 && replicas > 1 {
            found.warnings.push(format!(
                "{place}: min.insync.replicas is 1, so what is acknowledged may be on one broker only; set 2"
            ));
        }
    }

    fn sizes_and_stamps(&self, place: &str, config: &TopicConfig, found: &mut Findings) {
        let (given, takes) = (self.max_event, config.max_batch_bytes());
        let takes = takes.map(|bytes| bytes.saturating_sub(RECORD_OVERHEAD_BYTES));
        if let Some(takes) = takes.filter(|takes| *takes < given) {
            found.warnings.push(format!(
                "{place}: it takes events of at most {takes} bytes (max.message.bytes, segment.bytes), less than decode.max_event, {given} bytes; larger ones are refused as too_large_for_kafka"
            ));
        }
        let (before, after) = config.stamps_within_ms();
        if before != i64::MAX {
            found.warnings.push(format!(
                "{place}: it takes timestamps that are at most {before} ms old (message.timestamp.before.max.ms); events that waited longer get the present, and their arrival in the header forebay-received"
            ));
        }
        if after < CLOCKS_DIFFER_MS {
            found.warnings.push(format!(
                "{place}: it takes timestamps that are at most {after} ms in the future (message.timestamp.after.max.ms); if this machine's clock is ahead by more, nothing is taken"
            ));
        }
    }

    fn keys(&self, place: &str, topic: &str, found: &mut Findings) {
        for (stream, settings) in self.topics.get(topic).into_iter().flatten() {
            if settings.key.is_none() {
                found.contradictions.push(format!(
                    "{place}: it is compacted and takes only events with a key; set streams.{stream}.key"
                ));
            } else if settings.on_missing_key == route::OnMissingKey::Null {
                found.warnings.push(format!(
                    "{place}: it is compacted and takes only events with a key; streams.{stream}.on_missing_key = \"null\" counts as \"reject\""
                ));
            }
        }
    }
}
