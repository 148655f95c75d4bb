//! The code of an error: a short stable word in kebab-case. Each word that the host itself
//! gives or goes by is a variant, so that no two places can spell it in two ways; what
//! plugins bring besides is kept as it came.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes the enum and both ways between a variant and its word.
macro_rules! error_codes {
    ($($(#[$attribute:meta])* $variant:ident = $word:literal,)*) => {
        /// What an error is, as a word that scripts and plugins may go by. It is stored and
        /// crosses the plugin contract as that word. A plugin may say a word of the host's,
        /// e.g. `not-found`: what is believed of it is the business of whoever asked.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum ErrorCode {
            $($(#[$attribute])* $variant,)*
            /// A word that no variant has.
            Other(OtherCode),
        }

        impl ErrorCode {
            /// The words of all variants but `Other`.
            pub const WORDS: &[&str] = &[$($word),*];

            /// The code that has this word.
            #[must_use]
            pub fn of(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(OtherCode(other.into())),
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(OtherCode(word)) => word,
                }
            }
        }
    };
}

/// A word that only plugins use; made by [`ErrorCode::of`] alone, so that no variant's word
/// ever stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherCode(Box<str>);

error_codes! {
    Abandoned = "abandoned",
    AddressProhibited = "address-prohibited",
    AnotherObject = "another-object",
    ArgumentLimit = "argument-limit",
    BadAnswer = "bad-answer",
    BadCertificate = "bad-certificate",
    BadConfiguration = "bad-configuration",
    BadDigest = "bad-digest",
    BadGrant = "bad-grant",
    BadLayout = "bad-layout",
    BadManifest = "bad-manifest",
    BadMark = "bad-mark",
    BadName = "bad-name",
    BadPath = "bad-path",
    BadRequest = "bad-request",
    BadSecret = "bad-secret",
    BadSignature = "bad-signature",
    BadTransferee = "bad-transferee",
    BadUrl = "bad-url",
    BadVersion = "bad-version",
    BodyIncomplete = "body-incomplete",
    BodyTooLarge = "body-too-large",
    Cancelled = "cancelled",
    /// A file system that cannot give a finished file a name only where that name is free.
    CannotPublish = "cannot-publish",
    ChangedMeanwhile = "changed-meanwhile",
    /// A store took a part under another checksum than that of its bytes.
    ChecksumDiffers = "checksum-differs",
    CleanupGivenUp = "cleanup-given-up",
    Compacted = "compacted",
    ConnectionForbidden = "connection-forbidden",
    Corrupt = "corrupt",
    CpuLimit = "cpu-limit",
    Deadline = "deadline",
    DrillFailed = "drill-failed",
    DrillNotPossible = "drill-not-possible",
    EndlessListing = "endless-listing",
    Exists = "exists",
    FutureRevision = "future-revision",
    /// An operator's choice at a gate ended the run.
    GateEnded = "gate-ended",
    GivenUp = "given-up",
    Gone = "gone",
    HandlesLimit = "handles-limit",
    HeaderRefused = "header-refused",
    HeadersTooLarge = "headers-too-large",
    HoldFailed = "hold-failed",
    /// A hold went before the steps `during` it were done with it.
    HoldLost = "hold-lost",
    /// A hold reached its deadline.
    HoldOverdue = "hold-overdue",
    HostCallLimit = "host-call-limit",
    HostFailed = "host-failed",
    HttpStatus = "http-status",
    IdleLimit = "idle-limit",
    Interrupted = "interrupted",
    Io = "io",
    Journal = "journal",
    KernelTooOld = "kernel-too-old",
    LearnerNotReady = "learner-not-ready",
    LeftOpen = "left-open",
    LostTooOften = "lost-too-often",
    MayNotCreate = "may-not-create",
    MayNotWrite = "may-not-write",
    MemberNotFound = "member-not-found",
    MemoryLimit = "memory-limit",
    MessageRefused = "message-refused",
    NameTaken = "name-taken",
    Named = "named",
    NoEncryptionConfiguration = "no-encryption-configuration",
    NoHandles = "no-handles",
    NoHold = "no-hold",
    NoLeader = "no-leader",
    NoMemory = "no-memory",
    NoObjects = "no-objects",
    NoOutput = "no-output",
    NoPorts = "no-ports",
    NoProgram = "no-program",
    NoRandomness = "no-randomness",
    NoRecipient = "no-recipient",
    NoRecoveryPoint = "no-recovery-point",
    /// A store that cannot lock objects.
    NoRetention = "no-retention",
    NoSecret = "no-secret",
    NoSnapshot = "no-snapshot",
    NoSpace = "no-space",
    NoSuchOutput = "no-such-output",
    NoSuchSecret = "no-such-secret",
    NoSuchStep = "no-such-step",
    NoThread = "no-thread",
    NotAFile = "not-a-file",
    NotAFolder = "not-a-folder",
    NotALearner = "not-a-learner",
    NotAnEffect = "not-an-effect",
    NotEtcd = "not-etcd",
    NotFound = "not-found",
    NotGranted = "not-granted",
    NotLeader = "not-leader",
    NotOpened = "not-opened",
    /// A store did not lock what it was to lock.
    NotRetained = "not-retained",
    NotSealed = "not-sealed",
    ObjectMissing = "object-missing",
    OlderEtcd = "older-etcd",
    OutOfRange = "out-of-range",
    OutputClosed = "output-closed",
    OutputOpen = "output-open",
    Over = "over",
    Panicked = "panicked",
    PermissionDenied = "permission-denied",
    /// What the run pinned is not in the state folder.
    PinMissing = "pin-missing",
    /// The folder or bucket of a store is not there. It says nothing of the objects in it.
    PlaceMissing = "place-missing",
    PlaceholderRefused = "placeholder-refused",
    PluginExited = "plugin-exited",
    PluginFailed = "plugin-failed",
    PluginTrapped = "plugin-trapped",
    ReadOnly = "read-only",
    Refused = "refused",
    ResultLimit = "result-limit",
    RunEnded = "run-ended",
    /// A store step whose target another step of the run stores at.
    SameTarget = "same-target",
    SealingFailed = "sealing-failed",
    SecondSnapshot = "second-snapshot",
    Short = "short",
    SignFailed = "sign-failed",
    SigningFailed = "signing-failed",
    SinkPanicked = "sink-panicked",
    SizeDiffers = "size-differs",
    SnapshotLimit = "snapshot-limit",
    SpoolFailed = "spool-failed",
    SpoolMissing = "spool-missing",
    StackLimit = "stack-limit",
    StepDeadline = "step-deadline",
    /// A step that may run once at most, and nobody knows whether it did.
    StepIndeterminate = "step-indeterminate",
    StreamBroken = "stream-broken",
    SymbolicLink = "symbolic-link",
    TableLimit = "table-limit",
    /// A store step that found another target than it stored at before.
    TargetChanged = "target-changed",
    TargetUnusable = "target-unusable",
    /// A recovery point is at fewer targets than it has to be, or at another one.
    TargetsMissing = "targets-missing",
    Timeout = "timeout",
    TlsBadFiles = "tls-bad-files",
    TlsClientRefused = "tls-client-refused",
    TlsExpired = "tls-expired",
    TlsFailed = "tls-failed",
    TlsNotCommon = "tls-not-common",
    TlsNotSpoken = "tls-not-spoken",
    TlsSpoken = "tls-spoken",
    TlsUntrusted = "tls-untrusted",
    TlsWrongName = "tls-wrong-name",
    TooLarge = "too-large",
    TooMany = "too-many",
    TooManyLearners = "too-many-learners",
    TooManyOutputs = "too-many-outputs",
    TooManyParts = "too-many-parts",
    TooManyRequests = "too-many-requests",
    Unauthenticated = "unauthenticated",
    UndoFailed = "undo-failed",
    UnhealthyCluster = "unhealthy-cluster",
    Unknown = "unknown",
    UnknownAlgorithm = "unknown-algorithm",
    UnknownEndpoint = "unknown-endpoint",
    UnknownSigner = "unknown-signer",
    Unreachable = "unreachable",
    Unread = "unread",
    Unsigned = "unsigned",
    VerificationFailed = "verification-failed",
    WallLimit = "wall-limit",
    WriteFailed = "write-failed",
    WrongAnswer = "wrong-answer",
    WrongChain = "wrong-chain",
    WrongObject = "wrong-object",
    /// An output that the step did not declare, of another type, or too large.
    WrongOutput = "wrong-output",
    WrongType = "wrong-type",
    WrongWorld = "wrong-world",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<String> for ErrorCode {
    fn from(word: String) -> Self {
        Self::of(&word)
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        code.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_variant_has_a_word_of_its_own_and_comes_back_from_it() {
        for &word in ErrorCode::WORDS {
            let code = ErrorCode::of(word);
            assert!(!matches!(code, ErrorCode::Other(_)), "{word}");
            assert_eq!((code.as_str(), code.to_string().as_str()), (word, word));
            let kept = serde_json::to_value(&code).unwrap();
            assert_eq!(kept, word);
            assert_eq!(serde_json::from_value::<ErrorCode>(kept).unwrap(), code);
            let parts = word.split('-');
            let plain = |part: &str| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            assert!(parts.into_iter().all(plain), "{word}");
        }
        let unique: BTreeSet<&&str> = ErrorCode::WORDS.iter().collect();
        assert_eq!(unique.len(), ErrorCode::WORDS.len());
        assert!(unique.into_iter().eq(ErrorCode::WORDS), "not in order");
    }

    #[test]
    fn the_word_of_a_plugin_stays_as_it_is() {
        let code = ErrorCode::of("slow.down_2");
        assert!(matches!(code, ErrorCode::Other(_)));
        let kept = serde_json::to_value(&code).unwrap();
        assert_eq!(kept, "slow.down_2");
        assert_eq!(serde_json::from_value::<ErrorCode>(kept).unwrap(), code);
    }
}
