use super::*;
use crate::health::tests::{cluster, three};
use crate::health::{NoSpace, judge};

const WANTED: Defragment = Defragment {
    min_free_bytes: 100 << 20,
    min_free_percent: 45,
    leader: Leader::MoveFirst,
};

fn with(leader: Leader) -> Defragment {
    Defragment { leader, ..WANTED }
}

/// Goes through a run with this policy: whom it defragments, and to whom leadership goes.
fn order(cluster: &mut Cluster, wanted: &Defragment) -> Vec<String> {
    let mut progress = Progress::default();
    let mut told = Vec::new();
    loop {
        let (done, moved) = match next(cluster, wanted, &progress) {
            Next::Defragment(member) => {
                told.push(member.name.clone());
                (Some(member.status.member_id), None)
            }
            Next::MoveLeader { from, to } => {
                told.push(format!("{}>{}", from.name, to.name));
                progress.moves += 1;
                (None, Some(to.status.member_id))
            }
            Next::Done => return told,
        };
        progress.done.extend(done);
        cluster.leader = moved.unwrap_or(cluster.leader);
    }
}

#[test]
fn followers_come_first_and_the_leader_as_it_is_said() {
    for (leader, expected) in [
        (Leader::Skip, vec!["m2", "m3"]),
        (Leader::Last, vec!["m2", "m3", "m1"]),
        (Leader::MoveFirst, vec!["m2", "m3", "m1>m3", "m1"]),
    ] {
        assert_eq!(order(&mut cluster(), &with(leader)), expected, "{leader:?}");
    }
}

#[test]
fn an_election_in_between_changes_the_order_alone() {
    let mut cluster = cluster();
    let mut progress = Progress::default();
    progress.done.insert(2);
    cluster.leader = 3;
    let first = |cluster: &Cluster, progress: &Progress| match next(cluster, &WANTED, progress) {
        Next::Defragment(member) => member.name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(first(&cluster, &progress), "m1");
    progress.done.insert(1);
    cluster.leader = 2;
    assert_eq!(first(&cluster, &progress), "m3");
}

#[test]
fn leadership_that_comes_back_is_moved_twice_and_not_for_ever() {
    let cluster = cluster();
    let mut progress = Progress::default();
    progress.done.extend([2, 3]);
    for _ in 0..MOVES_MAX {
        let moved = next(&cluster, &WANTED, &progress);
        assert!(matches!(moved, Next::MoveLeader { .. }), "{moved:?}");
        progress.moves += 1;
    }
    assert_eq!(next(&cluster, &WANTED, &progress), Next::Done);
    let leader = cluster.leading().unwrap();
    let why = left(&cluster, leader, &WANTED, &progress);
    assert_eq!(why, Some(Left::Unmoved));
    let refused = Progress {
        is_unmovable: true,
        ..Progress::default()
    };
    assert_eq!(
        left(&cluster, leader, &WANTED, &refused),
        Some(Left::Unmoved)
    );
}

#[test]
fn a_single_member_has_nobody_to_lead_in_its_place() {
    let mut single = cluster();
    single.members.truncate(1);
    assert!(order(&mut single, &WANTED).is_empty());
    let why = left(&single, &single.members[0], &WANTED, &Progress::default());
    assert_eq!(why, Some(Left::Alone));
    assert_eq!(order(&mut single, &with(Leader::Last)), ["m1"]);
}

#[test]
fn learners_are_left_out_and_never_lead() {
    let mut cluster = cluster();
    cluster.members[2].status.learner = true;
    cluster.members[2].status.raft_applied_index += 5;
    let why = left(&cluster, &cluster.members[2], &WANTED, &Progress::default());
    assert_eq!(why, Some(Left::Learns));
    assert_eq!(order(&mut cluster, &WANTED), ["m2", "m1>m2", "m1"]);
}

#[test]
fn both_measures_have_to_be_met() {
    let mut member = cluster().members.remove(0);
    let mut is_worth = |size: u64, in_use: u64| {
        (member.status.db_size, member.status.db_size_in_use) = (size, in_use);
        member.in_use_max = in_use;
        super::is_worth(&member, &WANTED)
    };
    assert!(is_worth(400 << 20, 100 << 20));
    assert!(is_worth(200 << 20, 100 << 20));
    // Enough of it, and not enough bytes; the other way round; more in use than there is.
    assert!(!is_worth(100 << 20, 1 << 20));
    assert!(!is_worth(1 << 30, 800 << 20));
    assert!(!is_worth(1 << 20, 2 << 20));
    assert!(is_worth(u64::MAX, 0));
    let all = Defragment {
        min_free_bytes: 0,
        min_free_percent: 0,
        ..WANTED
    };
    member.status.db_size = member.status.db_size_in_use;
    assert!(!super::is_worth(&member, &all));
}

#[test]
fn a_compaction_keeps_the_newest() {
    let mut cluster = cluster();
    cluster.members[1].status.revision = 9_010;
    assert_eq!(compact_to(&cluster, 10), Some(9_000));
    assert_eq!(compact_to(&cluster, 0), Some(9_010));
    for keep in [9_009, 9_010, u64::MAX] {
        assert_eq!(compact_to(&cluster, keep), None);
    }
}

#[test]
fn a_compaction_has_settled_once_nothing_falls_any_more() {
    let before = cluster();
    let mut after = cluster();
    after.members[2].status.db_size_in_use -= 5 << 20;
    assert!(!is_quiet(&before, &after) && !has_shrunk(&before, &after));
    let mut later = after.clone();
    later.members[0].status.db_size_in_use += 50 << 20;
    later.members[2].status.db_size_in_use -= 1 << 20;
    assert!(is_quiet(&after, &later));
    for member in &mut later.members {
        member.status.db_size_in_use = 0;
    }
    assert!(has_shrunk(&before, &later));
}

/// What the leader freed first says how much a follower has free, and not that it is done.
#[test]
fn a_slower_follower_is_waited_for() {
    let before = cluster();
    let mut survey = three();
    survey.views[0].status.db_size_in_use = 10 << 20;
    let after = judge(&survey, NoSpace::Forbidden).unwrap();
    assert!(!has_shrunk(&before, &after));
    let free: Vec<u64> = after.members.iter().map(MemberView::free).collect();
    let size = survey.views[0].status.db_size;
    assert_eq!(free, [size - (10 << 20); 3]);
}

#[test]
fn whoever_is_at_its_quota_is_full() {
    let mut cluster = cluster();
    assert!(full(&cluster).is_empty());
    cluster.members[1].status.db_size_quota = cluster.members[1].status.db_size;
    // Before 3.6 nobody says what it is.
    cluster.members[2].status.db_size_quota = 0;
    let full = full(&cluster);
    assert_eq!(full.len(), 1);
    assert_eq!(full[0].name, "m2");
}
