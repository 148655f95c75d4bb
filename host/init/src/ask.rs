//! Questions on a terminal. They go to stderr, since stdout carries data only.

use std::io::IsTerminal as _;
use std::time::Duration;

use dialoguer::{Confirm, Input};
use drydock_cli::Failure;
use drydock_terminal::{print, stderr};

use super::survey::Found;

/// How long a note may wait for the terminal.
const STALL_MAX: Duration = Duration::from_millis(500);

/// The rest of a sentence when a text is not what is asked for.
type Check<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// Whether somebody can be asked.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks until the answer is good. What was found is the answer to an empty line.
pub fn text(
    prompt: &str,
    suggestion: Option<&Found<String>>,
    check: Check<'_>,
) -> Result<String, Failure> {
    if let Some(found) = suggestion
        && found.from != "usual"
    {
        print::note(&format!("Found {} ({}).", found.value, found.from));
        // The question is written by somebody else, and comes after it.
        stderr::flush(STALL_MAX);
    }
    let mut input = Input::<String>::new()
        .with_prompt(prompt)
        .validate_with(|text: &String| check(text.trim()).map_err(|rule| format!("this {rule}")));
    if let Some(found) = suggestion {
        input = input.default(found.value.clone());
    }
    Ok(input.interact_text().map_err(gone)?.trim().to_owned())
}

/// Asks for something that need not be there.
pub fn optional(prompt: &str, check: Check<'_>) -> Result<String, Failure> {
    let input = Input::<String>::new()
        .with_prompt(prompt)
        .allow_empty(true)
        .validate_with(|text: &String| check(text.trim()).map_err(|rule| format!("this {rule}")));
    Ok(input.interact_text().map_err(gone)?.trim().to_owned())
}

pub fn confirm(prompt: &str) -> Result<bool, Failure> {
    Confirm::new()
        .with_prompt(prompt)
        .default(true)
        .interact()
        .map_err(gone)
}

/// The terminal was closed, or the operator left.
fn gone(error: dialoguer::Error) -> Failure {
    Failure::failed(format!(
        "the questions were not answered to their end ({error}), so nothing was written: start init again, or give flags"
    ))
}
