//! Whether the cluster can spare a member for a while: judged from what the endpoints said
//! and from nothing else.

use std::collections::BTreeSet;

use drydock_plugin_sdk::etcd::{Alarm, MemberStatus, RaisedAlarm};
use drydock_plugin_sdk::{Error, ErrorClass};

use crate::survey::{Survey, View};

/// Entries of the log that a member may be behind. etcd itself keeps so many for one that is:
/// past them it would need a whole snapshot of the database.
const LAG_ENTRIES_MAX: u64 = 5_000;

/// A cluster of which every member is healthy.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// In the order of the endpoints.
    pub members: Vec<MemberView>,
    /// The id of the one that leads.
    pub leader: u64,
}

/// A member and how to reach it.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberView {
    pub name: String,
    pub endpoint: String,
    /// As it says itself.
    pub status: MemberStatus,
    /// Bytes that are in use in its file at most, by what the others say of theirs.
    pub in_use_max: u64,
}

/// Why nothing may be done to the cluster now.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfit {
    /// Whether it may pass by itself.
    pub may_pass: bool,
    pub why: String,
}

/// Whether the alarm that says that there is no space may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSpace {
    Allowed,
    Forbidden,
}

/// The cluster, if nothing is wrong with it; else everything that is.
pub fn judge(survey: &Survey, no_space: NoSpace) -> Result<Cluster, Unfit> {
    let mut unfit = silent(survey);
    unfit.extend(clusters(survey));
    unfit.extend(leaders(survey));
    unfit.extend(without_endpoint(survey));
    for view in &survey.views {
        unfit.extend(complaints(view));
        unfit.extend(lag(view, survey));
    }
    unfit.extend(alarms(survey, no_space));
    match summed_up(unfit) {
        Some(unfit) => Err(unfit),
        None => Ok(cluster(survey)),
    }
}

impl Cluster {
    /// The member that leads.
    pub fn leading(&self) -> Option<&MemberView> {
        self.members.iter().find(|member| self.leads(member))
    }

    pub fn leads(&self, member: &MemberView) -> bool {
        member.status.member_id == self.leader
    }

    pub fn revision(&self) -> i64 {
        let revisions = self.members.iter().map(|member| member.status.revision);
        revisions.max().unwrap_or(0)
    }

    /// The alarms that any member knows, each once.
    pub fn alarms(&self) -> Vec<RaisedAlarm> {
        let known = self.members.iter().flat_map(|member| &member.status.alarms);
        let mut alarms: Vec<RaisedAlarm> = Vec::new();
        for alarm in known {
            if !alarms.contains(alarm) {
                alarms.push(*alarm);
            }
        }
        alarms
    }
}

impl MemberView {
    /// As an operator knows it.
    pub fn spelled(&self) -> String {
        format!("{} ({:x})", self.name, self.status.member_id)
    }

    /// Bytes of its file that hold nothing.
    pub fn free(&self) -> u64 {
        let in_use = self.status.db_size_in_use.min(self.in_use_max);
        self.status.db_size.saturating_sub(in_use)
    }
}

impl Unfit {
    fn passing(why: String) -> Self {
        Self {
            may_pass: true,
            why,
        }
    }

    fn lasting(why: String) -> Self {
        Self {
            may_pass: false,
            why,
        }
    }

    fn of(error: &Error, why: String) -> Self {
        let may_pass = matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled);
        Self { may_pass, why }
    }

    /// The step's error.
    pub fn error(&self) -> Error {
        let class = if self.may_pass {
            ErrorClass::Transient
        } else {
            ErrorClass::Permanent
        };
        Error::new(
            class,
            "cluster-not-healthy",
            format!(
                "nothing is done to a cluster that is not healthy: {}",
                self.why
            ),
        )
    }
}

fn summed_up(unfit: Vec<Unfit>) -> Option<Unfit> {
    let may_pass = unfit.iter().all(|unfit| unfit.may_pass);
    let mut why: Vec<String> = unfit.into_iter().map(|unfit| unfit.why).collect();
    why.dedup();
    (!why.is_empty()).then(|| Unfit {
        may_pass,
        why: why.join("; "),
    })
}

fn silent(survey: &Survey) -> Vec<Unfit> {
    let silences = survey.silences.iter();
    let mut unfit: Vec<Unfit> = silences
        .map(|error| Unfit::of(error, error.message.clone()))
        .collect();
    if let Err(error) = &survey.members
        && unfit.is_empty()
    {
        unfit.push(Unfit::of(error, error.message.clone()));
    }
    unfit
}

