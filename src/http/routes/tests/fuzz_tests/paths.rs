//! Paths as people write them, and the requests that they take.

use hyper::Method;

use crate::auth::tests::dice::Dice;
use crate::http::routes::table::{Endpoints, Matched};
use crate::http::routes::template::parse;

/// A segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Before a capture where both fit.
    Text(String),
    Capture,
}

/// A path without alternatives: its segments, the names of its captures, and what is captured anyway.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plain {
    segments: Vec<Segment>,
    names: Vec<String>,
    fixed: Vec<(String, String)>,
}

/// Whether a text stands in paths as it is.
fn is_literal(text: &str) -> bool {
    let odd = "-._~!$&'()*+,;=:@%/";
    text.chars()
        .all(|char| char.is_ascii_alphanumeric() || odd.contains(char))
}

fn is_name(name: &str) -> bool {
    let is_good = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
    !name.is_empty() && name.chars().all(is_good)
}

/// What a segment may be, and what is captured then.
type Text = (String, Vec<(String, String)>);

/// Each of these behind a text.
fn with_each(
    (text, fixed): &Text,
    before: &str,
    name: Option<&str>,
    choices: &[&str],
) -> Vec<Text> {
    let with = |choice: &&str| {
        let mut fixed = fixed.clone();
        fixed.extend(name.map(|name| (name.to_owned(), (*choice).to_owned())));
        (format!("{text}{before}{choice}"), fixed)
    };
    choices.iter().map(with).collect()
}

/// Whether other tools write captures so: `:name`, stars.
fn is_foreign(segment: &str) -> bool {
    let is_star = !segment.is_empty() && segment.chars().all(|char| char == '*');
    is_star || segment.starts_with(':')
}

