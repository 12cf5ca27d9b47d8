//! Paths of routes as they are written, taken apart.
//!
//! | written | means |
//! | --- | --- |
//! | `/v1/batch` | this path, byte for byte as it's sent |
//! | `/v1/import/` | this path, with its slash at the end |
//! | `/in/{app_id}` | a capture: one segment that isn't empty, by its name |
//! | `/v1/{t\|i\|p}` | one of these texts |
//! | `/v1/{kind:t\|i}` | one of these texts, captured |
//!
//! Alternatives are spelled out, so that a template is one or more patterns of texts and captures. A path is taken apart as it was
//! sent, and only then is the escape in a capture undone: `%2F` never makes a segment of its own.

/// As many patterns may one path be.
const MOST: usize = 256;

/// A path without alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Texts, with `{0}`, `{1}` … for captures.
    pub(super) text: String,
    /// The names of captures, in their order.
    pub(super) captures: Vec<String>,
    /// Captures of alternatives: their values are known.
    pub(super) fixed: Vec<(String, String)>,
}

/// Takes a path apart.
pub(super) fn parse(path: &str) -> Result<Vec<Pattern>, String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} is no path; begin it with a slash"));
    }
    let is_foreign =
        |segment: &str| segment.starts_with(':') || segment.trim_matches('*').is_empty();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if let Some(segment) = segments.find(|segment| is_foreign(segment)) {
        return Err(format!(
            "{path:?} has the segment {segment:?}, which isn't a capture here; write a capture as {{name}}"
        ));
    }
    let mut patterns = vec![Pattern::default()];
    let mut rest = path;
    while let Some(open) = rest.find(['{', '}']) {
        let (text, behind) = rest.split_at(open);
        literal(path, text)?;
        let inside = behind.strip_prefix('{').and_then(|it| it.split_once('}'));
        let Some((inside, after)) = inside else {
            return Err(format!("{path:?} has a brace without its partner"));
        };
        for pattern in &mut patterns {
            pattern.text.push_str(text);
        }
        let is_segment = text.ends_with('/') && (after.is_empty() || after.starts_with('/'));
        patterns = braces(path, inside, is_segment, patterns)?;
        rest = after;
    }
    literal(path, rest)?;
    for pattern in &mut patterns {
        pattern.text.push_str(rest);
    }
    Ok(patterns)
}

/// What stands within braces.
fn braces(
    path: &str,
    inside: &str,
    is_segment: bool,
    patterns: Vec<Pattern>,
) -> Result<Vec<Pattern>, String> {
    let (name, texts) = match inside.split_once(':') {
        Some((name, texts)) => (Some(name), texts),
        None if inside.contains('|') => (None, inside),
        None => (Some(inside), ""),
    };
    if let Some(name) = name {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || !name.bytes().all(is_good) {
            return Err(format!(
                "{path:?} has a capture {name:?}; name it with letters, digits, \"_\" and \"-\""
            ));
        }
        let first = patterns.first();
        if first.is_some_and(|first| first.names().any(|known| known == name)) {
            return Err(format!("{path:?} has two captures {name:?}"));
        }
    }
    match name {
        Some(name) if texts.is_empty() && !inside.contains(':') => {
            if !is_segment {
                return Err(format!(
                    "{path:?} has a capture beside other text; a capture is a whole segment, between slashes"
                ));
            }
            Ok(patterns
                .into_iter()
                .map(|pattern| pattern.with_capture(name))
                .collect())
        }
        name => {
            let texts: Vec<_> = texts.split('|').collect();
            if texts
                .iter()
                .any(|text| text.is_empty() || text.contains('/'))
            {
                return Err(format!(
                    "{path:?} has an alternative that is empty or has a slash; write it as another path"
                ));
            }
            if patterns.len() * texts.len() > MOST {
                return Err(format!("{path:?} is more than {MOST} paths; split it"));
            }
            for text in &texts {
                literal(path, text)?;
            }
            let each = |pattern: &Pattern| {
                let pattern = pattern.clone();
                texts
                    .iter()
                    .map(move |text| pattern.clone().with_text(name, text))
                    .collect::<Vec<_>>()
            };
            Ok(patterns.iter().flat_map(each).collect())
        }
    }
}