fn clusters(survey: &Survey) -> Option<Unfit> {
    let ids: BTreeSet<u64> = survey.views.iter().map(|v| v.status.cluster_id).collect();
    (ids.len() > 1).then(|| {
        Unfit::lasting(
            "the endpoints belong to different etcd clusters: leave only those of one in the Cluster document".to_owned(),
        )
    })
}

fn leaders(survey: &Survey) -> Option<Unfit> {
    let leaders: BTreeSet<u64> = survey.views.iter().map(|v| v.status.leader).collect();
    let leaderless = survey.views.iter().find(|view| view.status.leader == 0);
    if let Some(view) = leaderless {
        return Some(Unfit::passing(format!(
            "the member at {} knows no leader",
            view.endpoint
        )));
    }
    (leaders.len() > 1).then(|| {
        Unfit::passing("the members do not agree on who leads: an election goes on".to_owned())
    })
}

/// A member that cannot be looked at may be the one that the others need. Where an endpoint
/// is silent, it is likely that member's.
fn without_endpoint(survey: &Survey) -> Vec<Unfit> {
    let Ok(members) = &survey.members else {
        return Vec::new();
    };
    let heard = |id: u64| survey.views.iter().any(|view| view.status.member_id == id);
    let unheard = members.iter().filter(|member| !heard(member.id));
    let unheard = unheard.filter(|_| survey.silences.is_empty());
    unheard
        .map(|member| match member.name.as_str() {
            "" => Unfit::passing(format!("member {:x} has not started yet", member.id)),
            name => Unfit::lasting(format!(
                "member {name} ({:x}) has no endpoint: add it to the Cluster document, or remove the member",
                member.id
            )),
        })
        .collect()
}

fn complaints(view: &View) -> Vec<Unfit> {
    let status = &view.status;
    let alarm = |text: &&String| text.contains("alarm:");
    let said = status.errors.iter().filter(|text| !alarm(text));
    let mut unfit: Vec<Unfit> = said
        .map(|text| Unfit::passing(format!("the member at {} says `{text}`", view.endpoint)))
        .collect();
    if let Err(error) = &view.health {
        unfit.push(Unfit::of(error, error.message.clone()));
    }
    unfit
}

fn lag(view: &View, survey: &Survey) -> Option<Unfit> {
    let status = &view.status;
    let applied = survey.views.iter().map(|v| v.status.raft_applied_index);
    let newest = applied.max().unwrap_or(0).max(status.raft_index);
    let behind = newest.saturating_sub(status.raft_applied_index);
    (behind > LAG_ENTRIES_MAX).then(|| {
        Unfit::passing(format!(
            "the member at {} is {behind} entries behind",
            view.endpoint
        ))
    })
}

fn alarms(survey: &Survey, no_space: NoSpace) -> Vec<Unfit> {
    let raised = |alarm: Alarm| {
        let mut statuses = survey.views.iter().map(|view| &view.status);
        statuses.any(|status| status.alarms.iter().any(|it| it.alarm == alarm))
    };
    let mut unfit = Vec::new();
    if raised(Alarm::Corrupt) {
        unfit.push(Unfit::lasting(
            "the CORRUPT alarm is raised: find and replace the corrupt member, then disarm the alarm".to_owned(),
        ));
    }
    if raised(Alarm::Other) {
        unfit.push(Unfit::lasting(
            "an alarm of an unknown kind is raised: see `etcdctl alarm list`".to_owned(),
        ));
    }
    if raised(Alarm::Nospace) && no_space == NoSpace::Forbidden {
        unfit.push(Unfit::lasting(
            "the NOSPACE alarm is raised, and the cluster takes no writes: run a step with `do: [repair-space]`".to_owned(),
        ));
    }
    unfit
}

fn cluster(survey: &Survey) -> Cluster {
    let members = survey.members.as_deref().unwrap_or_default();
    let name = |id: u64| {
        let member = members.iter().find(|member| member.id == id);
        member.map_or_else(String::new, |member| member.name.clone())
    };
    // Voters hold the same, and what one says of its own use is as old as its last write: one
    // that only compacted does not know yet what that freed.
    let voters = survey.views.iter().filter(|view| !view.status.learner);
    let least = voters.map(|view| view.status.db_size_in_use).min();
    let views = survey.views.iter().map(|view| MemberView {
        name: name(view.status.member_id),
        endpoint: view.endpoint.clone(),
        status: view.status.clone(),
        in_use_max: least.filter(|_| !view.status.learner).unwrap_or(u64::MAX),
    });
    Cluster {
        members: views.collect(),
        leader: survey.views.first().map_or(0, |view| view.status.leader),
    }
}

#[cfg(test)]
pub mod tests;
