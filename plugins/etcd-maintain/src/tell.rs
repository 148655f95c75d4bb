//! Sentences for an operator.

use drydock_plugin_sdk::{Error, Finding};

use crate::choice::{self, Left, Progress};
use crate::config::{Defragment, Leader, Work};
use crate::health::{Cluster, MemberView, Unfit};
use crate::record::Defragmented;

const MEBIBYTE: u64 = 1024 * 1024;

/// What a run would do as things are, a sentence each.
pub fn plan(work: &Work, judged: &Result<Cluster, Unfit>) -> Vec<String> {
    let cluster = match judged {
        Ok(cluster) => cluster,
        Err(unfit) => return vec![nothing_now(work, unfit)],
    };
    if work.repairs && cluster.alarms().is_empty() {
        return vec!["do nothing: no member reports a NOSPACE alarm".to_owned()];
    }
    let mut lines = Vec::new();
    if let Some(keep) = work.compact {
        lines.push(compaction(cluster, keep));
    }
    if let Some(wanted) = &work.defragment {
        lines.extend(defragmentations(cluster, wanted, work.compact.is_some()));
        lines.push(format!(
            "one member at a time, {} s and a look at all members between any two",
            work.pause_seconds
        ));
    }
    if work.repairs {
        lines.push(disarming(cluster));
    }
    lines
}

fn nothing_now(work: &Work, unfit: &Unfit) -> String {
    let until = if unfit.may_pass {
        format!(
            "wait {} s at most for that to pass, then fail",
            work.settle_seconds
        )
    } else {
        "fail".to_owned()
    };
    format!("do nothing and {until}: {}", unfit.why)
}

fn compaction(cluster: &Cluster, keep: u64) -> String {
    let newest = cluster.revision();
    match choice::compact_to(cluster, keep) {
        Some(to) => format!(
            "compact to revision {to}, so that of the {newest} that there were the newest {keep} are kept, if that was not done before"
        ),
        None => format!("compact nothing: the newest revision is {newest}, and {keep} are kept"),
    }
}

/// A compaction frees what nobody can tell before it is done.
fn defragmentations(cluster: &Cluster, wanted: &Defragment, compacts: bool) -> Vec<String> {
    let progress = Progress::default();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for member in &cluster.members {
        let line = match choice::left(cluster, member, wanted, &progress) {
            Some(Left::Little) if compacts => format!(
                "defragment {} only if the compaction frees enough: {} so far, and it is done from {} on",
                placed(member),
                figures(member),
                least(wanted)
            ),
            Some(left) => format!(
                "leave out {}: {}",
                placed(member),
                why(member, left, wanted)
            ),
            None => format!("defragment {}: {}", placed(member), figures(member)),
        };
        if cluster.leads(member) {
            last.push(format!("{}{line}", leading(cluster, member, wanted)));
        } else {
            first.push(line);
        }
    }
    first.extend(last);
    first
}

/// What comes before the leader's turn.
fn leading(cluster: &Cluster, leader: &MemberView, wanted: &Defragment) -> String {
    let is_out = choice::left(cluster, leader, wanted, &Progress::default());
    match (wanted.leader, choice::successor(cluster)) {
        (Leader::MoveFirst, Some(to)) if !is_out.is_some_and(|left| left != Left::Little) => {
            format!("last, once {} leads in its place, ", to.spelled())
        }
        _ => "last, the leader: ".to_owned(),
    }
}

fn disarming(cluster: &Cluster) -> String {
    let alarms = cluster.alarms();
    let ids: Vec<String> = alarms
        .iter()
        .map(|it| format!("{:x}", it.member_id))
        .collect();
    format!(
        "disarm the NOSPACE alarm of {} once every file is below its quota, and see every member ready for a write",
        ids.join(", ")
    )
}

fn placed(member: &MemberView) -> String {
    format!("{} at {}", member.spelled(), member.endpoint)
}

