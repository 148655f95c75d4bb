//! A recovery point in a list, and the marks beside it: from what the repository found to
//! the shapes that are printed, and to the cells of the table.

use drydock_api_types::recovery_point::{
    ArtifactSummary, ListedMark, MarkWord, RecoveryPointContents, RecoveryPointState,
    RecoveryPointSummary,
};
use drydock_core::{TargetName, chain, nature::EtcdSection};
use drydock_repository::{
    mark::MarkKind,
    recovery_point::{FoundMark, Listed, MarkStanding, RecoveryPoint, Standing, State},
};

pub(super) const HEADER: [&str; 10] = [
    "RECOVERY POINT",
    "CLUSTER",
    "TARGET",
    "TAKEN",
    "REVISION",
    "TOTAL KEYS",
    "TOTAL SIZE",
    "ARTIFACTS",
    "STATE",
    "MARK",
];

/// How a part that is not there is shown.
const NONE: &str = "-";

/// What a listing of this target found.
pub(super) fn of(target: &TargetName, entry: &Listed) -> RecoveryPointSummary {
    let (contents, reason) = match &entry.standing {
        Standing::Signed(point) => (
            Some(contents(point, entry)),
            entry.state.why().map(str::to_owned),
        ),
        Standing::Refused(error) | Standing::Unread(error) => (None, Some(chain(error))),
    };
    RecoveryPointSummary {
        recovery_point: entry.folder.name().clone(),
        cluster: entry.folder.cluster().clone(),
        target: target.clone(),
        state: state(&entry.state),
        reason,
        contents,
    }
}

fn contents(point: &RecoveryPoint, entry: &Listed) -> RecoveryPointContents {
    let manifest = &point.manifest;
    let artifacts = manifest.artifacts.iter().map(|artifact| ArtifactSummary {
        name: artifact.name.clone(),
        media_type: artifact.media_type.as_str().to_owned(),
        plain_bytes: artifact.plain.size,
    });
    RecoveryPointContents {
        taken: manifest.taken.into(),
        etcd: manifest.etcd.clone(),
        artifacts: artifacts.collect(),
        manifest_sha256: point.manifest_sha256.to_string(),
        verified: match entry.state {
            State::Verified { at } => Some(at.into()),
            _ => None,
        },
        mark: entry.drill.as_ref().map(mark),
    }
}

fn state(state: &State) -> RecoveryPointState {
    match state {
        State::Refused => RecoveryPointState::Refused,
        State::Unread => RecoveryPointState::Unread,
        State::Failed { .. } => RecoveryPointState::Failed,
        State::Listed { .. } => RecoveryPointState::Listed,
        State::Complete => RecoveryPointState::Complete,
        State::Verified { .. } => RecoveryPointState::Verified,
    }
}

/// What a mark says.
pub(super) fn mark(found: &FoundMark) -> ListedMark {
    let word = mark_word(found.name.kind());
    match &found.standing {
        MarkStanding::Sound { mark, signer } => ListedMark::Sound {
            mark: mark_word(mark.mark),
            at: mark.at.into(),
            node: mark.node.clone(),
            reason: mark.reason.clone(),
            recovery_milliseconds: mark.recovery_milliseconds,
            signer: signer.to_string(),
        },
        MarkStanding::Refused(why) => ListedMark::Refused {
            mark: word,
            refused: why.clone(),
        },
        MarkStanding::Unread(why) => ListedMark::Unread {
            mark: word,
            unread: why.clone(),
        },
    }
}

pub(super) fn mark_word(kind: MarkKind) -> MarkWord {
    match kind {
        MarkKind::Drilled => MarkWord::Drilled,
        MarkKind::Failed => MarkWord::Failed,
        MarkKind::Restored => MarkWord::Restored,
        MarkKind::Verified => MarkWord::Verified,
        MarkKind::Damaged => MarkWord::Damaged,
    }
}

/// The word of a state, and its date where it has one.
pub(super) fn stated(point: &RecoveryPointSummary) -> String {
    let verified = point.contents.as_ref().and_then(|known| known.verified);
    match verified {
        Some(at) => format!("{} {at}", point.state.word()),
        None => point.state.word().to_owned(),
    }
}

/// What a mark says, and when it was found, e.g. `drilled 2026-01-03T03:04:05Z`.
pub(super) fn marked(mark: &ListedMark) -> String {
    match mark {
        ListedMark::Sound { mark, at, .. } => format!("{} {at}", mark.word()),
        ListedMark::Refused { mark, refused } => {
            format!("{}, which says nothing: {refused}", mark.word())
        }
        ListedMark::Unread { mark, unread } => {
            format!("{}, which cannot be read: {unread}", mark.word())
        }
    }
}

/// The cells of a list.
pub(super) fn row(point: &RecoveryPointSummary) -> Vec<String> {
    let none = || NONE.to_owned();
    let contents = point.contents.as_ref();
    let etcd = contents.and_then(|contents| contents.etcd.as_ref());
    let etcd = etcd.and_then(EtcdSection::figures);
    let mark = contents.and_then(|contents| contents.mark.as_ref());
    vec![
        point.recovery_point.to_string(),
        point.cluster.to_string(),
        point.target.to_string(),
        contents.map_or_else(none, |contents| contents.taken.to_string()),
        etcd.map_or_else(none, |etcd| etcd.revision.to_string()),
        etcd.map_or_else(none, |etcd| etcd.total_keys.to_string()),
        etcd.map_or_else(none, |etcd| drydock_core::human_bytes(etcd.total_size)),
        contents.map_or_else(none, |contents| contents.artifacts.len().to_string()),
        stated(point),
        mark.map_or_else(none, marked),
    ]
}
