//! What a person reads: one line, and some more below it.

use serde_json::Value as Json;

use crate::notice::{Notice, Status, Step};

/// What is put where a text was cut.
const CUT: &str = "...";

/// Longest summary, in bytes: it is a subject line.
const SUMMARY_BYTES_MAX: usize = 400;

/// One line.
pub fn summary(notice: &Notice) -> String {
    let Notice {
        cluster, schedule, ..
    } = notice;
    let who = match schedule {
        Some(schedule) => format!("Schedule {schedule} of cluster {cluster}"),
        None => format!("Cluster {cluster}"),
    };
    let told = match notice.status {
        Status::Failed => {
            let failure = notice.failure.as_ref();
            let why = failure.map(|why| format!(": {} ({})", why.message, why.code));
            format!("{who} failed{}", why.unwrap_or_default())
        }
        Status::Degraded => {
            let first = notice.reasons.first().map_or("", String::as_str);
            let more = match notice.reasons.len() {
                0 | 1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            format!("{who} is degraded: {first}{more}")
        }
        Status::Good => {
            let so_far = if is_open(notice) { " so far" } else { "" };
            let point = notice.recovery_point.as_ref();
            let point = point.map(|point| format!(": recovery point {point} is committed"));
            format!("{who} is good{so_far}{}", point.unwrap_or_default())
        }
    };
    cut(&told, SUMMARY_BYTES_MAX)
}

/// Whether the run's own work goes on. Actions do not count: others of them tell too, and come
/// after this one.
fn is_open(notice: &Notice) -> bool {
    let mut steps = notice.steps.iter().filter(|step| step.kind != "action");
    steps.any(|step| !matches!(step.state, "done" | "failed" | "skipped" | "undone"))
}

/// What stands below that line, at most so many bytes.
pub fn details(notice: &Notice, bytes_max: usize) -> String {
    let mut lines: Vec<String> = notice.text.iter().cloned().collect();
    if !notice.run.is_empty() {
        lines.push(format!("run {}, due {}", notice.run, notice.due));
    }
    match (&notice.recovery_point, notice.status) {
        (Some(point), _) => lines.push(format!("recovery point {point}")),
        (None, Status::Failed) => lines.push("no recovery point of this run".to_owned()),
        (None, Status::Good | Status::Degraded) => {}
    }
    lines.extend(notice.reasons.iter().map(|why| format!("degraded: {why}")));
    lines.extend(notice.steps.iter().filter_map(step));
    lines.extend(notice.inputs.iter().filter_map(input));
    let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
    cut_lines(&lines.join("\n"), bytes_max)
}

/// A step that is worth a line.
fn step(step: &Step) -> Option<String> {
    let Step { name, kind, .. } = step;
    let why = step.why.as_deref().unwrap_or_default();
    match &step.code {
        Some(code) => Some(format!("failed: step {name} ({kind}): {why} ({code})")),
        None if step.state == "skipped" && !why.is_empty() => {
            Some(format!("skipped: step {name} ({kind}): {why}"))
        }
        None => None,
    }
}

fn input((name, value): (&String, &Json)) -> Option<String> {
    match value {
        Json::String(text) => Some(format!("{name}: {text}")),
        Json::Number(_) | Json::Bool(_) => Some(format!("{name}: {value}")),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// One line of at most so many bytes.
pub fn cut(text: &str, bytes_max: usize) -> String {
    cut_lines(&plain(text), bytes_max)
}

/// At most so many bytes, without half a character at the end.
pub fn cut_lines(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub(CUT.len());
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end));
    format!("{}{CUT}", &text[..end.unwrap_or(0)])
}

/// One line without characters that steer a terminal.
fn plain(text: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(blank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "...");
        assert_eq!(cut("abcdef", 5), "ab...");
        assert_eq!(cut("a\u{e4}\u{e4}\u{e4}", 5), "a...");
        assert_eq!(cut("a\nb\u{1b}[31m\u{85}", 100), "a b [31m ");
    }
}
