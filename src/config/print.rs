//! The effective configuration as TOML, for the start-up log and `forebay check`: every key with its value, and
//! secrets masked. It can be loaded again (but for the masks).

use bytesize::ByteSize;

use super::Config;
use super::secret::{MASK, is_secret};

/// The configuration as TOML, with `***` for every secret.
pub fn effective(config: &Config) -> String {
    match tree(config) {
        Ok(tree) => tree,
        // TOML can hold whatever was read from TOML; if it should not, the log says so and the start goes on.
        Err(error) => format!("# the effective configuration can't be shown: {error}\n"),
    }
}

fn tree(config: &Config) -> Result<String, toml::ser::Error> {
    let mut shown = config.clone();
    for cluster in shown.clusters.values_mut() {
        for (property, value) in &mut cluster.kafka {
            if is_secret(property) {
                *value = MASK.into();
            }
        }
    }
    for source in shown.sources.values_mut() {
        for secret in source.keys.iter_mut().chain(&mut source.secrets) {
            *secret = MASK.into();
        }
    }
    for (_, secret) in shown.secrets() {
        *secret = MASK.into();
    }
    toml::to_string(&table(&shown)?)
}

/// Every key with its value, as it's written; secrets as well.
pub(super) fn table(config: &Config) -> Result<toml::Table, toml::ser::Error> {
    let mut tree = toml::Table::try_from(config)?;
    for (path, bytes) in sizes(config) {
        set(&mut tree, &path, size(bytes));
    }
    Ok(tree)
}

/// A short name for what [`effective`] shows, its `text`: the same for the same configuration, whatever its secrets are.
pub fn hash(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

/// A size with the largest unit that shows it exactly: `4MiB`, `900KiB`, `1000B`.
pub(super) fn size(bytes: ByteSize) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let exact = units
        .iter()
        .find(|(_, shift)| bytes.0 != 0 && bytes.0.trailing_zeros() >= *shift);
    match exact {
        Some((unit, shift)) => format!("{}{unit}", bytes.0 >> shift),
        None => format!("{}B", bytes.0),
    }
}

/// Every size with its path. `ByteSize` serialises with one decimal ("878.9 KiB"), which isn't what is in effect.
/// A test compares this list with the settings' own fields.
fn sizes(config: &Config) -> Vec<(Vec<&str>, ByteSize)> {
    let mut sizes = vec![
        (vec!["spill", "quota"], config.spill.quota),
        (vec!["spill", "min_free"], config.spill.min_free),
        (vec!["spill", "segment"], config.spill.segment),
        (vec!["spill", "queue"], config.spill.queue),
        (vec!["http", "max_body"], config.http.max_body),
        (
            vec!["http", "max_decompressed"],
            config.http.max_decompressed,
        ),
        (vec!["http", "max_head"], config.http.max_head),
        (vec!["http", "linger_bytes"], config.http.linger_bytes),
        (vec!["decode", "max_event"], config.decode.max_event),
        (vec!["lane", "max_bytes"], config.lane.max_bytes),
        (vec!["lane", "batch"], config.lane.batch),
        (vec!["memory", "budget"], config.memory.budget),
    ];
    for (name, cluster) in &config.clusters {
        sizes.push((
            vec!["clusters", name, "max_in_flight"],
            cluster.max_in_flight,
        ));
        sizes.push((
            vec!["clusters", name, "assumed_max_message"],
            cluster.assumed_max_message,
        ));
    }
    let streams = config.streams.iter();
    let streams = streams.map(|(name, stream)| ("streams", name, &stream.rate));
    let sources = config.sources.iter();
    let sources = sources.map(|(name, source)| ("sources", name, &source.rate));
    let owners = config.owners.iter();
    let owners = owners.map(|(name, owner)| ("owners", name, &owner.rate));
    for (section, name, rate) in streams.chain(sources).chain(owners) {
        let key = |field| vec![section, name, "rate", field];
        sizes.push((key("bytes"), rate.bytes));
        sizes.push((key("bytes_burst"), rate.bytes_burst));
    }
    for (name, owner) in &config.owners {
        sizes.push((vec!["owners", name, "memory"], owner.memory));
        sizes.push((vec!["owners", name, "spill"], owner.spill));
    }
    sizes
}

fn set(tree: &mut toml::Table, path: &[&str], value: String) {
    let Some((key, above)) = path.split_last() else {
        return;
    };
    let table = above
        .iter()
        .try_fold(tree, |table, part| table.get_mut(*part)?.as_table_mut());
    if let Some(table) = table {
        table.insert((*key).into(), toml::Value::String(value));
    }
}
