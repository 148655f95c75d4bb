//! The decisions, made from what the endpoints said and from nothing else.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use drydock_plugin_sdk::etcd::{Alarm, Member};
use drydock_plugin_sdk::{Error, ErrorClass, Finding};

use crate::config::Config;
use crate::survey::{Silence, Survey, View};

/// Whom to ask for a snapshot, and what to tell the operator.
#[derive(Debug)]
pub struct Plan {
    /// Endpoints, the best first.
    pub candidates: Vec<String>,
    pub degraded: bool,
    pub findings: Vec<Finding>,
}

/// What the survey says of the cluster's majority.
#[derive(Debug, PartialEq)]
enum Quorum {
    Held,
    /// Voting members that did not answer, as `name (id)`.
    Lost(Vec<String>),
    /// Nobody could tell who the members are.
    Unknown,
}

/// Decides, or refuses: when nobody answered, when the endpoints belong to different
/// clusters, when a member reports corruption, when nobody may be asked.
pub fn plan(config: &Config, survey: &Survey) -> Result<Plan, Error> {
    check_anybody(survey)?;
    check_preference(config, survey)?;
    check_one_cluster(survey)?;
    check_not_corrupt(survey)?;
    let candidates = candidates(config, survey)?;
    let quorum = quorum(survey);
    let mut findings: Vec<Finding> = survey.silences.iter().map(passed_over).collect();
    findings.extend(no_space(survey));
    findings.extend(other_alarm(survey));
    findings.extend(quorum_finding(&quorum, survey));
    Ok(Plan {
        candidates,
        degraded: quorum != Quorum::Held,
        findings,
    })
}

/// Whether asking another member cannot help: the run was stopped, a grant is missing,
/// or the node itself cannot take the bytes.
pub fn is_final(error: &Error) -> bool {
    matches!(error.class, ErrorClass::Cancelled | ErrorClass::Denied)
        || ["no-space", "read-only"].contains(&error.code.as_str())
}

/// A member that failed before another one delivered.
pub fn gone_on((endpoint, error): &(String, Error)) -> Finding {
    let message = format!(
        "another member was asked for the snapshot, since {}",
        placed(endpoint, error)
    );
    match error.class {
        ErrorClass::Transient | ErrorClass::Throttled => Finding::note(&error.code, message),
        _ => Finding::warning(&error.code, message),
    }
}

/// The error when every candidate has failed. Trying again helps if it may help with
/// one of them.
pub fn nobody_delivered(failures: &[(String, Error)]) -> Error {
    let errors = failures
        .iter()
        .map(|(endpoint, error)| (endpoint.as_str(), error));
    summed_up(
        "stream-broken",
        "no member delivered a whole snapshot",
        errors.collect(),
    )
}

fn check_anybody(survey: &Survey) -> Result<(), Error> {
    if !survey.views.is_empty() {
        return Ok(());
    }
    if survey.silences.is_empty() {
        return Err(Error::bad_configuration(
            "the cluster has no etcd endpoints: add spec.etcd.endpoints to its Cluster document",
        ));
    }
    let refused = survey
        .silences
        .iter()
        .any(|silence| refuses(&silence.error) || !is_silence(&silence.error));
    let (code, what) = if refused {
        ("refused", "none of the etcd endpoints can be used")
    } else {
        ("unreachable", "none of the etcd endpoints answers")
    };
    let errors = survey.silences.iter();
    Err(summed_up(
        code,
        what,
        errors
            .map(|silence| (silence.endpoint.as_str(), &silence.error))
            .collect(),
    ))
}

/// Whether one of the two sides refuses the other, which is no silence: it lasts until
/// somebody changes something.
fn refuses(error: &Error) -> bool {
    matches!(error.class, ErrorClass::Denied | ErrorClass::Permanent)
}

/// Whether nobody answered. A member that is busy, or a node that can open no more
/// connections, is no member that is gone.
fn is_silence(error: &Error) -> bool {
    const CODES: [&str; 4] = ["unreachable", "timeout", "tls-failed", "stream-broken"];
    CODES.contains(&error.code.as_str())
}

