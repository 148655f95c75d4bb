//! `drydock recovery-point verify`: reads a recovery point back whole, and leaves a mark that
//! says what came of it, so that a listing on any node can tell.

use std::sync::Arc;

use drydock_api_types::recovery_point::{VerifiedArtifact, VerifiedRecoveryPoint};
use drydock_core::{TargetName, UnixTime, VERSION, chain};
use drydock_node::Need;
use drydock_repository::{
    Identities, Repository, RepositoryError,
    mark::{MARK_FORMAT_VERSION, Mark, MarkCheck, MarkKind, MarkTool},
    recovery_point::{ArtifactCheck, Verified},
};
use drydock_terminal::print;

use super::{fetch, summary};
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
    let shape = shape(&found.target_name, &verified, mark.as_ref());
    let rows = shape.artifacts.iter().map(|artifact| {
        let name = artifact.artifact.clone();
        vec![name, shape.target.to_string(), state(artifact).to_owned()]
    });
    print::rows(output, &shape, &["ARTIFACT", "TARGET", "STATE"], rows)?;
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
        Ok(_) => state(&artifact(check)).to_owned(),
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
fn state(artifact: &VerifiedArtifact) -> &'static str {
    match artifact {
        VerifiedArtifact { opened: true, .. } => "sound, opened",
        VerifiedArtifact { sound: true, .. } => "sound, still sealed",
        VerifiedArtifact { damaged: true, .. } => "damaged",
        _ => "not read",
    }
}

fn artifact(check: &ArtifactCheck) -> VerifiedArtifact {
    let error = check.outcome.as_ref().err();
    VerifiedArtifact {
        artifact: check.artifact.clone(),
        sound: error.is_none(),
        damaged: error.is_some_and(RepositoryError::is_damage),
        opened: matches!(&check.outcome, Ok(Some(_))),
        reason: error.map(|error| chain(error)),
    }
}

fn shape(
    target: &str,
    verified: &Verified,
    mark: Option<&Result<MarkKind, RepositoryError>>,
) -> VerifiedRecoveryPoint {
    let mark = mark.and_then(|mark| mark.as_ref().ok());
    VerifiedRecoveryPoint {
        recovery_point: verified.point.manifest.recovery_point.clone(),
        target: TargetName::new(target),
        pass: verified.pass(),
        mark: mark.map(|kind| summary::mark_word(*kind)),
        artifacts: verified.artifacts.iter().map(artifact).collect(),
    }
}
