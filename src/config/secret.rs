//! Secrets: which librdkafka properties hold one, and how a property's value refers to a file or a variable.
//!
//! In the value of any property in `[clusters.NAME.kafka]`, in each of a source's keys and secrets, and in a stream's `address_key`, `admin.token` and
//! `admin.read_token`,
//! wherever it's given:
//! * `${file:/run/secrets/sasl}` stands for the content of that file without the newline at its end,
//! * `${env:SASL_PASSWORD}` stands for that environment variable,
//! * `$${` stands for `${` itself. Any other `$` is itself.
//!
//! What they stand for isn't expanded again, and no message ever holds it. This module reads neither files nor the
//! environment: `load` does.

/// What is shown instead of a secret.
pub(super) const MASK: &str = "***";

/// Parts of the names of properties that hold secrets. Rather one too many than one too few.
const SECRET_PARTS: [&str; 8] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "jaas",
    "key.pem",
    "ssl_key",
    "oauthbearer.config",
];

/// Whether the librdkafka property holds a secret.
pub(super) fn is_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    SECRET_PARTS.iter().any(|part| property.contains(part))
}

/// Whether the path is that of a librdkafka property.
pub(super) fn is_property(path: &[&str]) -> bool {
    matches!(path, ["clusters", _, "kafka", ..]) && path.len() > 3
}

/// Whether what stands at the path holds a secret.
pub(super) fn is_secret_at(path: &[&str]) -> bool {
    let is_of_source = matches!(path, ["sources", _, "keys" | "secrets"]);
    let is_single = matches!(
        path,
        ["streams", _, "address_key"] | ["admin", "token" | "read_token"]
    );
    is_of_source || is_single || is_property(path) && is_secret(&path[3..].join("."))
}

/// Where the text of a `${…}` comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// The file at this path.
    File(&'a str),
    /// The environment variable of this name.
    Variable(&'a str),
}

/// `value` with each `${…}` replaced by what `read` gives for it. The error says what is wrong and to do.
pub(super) fn expand(
    value: &str,
    mut read: impl FnMut(Source<'_>) -> Result<String, String>,
) -> Result<String, String> {
    let mut expanded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        if let Some(before) = rest[..start].strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        expanded.push_str(&rest[..start]);
        let (reference, after) = rest[start + 2..]
            .split_once('}')
            .ok_or("\"${\" has no \"}\"; write \"$${\" for a \"${\" that is meant as such")?;
        let source =
            match reference.split_once(':') {
                Some(("file", path)) if !path.is_empty() => Source::File(path),
                Some(("env", name)) if !name.is_empty() => Source::Variable(name),
                // The text isn't repeated: it may be part of a password.
                _ => return Err(
                    "\"${\" must go on with file:PATH or env:NAME; write \"$${\" for a \"${\" that is meant as such"
                        .into(),
                ),
            };
        expanded.push_str(&read(source)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
