//! The calls of plugins that change the world.

use std::mem;
use std::time::Duration;

use drydock_core::{ActionManifest, ErrorCode, Fault, Finding, HoldEnd, Probed};
use wasmtime::Store;

use crate::attempt::{Attempt, InStore};
use crate::guest::Guest;
use crate::limits::Limits;
use crate::link::{OutcomeBook, Said};
use crate::plugin::Plugin;
use crate::redact::GuestText;
use crate::step::StepCall;
use crate::world::steps::action_step as step;
use crate::world::{Step as _, World};

/// Findings and reasons of a call that are told in its log where it has no other outcome.
const UNHEARD_MAX: usize = 20;

/// What came of an action beside success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionDone {
    pub findings: Vec<Finding>,
    /// Why the run is degraded by it, a sentence each.
    pub reasons: Vec<String>,
    pub outputs: std::collections::BTreeMap<String, drydock_core::Value>,
    /// Of a session hold.
    pub hold: Option<HoldEnd>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionProbed {
    /// It was done, and this is what it gave.
    Done(ActionDone),
    Found(Probed),
}

/// What a call may do with what its plugin was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Reading,
    Whole,
}

impl Plugin {
    /// Lets an action say what it would do now, a sentence each; it can only look.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn plan_action(&self, context: StepCall) -> Attempt<Vec<String>> {
        let (told, book) = self
            .act(context, Half::Reading, None, |step, store| {
                Box::pin(step.call_plan(store))
            })
            .await;
        concluded(told, &book, |(), said| {
            said.bounded()?;
            Ok(mem::take(&mut said.lines))
        })
    }

    /// Does an action's work. `hold_max` is how long a session hold may go on, the time until
    /// it stands included: it takes the place of the plugin's own limits of time.
    pub async fn run_action(
        &self,
        context: StepCall,
        hold_max: Option<Duration>,
    ) -> Attempt<ActionDone> {
        let (ran, book) = self
            .act(context, Half::Whole, hold_max, |step, store| {
                Box::pin(step.call_run(store))
            })
            .await;
        concluded(ran, &book, |(), said| self.done(said))
    }

    /// Asks an action what became of its attempts; it can only look.
    pub async fn probe_action(&self, context: StepCall) -> Attempt<ActionProbed> {
        let (probed, book) = self
            .act(context, Half::Reading, None, |step, store| {
                Box::pin(step.call_probe(store))
            })
            .await;
        concluded(probed, &book, |probed, said| match found(probed) {
            Some(Found::Done) => Ok(ActionProbed::Done(self.done(said)?)),
            Some(Found::Not(found)) => Ok(ActionProbed::Found(found)),
            None => Err(nobody_knows(&self.manifest.name)),
        })
    }

    /// Takes an action back.
    pub async fn undo_action(&self, context: StepCall) -> Attempt<()> {
        let undone = self.act(context, Half::Whole, None, |step, store| {
            Box::pin(step.call_undo(store))
        });
        let (undone, book) = undone.await;
        concluded(undone, &book, |(), said| said.verdict())
    }

    /// Removes what an earlier run kept elsewhere.
    pub async fn forget_kept(&self, context: StepCall, kept: String) -> Attempt<()> {
        let forgotten = self.act(context, Half::Whole, None, move |step, store| {
            Box::pin(async move { step.call_forget(store, &kept).await })
        });
        let (forgotten, book) = forgotten.await;
        concluded(forgotten, &book, |(), said| said.verdict())
    }

    /// What the plugin says of itself as an action; none of another world.
    #[must_use]
    pub fn action(&self) -> Option<&ActionManifest> {
        self.manifest.action.as_ref()
    }

    async fn act<T, F>(
        &self,
        context: StepCall,
        half: Half,
        hold_max: Option<Duration>,
        call: F,
    ) -> (Attempt<T>, OutcomeBook)
    where
        T: GuestText + Send + 'static,
        F: for<'a> FnOnce(&'a step::Guest, &'a mut Store<Guest>) -> InStore<'a, T> + Send + 'static,
    {
        let manifest = self.manifest.action.clone();
        let book = OutcomeBook::new(manifest.unwrap_or_default());
        if let Err(fault) = self.is_of(World::Action) {
            return (Attempt::refused(fault), book);
        }
        let limits = self.limits_of(hold_max);
        let mut guest = match half {
            Half::Reading => self.looking(context),
            Half::Whole => self.powered(context),
        };
        guest.ends_within = limits.wall_max;
        guest.parts.put(book.clone());
        let linked = self.linked.clone();
        let called = self.run_within(&limits, guest, move |store| {
            Box::pin(async move {
                let step = step::Guest::enter(&linked, store).await?;
                call(&step, store).await
            })
        });
        (called.await, book)
    }

    /// A session that is kept open moves nothing for as long as it is wanted.
    fn limits_of(&self, hold_max: Option<Duration>) -> Limits {
        let mut limits = self.limits.clone();
        if let Some(hold_max) = hold_max {
            limits.wall_max = hold_max;
            limits.idle_max = hold_max;
        }
        limits
    }

    fn done(&self, said: &mut Said) -> Result<ActionDone, Fault> {
        said.verdict()?;
        let unsaid = said.is_held.then(|| unsaid(&self.manifest.name));
        Ok(ActionDone {
            findings: mem::take(&mut said.findings),
            reasons: mem::take(&mut said.reasons),
            outputs: mem::take(&mut said.outputs),
            hold: said.hold.take().or(unsaid),
        })
    }
}

/// What a call came to. What it found and nobody took goes into its log: nobody hears of it
/// otherwise.
fn concluded<T, U>(
    attempt: Attempt<T>,
    book: &OutcomeBook,
    conclude: impl FnOnce(T, &mut Said) -> Result<U, Fault>,
) -> Attempt<U> {
    let Attempt { result, mut log } = attempt;
    let mut said = book.take();
    let result = result.and_then(|value| conclude(value, &mut said));
    let mut unheard = said.unheard();
    let told: Vec<String> = unheard.by_ref().take(UNHEARD_MAX).collect();
    let more = unheard.count();
    let more = (more > 0).then(|| format!("and {more} findings and reasons more"));
    for text in told.into_iter().chain(more) {
        log.remark(text);
    }
    Attempt { result, log }
}

enum Found {
    Done,
    Not(Probed),
}

fn found(probed: step::Probed) -> Option<Found> {
    Some(match probed {
        step::Probed::NotBegun => Found::Not(Probed::NotBegun),
        step::Probed::Begun => Found::Not(Probed::Begun),
        step::Probed::Done => Found::Done,
        step::Probed::Undone => Found::Not(Probed::Undone),
        step::Probed::Held => Found::Not(Probed::Held),
        step::Probed::Lost => Found::Not(Probed::Lost),
        step::Probed::Other => return None,
    })
}

fn nobody_knows(plugin: &str) -> Fault {
    Fault::permanent(
        ErrorCode::BadAnswer,
        format!("plugin {plugin} was asked what became of the step and did not say: look yourself"),
    )
}

/// Whoever does not say that it held has lost it.
fn unsaid(plugin: &str) -> HoldEnd {
    HoldEnd::Lost {
        why: format!("plugin {plugin} returned without saying whether it held to the end"),
    }
}
