//! A store plugin as a place that keeps objects.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use drydock_capability_artifact::{Sink, Slice};
use drydock_capability_files::FolderPower;
use drydock_core::store::{
    Acknowledgement, Checksum, ChecksumAlgorithm, Completion, Layout, ObjectPage, ObjectStat,
    PartReceipt, Session, SessionPage,
};
use drydock_core::{ErrorCode, Fault, Finding, TargetName, UnixTime};
use drydock_repository::Target;
use drydock_repository::target::{Part, RangeSink, Whole};
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
use crate::throttle::{Throttle, Turn, Turns};
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
    pub throttle: Throttle,
}

/// Gets the name of each call that ended, and what the plugin said during it. Must not
/// block.
pub type CallObserver = Arc<dyn Fn(&'static str, AttemptLog) + Send + Sync>;

/// The calls of a store.
#[derive(Debug, Clone, Copy)]
enum Export {
    Check,
    Layout,
    MakePlace,
    PutObject,
    Begin,
    PutPart,
    Complete,
    Retain,
    Abort,
    ListSessions,
    List,
    Stat,
    GetRange,
    Delete,
}

impl Export {
    /// Whether it may reach the store at all.
    fn reaches_out(self) -> bool {
        self.power().is_some()
    }

    /// As the contract has it.
    fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Layout => "layout",
            Self::MakePlace => "make-place",
            Self::PutObject => "put-object",
            Self::Begin => "begin",
            Self::PutPart => "put-part",
            Self::Complete => "complete",
            Self::Retain => "retain",
            Self::Abort => "abort",
            Self::ListSessions => "list-sessions",
            Self::List => "list",
            Self::Stat => "stat",
            Self::GetRange => "get-range",
            Self::Delete => "delete",
        }
    }

    /// What it may do with granted folders: a target that is not there is not made by
    /// somebody who looks at it, nor by one who stores. None for a call that has no power
    /// at all.
    fn power(self) -> Option<FolderPower> {
        match self {
            Self::Layout => None,
            Self::MakePlace => Some(FolderPower::Create),
            Self::Check
            | Self::PutObject
            | Self::Begin
            | Self::PutPart
            | Self::Complete
            | Self::Retain
            | Self::Abort
            | Self::Delete => Some(FolderPower::Write),
            Self::ListSessions | Self::List | Self::Stat | Self::GetRange => {
                Some(FolderPower::Read)
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
        target.context.throttle.turns = Turns::default();
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
        let attempt = match self.admitted(name).await {
            Ok(_turn) => self.attempt(name, call).await,
            Err(fault) => Attempt::refused(fault),
        };
        self.observed(name.word(), attempt)
    }

    /// Lets a call begin when its turn has come.
    async fn admitted(&self, name: Export) -> Result<Option<Turn>, Fault> {
        self.plugin.is_of(World::Store)?;
        if !name.reaches_out() {
            return Ok(None);
        }
        let StoreContext { throttle, step, .. } = &self.context;
        throttle.turns.take(&step.stop).await.map(Some)
    }

    /// Bytes of ours, which are sent at the target's pace.
    fn slice_of(&self, part: Part) -> Result<Slice, Fault> {
        let slice = Slice::new(part.bytes, part.offset, part.length)?;
        Ok(slice.paced(&self.context.throttle.upload))
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
        let mut guest = match name.power() {
            Some(power) => {
                let mut guest = self.plugin.powered(step);
                limit_folders(&mut guest, power);
                guest
            }
            None => self.plugin.powerless(step),
        };
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

    async fn make_place(&self) -> Result<(), Fault> {
        self.call(Export::MakePlace, |step, store| {
            Box::pin(step.call_make_place(store))
        })
        .await
    }

    async fn put_object(
        &self,
        object: &str,
        bytes: Part,
        retain_until: Option<UnixTime>,
    ) -> Result<ObjectStat, Fault> {
        let (wanted, until) = (object.to_owned(), retain_until.map(seconds));
        let slice = self.slice_of(bytes)?;
        let lent = slice.clone();
        let stat = self.call(Export::PutObject, move |step, store| {
            Box::pin(async move {
                let slice = lend_slice(store, lent)?;
                step.call_put_object(store, &wanted, slice, until).await
            })
        });
        let stat = answer::stat_of_size(stat.await?, slice.size())?;
        let stat = answer::about(object, stat)?;
        of_bytes(&stat, slice).await?;
        Ok(stat)
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
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<Acknowledgement, Fault> {
        let session = session.0.clone();
        let slice = self.slice_of(part)?;
        let lent = slice.clone();
        let answer = self.call(Export::PutPart, move |step, store| {
            Box::pin(async move {
                let slice = lend_slice(store, lent)?;
                step.call_put_part(store, &session, number, offset, slice)
                    .await
            })
        });
        let (receipt, told) = answer::acknowledgement(answer.await?, checksum)?;
        match compare(told, slice).await? {
            Some(Compared::Other(algorithm)) => Err(changed_on_the_way(number, algorithm)),
            compared => Ok(Acknowledgement {
                receipt,
                verified: compared == Some(Compared::Equal),
            }),
        }
    }

    async fn complete(
        &self,
        session: &Session,
        receipts: &[PartReceipt],
        whole: Whole,
    ) -> Result<Completion, Fault> {
        let session = session.0.clone();
        let receipts: Vec<_> = receipts.iter().map(wit_receipt).collect();
        let Whole { size, sha256, .. } = whole;
        let slice = whole
            .bytes
            .map(|bytes| Slice::whole(bytes).paced(&self.context.throttle.upload));
        let lent = slice.clone();
        let stat = self.call(Export::Complete, move |step, store| {
            Box::pin(async move {
                let slice = lent.map(|slice| lend_slice(store, slice)).transpose()?;
                step.call_complete(store, &session, &receipts, size, &sha256, slice)
                    .await
            })
        });
        let stat = answer::stat_of_size(stat.await?, size)?;
        let verified = match (&stat.checksum, slice) {
            (Some(told), _) if told.algorithm == ChecksumAlgorithm::Sha256 => {
                answer::same(told, &Checksum::sha256(sha256))?;
                true
            }
            (Some(_), Some(slice)) => of_bytes(&stat, slice).await?,
            _ => false,
        };
        Ok(Completion { stat, verified })
    }

    async fn retain(&self, object: &str, until: UnixTime) -> Result<(), Fault> {
        let object = object.to_owned();
        self.call(Export::Retain, move |step, store| {
            Box::pin(async move { step.call_retain(store, &object, seconds(until)).await })
        })
        .await
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
        let sink = Sink::new(length, into).paced(&self.context.throttle.download);
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

/// How a checksum that was told compares with that of the bytes sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Equal,
    Other(ChecksumAlgorithm),
}

/// Compares what a plugin told with the bytes; none where it told nothing.
async fn compare(told: Option<Checksum>, slice: Slice) -> Result<Option<Compared>, Fault> {
    let Some(told) = told else {
        return Ok(None);
    };
    let algorithm = told.algorithm;
    let sent = tokio::task::spawn_blocking(move || slice.checksum(algorithm)).await;
    let sent = sent.map_err(|error| {
        let message = format!("a checksum could not be computed: {error}");
        Fault::transient(ErrorCode::HostFailed, message)
    })??;
    Ok(Some(if sent == told {
        Compared::Equal
    } else {
        Compared::Other(algorithm)
    }))
}

/// Whether the store told a checksum of the whole object, which has to be that of the bytes.
async fn of_bytes(stat: &ObjectStat, slice: Slice) -> Result<bool, Fault> {
    match compare(stat.checksum.clone(), slice).await? {
        None => Ok(false),
        Some(Compared::Equal) => Ok(true),
        Some(Compared::Other(algorithm)) => Err(answer::other_checksum(algorithm)),
    }
}

/// Sending it again may help.
fn changed_on_the_way(number: u32, algorithm: ChecksumAlgorithm) -> Fault {
    Fault::transient(
        ErrorCode::ChecksumDiffers,
        format!(
            "the target took part {number} under another {algorithm} than that of the bytes sent: they were changed on the way, so look at what is between here and the target"
        ),
    )
}

/// As the contract has it.
fn seconds(instant: UnixTime) -> u64 {
    u64::try_from(instant.0).unwrap_or(0)
}

fn wit_receipt(part: &PartReceipt) -> step::PartReceipt {
    step::PartReceipt {
        number: part.number,
        receipt: part.receipt.0.clone(),
    }
}
