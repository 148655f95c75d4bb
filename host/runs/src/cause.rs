//! Why a run did not simply succeed, or what it waits for: in a line for lists, for /readyz
//! and for the log; in sentences for whoever looks at the run itself.

use drydock_core::{QuestionId, RunId};
use drydock_engine::model::Outcome;
use drydock_point::model::LEFT_BEHIND;

/// Characters of a cause in a list: two lines of a terminal.
const SHOWN_CHARS_MAX: usize = 160;

/// Why a run that did nothing wrong has no recovery point of its own.
const SUPERSEDED: &str =
    "another run had committed this recovery point first, so this one stored nothing";

/// The cause of an outcome; none where there is nothing to look at.
pub fn of(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Succeeded | Outcome::Superseded { .. } => None,
        Outcome::Degraded { reasons } => Some(reasons.first().cloned().unwrap_or_default()),
        Outcome::Failed { fault } => Some(format!("{}: {}", fault.code, fault.message)),
    }
}

/// Why a run ended as it did, a sentence each; of one that failed, the cause comes last.
pub fn reasons(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Succeeded => Vec::new(),
        Outcome::Degraded { reasons } => reasons.clone(),
        Outcome::Superseded { reasons } => std::iter::once(SUPERSEDED.to_owned())
            .chain(reasons.iter().cloned())
            .collect(),
        Outcome::Failed { fault } => {
            // The other details are for programs; what was left behind is for the operator.
            let details = fault.details.iter();
            let left = details.filter(|(name, _)| name == LEFT_BEHIND);
            let left = left.map(|(_, what)| format!("left behind: {what}"));
            left.chain([fault.message.clone()]).collect()
        }
    }
}

/// What a run waits for, of its open questions; none where nothing is asked.
pub fn asks<'a>(open: impl IntoIterator<Item = (QuestionId, &'a str)>) -> Option<String> {
    let mut open = open.into_iter();
    let (question, text) = open.next()?;
    let first = format!("question {question}: {text}");
    Some(match open.count() {
        0 => first,
        1 => format!("{first} (1 more question is open)"),
        more => format!("{first} ({more} more questions are open)"),
    })
}

/// How a question is answered, as half a sentence.
pub fn answer_with<'a>(
    run: &RunId,
    question: QuestionId,
    words: impl IntoIterator<Item = &'a str>,
) -> String {
    let words: Vec<_> = words.into_iter().collect();
    format!(
        "answer with `drydock run decide {run} {question} {}`",
        words.join("|")
    )
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
    fn the_cause_of_a_failure_comes_after_what_was_left_behind() {
        let fault = Fault::permanent(ErrorCode::NoSpace, "the disk is full")
            .with_detail("store", "local")
            .with_detail(LEFT_BEHIND, "an upload");
        let failed = reasons(&Outcome::Failed { fault });
        assert_eq!(failed, ["left behind: an upload", "the disk is full"]);
        let left = vec!["an upload stays".to_owned()];
        let superseded = reasons(&Outcome::Superseded { reasons: left });
        assert_eq!(superseded, [SUPERSEDED, "an upload stays"]);
        assert_eq!(reasons(&Outcome::Succeeded), [""; 0]);
    }

    #[test]
    fn what_is_asked_names_the_first_question_and_counts_the_others() {
        let open = |count: u32| asks((0..count).map(|n| (QuestionId(4 + n), "Go on?")));
        assert_eq!(open(0), None);
        assert_eq!(open(1).as_deref(), Some("question 4: Go on?"));
        let two = "question 4: Go on? (1 more question is open)";
        assert_eq!(open(2).as_deref(), Some(two));
        let three = "question 4: Go on? (2 more questions are open)";
        assert_eq!(open(3).as_deref(), Some(three));
        let told = answer_with(&RunId::new("a.1"), QuestionId(4), ["yes", "no"]);
        assert_eq!(told, "answer with `drydock run decide a.1 4 yes|no`");
    }

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        let long = "ü".repeat(SHOWN_CHARS_MAX + 1);
        let shown = short(&long);
        assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX + "...".len());
        assert_eq!(short("one\ntwo"), "one two");
    }
}
