//! A store plugin as a place that keeps objects.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use drydock_capability_artifact::{Sink, Slice};
use drydock_capability_files::FolderPower;
use drydock_core::store::{
    Completion, Layout, ObjectPage, ObjectStat, PartReceipt, Receipt, Session, SessionPage,
};
use drydock_core::{ErrorCode, Fault, Finding, TargetName};
use drydock_repository::Target;
use drydock_repository::target::{Part, RangeSink};
use tokio::sync::watch;
use wasmtime::Store;

use crate::answer;
use crate::attempt::{Attempt, InStore};
use crate::guest::Guest;
use crate::link::{TargetWords, limit_folders};
use crate::log::AttemptLog;
use crate::plugin::{Plugin, lend, lend_slice};
use crate::redact::GuestText;
use crate::step::StepCall;
use crate::world::steps::store_step as step;
use crate::world::{Step as _, World};

/// A target that a store plugin serves. Each call has a store of its own, so calls can
/// run side by side.
#[derive(Clone)]
pub struct StoreTarget {
    plugin: Arc<Plugin>,
    context: StoreContext,
}

/// What the calls of a [`StoreTarget`] are told.
#[derive(Clone)]
pub struct StoreContext {
    pub target: TargetName,
    /// The target's `config:` as JSON; `{}` for none.
    pub config: String,
    pub step: StepCall,
    pub observer: CallObserver,
}

/// Gets the name of each call that ended, and what the plugin said during it. Must not
/// block.
pub type CallObserver = Arc<dyn Fn(&'static str, AttemptLog) + Send + Sync>;

/// The calls of a store.
#[derive(Debug, Clone, Copy)]
enum Export {
    Check,
    Layout,
    Begin,
    PutPart,
    Complete,
    Abort,
    ListSessions,
    List,
    Stat,
    GetRange,
    Delete,
}

impl Export {
    /// As the contract has it.
    fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Layout => "layout",
            Self::Begin => "begin",
            Self::PutPart => "put-part",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::ListSessions => "list-sessions",
            Self::List => "list",
            Self::Stat => "stat",
            Self::GetRange => "get-range",
            Self::Delete => "delete",
        }
    }

    /// What it may do with granted folders: a target that is not there is not made by
    /// somebody who looks at it.
    fn power(self) -> FolderPower {
        match self {
            Self::Begin | Self::PutPart => FolderPower::Create,
            Self::Check | Self::Complete | Self::Abort | Self::Delete => FolderPower::Write,
            Self::Layout | Self::ListSessions | Self::List | Self::Stat | Self::GetRange => {
                FolderPower::Read
            }
        }
    }
}

impl StoreTarget {
    #[must_use]
    pub fn new(plugin: Arc<Plugin>, context: StoreContext) -> Self {
        Self { plugin, context }
    }

    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The same target for calls that take back what a run did: they come when the run was
    /// asked to stop, and are not asked to stop themselves.
    #[must_use]
    pub fn for_cleanup(&self) -> Self {
        let mut target = self.clone();
        target.context.step.stop = watch::channel(None).1;
        target
    }

    /// Lets the plugin judge the target's configuration, without any power.
    ///
    /// # Errors
    /// What the plugin says, or how it ended.
    pub async fn check_config(&self) -> Result<Vec<Finding>, Fault> {
        let StoreContext {
            target,
            config,
            step,
            ..
        } = self.context.clone();
        let attempt = self.plugin.check_config(step, Some((target, config))).await;
        self.observed("check-config", attempt)
    }

    async fn call<T, F>(&self, name: Export, call: F) -> Result<T, Fault>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a step::Guest, &'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        let attempt = match self.plugin.is_of(World::Store) {
            Ok(()) => self.attempt(name, call).await,
            Err(fault) => Attempt::refused(fault),
        };
        self.observed(name.word(), attempt)
    }

    async fn attempt<T, F>(&self, name: Export, call: F) -> Attempt<T>
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a step::Guest, &'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        let StoreContext {
            target,
            config,
            step,
            ..
        } = self.context.clone();
        let mut guest = self.plugin.powered(step);
        limit_folders(&mut guest, name.power());
        guest.parts.put(TargetWords {
            name: target,
            config,
        });
        let linked = self.plugin.linked.clone();
        let called = self.plugin.run(guest, move |store| {
            Box::pin(async move {
                let step = step::Guest::enter(&linked, store).await?;
                call(&step, store).await
            })
        });
        called.await
    }

    fn observed<T>(&self, name: &'static str, attempt: Attempt<T>) -> Result<T, Fault> {
        (self.context.observer)(name, attempt.log);
        attempt.result.map_err(|fault| self.placed(name, fault))
    }

    /// Which target hung, and in which call: the plugin may be that of several targets.
    fn placed(&self, call: &str, mut fault: Fault) -> Fault {
        if matches!(fault.code, ErrorCode::IdleLimit | ErrorCode::WallLimit) {
            fault.message = format!(
                "target {} did not answer {call}: {}",
                self.context.target, fault.message
            );
        }
        fault
    }
}

