//! Files of one stage import each other in one direction, so that each can be read after those that it names.
//!
//! A file imports another if it names something that is defined there, also by a name that a `mod.rs` hands on. Handing
//! on is no import.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::paths;
use super::source::{none, sources, stage_of, tokens};

/// Circles that there are. The list only gets shorter: one that is gone must go from here, and so must a file that left one.
const KNOWN: &[&[&str]] = &[];

/// A file of `src`: its module path, and what it names.
struct File {
    name: String,
    module: Vec<String>,
    children: BTreeSet<String>,
    /// What stands in it, as written: `["super", "window", "Window"]`.
    named: Vec<Vec<String>>,
    /// What `pub use` hands on: the last word, and the path.
    handed_on: Vec<(String, Vec<String>)>,
}

/// By module path.
type Files = BTreeMap<Vec<String>, File>;

fn files() -> Files {
    let mut files = Files::new();
    for (name, text) in sources() {
        let module = module_of(&name);
        files.insert(module.clone(), file(name, module, &text));
    }
    files
}

fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

fn file(name: String, module: Vec<String>, text: &str) -> File {
    let words = tokens(text);
    let children = words
        .windows(3)
        .filter(|three| three[0] == "mod" && three[2] == ";")
        .map(|three| three[1].to_owned())
        .collect();
    // `pub use a::{…};` stands in lines of its own.
    let (mut handed_on, mut rest) = (String::new(), String::new());
    let mut handing = false;
    for line in text.lines() {
        handing |=
            line.starts_with("pub use ") || (line.starts_with("pub(") && line.contains(") use "));
        let side = if handing { &mut handed_on } else { &mut rest };
        side.push_str(line);
        side.push('\n');
        handing &= !line.ends_with(';');
    }
    let own = |path: Vec<&str>| path.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let handed_on: Vec<_> = paths(&handed_on).into_iter().map(own).collect();
    let mut named: Vec<_> = paths(&rest).into_iter().map(own).collect();
    // What is handed on and used as well is an import.
    let used: BTreeSet<_> = tokens(&rest).into_iter().collect();
    let also = handed_on
        .iter()
        .filter(|path| path.last().is_some_and(|word| used.contains(&word[..])));
    named.extend(also.cloned());
    let handed_on = handed_on
        .into_iter()
        .filter_map(|path| Some((path.last()?.clone(), path)))
        .collect();
    File {
        name,
        module,
        children,
        named,
        handed_on,
    }
}

/// The file that defines what a file names, if it is one of ours.
fn definer<'a>(files: &'a Files, from: &File, path: &[String], depth: usize) -> Option<&'a File> {
    let mut module = from.module.clone();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => {
            module.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|word| word == "super") {
                module.pop();
                rest = &rest[1..];
            }
        }
        child if from.children.contains(child) => {}
        _ => return None,
    }
    while let [first, more @ ..] = rest {
        let mut child = module.clone();
        child.push(first.clone());
        if !files.contains_key(&child) {
            break;
        }
        module = child;
        rest = more;
    }
    let file = files.get(&module)?;
    let Some(word) = rest.first().filter(|word| *word != "self") else {
        return Some(file);
    };
    let handed_on = file
        .handed_on
        .iter()
        .find(|(name, _)| name == word || name == "*");
    match handed_on {
        Some((_, path)) if depth > 0 => definer(files, file, path, depth - 1),
        _ => Some(file),
    }
}

/// Which file imports which of its own stage.
fn imports(files: &Files) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut imports = BTreeMap::new();
    for file in files.values() {
        let named = file
            .named
            .iter()
            .filter_map(|path| definer(files, file, path, 4));
        let same = named.filter(|other| {
            other.name != file.name && stage_of(&other.name) == stage_of(&file.name)
        });
        imports.insert(&file.name[..], same.map(|other| &other.name[..]).collect());
    }
    imports
}

/// Files that reach each other, each such group once.
fn circles(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reached = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = imports[from].iter().copied().collect();
        while let Some(file) = next.pop() {
            if seen.insert(file) {
                next.extend(&imports[file]);
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (*file, reached(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let circle = others.iter().filter(|other| reached[*other].contains(file));
            circles.insert(circle.map(|&name| name.to_owned()).collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

#[test]
fn files_of_a_stage_import_each_other_in_one_direction() {
    let files = files();
    let imports = imports(&files);
    let mut problems = Vec::new();
    let circles = circles(&imports);
    for circle in &circles {
        let names: BTreeSet<_> = circle.iter().map(String::as_str).collect();
        if KNOWN
            .iter()
            .any(|known| names.iter().all(|name| known.contains(name)))
        {
            continue;
        }
        problems.push(format!("a circle: {circle:?}"));
        for name in &names {
            let inside: Vec<_> = imports[name].intersection(&names).collect();
            problems.push(format!("    {name} imports {inside:?}"));
        }
    }
    for name in KNOWN.iter().copied().flatten() {
        if !circles.iter().flatten().any(|file| file == name) {
            problems.push(format!(
                "{name} is in no circle any more: take it out of the list"
            ));
        }
    }
    none(problems);
}

#[test]
fn a_circle_is_found_behind_a_name_that_is_handed_on() {
    let texts = [
        (
            "a/mod.rs",
            "mod b;\nmod c;\nmod d;\npub use b::B;\npub struct D;",
        ),
        ("a/b.rs", "use super::c::C;\npub struct B;"),
        ("a/c.rs", "use super::B;\npub struct C;"),
        ("a/d.rs", "use super::{B, D};"),
    ];
    let files =
        texts.map(|(name, text)| (module_of(name), file(name.into(), module_of(name), text)));
    let files = Files::from(files);
    assert_eq!(circles(&imports(&files)), [["a/b.rs", "a/c.rs"]]);
}