fn figures(member: &MemberView) -> String {
    let (free, size) = (member.free(), member.status.db_size);
    let percent = (free * 100).checked_div(size).unwrap_or(0);
    format!(
        "{} of {} are free ({percent} %)",
        mebibytes(free),
        mebibytes(size)
    )
}

fn least(wanted: &Defragment) -> String {
    format!(
        "{} and {} %",
        mebibytes(wanted.min_free_bytes),
        wanted.min_free_percent
    )
}

fn why(member: &MemberView, left: Left, wanted: &Defragment) -> String {
    match left {
        Left::Learns => "it is a learner, and etcd defragments none".to_owned(),
        Left::Little => format!("{}, and it is done from {} on", figures(member), least(wanted)),
        Left::Leads => format!(
            "it leads, and `leader: skip` leaves the leader alone; {}",
            figures(member)
        ),
        Left::Alone => {
            "it leads, and no other member votes that could lead: `leader: last` blocks the cluster and defragments it".to_owned()
        }
        Left::Unmoved => "it leads, and the leadership could not be moved away".to_owned(),
    }
}

/// A member that was left out. That the leader was is what an operator may have to do by hand.
pub fn left_out(member: &MemberView, left: Left, wanted: &Defragment) -> Finding {
    let message = format!(
        "{} was left out: {}",
        placed(member),
        why(member, left, wanted)
    );
    match left {
        Left::Little | Left::Learns => Finding::note("left-out", message),
        Left::Leads => Finding::note("leader-left-out", message),
        Left::Alone | Left::Unmoved => Finding::warning("leader-left-out", message),
    }
}

pub fn defragmented(member: &Defragmented) -> Finding {
    let led = if member.led { " while it led" } else { "" };
    Finding::note(
        "defragmented",
        format!(
            "{} ({}) was defragmented{led} in {} s: {} before, {} after",
            member.name,
            member.id,
            member.seconds,
            mebibytes(member.bytes_before),
            mebibytes(member.bytes_after)
        ),
    )
}

pub fn no_alarm() -> Finding {
    Finding::note(
        "no-alarm",
        "nothing was done: no member reports a NOSPACE alarm",
    )
}

pub fn nothing_to_compact(cluster: &Cluster, keep: u64) -> Finding {
    Finding::note(
        "nothing-to-compact",
        format!(
            "the newest revision is {}, and the history before the newest {keep} is gone already",
            cluster.revision()
        ),
    )
}

pub fn repaired(cluster: &Cluster) -> Finding {
    Finding::note(
        "repaired",
        format!(
            "the NOSPACE alarm is disarmed, and all {} voting members take writes again; see what filled the database before it comes back",
            choice::voters(cluster).count()
        ),
    )
}

/// To disarm now would only raise the alarm again.
pub fn still_full(full: &[&MemberView]) -> Error {
    let each = full.iter().map(|member| {
        format!(
            "{} has {} of a quota of {}",
            member.spelled(),
            mebibytes(member.status.db_size),
            mebibytes(member.status.db_size_quota)
        )
    });
    let each: Vec<String> = each.collect();
    Error::permanent(
        "still-full",
        format!(
            "compaction and defragmentation did not free enough, and the alarm stays: {}; delete keys that nobody needs, or raise `--quota-backend-bytes` of every member, and run this again",
            each.join(", ")
        ),
    )
}

pub fn raised_again(cluster: &Cluster) -> Error {
    let alarms = cluster.alarms();
    let ids: Vec<String> = alarms
        .iter()
        .map(|it| format!("{:x}", it.member_id))
        .collect();
    Error::transient(
        "still-full",
        format!(
            "the NOSPACE alarm of {} was disarmed and stands again: see what fills the database, and the quota of every member",
            ids.join(", ")
        ),
    )
}

/// Rounded down to tenths.
fn mebibytes(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / u128::from(MEBIBYTE);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
