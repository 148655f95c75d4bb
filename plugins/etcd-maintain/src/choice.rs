//! Who comes next, and to which revision a compaction goes. Decided anew from every look at
//! the cluster, so that an election in between changes the order and nothing else.

use std::collections::BTreeSet;

use crate::config::{Defragment, Leader};
use crate::health::{Cluster, MemberView};

/// Times that the leadership is moved in one run: it may come back by an election of the
/// cluster's own, and a step must not play with it for ever.
const MOVES_MAX: u32 = 2;

/// The part of a file by which what is in use of it may still fall from one look to the next
/// when a compaction counts as carried out.
const SETTLED_PART: u64 = 100;

/// What the run did so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Members that were defragmented.
    pub done: BTreeSet<u64>,
    /// How often the leadership was moved.
    pub moves: u32,
    /// Whether the leader refused to hand over.
    pub is_unmovable: bool,
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
pub enum Next<'a> {
    Defragment(&'a MemberView),
    MoveLeader {
        from: &'a MemberView,
        to: &'a MemberView,
    },
    /// Nothing more.
    Done,
}

/// Why a member is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// etcd defragments none that only learns.
    Learns,
    /// Too little of its file is free.
    Little,
    /// It leads, and is to be left alone.
    Leads,
    /// It leads, and nobody is there to lead in its place.
    Alone,
    /// It leads again and again.
    Unmoved,
}

/// Followers in the order of the endpoints, the leader last.
pub fn next<'a>(cluster: &'a Cluster, wanted: &Defragment, progress: &Progress) -> Next<'a> {
    let mut open = voters(cluster)
        .filter(|member| !progress.done.contains(&member.status.member_id))
        .filter(|member| is_worth(member, wanted));
    if let Some(follower) = open.clone().find(|member| !cluster.leads(member)) {
        return Next::Defragment(follower);
    }
    let Some(leader) = open.next() else {
        return Next::Done;
    };
    match (wanted.leader, left(cluster, leader, wanted, progress)) {
        (_, Some(_)) | (Leader::Skip, None) => Next::Done,
        (Leader::Last, None) => Next::Defragment(leader),
        (Leader::MoveFirst, None) => match successor(cluster) {
            Some(to) => Next::MoveLeader { from: leader, to },
            None => Next::Done,
        },
    }
}

/// Why the member is left out as things are; none for one whose turn comes.
pub fn left(
    cluster: &Cluster,
    member: &MemberView,
    wanted: &Defragment,
    progress: &Progress,
) -> Option<Left> {
    if member.status.learner {
        return Some(Left::Learns);
    }
    if !is_worth(member, wanted) {
        return Some(Left::Little);
    }
    if !cluster.leads(member) {
        return None;
    }
    match wanted.leader {
        Leader::Last => None,
        Leader::Skip => Some(Left::Leads),
        Leader::MoveFirst if successor(cluster).is_none() => Some(Left::Alone),
        Leader::MoveFirst if progress.is_unmovable || progress.moves >= MOVES_MAX => {
            Some(Left::Unmoved)
        }
        Leader::MoveFirst => None,
    }
}

/// The voter that is furthest, which takes over at once.
pub fn successor(cluster: &Cluster) -> Option<&MemberView> {
    let followers = voters(cluster).filter(|member| !cluster.leads(member));
    followers.max_by_key(|member| member.status.raft_applied_index)
}

/// The members that vote.
pub fn voters(cluster: &Cluster) -> impl Iterator<Item = &MemberView> + Clone {
    let members = cluster.members.iter();
    members.filter(|member| !member.status.learner)
}

/// Whether enough of its file is free.
pub fn is_worth(member: &MemberView, wanted: &Defragment) -> bool {
    let (free, size) = (u128::from(member.free()), u128::from(member.status.db_size));
    let percent = u128::from(wanted.min_free_percent);
    free > 0 && free >= u128::from(wanted.min_free_bytes) && free * 100 >= size * percent
}

/// The revision to compact to; none where there is nothing older than what is kept.
pub fn compact_to(cluster: &Cluster, keep: u64) -> Option<i64> {
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let to = cluster.revision().saturating_sub(keep);
    // Every store begins with revision 1, which holds nothing.
    (to > 1).then_some(to)
}

/// Whether what is in use fell at no member since an earlier look.
pub fn is_quiet(before: &Cluster, after: &Cluster) -> bool {
    let mut members = after.members.iter();
    members.all(|member| !fell(before, member))
}

/// Whether what is in use fell at every member since an earlier look.
pub fn has_shrunk(before: &Cluster, after: &Cluster) -> bool {
    let mut members = after.members.iter();
    members.all(|member| fell(before, member))
}

/// By more than counts.
fn fell(before: &Cluster, member: &MemberView) -> bool {
    let same = |other: &&MemberView| other.status.member_id == member.status.member_id;
    let earlier = before.members.iter().find(same);
    let earlier = earlier.map_or(0, |earlier| earlier.status.db_size_in_use);
    let fell = earlier.saturating_sub(member.status.db_size_in_use);
    fell > member.status.db_size / SETTLED_PART
}

/// Members whose file is at its quota or beyond it, where they say what it is.
pub fn full(cluster: &Cluster) -> Vec<&MemberView> {
    let is_full = |member: &&MemberView| {
        let status = &member.status;
        status.db_size_quota > 0 && status.db_size >= status.db_size_quota
    };
    voters(cluster).filter(is_full).collect()
}

#[cfg(test)]
mod tests;