impl Pattern {
    /// The names of all that is captured.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let fixed = self.fixed.iter().map(|(name, _)| name.as_str());
        self.captures.iter().map(String::as_str).chain(fixed)
    }

    fn with_capture(mut self, name: &str) -> Pattern {
        self.text.push_str(&format!("{{{}}}", self.captures.len()));
        self.captures.push(name.into());
        self
    }

    fn with_text(mut self, name: Option<&str>, text: &str) -> Pattern {
        self.text.push_str(text);
        let name = name.map(|name| (name.to_owned(), text.to_owned()));
        self.fixed.extend(name);
        self
    }
}

/// Whether clients send this text in a path as it's written.
fn literal(path: &str, text: &str) -> Result<(), String> {
    let is_of_path =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    if let Some(odd) = text.bytes().find(|byte| !is_of_path(*byte)) {
        let odd = char::from(odd).escape_default();
        return Err(format!(
            "{path:?} has a \"{odd}\", which no path has; write it percent-encoded, as it's sent"
        ));
    }
    if text.contains("//") {
        return Err(format!("{path:?} has an empty segment"));
    }
    Ok(())
}

/// The captures that each of these paths has. What is wrong with a path is told elsewhere.
pub(super) fn captures(paths: &[String]) -> Vec<String> {
    let patterns = paths.iter().filter_map(|path| parse(path).ok()).flatten();
    let names = patterns.map(|pattern| pattern.names().map(str::to_owned).collect::<Vec<_>>());
    let in_both = |one: Vec<String>, other: Vec<String>| {
        let both = one.into_iter().filter(|name| other.contains(name));
        both.collect()
    };
    names.reduce(in_both).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str) -> Vec<String> {
        let patterns = parse(path).unwrap();
        patterns.into_iter().map(|pattern| pattern.text).collect()
    }

    #[test]
    fn alternatives_are_spelled_out_and_captures_numbered() {
        assert_eq!(texts("/v1/import/"), ["/v1/import/"]);
        assert_eq!(texts("/v1/{t|i}"), ["/v1/t", "/v1/i"]);
        assert_eq!(texts("/in/{app_id}/x/{b}"), ["/in/{0}/x/{1}"]);
        assert_eq!(texts("/{a|b}.{gif|png}").len(), 4);
        let patterns = parse("/{kind:open|inapp}/{app}").unwrap();
        assert_eq!(patterns[1].text, "/inapp/{0}");
        assert_eq!(patterns[1].captures, ["app"]);
        assert_eq!(patterns[1].fixed, [("kind".into(), "inapp".into())]);
    }

    #[test]
    fn what_is_no_path_is_refused_with_advice() {
        for (path, part) in [
            ("v1", "begin it with a slash"),
            ("", "begin it with a slash"),
            ("/a b", "percent-encoded"),
            ("/a?b", "percent-encoded"),
            ("/\u{e4}", "percent-encoded"),
            ("/a//b", "empty segment"),
            ("/{a", "partner"),
            ("/a}", "partner"),
            ("/{a{b}}", "capture"),
            ("/x{a}", "whole segment"),
            ("/x/:id", "{name}"),
            ("/*", "{name}"),
            ("/a/**/b", "{name}"),
            ("/{a}.gif", "whole segment"),
            ("/{}", "name it"),
            ("/{a b}", "name it"),
            ("/{a}/{a}", "two captures"),
            ("/{a}/{a:b|c}", "two captures"),
            ("/{a|}", "alternative"),
            ("/{a:}", "alternative"),
            ("/{a|b/c}", "alternative"),
        ] {
            let error = parse(path).unwrap_err();
            assert!(error.contains(part), "{path}: {error}");
        }
        let many = format!("/{}", "{a|b}".repeat(9));
        assert!(parse(&many).unwrap_err().contains("256"));
    }
}
