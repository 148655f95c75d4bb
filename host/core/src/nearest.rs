//! What somebody who wrote a word that does not exist most likely meant.

/// Longest distance between a word that was written and the word that is suggested
/// for it, as a share of a perfect match: further away a suggestion only misleads.
const LIKENESS_MIN: f64 = 0.72;

/// The word of `valid` that `word` was most likely meant to be; none when no word is
/// near enough. Case counts for nothing, so that `timezone` finds `timeZone`.
#[must_use]
pub fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    valid
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&folded, &candidate.to_lowercase());
            (candidate, likeness)
        })
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(candidate, _)| candidate)
}

/// `; did you mean X?` for the nearest word, otherwise the whole list.
#[must_use]
pub fn suggestion<'a>(word: &str, valid: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, valid.clone()) {
        return format!("; did you mean {near}?");
    }
    let list: Vec<&str> = valid.into_iter().collect();
    if list.is_empty() {
        return String::new();
    }
    format!("; valid here: {}", list.join(", "))
}
