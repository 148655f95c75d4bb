//! What may become of a plugin's outputs: no calls, a word in its grant.

use drydock_capability_artifact::{OutputUse, may_publish};
use drydock_core::Capability;

use super::ours::MayPublish;
use super::row::{Link, Terms, nothing_to_prepare};
use crate::guest::Guest;

pub(super) const LINK: Link = Link {
    capability: Capability::of::<OutputUse>(),
    interface: None,
    foreign: &[],
    not_for: &[],
    writes_for: None,
    add: |_| Ok(()),
    prepare: nothing_to_prepare,
    give,
};

fn give(guest: &mut Guest, terms: &Terms<'_>) {
    guest.parts.put(MayPublish(may_publish(terms.grants)));
}
