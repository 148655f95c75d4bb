use drydock_plugin_sdk::etcd::{Alarm, RaisedAlarm};

use super::*;
use crate::config::Config;
use crate::health::tests::cluster;

fn planned(config: &str, judged: Result<Cluster, Unfit>) -> Vec<String> {
    let config: Config = drydock_plugin_sdk::config::parse("it", config).unwrap();
    plan(&Work::of(&config).unwrap(), &judged)
}

fn in_use(member: &mut MemberView, bytes: u64) {
    member.status.db_size_in_use = bytes;
    member.in_use_max = bytes;
}

#[test]
fn a_plan_says_what_is_done_to_whom_and_why() {
    let mut mixed = cluster();
    in_use(&mut mixed.members[2], 399 << 20);
    let lines = planned(r#"{"do": ["defragment"]}"#, Ok(mixed));
    assert_eq!(
        lines,
        [
            "defragment m2 (2) at https://m2:2379: 300.0 MiB of 400.0 MiB are free (75 %)",
            "leave out m3 (3) at https://m3:2379: 1.0 MiB of 400.0 MiB are free (0 %), and it is done from 100.0 MiB and 45 % on",
            "last, the leader: leave out m1 (1) at https://m1:2379: it leads, and `leader: skip` leaves the leader alone; 300.0 MiB of 400.0 MiB are free (75 %)",
            "one member at a time, 10 s and a look at all members between any two",
        ]
    );
}

#[test]
fn what_a_compaction_frees_is_not_known_before() {
    let mut full = cluster();
    for member in &mut full.members {
        in_use(member, 400 << 20);
    }
    let config = r#"{"do": ["compact", "defragment"], "keepRevisions": 1000, "leader": "move-first", "pauseSeconds": 0}"#;
    assert_eq!(
        planned(config, Ok(full)),
        [
            "compact to revision 8000, so that of the 9000 that there were the newest 1000 are kept, if that was not done before",
            "defragment m2 (2) at https://m2:2379 only if the compaction frees enough: 0.0 MiB of 400.0 MiB are free (0 %) so far, and it is done from 100.0 MiB and 45 % on",
            "defragment m3 (3) at https://m3:2379 only if the compaction frees enough: 0.0 MiB of 400.0 MiB are free (0 %) so far, and it is done from 100.0 MiB and 45 % on",
            "last, once m3 (3) leads in its place, defragment m1 (1) at https://m1:2379 only if the compaction frees enough: 0.0 MiB of 400.0 MiB are free (0 %) so far, and it is done from 100.0 MiB and 45 % on",
            "one member at a time, 0 s and a look at all members between any two",
        ]
    );
}

#[test]
fn a_repair_ends_with_the_alarm() {
    let repair = r#"{"do": ["repair-space"]}"#;
    assert_eq!(
        planned(repair, Ok(cluster())),
        ["do nothing: no member reports a NOSPACE alarm"]
    );
    let mut full = cluster();
    for member in &mut full.members {
        member.status.alarms = vec![RaisedAlarm {
            member_id: 0xab,
            alarm: Alarm::Nospace,
        }];
    }
    let lines = planned(repair, Ok(full));
    assert_eq!(lines.len(), 6);
    assert_eq!(
        lines[3],
        "last, the leader: defragment m1 (1) at https://m1:2379: 300.0 MiB of 400.0 MiB are free (75 %)"
    );
    assert_eq!(
        lines[5],
        "disarm the NOSPACE alarm of ab once every file is below its quota, and see every member ready for a write"
    );
}

#[test]
fn a_plan_for_a_cluster_that_is_not_healthy_says_so() {
    let unfit = |may_pass| Unfit {
        may_pass,
        why: "m3 is not there".to_owned(),
    };
    let config = r#"{"do": ["compact"]}"#;
    assert_eq!(
        planned(config, Err(unfit(true))),
        ["do nothing and wait 120 s at most for that to pass, then fail: m3 is not there"]
    );
    assert_eq!(
        planned(config, Err(unfit(false))),
        ["do nothing and fail: m3 is not there"]
    );
}

#[test]
fn whoever_is_full_still_is_named_with_figures() {
    let mut cluster = cluster();
    cluster.members[0].status.db_size_quota = 300 << 20;
    let error = still_full(&choice::full(&cluster));
    assert!(
        error
            .message
            .contains("m1 (1) has 400.0 MiB of a quota of 300.0 MiB"),
        "{}",
        error.message
    );
}
