//! Symbolic links are archived as they are, and never what they lead to. What an operator
//! hears of those that lead out of the archive, or nowhere in it.
//!
//! A link out is a warning: whoever keeps the keys of a cluster behind one has them in no
//! backup, and would learn so when they are needed. An ordinary node has none in the folders
//! of its control plane; one that is meant is listed under `exclude`. A link to what the
//! operating system or the kernel puts there by itself is a note, since that comes back with
//! the system; and so is one that leads nowhere, since there is nothing to back up.

use drydock_plugin_sdk::Finding;
use drydock_plugin_sdk::contents::{Contents, End};

use super::{Tally, shown};
use crate::config::Order;

/// What the system fills by itself, without the first `/`; but not what people put into
/// `/usr/local`.
const SYSTEM: [&str; 10] = [
    "bin", "dev", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr",
];
const OF_PEOPLE: &str = "usr/local";

/// Findings about the links in an archive.
pub fn tell(order: &Order, contents: &Contents) -> Vec<Finding> {
    let (mut out, mut system, mut nowhere) = (Tally::default(), Tally::default(), Tally::default());
    for (name, target) in contents.links() {
        let tally = match contents.resolve(name) {
            End::File(_) | End::Folder(_) | End::Other => continue,
            End::Nowhere(to) if !order.covers(&to) && is_of_system(&to) => &mut system,
            End::Nowhere(to) if !order.covers(&to) => &mut out,
            End::Nowhere(_) | End::Loop => &mut nowhere,
        };
        tally.add(format!("/{} -> {}", shown(name), shown(target)));
    }
    let mut findings = Vec::new();
    if out.count > 0 {
        findings.push(Finding::warning(
            "link-leads-out",
            format!(
                "{}: archived as a link, and what it leads to is not in the archive: add its folder to `folders` and to the plugin's grant, or list the link under `exclude` if that is meant",
                out.told()
            ),
        ));
    }
    if system.count > 0 {
        findings.push(Finding::note(
            "link-to-system",
            format!(
                "{}: archived as a link to what the system puts there",
                system.told()
            ),
        ));
    }
    if nowhere.count > 0 {
        findings.push(Finding::note(
            "link-leads-nowhere",
            format!(
                "{}: archived as a link that leads to nothing in the archive",
                nowhere.told()
            ),
        ));
    }
    if contents.surplus() > 0 {
        findings.push(Finding::warning(
            "names-not-held",
            format!(
                "the archive has {} names more than can be held against `required` and links: list under `exclude` what need not be in the backup",
                contents.surplus()
            ),
        ));
    }
    findings
}

fn is_of_system(path: &[u8]) -> bool {
    let within = |folder: &str| {
        let below = path.strip_prefix(folder.as_bytes());
        below.is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
    };
    SYSTEM.iter().any(|folder| within(folder)) && !within(OF_PEOPLE)
}
