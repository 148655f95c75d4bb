//! After every behaviour the process holds what it held before.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use drydock_testkit::wait_until;
use tokio::runtime::Runtime;

use super::alone::is_alone;
use crate::torture::behaviours::Act;
use crate::torture::company::{Company, Cue, sandbox};
use crate::torture::footprint::Footprint;
use crate::torture::scene::Scene;

/// Plays before the first look, so that pools and the allocator have what they want.
const WARM_UP_PLAYS: usize = 2;

/// Plays between two looks. A store that stays is found by its addresses each time (see
/// [`Footprint`]), memory of guests that fill theirs after the second time.
const PLAYS: usize = 5;

/// How long it takes at most until what a guest used is given back.
const SETTLED_LIMIT: Duration = Duration::from_secs(30);

/// Threads for blocking work. They are started before the first look and stay.
const BLOCKING_THREADS: usize = 4;

#[test]
fn no_behaviour_leaves_anything() {
    if !is_alone("hostile::leaks::no_behaviour_leaves_anything") {
        return;
    }
    let runtime = runtime();
    runtime.block_on(async {
        let scene = Scene::new().unwrap();
        let company = Company::assemble(&sandbox().unwrap(), &[&scene]).unwrap();
        for act in Act::all() {
            behaviour(act, &company, &scene).await;
        }
    });
}

async fn behaviour(act: Act, company: &Company, scene: &Scene) {
    let cue = Cue::default();
    for _ in 0..WARM_UP_PLAYS {
        company.play(act, scene, &cue).await;
        scene.clear_store();
    }
    let before = Footprint::take(&scene.spool());
    for _ in 0..PLAYS {
        company.play(act, scene, &cue).await;
        scene.clear_store();
    }
    let grown = || Footprint::take(&scene.spool()).grown_since(&before);
    let settled = async || cue.life.held() == 0 && grown().is_empty();
    let settled = wait_until("all is as before", SETTLED_LIMIT, settled).await;
    settled.unwrap_or_else(|error| {
        panic!(
            "{act} left {:?}, {} alive: {error}",
            grown(),
            cue.life.held()
        )
    });
    assert_eq!(scene.changes(), Vec::<String>::new(), "{act}");
    company.good_guest(scene).await.unwrap();
    scene.clear_store();
}

/// A runtime whose threads do not come and go.
fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(Duration::from_secs(3600))
        .enable_all()
        .build()
        .unwrap();
    let all_started = Arc::new(Barrier::new(BLOCKING_THREADS + 1));
    for _ in 0..BLOCKING_THREADS {
        let all_started = Arc::clone(&all_started);
        runtime.spawn_blocking(move || all_started.wait());
    }
    all_started.wait();
    runtime
}
