//! Why a run did not simply succeed, in a line: for lists, for /readyz and for the log.
//! Where there is more to tell, `drydock run show` does.

use drydock_engine::model::Outcome;

/// Characters of a cause in a list: two lines of a terminal.
const SHOWN_CHARS_MAX: usize = 160;

/// The cause of an outcome; none where there is nothing to look at.
pub fn of(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Succeeded | Outcome::Superseded { .. } => None,
        Outcome::Degraded { reasons } => Some(reasons.first().cloned().unwrap_or_default()),
        Outcome::Failed { fault } => Some(format!("{}: {}", fault.code, fault.message)),
    }
}

/// As much of a cause as a list has room for.
pub fn short(cause: &str) -> String {
    let line = cause.replace('\n', " ");
    match line.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", line[..end].trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use drydock_core::{ErrorCode, Fault};

    use super::*;

    #[test]
    fn a_failed_run_has_its_fault_and_a_degraded_one_its_first_reason() {
        let fault = Fault::permanent(ErrorCode::NoSpace, "the disk is full");
        let failed = of(&Outcome::Failed { fault });
        assert_eq!(failed.as_deref(), Some("no-space: the disk is full"));
        let reasons = vec!["one".to_owned(), "two".to_owned()];
        let degraded = of(&Outcome::Degraded { reasons });
        assert_eq!(degraded.as_deref(), Some("one"));
        assert_eq!(of(&Outcome::Succeeded), None);
    }

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        let long = "ü".repeat(SHOWN_CHARS_MAX + 1);
        let shown = short(&long);
        assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX + "...".len());
        assert_eq!(short("one\ntwo"), "one two");
    }
}
