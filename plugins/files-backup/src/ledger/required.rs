//! Whether all that is `required` is in the archive, with its bytes.

use drydock_plugin_sdk::contents::{Contents, End, Requirement};
use drydock_plugin_sdk::glob::Glob;
use drydock_plugin_sdk::{Error, Finding};

use super::{Tally, matches, shown};
use crate::config::Order;

/// What an operator hears where the backup stands all the same: of a pattern that several
/// names match, some lead to bytes and some do not.
///
/// # Errors
/// A pattern to which no name with bytes belongs.
pub fn check(order: &Order, contents: &Contents) -> Result<Vec<Finding>, Error> {
    let all: Vec<(&Glob, Requirement)> = order
        .required
        .iter()
        .map(|glob| (glob, judge(order, contents, glob)))
        .collect();
    let unmet = || all.iter().filter(|(_, requirement)| requirement.good == 0);
    let nothing: Vec<String> = unmet()
        .filter(|(_, requirement)| requirement.bad.is_empty())
        .map(|(glob, _)| format!("`{}`", glob.text()))
        .collect();
    if !nothing.is_empty() {
        return Err(Error::permanent(
            "required-missing",
            format!(
                "{} of `required` names nothing in {}: without it this backup would be none, so see where the file went, or mend the list",
                nothing.join(", "),
                order.folders.join(", ")
            ),
        ));
    }
    let mut bad = unmet().peekable();
    if bad.peek().is_some() {
        return Err(without_bytes(order, bad));
    }
    let partly = all
        .iter()
        .filter(|(_, requirement)| !requirement.bad.is_empty());
    Ok(partly
        .map(|(glob, requirement)| some(order, glob, requirement))
        .collect())
}

fn judge(order: &Order, contents: &Contents, glob: &Glob) -> Requirement {
    let within = |name: &[u8]| {
        order.folders.iter().any(|folder| {
            let below = name.strip_prefix(&folder.as_bytes()[1..]);
            let below = below.and_then(|below| below.strip_prefix(b"/"));
            below.is_some_and(|below| matches(glob, folder, below))
        })
    };
    let literal: Vec<Vec<u8>> = match (glob.literal(), glob.is_absolute()) {
        (None, _) => Vec::new(),
        (Some(name), true) => vec![name.as_bytes().to_vec()],
        (Some(name), false) => {
            let folders = order.folders.iter();
            let whole = |folder: &String| format!("{}/{name}", &folder[1..]).into_bytes();
            folders.map(whole).collect()
        }
    };
    contents.require(within, &literal)
}

fn without_bytes<'a>(
    order: &Order,
    unmet: impl Iterator<Item = &'a (&'a Glob, Requirement)>,
) -> Error {
    let mut code = "required-empty";
    let told: Vec<String> = unmet
        .map(|(glob, requirement)| {
            if !requirement.bad.iter().all(|(_, end)| *end == End::File(0)) {
                code = "required-missing";
            }
            format!("`{}` ({})", glob.text(), told(order, requirement))
        })
        .collect();
    Error::permanent(
        code,
        format!(
            "{} of `required` names no file with bytes in the archive: without it this backup would be none, so see what became of the file, or mend the list",
            told.join(", ")
        ),
    )
}

fn some(order: &Order, glob: &Glob, requirement: &Requirement) -> Finding {
    Finding::warning(
        "required-partly",
        format!(
            "`{}` of `required` names {} that {} in the archive, and also {}: see what became of the latter, or mend the list",
            glob.text(),
            match requirement.good {
                1 => "1 file".to_owned(),
                count => format!("{count} files"),
            },
            match requirement.good {
                1 => "is",
                _ => "are",
            },
            told(order, requirement)
        ),
    )
}

/// Each name, and why it is no file with bytes.
fn told(order: &Order, requirement: &Requirement) -> String {
    let mut tally = Tally::default();
    for (name, end) in &requirement.bad {
        let path = |name: &[u8]| shown(&[b"/", name].concat());
        let why = match end {
            End::File(_) => "is empty".to_owned(),
            End::Folder(_) => "is a folder".to_owned(),
            End::Other => "is a pipe".to_owned(),
            End::Loop => "is a link that leads round in a circle".to_owned(),
            End::Nowhere(to) if order.covers(to) => {
                format!("leads to {}, which is not there", path(to))
            }
            End::Nowhere(to) => format!("leads out of the archive, to {}", path(to)),
        };
        tally.add(format!("{} {why}", path(name)));
    }
    tally.told()
}