#[async_trait]
impl Target for StoreTarget {
    async fn check(&self) -> Result<Vec<Finding>, Fault> {
        let found = self.call(Export::Check, |step, store| {
            Box::pin(step.call_check(store))
        });
        answer::findings(found.await?, self.plugin.bounds())
    }

    async fn layout(&self) -> Result<Layout, Fault> {
        let layout = self.call(Export::Layout, |step, store| {
            Box::pin(step.call_layout(store))
        });
        answer::layout(layout.await?)
    }

    async fn begin(
        &self,
        object: &str,
        size_max: Option<u64>,
        part_size: u64,
    ) -> Result<Session, Fault> {
        let object = object.to_owned();
        let session = self.call(Export::Begin, move |step, store| {
            Box::pin(async move { step.call_begin(store, &object, size_max, part_size).await })
        });
        answer::session(session.await?)
    }

    async fn put_part(
        &self,
        session: &Session,
        number: u32,
        offset: u64,
        part: Part,
    ) -> Result<Receipt, Fault> {
        let session = session.0.clone();
        let slice = Slice::new(part.bytes, part.offset, part.length)?;
        let receipt = self.call(Export::PutPart, move |step, store| {
            Box::pin(async move {
                let slice = lend_slice(store, slice)?;
                step.call_put_part(store, &session, number, offset, slice)
                    .await
            })
        });
        answer::receipt(receipt.await?)
    }

    async fn complete(
        &self,
        session: &Session,
        receipts: &[PartReceipt],
        size: u64,
        sha256: [u8; 32],
        if_absent: bool,
    ) -> Result<Completion, Fault> {
        let session = session.0.clone();
        let receipts: Vec<_> = receipts.iter().map(wit_receipt).collect();
        let completion = self.call(Export::Complete, move |step, store| {
            Box::pin(async move {
                step.call_complete(store, &session, &receipts, size, &sha256, if_absent)
                    .await
            })
        });
        answer::completion(completion.await?, size, &sha256)
    }

    /// It takes back, so that it is not asked to stop with what began the upload.
    async fn abort(&self, session: &Session) -> Result<(), Fault> {
        let session = session.0.clone();
        let target = self.for_cleanup();
        target
            .call(Export::Abort, move |step, store| {
                Box::pin(async move { step.call_abort(store, &session).await })
            })
            .await
    }

    async fn list_sessions(
        &self,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<SessionPage, Fault> {
        let (below, from) = (prefix.to_owned(), cursor.map(str::to_owned));
        let page = self.call(Export::ListSessions, move |step, store| {
            Box::pin(async move {
                step.call_list_sessions(store, &below, from.as_deref())
                    .await
            })
        });
        answer::session_page(page.await?, prefix, cursor, self.plugin.bounds())
    }

    async fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Fault> {
        let (below, from) = (prefix.to_owned(), cursor.map(str::to_owned));
        let page = self.call(Export::List, move |step, store| {
            Box::pin(async move { step.call_list(store, &below, from.as_deref()).await })
        });
        answer::object_page(page.await?, prefix, cursor, self.plugin.bounds())
    }

    async fn stat(&self, object: &str) -> Result<ObjectStat, Fault> {
        let wanted = object.to_owned();
        let stat = self.call(Export::Stat, move |step, store| {
            Box::pin(async move { step.call_stat(store, &wanted).await })
        });
        answer::stat_of(object, stat.await?)
    }

    async fn get_range(
        &self,
        object: &str,
        offset: u64,
        length: u64,
        into: RangeSink,
    ) -> Result<(), Fault> {
        let object = object.to_owned();
        let sink = Sink::new(length, into);
        let handle = sink.clone();
        self.call(Export::GetRange, move |step, store| {
            Box::pin(async move {
                let handle = handle.part_of(&store.data().work);
                let sink = lend(store, handle)?;
                step.call_get_range(store, &object, offset, length, sink)
                    .await
            })
        })
        .await?;
        sink.finish()
    }

    async fn delete(&self, object: &str) -> Result<(), Fault> {
        let object = object.to_owned();
        self.call(Export::Delete, move |step, store| {
            Box::pin(async move { step.call_delete(store, &object).await })
        })
        .await
    }
}

impl fmt::Debug for StoreTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTarget")
            .field("target", &self.context.target)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

fn wit_receipt(part: &PartReceipt) -> step::PartReceipt {
    step::PartReceipt {
        number: part.number,
        receipt: part.receipt.0.clone(),
    }
}