fn check_preference(config: &Config, survey: &Survey) -> Result<(), Error> {
    match &config.endpoint {
        Some(endpoint) if !survey.knows(endpoint) => Err(Error::bad_configuration(format!(
            "the step's config prefers the endpoint {endpoint}, which is none of the cluster's: correct it or add it to the Cluster document"
        ))),
        _ => Ok(()),
    }
}

fn check_one_cluster(survey: &Survey) -> Result<(), Error> {
    let ids: BTreeSet<u64> = survey
        .views
        .iter()
        .map(|view| view.status.cluster_id)
        .collect();
    if ids.len() <= 1 {
        return Ok(());
    }
    let whose = |view: &View| format!("{} to {:x}", view.endpoint, view.status.cluster_id);
    let each: Vec<String> = survey.views.iter().map(whose).collect();
    let refusal = Error::permanent(
        "cluster-mismatch",
        format!(
            "the endpoints belong to different etcd clusters ({}): leave only those of one cluster in the Cluster document",
            each.join(", ")
        ),
    );
    let with_id = |error: Error, view: &View| {
        error.with_detail(
            &view.endpoint,
            format!("cluster {:x}", view.status.cluster_id),
        )
    };
    Err(survey.views.iter().fold(refusal, with_id))
}

fn check_not_corrupt(survey: &Survey) -> Result<(), Error> {
    let reporting = survey.with_alarm(Alarm::Corrupt);
    if reporting.is_empty() {
        return Ok(());
    }
    Err(Error::permanent(
        "corrupt",
        format!(
            "the CORRUPT alarm is raised, as {} says, and no backup of a corrupt cluster can be trusted: find and replace the corrupt member, then disarm the alarm",
            reporting.join(", ")
        ),
    ))
}

/// Endpoints in the order in which they are asked: members that see a leader before
/// those that are cut off, the preferred one, voters before learners, followers before
/// the leader (whose work matters to the cluster), and those that have applied most.
fn candidates(config: &Config, survey: &Survey) -> Result<Vec<String>, Error> {
    let leader_is_known = survey.views.iter().any(|view| view.status.leader != 0);
    let mut views: Vec<&View> = survey
        .views
        .iter()
        .filter(|view| config.allow_learner || !view.status.learner)
        .collect();
    if views.is_empty() {
        let learners: Vec<&str> = survey.views.iter().map(|view| &*view.endpoint).collect();
        return Err(Error::transient(
            "only-learners",
            format!(
                "only learners answer ({}), which may lag behind: bring a voting member back, name one in the Cluster document, or set `allowLearner: true` in the step's config",
                learners.join(", ")
            ),
        ));
    }
    views.sort_by_key(|view| {
        let status = &view.status;
        (
            leader_is_known && status.leader == 0,
            config.endpoint.as_ref() != Some(&view.endpoint),
            status.learner,
            status.member_id == status.leader,
            Reverse(status.raft_applied_index),
        )
    });
    Ok(views.iter().map(|view| view.endpoint.clone()).collect())
}

/// The majority is lost when no reachable member knows a leader, or when too few voting
/// members answer although an endpoint is silent. Where every configured endpoint
/// answers and knows a leader, members without an endpoint are none of our business.
fn quorum(survey: &Survey) -> Quorum {
    let Some(members) = &survey.members else {
        return Quorum::Unknown;
    };
    let voters: Vec<&Member> = members.iter().filter(|member| !member.learner).collect();
    let missing: Vec<&Member> = voters
        .iter()
        .copied()
        .filter(|member| !survey.heard_from(member.id))
        .collect();
    let leaderless = survey.views.iter().all(|view| view.status.leader == 0);
    let too_few = voters.len() - missing.len() < voters.len() / 2 + 1;
    if leaderless || (too_few && !survey.silences.is_empty()) {
        let mut names: Vec<String> = missing.into_iter().map(spelled).collect();
        // etcd lists members by their ids, which are as good as random.
        names.sort();
        Quorum::Lost(names)
    } else {
        Quorum::Held
    }
}

