//! "Did you mean": the known name nearest to a mistyped one.

/// Further than this share of the name's length, two names have nothing to do with each other.
const FAR: usize = 3;

/// The known name that was most likely meant by `given`, if any is near enough.
pub(super) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(given);
    let allowed = (folded.chars().count() / FAR).max(1);
    let rank = |name: &'a str| {
        let other = fold(name);
        let distance = strsim::damerau_levenshtein(&folded, &other);
        // `max_body_size` for `max_body`, `timeout` for `head_timeout`: one holds the other.
        let holds = folded.len() >= 4
            && other.len() >= 4
            && (folded.contains(&other) || other.contains(&folded));
        (distance <= allowed || holds).then_some((distance, name))
    };
    known
        .into_iter()
        .filter_map(rank)
        .min()
        .map(|(_, name)| name)
}

/// What to tell somebody who wrote `given` where only `known` names are possible.
pub(super) fn hint<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(given, known.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Names are compared without regard to case and to how their words are joined.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .map(|c| {
            if matches!(c, '-' | '.') {
                '_'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}
