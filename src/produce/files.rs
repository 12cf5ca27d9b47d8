//! Files that librdkafka reads by itself when a client is made: keys, certificates, keytabs. A client that runs doesn't notice that
//! they were changed, and nor does who compares settings: these have the same path.
//!
//! What is read here is told apart from what it was, and not kept. It may take as long as a disk, so it's no work for a thread that
//! others wait for.

use std::collections::BTreeMap;
use std::fs::{File, read_dir};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;

use super::settings::Settings;

/// How much of a file is looked at: a chain of certificates has some KiB.
const LOOKED_AT_BYTES: u64 = 4 << 20;
/// Files of a directory with certificates that are looked at.
const LOOKED_AT_FILES: usize = 1_000;

/// What was in the files, by the property that names them; the same number for the same content.
pub type Contents = BTreeMap<String, u64>;

/// What is in the files that the properties of a cluster name. One that can't be read is another than one that can.
pub fn contents(settings: &Settings) -> Contents {
    let named = settings.kafka.iter().filter(|(name, _)| names_file(name));
    let looked = named.map(|(name, path)| {
        let mut hasher = DefaultHasher::new();
        let looked = look(Path::new(path.trim()), &mut hasher);
        looked.map_err(|error| error.kind()).hash(&mut hasher);
        (name.clone(), hasher.finish())
    });
    looked.collect()
}

/// Whether a property's value is the path of a file, or of a directory with files, by librdkafka's own list of properties
/// (`CONFIGURATION.md`): `ssl.key.location`, `ssl.ca.location`, `sasl.kerberos.keytab`, `…private.key.file`.
fn names_file(property: &str) -> bool {
    [".location", ".keytab", ".file"]
        .iter()
        .any(|end| property.ends_with(end))
}

fn look(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    if !path.is_dir() {
        return look_at_file(path, hasher);
    }
    let mut inside: Vec<_> = read_dir(path)?.flatten().map(|it| it.path()).collect();
    inside.sort_unstable();
    inside.len().hash(hasher);
    for file in inside.iter().take(LOOKED_AT_FILES) {
        file.hash(hasher);
        if file.is_file() {
            look_at_file(file, hasher)?;
        }
    }
    Ok(())
}

fn look_at_file(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let mut text = Vec::new();
    let file = File::open(path)?;
    file.take(LOOKED_AT_BYTES).read_to_end(&mut text)?;
    text.hash(hasher);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_property_names_is_looked_at_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (key, certificates) = (dir.path().join("key.pem"), dir.path().join("certificates"));
        std::fs::write(&key, "one").unwrap();
        std::fs::create_dir(&certificates).unwrap();
        let mut settings = Settings::new("nowhere");
        for (name, value) in [
            ("ssl.key.location", key.to_str().unwrap()),
            ("ssl.ca.location", certificates.to_str().unwrap()),
            ("sasl.kerberos.keytab", "/nobody/has/this"),
            ("client.rack", key.to_str().unwrap()),
        ] {
            settings.kafka.insert(name.into(), value.into());
        }
        let first = contents(&settings);
        let names: Vec<_> = first.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "sasl.kerberos.keytab",
                "ssl.ca.location",
                "ssl.key.location"
            ]
        );
        assert_eq!(contents(&settings), first);

        std::fs::write(&key, "two").unwrap();
        let second = contents(&settings);
        assert_ne!(second["ssl.key.location"], first["ssl.key.location"]);
        assert_eq!(second["ssl.ca.location"], first["ssl.ca.location"]);
        std::fs::write(certificates.join("ca.pem"), "ca").unwrap();
        let third = contents(&settings);
        assert_ne!(third["ssl.ca.location"], second["ssl.ca.location"]);
        std::fs::write(certificates.join("ca.pem"), "cb").unwrap();
        assert_ne!(contents(&settings), third);
        std::fs::remove_file(&key).unwrap();
        let gone = contents(&settings)["ssl.key.location"];
        assert_ne!(gone, second["ssl.key.location"]);
    }
}
