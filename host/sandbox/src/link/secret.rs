//! Adapter for the interface `secret`.

use std::sync::Arc;

use drydock_capability_secret::{Key, SecretAccess, SecretGrant, SecretSource};
use drydock_core::Capability;
use wasmtime::component::{HasSelf, Resource};

use super::row::{Link, Terms, nothing_to_prepare};
use crate::guest::Guest;
use crate::world::Answer;
use crate::world::contract::secret::{Host, HostKey, add_to_linker};

pub(super) const LINK: Link = Link {
    capability: Capability::of::<SecretGrant>(),
    interface: Some("secret"),
    foreign: &[],
    not_for: &[],
    writes_for: None,
    add: |l| add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest),
    prepare: nothing_to_prepare,
    give,
};

/// Where the secrets of a step or target are.
pub(crate) struct SecretPlace(pub Arc<dyn SecretSource>);

/// Whoever needs them in another capability may have given them before.
pub(super) fn give(guest: &mut Guest, terms: &Terms<'_>) {
    if guest.parts.get::<SecretAccess>().is_some() {
        return;
    }
    let source = terms.parts.get::<SecretPlace>();
    let source = source.map(|place| Arc::clone(&place.0));
    let secrets = SecretAccess::new(terms.grants.of().to_vec(), source);
    guest.redactor = secrets.redactor();
    guest.log.redact_by(secrets.redactor());
    guest.parts.put(secrets);
}

/// Those that the guest was given; none in a call without power.
pub(super) fn secrets(guest: &Guest) -> SecretAccess {
    let given = guest.parts.get::<SecretAccess>().cloned();
    given.unwrap_or_else(|| SecretAccess::new(Vec::new(), None))
}

impl Host for Guest {
    async fn placeholder(&mut self, name: String) -> Answer<String> {
        let secrets = secrets(self);
        self.blocking(move || secrets.placeholder(&name)).await
    }

    async fn reveal(&mut self, name: String) -> Answer<Vec<u8>> {
        let secrets = secrets(self);
        self.blocking(move || secrets.reveal(&name)).await
    }
}

impl HostKey for Guest {
    async fn open(&mut self, name: String) -> Answer<Resource<Key>> {
        let secrets = secrets(self);
        match self.blocking(move || secrets.open(&name)).await? {
            Ok(key) => Ok(Ok(self.table.push(key)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn derive(&mut self, key: Resource<Key>, message: Vec<u8>) -> Answer<Resource<Key>> {
        match self.table.get(&key)?.derive(&message) {
            Ok(key) => Ok(Ok(self.table.push(key)?)),
            Err(fault) => Ok(Err(fault.into())),
        }
    }

    async fn sign(&mut self, key: Resource<Key>, message: Vec<u8>) -> Answer<Vec<u8>> {
        let key = self.table.get(&key)?.clone();
        self.blocking(move || key.sign(&message)).await
    }

    async fn drop(&mut self, key: Resource<Key>) -> wasmtime::Result<()> {
        self.table.delete(key)?;
        Ok(())
    }
}
