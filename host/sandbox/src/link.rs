//! How what a plugin imports comes to it: a table of interfaces that every plugin has, and
//! [`LINKS`], the only list of capabilities there is, a row each. The files below are
//! adapters that translate between the contract and the capability crates. An adapter has
//! no logic of its own: every check is the capability's.

mod action;
mod baseline;
mod convert;
mod etcd;
mod files;
mod http;
mod ours;
mod output;
mod row;
mod secret;

use drydock_core::{Capability, Grants, Power, Reach};
use wasmtime::Engine;

use crate::border::linked::Linker;
use crate::guest::Guest;
use crate::manifest::PluginManifest;

pub(crate) use action::{OutcomeBook, Said};
pub(crate) use files::{OwnFolders, limit_folders};
pub(crate) use http::PluginIdentity;
pub(crate) use ours::{FREE_INTERFACES, Outlet, TargetWords};
pub(crate) use row::{Link, Terms};
pub(crate) use secret::SecretPlace;

/// The capabilities, in the order in which an operator reads of them.
pub(crate) static LINKS: &[Link] = &[
    etcd::LINK,
    files::LINK,
    http::LINK,
    secret::LINK,
    output::LINK,
];

/// The capabilities that can be granted.
pub fn capabilities() -> impl Iterator<Item = &'static Capability> + Clone {
    LINKS.iter().map(|link| &link.capability)
}

/// All powers that a plugin can ask for.
pub(crate) fn powers() -> impl Iterator<Item = &'static Power> + Clone {
    capabilities().flat_map(|capability| capability.powers)
}

/// Whether the power changes what only an action changes: the run's cluster.
pub(crate) fn changes_cluster(power: &Power) -> bool {
    let mut links = LINKS.iter().filter(|link| link.writes_for.is_some());
    power.reach == Reach::Writes && links.any(|link| link.capability.powers.contains(power))
}

/// Whether an interface, by its full name, is one by which a plugin only says something to the
/// host: what is answered there does not come from outside.
fn is_heard(interface: &str) -> bool {
    FREE_INTERFACES
        .iter()
        .any(|free| free.heard && free.is_called(interface))
}

/// A linker with the baseline, with what is granted, and with what the plugin can do without:
/// where none of that is granted, each call of it is refused.
pub(crate) fn linker(
    engine: &Engine,
    manifest: &PluginManifest,
    grants: &Grants,
) -> wasmtime::Result<Linker<Guest>> {
    let PluginManifest {
        world, optional, ..
    } = manifest;
    let mut linker = Linker::new(engine, |guest: &Guest| guest.crossing.as_ref(), is_heard);
    baseline::add(&mut linker)?;
    for interface in FREE_INTERFACES.iter().filter(|free| free.is_of(*world)) {
        (interface.add)(&mut linker)?;
    }
    let is_optional = |link: &Link| {
        let mut asked = optional.iter();
        asked.any(|request| link.capability.powers.contains(request.power()))
    };
    let linked = LINKS
        .iter()
        .filter(|link| grants.has(&link.capability) || is_optional(link));
    for link in linked {
        (link.add)(&mut linker)?;
    }
    Ok(linker)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every function of the contract that a plugin may import, out of `wit/` itself.
    fn functions_of_the_contract() -> BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let files = std::fs::read_dir(folder).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "wit"));
        let texts = files.map(|path| std::fs::read_to_string(path).unwrap());
        texts.flat_map(|text| functions_of(&text)).collect()
    }

    fn functions_of(text: &str) -> Vec<String> {
        let (mut interface, mut resource, mut found) = (None, None, Vec::new());
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let words = code.trim();
            let named = |word: &str| {
                let rest = words.strip_prefix(word)?.strip_suffix('{')?;
                Some(rest.trim().to_owned())
            };
            if let Some(name) = named("interface ") {
                interface = Some(name);
            } else if let Some(name) = named("resource ") {
                resource = Some(name);
            } else if code.trim_end() == "    }" {
                resource = None;
            } else if code.trim_end() == "}" {
                interface = None;
            }
            // What a world exports is called by the host.
            let (Some(interface), Some((name, kind))) = (&interface, words.split_once(':')) else {
                continue;
            };
            if interface.ends_with("-step") || !kind.contains("func(") {
                continue;
            }
            let name = name.trim_start_matches('%');
            let name = match &resource {
                Some(resource) if kind.contains("static") => format!("[static]{resource}.{name}"),
                Some(resource) => format!("[method]{resource}.{name}"),
                None => name.to_owned(),
            };
            found.push(format!("drydock:plugin/{interface}@0.1.0#{name}"));
        }
        found
    }

    /// A capability joins without a word in `border`: its functions are linked by the bindings,
    /// and what is linked otherwise is missing here.
    #[test]
    fn all_that_a_plugin_can_call_can_be_recorded_and_replayed() {
        let engine = crate::engine::engine().unwrap();
        let mut linker = Linker::new(&engine, |guest: &Guest| guest.crossing.as_ref(), is_heard);
        for free in &FREE_INTERFACES {
            (free.add)(&mut linker).unwrap();
        }
        for link in LINKS {
            (link.add)(&mut linker).unwrap();
        }
        let crossing: BTreeSet<String> =
            linker.functions().iter().map(ToString::to_string).collect();
        let contract = functions_of_the_contract();
        assert!(contract.len() > 60, "{contract:?}");
        assert_eq!(crossing, contract);
    }

    /// What is not of the contract crosses unseen, and so has to be recorded where it reaches
    /// out: of these two, `border::exchange` does that. Whoever adds another says here where.
    #[test]
    fn interfaces_of_others_are_recorded_where_they_reach_out() {
        let foreign: Vec<&str> = LINKS
            .iter()
            .flat_map(|link| link.foreign)
            .copied()
            .collect();
        assert_eq!(foreign, ["wasi:http/types", "wasi:http/outgoing-handler"]);
    }

    /// What comes from outside is answered out of a record; what is only said is not.
    #[test]
    fn what_a_plugin_is_told_is_not_only_heard() {
        let heard: Vec<&str> = FREE_INTERFACES
            .iter()
            .filter(|free| is_heard(&format!("drydock:plugin/{}@0.1.0", free.name)))
            .map(|free| free.name)
            .collect();
        assert_eq!(heard, ["log", "progress", "outcome", "plan", "hold"]);
        let granted = LINKS.iter().filter_map(|link| link.interface);
        for interface in granted {
            assert!(!is_heard(&format!("drydock:plugin/{interface}@0.1.0")));
        }
    }
}
