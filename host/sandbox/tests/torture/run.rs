//! Random sequences of hostile guests beside real backups, in one process and one sandbox.
//!
//! Backups follow each other without a pause, so that every sequence overlaps one. Some
//! sequences run side by side, each in a lane of its own with folders of its own. From
//! time to time the lanes are waited for, and what the process holds is compared with
//! what it held after warming up.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use drydock_testkit::wait_until;

use super::backup::Backup;
use super::company::{Company, sandbox};
use super::footprint::Footprint;
use super::heart::Heart;
use super::scene::{Life, Scene};
use super::sequence::{perform, sequence};
use super::summary::{Counts, Summary};

/// Sequences side by side: more than there are threads for guests.
const LANES: u64 = 3;

/// Sequences between two looks at what the process holds. The first look, which the others
/// are compared with, comes after as many, so that all pools are filled.
const LOOK_EVERY: u64 = 100;

/// How long it may take until what ended is gone: blocking work of a guest that was
/// dropped runs to its end.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// How late the unrelated timer may be. It shares its processors with the guests and
/// whatever else the machine does; one that a guest could hold up would stand still as
/// long as the guest computes without a pause, for which there is no bound.
const LATE_MAX: Duration = Duration::from_secs(5);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub sequences: u64,
    pub seed: u64,
    /// Starts no sequence after this long.
    pub time_max: Duration,
}

/// What all lanes share.
struct Stage {
    plan: Plan,
    company: Company,
    backup: Backup,
    heart: Heart,
    counts: Counts,
    start: Instant,
    /// The number of the next sequence.
    next: AtomicU64,
    slowest_microseconds: AtomicU64,
}

/// A lane: its folders, and whoever is still alive in it.
struct Lane {
    scene: Scene,
    life: Life,
}

/// Carries the plan out on the current runtime; `tell` is called now and then with the
/// sequences that are done and what the process holds.
///
/// # Errors
/// The first guest, backup or figure that is not as it should be, with the seed and the
/// number of the sequence.
pub async fn run(plan: Plan, tell: impl Fn(u64, &Footprint)) -> Result<Summary> {
    let sandbox = sandbox()?;
    let lanes = lanes()?;
    let scenes: Vec<&Scene> = lanes.iter().map(|lane| &lane.scene).collect();
    let stage = Stage {
        company: Company::assemble(&sandbox, &scenes)?,
        backup: Backup::prepare(&sandbox).await?,
        heart: Heart::start(),
        counts: Counts::default(),
        start: Instant::now(),
        next: AtomicU64::new(0),
        slowest_microseconds: AtomicU64::new(0),
        plan,
    };
    let over = AtomicBool::new(false);
    let backups = async {
        let done = stage.backup.repeat(&over).await;
        done.with_context(|| format!("a backup was harmed, with seed {}", stage.plan.seed))
    };
    let torture = async {
        let done = Box::pin(stage.torture(&lanes, tell)).await;
        over.store(true, Ordering::Relaxed);
        done
    };
    let ((before, after), ()) = tokio::try_join!(torture, Box::pin(backups))?;
    Ok(stage.summary(before, after))
}

impl Stage {
    /// Stretch by stretch, with a look after each; the first and the last look come back.
    async fn torture(
        &self,
        lanes: &[Lane],
        tell: impl Fn(u64, &Footprint),
    ) -> Result<(Footprint, Footprint)> {
        let stretch = (self.plan.sequences / 2).clamp(1, LOOK_EVERY);
        let mut first = None;
        loop {
            let until = self.done().saturating_add(stretch).min(self.plan.sequences);
            let running = lanes.iter().map(|lane| Box::pin(self.lane(lane, until)));
            all(running.collect()).await?;
            let look = self.look(lanes, first.as_ref()).await?;
            tell(self.done(), &look);
            let first = first.get_or_insert_with(|| look.clone());
            if self.done() >= self.plan.sequences || self.is_late() {
                return Ok((first.clone(), look));
            }
        }
    }

    /// Takes sequences until the number `until` is reached.
    async fn lane(&self, lane: &Lane, until: u64) -> Result<()> {
        while !self.is_late() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= until {
                self.next.fetch_min(until, Ordering::Relaxed);
                break;
            }
            self.sequence(lane, number).await.with_context(|| {
                let seed = self.plan.seed;
                format!("sequence {number} of seed {seed} went wrong")
            })?;
        }
        Ok(())
    }

    async fn sequence(&self, lane: &Lane, number: u64) -> Result<()> {
        let watch = self.backup.watch();
        let running = async || watch.is_running();
        wait_until("a backup is under way", GONE_LIMIT, running).await?;
        let start = Instant::now();
        let turns = sequence(self.plan.seed, number);
        let Lane { scene, life } = lane;
        perform(&turns, &self.company, scene, life, &self.counts).await?;
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.slowest_microseconds.fetch_max(took, Ordering::Relaxed);
        Ok(())
    }

    /// Sees to it that nobody is alive any more, that nobody got out of its folder, that a
    /// good guest does as it should, and that the process holds no more than before. No
    /// backup is under way meanwhile.
    async fn look(&self, lanes: &[Lane], before: Option<&Footprint>) -> Result<Footprint> {
        let _pause = self.backup.pause().await;
        for lane in lanes {
            let gone = async || lane.life.held() == 0;
            wait_until("the guests of a lane are gone", GONE_LIMIT, gone).await?;
            ensure!(
                lane.scene.changes().is_empty(),
                "{:?}",
                lane.scene.changes()
            );
            lane.scene.clear_store();
            self.company.good_guest(&lane.scene).await?;
        }
        let late = self.heart.latest();
        ensure!(late < LATE_MAX, "an unrelated timer was late by {late:?}");
        let spool = self.backup.spool();
        let Some(before) = before else {
            return Ok(Footprint::take(&spool));
        };
        let settled = async || Footprint::take(&spool).grown_since(before).is_empty();
        let settled = wait_until("all is as before", GONE_LIMIT, settled).await;
        let now = Footprint::take(&spool);
        settled.map_err(|error| anyhow!("{error}: {}", now.grown_since(before).join(", ")))?;
        Ok(now)
    }

    fn done(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn is_late(&self) -> bool {
        self.start.elapsed() > self.plan.time_max
    }

    fn summary(self, before: Footprint, after: Footprint) -> Summary {
        let slowest = self.slowest_microseconds.load(Ordering::Relaxed);
        Summary {
            seed: self.plan.seed,
            sequences: self.done(),
            backups: self.backup.watch().done(),
            took: self.start.elapsed(),
            slowest_sequence: Duration::from_micros(slowest),
            slowest_backup: self.backup.watch().slowest(),
            beats: self.heart.beats(),
            latest_beat: self.heart.latest(),
            before,
            after,
            counts: self.counts,
        }
    }
}

/// Carries all of them on, until the last has ended or one has failed.
async fn all<F: Future<Output = Result<()>> + Unpin>(mut running: Vec<F>) -> Result<()> {
    std::future::poll_fn(|context| {
        let mut failed = None;
        running.retain_mut(|future| match Pin::new(future).poll(context) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match (failed, running.is_empty()) {
            (Some(error), _) => Poll::Ready(Err(error)),
            (None, true) => Poll::Ready(Ok(())),
            (None, false) => Poll::Pending,
        }
    })
    .await
}

fn lanes() -> Result<Vec<Lane>> {
    let lane = |_| {
        let scene = Scene::new()?;
        let life = Life::default();
        Ok(Lane { scene, life })
    };
    (0..LANES).map(lane).collect()
}
