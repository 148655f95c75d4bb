//! Between the words of the contract and those of the host. Text that comes from a guest
//! is made plain and cut to size here, the only way in.

use drydock_capability_etcd as etcd;
use drydock_capability_files as files;
use drydock_core::{
    Certainty, ErrorClass, ErrorCode, FactValue, Fault, Finding, Level, RunSoFar, StepSoFar,
    StepState, Value, plain,
};

use crate::world::contract;
use crate::world::contract::configuration;
use crate::world::contract::types as wit;

/// Longest code of an error or a finding; such words are short.
const CODE_BYTES_MAX: usize = 64;

/// Longest sentence of an error or a finding.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Most details of an error.
const DETAILS_MAX: usize = 32;

impl From<Fault> for wit::Error {
    fn from(fault: Fault) -> Self {
        Self {
            class: fault.class.into(),
            certainty: fault.certainty.into(),
            code: fault.code.into(),
            message: fault.message,
            details: fault.details,
            retry_after_seconds: fault.retry_after_seconds,
        }
    }
}

impl From<wit::Error> for Fault {
    fn from(error: wit::Error) -> Self {
        let details = error.details.into_iter().take(DETAILS_MAX);
        let mut fault = Fault::new(
            error.class.into(),
            ErrorCode::of(&code(&error.code)),
            plain(&error.message, MESSAGE_BYTES_MAX),
        );
        fault.certainty = error.certainty.into();
        fault.retry_after_seconds = error.retry_after_seconds;
        fault.details = details
            .map(|(name, value)| (code(&name), plain(&value, MESSAGE_BYTES_MAX)))
            .collect();
        fault
    }
}

impl From<ErrorClass> for wit::ErrorClass {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Permanent => Self::Permanent,
            ErrorClass::Transient => Self::Transient,
            ErrorClass::Throttled => Self::Throttled,
            ErrorClass::Denied => Self::Denied,
            ErrorClass::Cancelled => Self::Cancelled,
            ErrorClass::Other => Self::Other,
        }
    }
}

impl From<wit::ErrorClass> for ErrorClass {
    fn from(class: wit::ErrorClass) -> Self {
        match class {
            wit::ErrorClass::Permanent => Self::Permanent,
            wit::ErrorClass::Transient => Self::Transient,
            wit::ErrorClass::Throttled => Self::Throttled,
            wit::ErrorClass::Denied => Self::Denied,
            wit::ErrorClass::Cancelled => Self::Cancelled,
            wit::ErrorClass::Other => Self::Other,
        }
    }
}

impl From<Certainty> for wit::Certainty {
    fn from(certainty: Certainty) -> Self {
        match certainty {
            Certainty::NotDone => Self::NotDone,
            Certainty::Unknown => Self::Unknown,
        }
    }
}

impl From<wit::Certainty> for Certainty {
    fn from(certainty: wit::Certainty) -> Self {
        match certainty {
            wit::Certainty::NotDone => Self::NotDone,
            wit::Certainty::Unknown | wit::Certainty::Other => Self::Unknown,
        }
    }
}

impl From<Value> for wit::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Integer(number) => Self::Integer(number),
            Value::Flag(flag) => Self::Flag(flag),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Json(json) => Self::Json(json.to_string()),
        }
    }
}

impl From<&RunSoFar> for configuration::RunState {
    fn from(run: &RunSoFar) -> Self {
        Self {
            schedule: run.schedule.to_string(),
            failure: run.failure.clone().map(Into::into),
            reasons: run.reasons.clone(),
            recovery_point: run.recovery_point.as_ref().map(ToString::to_string),
            steps: run.steps.iter().map(Into::into).collect(),
        }
    }
}

impl From<&StepSoFar> for configuration::RunStep {
    fn from(step: &StepSoFar) -> Self {
        Self {
            name: step.step.to_string(),
            kind: step.kind.clone(),
            state: step.state.into(),
            code: step.code.as_ref().map(|code| code.as_str().to_owned()),
            why: step.why.clone(),
        }
    }
}

impl From<StepState> for configuration::StepState {
    fn from(state: StepState) -> Self {
        match state {
            StepState::Pending => Self::Pending,
            StepState::Running => Self::Running,
            StepState::Waiting => Self::Waiting,
            StepState::Asking => Self::Asking,
            StepState::Held => Self::Held,
            StepState::Done => Self::Done,
            StepState::Failed => Self::Failed,
            StepState::Skipped => Self::Skipped,
            StepState::Undoing => Self::Undoing,
            StepState::Undone => Self::Undone,
        }
    }
}

impl From<wit::Finding> for Finding {
    fn from(finding: wit::Finding) -> Self {
        let level = match finding.level {
            wit::Level::Note => Level::Note,
            wit::Level::Warning | wit::Level::Other => Level::Warning,
            wit::Level::Failure => Level::Failure,
        };
        Finding::new(
            level,
            &code(&finding.code),
            plain(&finding.message, MESSAGE_BYTES_MAX),
        )
    }
}

impl From<&FactValue> for contract::artifact::FactValue {
    fn from(value: &FactValue) -> Self {
        match value {
            FactValue::Text(text) => Self::Text(text.clone()),
            FactValue::Unsigned(number) => Self::Unsigned(*number),
            FactValue::Signed(number) => Self::Signed(*number),
            FactValue::Flag(flag) => Self::Flag(*flag),
            FactValue::Bytes(bytes) => Self::Bytes(bytes.clone()),
        }
    }
}

