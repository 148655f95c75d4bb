//! Whether all that the step requires is in the archive, with its bytes: a name alone may be
//! that of a link to somewhere else, of a pipe, or of a file that somebody emptied.

use drydock_plugin_sdk::Finding;
use drydock_plugin_sdk::contents::{Contents, End, Requirement};
use drydock_plugin_sdk::glob::Glob;

/// Names that a sentence spells out; the others are counted.
const SPELLED_MAX: usize = 3;

/// Characters of a name in a sentence.
const NAME_SHOWN_MAX: usize = 200;

/// Holds each pattern against the archive.
pub fn judge(required: &[Glob], contents: &Contents) -> Vec<Finding> {
    let mut missing = Vec::new();
    let mut findings = Vec::new();
    for glob in required {
        let literal = glob.literal().map(|name| name.as_bytes().to_vec());
        let literal: Vec<_> = literal.into_iter().collect();
        let requirement = contents.require(|name| glob.matches(name), &literal);
        match (requirement.good, requirement.bad.is_empty()) {
            (1.., true) => {}
            (0, true) => missing.push(format!("`{}`", glob.text())),
            (0, false) => findings.push(without_bytes(glob, &requirement)),
            (1.., false) => findings.push(partly(glob, &requirement)),
        }
    }
    if !missing.is_empty() {
        findings.push(Finding::failure(
            "required-missing",
            format!(
                "{} of `require` names nothing in the archive: see what the backup step left out, or mend the list",
                missing.join(", ")
            ),
        ));
    }
    findings.extend(leading_out(contents));
    findings
}

/// The run was taken up after a crash.
pub fn not_checked() -> Finding {
    Finding::warning(
        "require-not-checked",
        "the run was taken up after a crash, when the archive's bytes were gone, so that nobody looked for the names under `require`",
    )
}

fn without_bytes(glob: &Glob, requirement: &Requirement) -> Finding {
    Finding::failure(
        "required-without-bytes",
        format!(
            "`{}` of `require` names no file with bytes in the archive ({}): see what became of the file, or mend the list",
            glob.text(),
            told(requirement)
        ),
    )
}

fn partly(glob: &Glob, requirement: &Requirement) -> Finding {
    Finding::warning(
        "required-partly",
        format!(
            "`{}` of `require` names files that are in the archive ({}), and others that are not ({}): see what became of the latter, or mend the list",
            glob.text(),
            requirement.good,
            told(requirement)
        ),
    )
}

/// The step that made the archive knows whether that is meant.
fn leading_out(contents: &Contents) -> Option<Finding> {
    let out = contents
        .links()
        .filter(|(name, _)| matches!(contents.resolve(name), End::Nowhere(_) | End::Loop));
    let out: Vec<String> = out
        .map(|(name, target)| format!("{} -> {}", shown(name), shown(target)))
        .collect();
    (!out.is_empty()).then(|| {
        Finding::note(
            "link-leads-out",
            format!("{}: a link to what is not in the archive", spelled(&out)),
        )
    })
}

fn told(requirement: &Requirement) -> String {
    let bad = requirement.bad.iter().map(|(name, end)| {
        let why = match end {
            End::File(_) => "is empty".to_owned(),
            End::Folder(_) => "is a folder".to_owned(),
            End::Other => "is a pipe, or another name of a file that is not there".to_owned(),
            End::Loop => "is a link that leads round in a circle".to_owned(),
            End::Nowhere(to) => format!("leads to {}, which is not in the archive", shown(to)),
        };
        format!("{} {why}", shown(name))
    });
    spelled(&bad.collect::<Vec<_>>())
}

fn spelled(all: &[String]) -> String {
    let first = all[..all.len().min(SPELLED_MAX)].join(", ");
    match all.len().saturating_sub(SPELLED_MAX) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.escape_debug().take(NAME_SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::Level;
    use drydock_plugin_sdk::contents::Content;

    use super::*;

    fn judged(pattern: &str, names: &[(&str, Content)]) -> Vec<Finding> {
        let mut contents = Contents::default();
        for (name, content) in names {
            contents.add(name.as_bytes().to_vec(), content.clone());
        }
        let glob = Glob::parse("it has", pattern).unwrap();
        judge(&[glob], &contents)
    }

    fn link(target: &str) -> Content {
        Content::Link(target.as_bytes().to_vec())
    }

    #[test]
    fn a_required_name_needs_bytes() {
        let folder = ("etc/k", Content::Folder);
        let key = ("etc/k/a.key", Content::File(5));
        let table = [
            (Content::File(5), None),
            (link("a.key"), None),
            (link("/etc/k/a.key"), None),
            (Content::File(0), Some("etc/k/ca.key is empty")),
            (Content::Folder, Some("etc/k/ca.key is a folder")),
            (Content::Other, Some("etc/k/ca.key is a pipe")),
            (
                link("ca.key"),
                Some("etc/k/ca.key is a link that leads round"),
            ),
            (
                link("/srv/ca.key"),
                Some("etc/k/ca.key leads to srv/ca.key, which is not in"),
            ),
            (
                link("gone"),
                Some("etc/k/ca.key leads to etc/k/gone, which is not in"),
            ),
        ];
        for pattern in ["etc/k/ca.key", "/etc/k/ca.key"] {
            for (content, why) in table.clone() {
                let names = [folder.clone(), key.clone(), ("etc/k/ca.key", content)];
                let findings = judged(pattern, &names);
                let failure = findings.iter().find(|f| f.level == Level::Failure);
                match why {
                    None => assert_eq!(findings, [], "{names:?}"),
                    Some(why) => {
                        let told = &failure.unwrap().message;
                        assert!(told.contains(why), "{told}");
                    }
                }
            }
        }
        assert_eq!(
            judged("etc/k/ca.key", &[folder, key])[0].code,
            "required-missing"
        );
    }

    #[test]
    fn folders_behind_links_count_and_what_is_met_in_part_is_a_warning() {
        let names = [
            ("etc/k", Content::Folder),
            ("etc/k/pki", link("/etc/pki2")),
            ("etc/pki2", Content::Folder),
            ("etc/pki2/ca.key", Content::File(5)),
            ("etc/pki2/sa.key", Content::File(0)),
        ];
        assert_eq!(judged("etc/k/pki/ca.key", &names), []);
        let findings = judged("etc/k/pki/*.key", &names);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].level, Level::Warning);
        assert!(
            findings[0].message.contains("etc/k/pki/sa.key is empty"),
            "{findings:?}"
        );
    }

    #[test]
    fn links_that_lead_out_are_noted() {
        let names = [("etc/l", link("/srv/x")), ("etc/a", Content::File(1))];
        let findings = judged("etc/a", &names);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].level, findings[0].message.as_str()),
            (
                Level::Note,
                "etc/l -> /srv/x: a link to what is not in the archive"
            )
        );
    }
}
