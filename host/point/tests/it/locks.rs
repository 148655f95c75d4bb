//! What is locked, and when; and uploads that a store frees by itself.

use drydock_core::{StorePhase, UnixTime};
use drydock_point::{Gathered, PointAnswer, view};

use crate::kit::{
    End, Run, advanced, answer, began, cancelled, committed, completed, failed, judged,
    left_to_expire, locking_spec, lost, opened, permanent, read_back, retained, sealed, signed,
    staged_of, stored, taken, transient, wait_over, whole,
};

#[test]
fn what_counts_is_locked_once_it_is_signed_and_before_it_is_committed() {
    let mut run = staged_of(locking_spec(&["s1"]), &["s1"]);
    run.take(judged(1, true));
    assert_eq!(run.take(completed("s1", 1, 15, false)), ["read-back s1/1"]);
    assert_eq!(run.take(read_back("s1", 1)), ["sign-manifest"]);
    assert_eq!(view::of(&run.point).stores[0].state, StorePhase::Completed);
    assert_eq!(run.take(signed()), ["retain-object s1/1"]);
    assert_eq!(run.take(failed("retain-object", transient())), ["wait 100"]);
    assert_eq!(run.take(wait_over()), ["retain-object s1/1"]);
    assert_eq!(run.take(retained("s1", 1)), ["commit-manifest s1"]);
    assert_eq!(run.take(committed("s1")), ["drop-spool"]);
    let reasons = Vec::new();
    assert_eq!(run.end(), End::Committed { reasons });
}

/// Each store locks its own, and one that cannot is given up.
#[test]
fn a_store_that_locks_nothing_is_given_up_and_the_other_commits() {
    let mut run = staged_of(locking_spec(&["s1", "s2"]), &["s1", "s2"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true)]);
    assert_eq!(run.take(signed()), ["retain-object s1/1"]);
    assert_eq!(
        run.take(completed("s2", 1, 15, true)),
        ["retain-object s2/1"]
    );
    let asked = run.take(failed("retain-object s1/1", permanent()));
    assert_eq!(asked, ["delete-object s1/1"]);
    assert_eq!(run.take(retained("s2", 1)), ["commit-manifest s2"]);
}

/// Another manifest is locked for longer, and so is what it names.
#[test]
fn what_was_locked_for_a_manifest_that_was_given_up_is_locked_anew() {
    let mut run = staged_of(locking_spec(&["s1"]), &["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    run.point.ungather();
    run.point.gathered(Gathered::default());
    // The lock is still being asked for.
    assert_eq!(run.point.effects(), []);
    assert_eq!(run.take(retained("s1", 1)), ["sign-manifest"]);
    assert_eq!(run.take(signed()), ["retain-object s1/1"]);
    assert_eq!(run.take(retained("s1", 1)), ["commit-manifest s1"]);
}

#[test]
fn parts_that_the_server_compared_need_not_be_read_back() {
    for (second, asked) in [(true, "sign-manifest"), (false, "read-back s1/1")] {
        let mut run = Run::new(&["s1"]);
        run.take_all([opened(1), advanced(1, 10), began("s1", 1, 10, 4)]);
        run.take_all([sealed(1, 15), whole("snapshot")]);
        run.take_all([taken("s1", 1, 1, true), taken("s1", 1, 2, second)]);
        run.take(judged(1, true));
        assert_eq!(run.take(completed("s1", 1, 15, false)), [asked]);
    }
}

/// Nothing is asked of the store but that nothing more is sent, and until when that takes room
/// is told.
#[test]
fn what_only_expires_is_left_once_nothing_more_is_sent() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), advanced(1, 20), began("s1", 1, 10, 4)]);
    // Two parts are under way.
    assert_eq!(run.take(cancelled("stop")), [""; 0]);
    run.take(stored("s1", 1, 1));
    assert_eq!(run.take(stored("s1", 1, 2)), ["abort-upload s1/1"]);
    assert_eq!(view::of(&run.point).stores[0].room_until, None);
    run.take(left_to_expire("s1", 1, 1_700_000_000));
    let room = view::of(&run.point).stores[0].room_until;
    assert_eq!(room, Some(UnixTime(1_700_000_000)));
    assert_eq!(run.point.left_behind(), Vec::<String>::new());
}

#[test]
fn an_upload_that_nobody_knows_is_left_to_expire_as_well() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    run.point.resumed();
    let asked = run.take(lost("snapshot"));
    assert_eq!(asked, ["abort-upload s1/1", "sweep-uploads s2"]);
    run.take(left_to_expire("s1", 1, 1_700_000_000));
    let swept = PointAnswer::Swept {
        aborted: 0,
        room_until: Some(UnixTime(1_600_000_000)),
    };
    run.take(answer("sweep-uploads s2", swept));
    let stores = view::of(&run.point).stores;
    let rooms: Vec<_> = stores.iter().map(|store| store.room_until).collect();
    let [first, second] = [1_700_000_000, 1_600_000_000].map(|at| Some(UnixTime(at)));
    assert_eq!(rooms, [first, second]);
}