impl From<etcd::Member> for contract::etcd::Member {
    fn from(member: etcd::Member) -> Self {
        Self {
            id: member.id,
            name: member.name,
            peer_urls: member.peer_urls,
            client_urls: member.client_urls,
            learner: member.learner,
        }
    }
}

impl From<etcd::MemberStatus> for contract::etcd::MemberStatus {
    fn from(status: etcd::MemberStatus) -> Self {
        Self {
            cluster_id: status.cluster_id,
            member_id: status.member_id,
            leader: status.leader,
            raft_term: status.raft_term,
            raft_index: status.raft_index,
            raft_applied_index: status.raft_applied_index,
            revision: status.revision,
            db_size: status.db_size,
            db_size_in_use: status.db_size_in_use,
            db_size_quota: status.db_size_quota,
            version: status.version,
            learner: status.learner,
            alarms: status.alarms.into_iter().map(Into::into).collect(),
            errors: status.errors,
        }
    }
}

impl From<etcd::RaisedAlarm> for contract::etcd::RaisedAlarm {
    fn from(raised: etcd::RaisedAlarm) -> Self {
        Self {
            member_id: raised.member_id,
            alarm: raised.alarm.into(),
        }
    }
}

impl From<contract::etcd::Alarm> for etcd::Alarm {
    fn from(alarm: contract::etcd::Alarm) -> Self {
        match alarm {
            contract::etcd::Alarm::Nospace => Self::NoSpace,
            contract::etcd::Alarm::Corrupt => Self::Corrupt,
            contract::etcd::Alarm::Other => Self::Other,
        }
    }
}

impl From<etcd::Alarm> for contract::etcd::Alarm {
    fn from(alarm: etcd::Alarm) -> Self {
        match alarm {
            etcd::Alarm::NoSpace => Self::Nospace,
            etcd::Alarm::Corrupt => Self::Corrupt,
            etcd::Alarm::Other => Self::Other,
        }
    }
}

impl From<etcd::HashKv> for contract::etcd::MemberHashKv {
    fn from(answer: etcd::HashKv) -> Self {
        Self {
            hash: answer.hash,
            compact_revision: answer.compact_revision,
            hash_revision: answer.hash_revision,
        }
    }
}

impl From<files::ItemKind> for contract::files::ItemKind {
    fn from(kind: files::ItemKind) -> Self {
        match kind {
            files::ItemKind::File => Self::File,
            files::ItemKind::Folder => Self::Folder,
            files::ItemKind::SymbolicLink => Self::SymbolicLink,
            files::ItemKind::Fifo => Self::Fifo,
            files::ItemKind::Socket => Self::Socket,
            files::ItemKind::CharacterDevice => Self::CharacterDevice,
            files::ItemKind::BlockDevice => Self::BlockDevice,
            files::ItemKind::Other => Self::Other,
        }
    }
}

impl From<files::Item> for contract::files::Item {
    fn from(item: files::Item) -> Self {
        let attribute = |(name, value)| contract::files::ItemAttribute { name, value };
        Self {
            path: item.path,
            kind: item.kind.into(),
            size: item.size,
            mode: item.mode,
            user_id: item.user,
            group_id: item.group,
            modified_seconds: item.modified.0,
            modified_nanoseconds: item.modified.1,
            identity: item.identity,
            names: item.names,
            link: item.link,
            attributes: item.attributes.into_iter().map(attribute).collect(),
            version: item.version.as_bytes().to_vec(),
            trouble: item.trouble.map(Into::into),
        }
    }
}

impl From<files::Page> for contract::files::Page {
    fn from(page: files::Page) -> Self {
        let entry = |entry: files::Entry| contract::files::Entry {
            path: entry.path,
            size: entry.size,
        };
        let passed = |passed: files::PassedOver| contract::files::PassedOver {
            path: passed.path,
            why: passed.why.into(),
        };
        Self {
            entries: page.entries.into_iter().map(entry).collect(),
            passed_over: page.passed_over.into_iter().map(passed).collect(),
            next: page.next,
        }
    }
}

/// A short word; what is none becomes `other`, so that nothing odd ends up in a metric.
fn code(word: &str) -> String {
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
    if !word.is_empty() && word.len() <= CODE_BYTES_MAX && word.chars().all(plain) {
        return word.to_owned();
    }
    "other".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_is_made_plain_and_cut() {
        let error = wit::Error {
            class: wit::ErrorClass::Denied,
            certainty: wit::Certainty::Other,
            retry_after_seconds: None,
            code: "Not a\u{1b}[31m code".to_owned(),
            message: format!("\u{1b}[31mred\n{}", "x".repeat(10_000)),
            details: (0..100)
                .map(|n| (n.to_string(), "\u{7}v".to_owned()))
                .collect(),
        };
        let fault = Fault::from(error);
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "other")
        );
        assert!(fault.message.starts_with("red x") && fault.message.len() <= MESSAGE_BYTES_MAX);
        assert_eq!(
            (fault.details.len(), fault.details[0].1.as_str()),
            (DETAILS_MAX, "v")
        );
    }

    #[test]
    fn a_fault_survives_the_way_in_and_out() {
        let fault = Fault::transient(ErrorCode::NoSpace, "full").with_detail("free", 3);
        let fault = fault.not_done().retry_after(7);
        assert_eq!(Fault::from(wit::Error::from(fault.clone())), fault);
    }

    #[test]
    fn an_unknown_level_is_a_warning() {
        let finding = wit::Finding {
            level: wit::Level::Other,
            code: "x".to_owned(),
            message: "y".to_owned(),
        };
        assert_eq!(Finding::from(finding).level, Level::Warning);
    }
}
