//! Rules that concern more than one key of a document.

use drydock_core::Grants;

/// A rule that a document breaks: the path of the key and a predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub path: String,
    pub rule: String,
}

impl Problem {
    pub fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.into(),
        }
    }
}

/// What single entries of grants cannot show.
pub(super) fn grant_problems(grants: &Grants, path: &str) -> Vec<Problem> {
    let problems = grants.problems().into_iter();
    let placed =
        problems.map(|problem| Problem::new(format!("{path}.{}", problem.path), problem.rule));
    placed.collect()
}
