//! The witnesses of a snapshot while its run is under way: one fact, as text.

use drydock_core::{Facts, Witness};

const FACT: &str = "snapshot.witnesses";

/// Keeps witnesses as a fact.
pub fn tell(witnesses: &[Witness], facts: &mut Facts) {
    let words: Vec<String> = witnesses.iter().map(Witness::to_string).collect();
    facts.set_text(FACT, words.join(" "));
}

/// The witnesses that were kept.
pub fn told(facts: &Facts) -> Vec<Witness> {
    let text = facts.text(FACT).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back() {
        let mut facts = Facts::default();
        assert_eq!(told(&facts), []);
        let witness = |revision, byte| Witness { revision, byte };
        let witnesses = [witness(2, 0xa7), witness(4711, 0)];
        tell(&witnesses, &mut facts);
        assert_eq!(facts.text(FACT), Some("2:a7 4711:00"));
        assert_eq!(told(&facts), witnesses);
    }
}
