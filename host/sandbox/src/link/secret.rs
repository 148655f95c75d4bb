//! Adapter for the interface `secret`.

use drydock_capability_secret::Key;
use wasmtime::component::Resource;

use super::contract::secret::{Host, HostKey};
use crate::guest::{Answer, Guest};

impl Host for Guest {
    async fn placeholder(&mut self, name: String) -> Answer<String> {
        let secrets = self.secrets.clone();
        self.blocking(move || secrets.placeholder(&name)).await
    }

    async fn reveal(&mut self, name: String) -> Answer<Vec<u8>> {
        let secrets = self.secrets.clone();
        self.blocking(move || secrets.reveal(&name)).await
    }
}

impl HostKey for Guest {
    async fn open(&mut self, name: String) -> Answer<Resource<Key>> {
        let secrets = self.secrets.clone();
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