/// Takes a path apart segment by segment: nothing with a slash is within braces.
fn taken_apart(path: &str) -> Option<Vec<Plain>> {
    let mut all = vec![Plain::default()];
    let mut names: Vec<String> = Vec::new();
    let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    for (number, segment) in segments.iter().enumerate() {
        // Only the last may be empty: a slash at the end.
        let is_gap = segment.is_empty() && number + 1 < segments.len();
        if is_gap || is_foreign(segment) {
            return None;
        }
        let mut texts: Vec<Text> = vec![Default::default()];
        let (mut rest, mut capture) = (*segment, None);
        while let Some(at) = rest.find(['{', '}']) {
            let inside = rest[at..].strip_prefix('{')?;
            let (inside, behind) = inside.split_once('}')?;
            let before = &rest[..at];
            let (name, choices) = match inside.split_once(':') {
                Some((name, choices)) => (Some(name), Some(choices)),
                None if inside.contains('|') => (None, Some(inside)),
                None => (Some(inside), None),
            };
            if let Some(name) = name {
                if !is_name(name) || names.iter().any(|known| known == name) {
                    return None;
                }
                names.push(name.into());
            }
            match choices {
                None if segment.len() == inside.len() + 2 => capture = name,
                None => return None,
                Some(choices) => {
                    let choices: Vec<_> = choices.split('|').collect();
                    if choices.iter().any(|it| it.is_empty() || !is_literal(it)) {
                        return None;
                    }
                    let with = |text| with_each(text, before, name, &choices);
                    texts = texts.iter().flat_map(with).collect();
                }
            }
            if !is_literal(before) {
                return None;
            }
            rest = behind;
        }
        if !is_literal(rest) {
            return None;
        }
        let longer = |plain: &Plain| {
            let texts = texts.iter().map(|(text, fixed)| {
                let mut plain = plain.clone();
                match capture {
                    Some(name) => {
                        plain.segments.push(Segment::Capture);
                        plain.names.push(name.into());
                    }
                    None => plain.segments.push(Segment::Text(format!("{text}{rest}"))),
                }
                plain.fixed.extend(fixed.iter().cloned());
                plain
            });
            texts.collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
        if all.len() > 256 {
            return None;
        }
    }
    Some(all)
}

impl Plain {
    /// What a path is captured as, if it fits.
    fn captures(&self, path: &str) -> Option<Vec<(String, String)>> {
        let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
        let mut values = Vec::new();
        for (segment, given) in self.segments.iter().zip(&segments) {
            match segment {
                Segment::Capture if given.is_empty() => return None,
                Segment::Capture => values.push((*given).to_owned()),
                Segment::Text(text) if text != given => return None,
                Segment::Text(_) => {}
            }
        }
        let names = self.names.iter().cloned().zip(values);
        let all = names.chain(self.fixed.iter().cloned());
        (self.segments.len() == segments.len()).then(|| all.collect())
    }
}

/// Segments of templates, each of which makes sense now and then.
const PIECES: [&[u8]; 24] = [
    b"/",
    b"/",
    b"/",
    b"/",
    b"/",
    b"/a",
    b"/b",
    b"/ab",
    b"/{x}",
    b"/{x}",
    b"/{y}",
    b"/{a|b}",
    b"{a|b}",
    b"/{k:a|c}",
    b"/{k:ab}",
    b".gif",
    b"%2F",
    b"{",
    b"}",
    b"{}",
    b"|",
    b":",
    b"a",
    b"b",
];

#[test]
fn a_path_is_taken_apart_as_a_slow_reader_does_it() {
    Dice::try_inputs(
        "paths",
        |dice| dice.pieces(&PIECES, 8),
        |path| {
            let Ok(path) = std::str::from_utf8(path) else {
                return false;
            };
            let found = parse(path).ok();
            let expected = taken_apart(path);
            let shown = |plain: &Plain| {
                let mut number = 0;
                let segments = plain.segments.iter().map(|segment| match segment {
                    Segment::Text(text) => format!("/{text}"),
                    Segment::Capture => {
                        number += 1;
                        format!("/{{{}}}", number - 1)
                    }
                });
                (
                    segments.collect::<String>(),
                    plain.names.clone(),
                    plain.fixed.clone(),
                )
            };
            let expected = expected.map(|all| all.iter().map(shown).collect::<Vec<_>>());
            let found = found.map(|all| {
                let all = all.into_iter();
                all.map(|it| (it.text, it.captures, it.fixed))
                    .collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{path}");
            found.is_some()
        },
    );
}

/// The routes of templates, and each plain path with its route; nothing if two are in each other's way.
fn routes(templates: &[&str]) -> Option<Vec<(usize, Plain)>> {
    let mut all: Vec<(usize, Plain)> = Vec::new();
    for (number, template) in templates.iter().enumerate() {
        for plain in taken_apart(template)? {
            if all
                .iter()
                .any(|(_, known)| known.segments == plain.segments)
            {
                return None;
            }
            all.push((number, plain));
        }
    }
    Some(all)
}

#[test]
fn a_request_finds_the_route_that_a_slow_reader_finds() {
    let make = |dice: &mut Dice| {
        let pieces = &PIECES[5..16];
        let mut input = Vec::new();
        for _ in 0..1 + dice.below(4) {
            input.extend([b"/", &dice.pieces(pieces, 3)[..], b" "].concat());
        }
        let segments = [
            &b"/a"[..],
            b"/b",
            b"/ab",
            b"/c",
            b"/x",
            b"/",
            b"/a.gif",
            b"/%2F",
            b"/{0}",
            b"a",
        ];
        for _ in 0..20 {
            input.extend([&dice.pieces(&segments, 4)[..], b"\t"].concat());
        }
        input
    };
    Dice::try_inputs("routes", make, |input| {
        let Ok(input) = std::str::from_utf8(input) else {
            return false;
        };
        let Some((templates, paths)) = input.rsplit_once(' ') else {
            return false;
        };
        let templates: Vec<_> = templates.split(' ').collect();
        let all = routes(&templates);
        let endpoints = templates.iter().enumerate().map(|(number, template)| {
            let mut endpoint = super::super::bare(&number.to_string());
            endpoint.patterns = parse(template).ok()?;
            Some(endpoint)
        });
        let endpoints = endpoints.collect::<Option<Vec<_>>>();
        let table = endpoints.and_then(|all| Endpoints::new(all).ok());
        assert_eq!(table.is_some(), all.is_some(), "{templates:?}");
        let (Some(table), Some(all)) = (table, all) else {
            return false;
        };
        for path in paths.split('\t') {
            let fitting = all.iter().filter_map(|(route, plain)| {
                let captures = plain.captures(path)?;
                Some((&plain.segments, route.to_string(), captures))
            });
            let first = fitting.min_by_key(|(segments, ..)| *segments);
            let expected = first.map(|(_, route, captures)| (route, captures));
            let found = table
                .find(path, &Method::POST)
                .map(|matched| match matched {
                    Matched::Route(endpoint, captures) => {
                        let captures = captures.iter();
                        let pairs =
                            captures.map(|(name, value)| (name.to_string(), value.to_string()));
                        (endpoint.name.clone(), pairs.collect::<Vec<_>>())
                    }
                    Matched::Others(_) => ("others".into(), Vec::new()),
                });
            assert_eq!(found, expected, "{path} of {templates:?}");
        }
        true
    });
}
