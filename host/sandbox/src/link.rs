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
    power.reach == Reach::Writes && links.any(|link| link.capability.powers.contains(&power))
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
