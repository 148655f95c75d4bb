//! Adapter for the interface `files`.

use std::path::PathBuf;
use std::sync::Arc;

use drydock_capability_artifact::{Output, Sink, Slice};
use drydock_capability_files::{Folder, FolderGrant, FolderGrants, FolderPower, Walk};
use drydock_core::{Capability, Fault};
use wasmtime::component::{HasSelf, Resource};

use super::row::{Link, Terms, nothing_to_prepare};
use crate::guest::Guest;
use crate::world::Answer;
use crate::world::contract::files::{Host, HostFolder, HostWalk, Item, Page, add_to_linker};

pub(super) const LINK: Link = Link {
    capability: Capability::of::<FolderGrant>(),
    interface: Some("files"),
    foreign: &[],
    not_for: &[],
    writes_for: None,
    add: |l| add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest),
    prepare: nothing_to_prepare,
    give,
};

/// The folders in which the daemon keeps its own things.
#[derive(Clone, Default)]
pub(crate) struct OwnFolders(pub Arc<[PathBuf]>);

fn give(guest: &mut Guest, terms: &Terms<'_>) {
    let own = terms.parts.get::<OwnFolders>().cloned().unwrap_or_default();
    let folders = FolderGrants::new(terms.grants.of().to_vec())
        .part_of(&guest.work)
        .beside(own.0);
    guest.parts.put(folders);
}

/// For a call that may do no more than this with its folders.
pub(crate) fn limit_folders(guest: &mut Guest, power: FolderPower) {
    if let Some(folders) = guest.parts.get::<FolderGrants>().cloned() {
        guest.parts.put(folders.within(power));
    }
}

impl Host for Guest {}

impl Guest {
    /// Work that may change something on this node: the kernel tells what became of it.
    fn changing<T, W>(&self, work: W) -> impl Future<Output = Answer<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        let written = self.work.writes();
        self.blocking(move || {
            let done = work();
            written.answered();
            done
        })
    }
}

impl HostFolder for Guest {
    async fn open(&mut self, path: String, create: bool) -> Answer<Resource<Folder>> {
        let folders = self.parts.get::<FolderGrants>().cloned();
        let folders = folders.unwrap_or_default();
        let opened = move || folders.open(&path, create);
        let opened = if create {
            self.changing(opened).await?
        } else {
            self.blocking(opened).await?
        };
        match opened {
            Ok(folder) => Ok(Ok(self.table.push(folder)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn is_mounted(&mut self, folder: Resource<Folder>) -> Answer<bool> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || folder.is_mounted()).await
    }

    async fn write_at(
        &mut self,
        folder: Resource<Folder>,
        path: String,
        offset: u64,
        bytes: Resource<Slice>,
    ) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        let bytes = self.table.get(&bytes)?.clone();
        self.changing(move || folder.write_at(&path, offset, &bytes))
            .await
    }

    async fn write_bytes_at(
        &mut self,
        folder: Resource<Folder>,
        path: String,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        self.changing(move || folder.write_bytes_at(&path, offset, &bytes))
            .await
    }

    async fn sync(&mut self, folder: Resource<Folder>, path: String) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || folder.sync(&path)).await
    }

    async fn publish(
        &mut self,
        folder: Resource<Folder>,
        source: String,
        target: String,
    ) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        self.changing(move || folder.publish(&source, &target))
            .await
    }

    async fn read_range(
        &mut self,
        folder: Resource<Folder>,
        path: String,
        offset: u64,
        length: u64,
        into: Resource<Sink>,
    ) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        let sink = self.table.get(&into)?.clone();
        self.on_main(async move { folder.read_range(&path, offset, length, &sink).await })
            .await
    }

    async fn read_bytes(
        &mut self,
        folder: Resource<Folder>,
        path: String,
        offset: u64,
        length: u32,
    ) -> Answer<Vec<u8>> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || folder.read_bytes(&path, offset, length))
            .await
    }

    async fn sha256(&mut self, folder: Resource<Folder>, path: String) -> Answer<Vec<u8>> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || Ok(folder.sha256(&path)?.to_vec()))
            .await
    }

    async fn compare(
        &mut self,
        folder: Resource<Folder>,
        path: String,
        bytes: Resource<Slice>,
    ) -> Answer<Option<u64>> {
        let folder = self.table.get(&folder)?.clone();
        let bytes = self.table.get(&bytes)?.clone();
        self.blocking(move || folder.compare(&path, &bytes)).await
    }

    async fn size(&mut self, folder: Resource<Folder>, path: String) -> Answer<u64> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || folder.size(&path)).await
    }

    async fn list(
        &mut self,
        folder: Resource<Folder>,
        prefix: String,
        cursor: Option<String>,
    ) -> Answer<Page> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || Ok(folder.list(&prefix, cursor.as_deref())?.into()))
            .await
    }

    async fn walk(
        &mut self,
        folder: Resource<Folder>,
        one_file_system: bool,
    ) -> Answer<Resource<Walk>> {
        let walk = self.table.get(&folder)?.walk(one_file_system);
        Ok(Ok(self.table.push(walk)?))
    }

    async fn look(&mut self, folder: Resource<Folder>, path: Vec<u8>) -> Answer<Item> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || Ok(folder.look(&path)?.into())).await
    }

    async fn append(
        &mut self,
        folder: Resource<Folder>,
        path: Vec<u8>,
        version: Vec<u8>,
        header: Vec<u8>,
        into: Resource<Output>,
    ) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        let output = self.table.get(&into)?.clone();
        self.on_main(async move { folder.append(&path, &version, header, &output).await })
            .await
    }

    async fn remove(&mut self, folder: Resource<Folder>, path: String) -> Answer<()> {
        let folder = self.table.get(&folder)?.clone();
        self.changing(move || folder.remove(&path)).await
    }

    async fn free(&mut self, folder: Resource<Folder>) -> Answer<u64> {
        let folder = self.table.get(&folder)?.clone();
        self.blocking(move || folder.free()).await
    }

    async fn drop(&mut self, folder: Resource<Folder>) -> wasmtime::Result<()> {
        self.table.delete(folder)?;
        Ok(())
    }
}

impl HostWalk for Guest {
    async fn next(&mut self, walk: Resource<Walk>) -> Answer<Vec<Item>> {
        let walk = self.table.get(&walk)?.clone();
        self.blocking(move || Ok(walk.next()?.into_iter().map(Into::into).collect()))
            .await
    }

    async fn skip(&mut self, walk: Resource<Walk>, path: Vec<u8>) -> Answer<()> {
        self.table.get(&walk)?.skip(&path);
        Ok(Ok(()))
    }

    async fn drop(&mut self, walk: Resource<Walk>) -> wasmtime::Result<()> {
        self.table.delete(walk)?;
        Ok(())
    }
}
