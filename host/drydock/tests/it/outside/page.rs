//! A page of Markdown as a list of things to do.
//!
//! A fenced block is a file when the line before it names one (`` `src/lib.rs`: ``), a
//! piece of shell when its language is `sh`, and what the last piece of shell printed when
//! its language is `text`. Anything else would stand on the page untested, and is refused.

use std::path::Path;

#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    File {
        path: String,
        text: String,
    },
    Shell {
        script: String,
        printed: Option<String>,
    },
}

/// The page's steps, in its order.
pub fn steps(page: &Path) -> Vec<Step> {
    let text = std::fs::read_to_string(page).unwrap();
    parse(&text).unwrap_or_else(|why| panic!("{}: {why}", page.display()))
}

/// The steps of some of the page's sections, by their headings, in the page's order.
pub fn steps_under(page: &Path, headings: &[&str]) -> Vec<Step> {
    let sections = sections(page).into_iter();
    let wanted = sections.filter(|(heading, _)| headings.contains(&heading.as_str()));
    let steps: Vec<_> = wanted.flat_map(|(_, steps)| steps).collect();
    assert!(!steps.is_empty(), "{headings:?}");
    steps
}

/// The page's sections with their steps.
pub fn sections(page: &Path) -> Vec<(String, Vec<Step>)> {
    let text = std::fs::read_to_string(page).unwrap();
    let sections = text.split("\n## ").skip(1);
    let parsed = sections.map(|section| {
        let (heading, rest) = section.split_once('\n').unwrap();
        let steps = parse(rest).unwrap_or_else(|why| panic!("{heading}: {why}"));
        (heading.to_owned(), steps)
    });
    parsed.collect()
}

fn parse(page: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut lines = page.lines().enumerate();
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<_> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| *line != "```")
                .collect();
            let text = format!("{}\n", body.join("\n"));
            place(&mut steps, file_name(before), language, text)
                .map_err(|why| format!("line {}: {why}", number + 1))?;
        }
        if !line.is_empty() {
            before = line;
        }
    }
    Ok(steps)
}

fn place(
    steps: &mut Vec<Step>,
    file: Option<&str>,
    language: &str,
    text: String,
) -> Result<(), String> {
    match (file, language, steps.last_mut()) {
        (Some(path), ..) => steps.push(Step::File {
            path: path.to_owned(),
            text,
        }),
        (None, "sh", _) => steps.push(Step::Shell {
            script: text,
            printed: None,
        }),
        (None, "text", Some(Step::Shell { printed, .. })) if printed.is_none() => {
            *printed = Some(text);
        }
        (None, other, _) => {
            return Err(format!(
                "a block of {other:?} is neither a file, nor shell, nor what shell printed"
            ));
        }
    }
    Ok(())
}

/// `` `a/b`: `` names the file `a/b`.
fn file_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix('`')?.strip_suffix("`:")?;
    (!name.contains('`')).then_some(name)
}

#[test]
fn blocks_are_what_the_page_says_they_are() {
    let page =
        "# A\n\n`a/b`:\n\n```rust\nx\n\ny\n```\n\nthen\n\n```sh\nls\n```\n\n```text\nb\n```\n";
    let expected = [
        Step::File {
            path: "a/b".to_owned(),
            text: "x\n\ny\n".to_owned(),
        },
        Step::Shell {
            script: "ls\n".to_owned(),
            printed: Some("b\n".to_owned()),
        },
    ];
    assert_eq!(parse(page).unwrap(), expected);
    assert!(parse("```yaml\na: b\n```\n").is_err());
    assert!(parse("```text\nx\n```\n").is_err());
}
