//! What the sandbox knows of a capability: a row of the table of links.

use drydock_core::{Capability, Grants};

use crate::border::linked::Linker;
use crate::guest::Guest;
use crate::parts::HostParts;
use crate::world::World;

/// Adds an interface to a linker.
pub(crate) type Add = fn(&mut Linker<Guest>) -> wasmtime::Result<()>;

/// A capability, the imports that belong to it, and how a guest comes to it.
pub(crate) struct Link {
    pub capability: Capability,
    /// The interface of the contract whose functions its powers open; none for one that
    /// gives no calls.
    pub interface: Option<&'static str>,
    /// Interfaces of others, e.g. `wasi:http/types`, which each of its powers opens whole. What
    /// they reach is recorded and replayed where they reach it, by [`crate::border`].
    pub foreign: &'static [&'static str],
    /// The worlds whose plugins never have it.
    pub not_for: &'static [World],
    /// The one world whose plugins may change something with it; none where any may.
    pub writes_for: Option<World>,
    /// Links the interfaces, where anything is granted.
    pub add: Add,
    /// Makes what outlives an attempt, once a plugin was admitted.
    pub prepare: fn(&mut HostParts, &Grants),
    /// Gives a guest its part, for one attempt that has its powers.
    pub give: fn(&mut Guest, &Terms<'_>),
}

impl Link {
    /// Whether plugins of this world may change something with it.
    pub fn may_write(&self, world: World) -> bool {
        self.writes_for.is_none_or(|only| only == world)
    }
}

/// What a guest's part is made of.
pub(crate) struct Terms<'a> {
    pub world: World,
    /// What its plugin may do.
    pub grants: &'a Grants,
    pub parts: &'a HostParts,
}

/// For what outlives no attempt.
pub(super) fn nothing_to_prepare(_: &mut HostParts, _: &Grants) {}