fn quorum_finding(quorum: &Quorum, survey: &Survey) -> Option<Finding> {
    match quorum {
        Quorum::Held => None,
        Quorum::Lost(missing) if missing.is_empty() => Some(Finding::warning(
            "quorum-lost",
            "the cluster has no leader, so the snapshot may lack the newest writes: see why its members cannot elect one",
        )),
        Quorum::Lost(missing) => Some(Finding::warning(
            "quorum-lost",
            format!(
                "the cluster has no quorum, so the snapshot may lack the newest writes: bring back {}",
                missing.join(", ")
            ),
        )),
        Quorum::Unknown => Some(Finding::warning(
            "members-unknown",
            format!(
                "no endpoint lists the members, so nobody knows whether the cluster has quorum: {}",
                survey
                    .members_error
                    .as_ref()
                    .map_or("none was asked", |error| &error.message)
            ),
        )),
    }
}

fn no_space(survey: &Survey) -> Option<Finding> {
    let reporting = survey.with_alarm(Alarm::Nospace);
    (!reporting.is_empty()).then(|| {
        Finding::warning(
            "nospace",
            format!(
                "the NOSPACE alarm is raised, as {} says, and the cluster refuses writes: compact, defragment, then disarm the alarm",
                reporting.join(", ")
            ),
        )
    })
}

fn other_alarm(survey: &Survey) -> Option<Finding> {
    let reporting = survey.with_alarm(Alarm::Other);
    (!reporting.is_empty()).then(|| {
        Finding::warning(
            "alarm-unknown",
            format!(
                "an alarm of an unknown kind is raised, as {} says: see `etcdctl alarm list`",
                reporting.join(", ")
            ),
        )
    })
}

fn passed_over(silence: &Silence) -> Finding {
    let why = placed(&silence.endpoint, &silence.error);
    let message = format!("an endpoint was passed over: {why}");
    if refuses(&silence.error) {
        Finding::warning("endpoint-refused", message)
    } else if !is_silence(&silence.error) {
        Finding::note("endpoint-refused", message)
    } else {
        Finding::note("endpoint-unreachable", message)
    }
}

fn spelled(member: &Member) -> String {
    match member.name.as_str() {
        "" => format!("{:x}", member.id),
        name => format!("{name} ({:x})", member.id),
    }
}

/// One error for several endpoints: it can be retried when one of them can, otherwise it
/// is of the class of the first. A code that all of them share says more than `code`, and
/// what is wrong with all of them in the same way is said once.
fn summed_up(code: &str, what: &str, errors: Vec<(&str, &Error)>) -> Error {
    let retryable = |class| matches!(class, ErrorClass::Transient | ErrorClass::Throttled);
    let class = match errors.first() {
        _ if errors.iter().any(|(_, error)| retryable(error.class)) => ErrorClass::Transient,
        Some((_, first)) => first.class,
        None => ErrorClass::Transient,
    };
    let code = match errors.first() {
        Some((_, first)) if errors.iter().all(|(_, error)| error.code == first.code) => &first.code,
        _ => code,
    };
    let whole = Error::new(class, code, sentence(what, &errors));
    errors.iter().fold(whole, |whole, (endpoint, error)| {
        whole.with_detail(endpoint, &error.code)
    })
}

/// One endpoint's own sentence says all; one reason for all is said behind their names.
fn sentence(what: &str, errors: &[(&str, &Error)]) -> String {
    if let [(endpoint, error)] = errors {
        return placed(endpoint, error);
    }
    let shared = errors.first().and_then(|(_, first)| why(first));
    let shared = shared.filter(|_| errors.iter().all(|(_, error)| why(error) == shared));
    if let Some(why) = shared {
        let names: Vec<&str> = errors.iter().map(|(endpoint, _)| *endpoint).collect();
        return format!("{what} ({}): {why}", names.join(", "));
    }
    let each: Vec<String> = errors
        .iter()
        .map(|(endpoint, error)| placed(endpoint, error))
        .collect();
    format!("{what}: {}", each.join("; "))
}

/// What is wrong, without the endpoint: the host tells it in a detail of its own.
fn why(error: &Error) -> Option<&str> {
    let mut details = error.details.iter();
    let (_, why) = details.find(|(name, _)| name == "why")?;
    Some(why)
}

/// The error's sentence, with the endpoint where it does not name it itself.
fn placed(endpoint: &str, error: &Error) -> String {
    if error.message.contains(endpoint) {
        error.message.clone()
    } else {
        format!("{endpoint}: {}", error.message)
    }
}

#[cfg(test)]
mod tests;
