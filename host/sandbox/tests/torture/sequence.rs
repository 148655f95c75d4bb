//! A random sequence of hostile guests: which, in what order, and who is stopped midway.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_core::{ErrorClass, ErrorCode, Fault};
use drydock_testkit::random::Random;
use tokio::sync::watch;

use super::behaviours::Act;
use super::company::{Company, Cue, Played};
use super::ends::ends;
use super::scene::{Life, Scene};
use super::summary::Counts;

/// Behaviours in one sequence.
const ACTS_MAX: usize = 5;

/// When a play is stopped: before most behaviours have come to their end.
const STOP_MILLISECONDS_MAX: usize = 60;

/// One in so many plays is dropped midway, and one is asked to stop.
const DROPPED_ONE_IN: usize = 6;
const ASKED_ONE_IN: usize = 6;

/// The code with which a guest that was asked to stop may end beside its own: whatever
/// limit it runs into then.
const ASKED_CODE: &str = "cancelled";

/// What becomes of one behaviour.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub act: Act,
    pub stop: Stop,
}

/// Whether and how a play is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    Never,
    /// Its future is dropped.
    Dropped(Duration),
    /// It is asked to stop.
    Asked(Duration),
}

/// The sequence of this seed and number, the same each time.
pub fn sequence(seed: u64, number: u64) -> Vec<Turn> {
    let mut random = Random::new(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let all = Act::all();
    let turn = |_| Turn {
        act: all[random.below(all.len())],
        stop: stop(&mut random),
    };
    let length = 1 + Random::new(seed.rotate_left(7) ^ number).below(ACTS_MAX);
    (0..length).map(turn).collect()
}

fn stop(random: &mut Random) -> Stop {
    let after = Duration::from_millis(random.below(STOP_MILLISECONDS_MAX) as u64);
    match (random.below(DROPPED_ONE_IN), random.below(ASKED_ONE_IN)) {
        (0, _) => Stop::Dropped(after),
        (_, 0) => Stop::Asked(after),
        _ => Stop::Never,
    }
}

/// Lets the guests of a sequence play one after the other.
///
/// # Errors
/// When one does not end as it has to.
pub async fn perform(
    turns: &[Turn],
    company: &Company,
    scene: &Scene,
    life: &Life,
    counts: &Counts,
) -> Result<()> {
    for turn in turns {
        let played = play(*turn, company, scene, life).await;
        counts.count(turn.act, played.as_ref());
        if let Some(played) = played {
            judge(*turn, &played)?;
        }
    }
    Ok(())
}

/// None when it was dropped.
async fn play(turn: Turn, company: &Company, scene: &Scene, life: &Life) -> Option<Played> {
    let (ask, stop) = watch::channel(None);
    let cue = Cue {
        stop,
        life: life.clone(),
    };
    let playing = company.play(turn.act, scene, &cue);
    match turn.stop {
        Stop::Never => Some(playing.await),
        Stop::Dropped(after) => tokio::time::timeout(after, playing).await.ok(),
        Stop::Asked(after) => {
            let asking = async {
                tokio::time::sleep(after).await;
                ask.send_replace(Some(asked()));
            };
            Some(tokio::join!(playing, asking).0)
        }
    }
}

fn asked() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::of(ASKED_CODE),
        "the test is over",
    )
}

fn judge(turn: Turn, played: &Played) -> Result<()> {
    let code = played.code();
    let asked = matches!(turn.stop, Stop::Asked(_));
    let fits = ends(turn.act).fits(code) || asked && code == Some(ASKED_CODE);
    ensure!(
        fits,
        "{turn:?} ended with {:?} instead of {:?}; it said: {}",
        played.result,
        ends(turn.act),
        played.log
    );
    Ok(())
}
