//! `drydock recovery-point verify`: reads a recovery point back whole, and leaves a mark that
//! says what came of it, so that a listing on any node can tell.

use std::sync::Arc;

use drydock_core::{UnixTime, VERSION, chain};
use drydock_node::Need;
use drydock_repository::{
    Identities, Repository, RepositoryError,
    mark::{MARK_FORMAT_VERSION, Mark, MarkCheck, MarkKind, MarkTool},
    recovery_point::{ArtifactCheck, Verified},
};
use drydock_terminal::print;
use serde_json::{Value, json};

use super::fetch;
use crate::args::Global;
use crate::args::VerifyArgs;
use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Purpose;
use crate::{Exit, Outcome};

/// Characters of one side of a check, and of a reason, in a mark.
const SIDE_CHARS_MAX: usize = 256;

pub(super) async fn verify(global: &Global, asked: VerifyArgs) -> Outcome {
    let output = global.output;
    let at = &asked.opening.at;
    let given = asked.opening.identity.as_deref().map(catalog::identities);
    let given = given.transpose()?;
    let node = catalog::node(global, at, &Need::target(at.target.as_deref()))?;
    let marks = node.config.value.spec.signing_key.is_some() && !asked.no_mark;
    let catalog = Catalog::over(node, at, marks)?;
    let (identities, unread) = match given {
        Some(given) => (Some(given), false),
        None => own_identities(&catalog),
    };
    let found = catalog.find(&asked.name, Purpose::Look).await?;
    let repository = Repository::new(&found.target, &catalog.signers);
    let manifest = &found.point.manifest;
    let verified = repository
        .verify(&manifest.cluster, &manifest.recovery_point, identities)
        .await?;
    let mark = if marks {
        leave_mark(&catalog, &repository, &verified).await
    } else {
        None
    };
    let rows = verified.artifacts.iter().map(|check| {
        let name = check.artifact.clone();
        vec![name, found.target_name.clone(), state(check).to_owned()]
    });
    let value = value(&found.target_name, &verified, &mark);
    print::rows(output, &value, &["ARTIFACT", "TARGET", "STATE"], rows)?;
    for check in &verified.artifacts {
        if let Err(error) = &check.outcome {
            print::note(&fetch::told_of(error));
        }
    }
    if verified.artifacts.is_empty() {
        print::note("its manifest names no artifact, so there is nothing to read back");
    }
    // Less was looked at than this node is meant to.
    Ok(match exit(&verified, mark.as_ref()) {
        Exit::Done if unread => Exit::Degraded,
        other => other,
    })
}

/// The identity of the node, and whether it names one that cannot be read: without one is
/// still proven what is stored.
fn own_identities(catalog: &Catalog) -> (Option<Arc<Identities>>, bool) {
    match catalog.identities(None) {
        Ok(identities) => (identities, false),
        Err(failure) => {
            print::note(&format!("warning: nothing is opened: {failure}"));
            (None, true)
        }
    }
}

/// How it ends, and what an operator hears of the mark.
fn exit(verified: &Verified, mark: Option<&Result<MarkKind, RepositoryError>>) -> Exit {
    match mark {
        None => {}
        Some(Ok(kind)) => print::note(&format!("marked {}", kind.word())),
        Some(Err(error)) => print::note(&format!(
            "the mark cannot be put beside the recovery point: {}; let this node's store plugin write there, or verify with --no-mark",
            chain(error)
        )),
    }
    match (verified.pass(), mark) {
        (false, _) => Exit::Failed,
        (true, Some(Err(_))) => Exit::Degraded,
        (true, _) => Exit::Done,
    }
}

/// None where there is nothing to say, or nobody to sign it.
async fn leave_mark(
    catalog: &Catalog,
    repository: &Repository<'_>,
    verified: &Verified,
) -> Option<Result<MarkKind, RepositoryError>> {
    // That it cannot be read was told when the signers were.
    let key = catalog.registry.own_key().ok()??;
    let node = &catalog.registry.node;
    let mark = mark(
        verified,
        node.config.value.name.as_str(),
        node.deps.clock.now(),
    )?;
    let kind = mark.mark;
    Some(repository.mark(&mark, &key).await.map(|_| kind))
}

/// What the reading says of the recovery point. What was not read for another reason than
/// its own bytes says nothing.
fn mark(verified: &Verified, node: &str, at: UnixTime) -> Option<Mark> {
    let damage = verified.artifacts.iter().find_map(|check| {
        let error = check.outcome.as_ref().err()?;
        error.is_damage().then(|| chain(error))
    });
    let kind = match (&damage, verified.pass()) {
        (Some(_), _) => MarkKind::Damaged,
        (None, true) => MarkKind::Verified,
        (None, false) => return None,
    };
    let manifest = &verified.point.manifest;
    Some(Mark {
        format_version: MARK_FORMAT_VERSION,
        mark: kind,
        cluster: manifest.cluster.clone(),
        recovery_point: manifest.recovery_point.clone(),
        manifest_sha256: verified.point.manifest_sha256,
        at,
        node: node.to_owned(),
        reason: damage,
        checks: verified.artifacts.iter().map(check).collect(),
        recovery_milliseconds: None,
        restored: None,
        tool: MarkTool {
            name: "drydock".to_owned(),
            version: VERSION.to_owned(),
        },
    })
}

fn check(check: &ArtifactCheck) -> MarkCheck {
    let found = match &check.outcome {
        Ok(_) => state(check).to_owned(),
        Err(error) => chain(error).chars().take(SIDE_CHARS_MAX).collect(),
    };
    MarkCheck {
        name: check.artifact.clone(),
        expected: "sound".to_owned(),
        found,
        verdict: match &check.outcome {
            Ok(_) => "pass",
            Err(error) if error.is_damage() => "fail",
            Err(_) => "skipped",
        }
        .to_owned(),
    }
}

/// What is known of an artifact now.
fn state(check: &ArtifactCheck) -> &'static str {
    match &check.outcome {
        Ok(Some(_)) => "sound, opened",
        Ok(None) => "sound, still sealed",
        Err(error) if error.is_damage() => "damaged",
        Err(_) => "not read",
    }
}

fn value(
    target: &str,
    verified: &Verified,
    mark: &Option<Result<MarkKind, RepositoryError>>,
) -> Value {
    let artifacts: Vec<Value> = verified
        .artifacts
        .iter()
        .map(|check| {
            json!({
                "artifact": check.artifact,
                "sound": check.outcome.is_ok(),
                "opened": matches!(&check.outcome, Ok(Some(_))),
                "reason": check.outcome.as_ref().err().map(|error| chain(error)),
            })
        })
        .collect();
    json!({
        "recoveryPoint": verified.point.manifest.recovery_point,
        "target": target,
        "pass": verified.pass(),
        "mark": mark.as_ref().and_then(|mark| mark.as_ref().ok()),
        "artifacts": artifacts,
    })
}
