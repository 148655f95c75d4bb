//! What a failed call came to. The client's own errors say little ("transport error"):
//! the cause stands in the chain behind them and is read here.

mod refusal;

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use drydock_core::{Certainty, ErrorClass, ErrorCode, Fault, without_os_number};
use rustls::pki_types::UnixTime as RustlsTime;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use tonic::Code;

use crate::certificates::day;
use crate::probe::Found;

/// Errors behind an error; real chains have about six.
const CHAIN_ERRORS_MAX: usize = 32;

/// What is told of an error that nothing here recognises; a server may answer anything.
const TEXT_CHARACTERS_MAX: usize = 300;

/// What is said of a connection that ended without an answer.
const CUT: &str = "the connection was cut: see in the member's log whether it went down, and what stands between it and this node";

/// What is said where nothing came in time, behind the limit.
const SILENCE: &str = "see in the member's log whether it hangs, and whether something between it and this node drops packets";

/// Errors of the system that this node makes itself, by their numbers on Linux.
const EPERM: i32 = 1;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EADDRNOTAVAIL: i32 = 99;
const ENOBUFS: i32 = 105;

/// Where an operator finds the keys that the sentences name.
pub(crate) const WHERE: &str = "under `etcd:` of the Cluster document";

/// Names of a server's certificate that are told; a wildcard for everything has hundreds.
const NAMES_TOLD_MAX: usize = 5;

/// Class, code, and the rest of the sentence.
type Reading = (ErrorClass, ErrorCode, String);

/// The fault for `error`, met when Drydock tried to `act` (e.g. `read the status of`) on
/// `endpoint`; `found` is what a closer look at the endpoint brought, if there was one.
pub(crate) fn explained(
    error: &etcd_client::Error,
    found: Option<&Found>,
    endpoint: &str,
    act: &str,
) -> Fault {
    let reading = found.map_or_else(|| read(error), read_found);
    told(reading, endpoint, act)
}

/// The same without a closer look.
#[cfg(test)]
fn of(error: &etcd_client::Error, endpoint: &str, act: &str) -> Fault {
    explained(error, None, endpoint, act)
}

/// The sentence. What is wrong stands in a detail of its own too, for whoever tells of
/// several endpoints at once.
fn told((class, code, why): Reading, endpoint: &str, act: &str) -> Fault {
    Fault::new(class, code, format!("cannot {act} {endpoint}: {why}"))
        .with_detail("endpoint", endpoint)
        .with_detail("why", why)
}

/// Whether the connection ended without an answer: one that had been idle for long, or
/// one that was closed before the server's reason arrived. Asking again tells.
pub(crate) fn was_cut(error: &etcd_client::Error) -> bool {
    read(error).2 == CUT
}

/// Whether a call surely was not done: where no connection came about, nothing was sent, and
/// a refusal is etcd's own word that comes before the deed. Anything else that it says, such
/// as that it gave up waiting, leaves open what became of the call.
pub(crate) fn certainty(error: &etcd_client::Error) -> Certainty {
    let chain = chain(error);
    let status = find::<tonic::Status>(&chain);
    let refused = || status.is_some_and(refusal::is_refusal);
    if find::<tonic::ConnectError>(&chain).is_some() || refused() {
        Certainty::NotDone
    } else {
        Certainty::Unknown
    }
}

/// Whether the server does not know, or no longer knows, who is asking: a token ran out or
/// was revoked, or users and roles were changed since it was given.
pub(crate) fn wants_log_in(error: &etcd_client::Error) -> bool {
    const WORDS: [&str; 3] = [
        "invalid auth token",
        "revision of auth store is old",
        "user name is empty",
    ];
    let chain = chain(error);
    let status = find::<tonic::Status>(&chain);
    status.is_some_and(|status| {
        status.code() == Code::Unauthenticated || says(status.message(), &WORDS)
    })
}

/// Whether a log-in was refused since there is nothing to log in to.
pub(crate) fn knows_no_log_in(error: &etcd_client::Error) -> bool {
    let chain = chain(error);
    let status = find::<tonic::Status>(&chain);
    status.is_some_and(|status| says(status.message(), &["authentication is not enabled"]))
}

/// Whether a fault of this crate says that nobody answered. Every other one is an answer,
/// or a refusal by one of the two sides, and must not be told as silence.
#[must_use]
pub fn is_silence(fault: &Fault) -> bool {
    matches!(
        fault.code,
        ErrorCode::Unreachable
            | ErrorCode::Timeout
            | ErrorCode::TlsFailed
            | ErrorCode::StreamBroken
    )
}

/// Whether a closer look may tell more than the error does.
pub(crate) fn is_vague(error: &etcd_client::Error) -> bool {
    was_cut(error)
        || matches!(
            read(error).1,
            ErrorCode::NotEtcd | ErrorCode::TlsFailed | ErrorCode::TlsNotSpoken
        )
}

/// Why a snapshot's stream died. The member answered before, so that it is an etcd, and
/// whatever the connection ended with it ended with it midway.
pub(crate) fn died(error: &etcd_client::Error) -> (ErrorCode, String) {
    let (_, code, why) = read(error);
    match code {
        ErrorCode::NotEtcd | ErrorCode::TlsFailed => (ErrorCode::Unreachable, CUT.to_owned()),
        _ => (code, why),
    }
}

pub(crate) fn slow(endpoint: &str, act: &str, limit: Duration) -> Fault {
    let why = format!("no answer came within {limit:?}: {SILENCE}");
    told(
        (ErrorClass::Transient, ErrorCode::Timeout, why),
        endpoint,
        act,
    )
}

pub(crate) fn slow_login(endpoint: &str, limit: Duration) -> Fault {
    let why = format!(
        "no answer came within {limit:?}, and a log-in with `username:` needs a cluster with quorum: bring members back, or let Drydock show a client certificate instead"
    );
    told(
        (ErrorClass::Transient, ErrorCode::Timeout, why),
        endpoint,
        "log in at",
    )
}

/// A stream in which nothing came for `idle`.
pub(crate) fn silent(idle: Duration) -> String {
    format!("nothing came for {idle:?}: {SILENCE}")
}

pub(crate) fn broken(endpoint: &str, received: u64, why: &str) -> Fault {
    Fault::transient(
        ErrorCode::StreamBroken,
        format!("the snapshot stream of {endpoint} broke off after {received} bytes: {why}"),
    )
    .with_detail("endpoint", endpoint)
}

pub(crate) fn bad_files(endpoint: &str, why: String) -> Fault {
    told(
        (ErrorClass::Denied, ErrorCode::TlsBadFiles, why),
        endpoint,
        "connect to",
    )
}

/// The deepest cause that is recognised decides: TLS, then the operating system, then
/// what the server itself answered.
fn read(error: &etcd_client::Error) -> Reading {
    let chain = chain(error);
    let tls = find::<TlsError>(&chain)
        .map(read_tls)
        .or_else(|| told_alert(&chain).map(read_alert));
    let system = || find_io(&chain).and_then(read_io);
    let status = || find::<tonic::Status>(&chain).and_then(read_status);
    tls.or_else(system)
        .or_else(status)
        .unwrap_or_else(|| unknown(error, &chain))
}

/// What a closer look brought.
fn read_found(found: &Found) -> Reading {
    let permanent = |code, why: String| (ErrorClass::Permanent, code, why);
    match found {
        Found::Tls(error) => read_tls(error),
        Found::SpeaksTls => permanent(
            ErrorCode::TlsSpoken,
            "the server there speaks TLS: write https:// instead of http://, and set `ca:`"
                .to_owned(),
        ),
        Found::SpeaksNoTls => permanent(
            ErrorCode::TlsNotSpoken,
            "the server there does not speak TLS: write http:// instead of https://, or give the member its certificate".to_owned(),
        ),
        Found::SpeaksHttp1 => permanent(
            ErrorCode::NotEtcd,
            "a web server answers there and no etcd: correct host and port".to_owned(),
        ),
    }
}

/// The errors behind `error`, outermost first. `etcd_client::Error` names no source, and
/// an `io::Error` hides the error that it carries behind that error's own source.
fn chain(error: &etcd_client::Error) -> Vec<&(dyn StdError + 'static)> {
    let first: Option<&(dyn StdError + 'static)> = match error {
        etcd_client::Error::TransportError(error) => Some(error),
        etcd_client::Error::GRpcStatus(status) => Some(status),
        etcd_client::Error::IoError(error) => Some(error),
        _ => None,
    };
    std::iter::successors(first, |error| behind(*error))
        .take(CHAIN_ERRORS_MAX)
        .collect()
}

fn behind<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

fn find<'a, E: StdError + 'static>(chain: &[&'a (dyn StdError + 'static)]) -> Option<&'a E> {
    chain.iter().rev().find_map(|error| error.downcast_ref())
}

fn find_io<'a>(chain: &[&'a (dyn StdError + 'static)]) -> Option<&'a io::Error> {
    find(chain)
}

/// An alert of which only the text is left: one that comes after the handshake, as
/// TLS 1.3 sends those about client certificates, loses its type on the way through the
/// HTTP/2 library.
fn told_alert(chain: &[&(dyn StdError + 'static)]) -> Option<AlertDescription> {
    use AlertDescription as A;
    let known = [
        A::CertificateRequired,
        A::BadCertificate,
        A::CertificateExpired,
        A::CertificateRevoked,
        A::CertificateUnknown,
        A::UnknownCA,
        A::AccessDenied,
        A::UnsupportedCertificate,
    ];
    let told = |alert: &AlertDescription| {
        let words = TlsError::AlertReceived(*alert).to_string();
        chain.iter().any(|error| error.to_string().contains(&words))
    };
    known.into_iter().find(told)
}

fn read_tls(error: &TlsError) -> Reading {
    let denied = |code, why: &str| (ErrorClass::Denied, code, why.to_owned());
    match error {
        TlsError::InvalidCertificate(error) => read_certificate(error),
        TlsError::AlertReceived(alert) => read_alert(*alert),
        TlsError::InvalidMessage(_) => (
            ErrorClass::Permanent,
            ErrorCode::TlsNotSpoken,
            "the server there does not speak TLS: write http:// instead of https://, or correct host and port".to_owned(),
        ),
        TlsError::InconsistentKeys(_) => denied(
            ErrorCode::TlsBadFiles,
            "`key:` is not the private key of `certificate:`: give both of the same pair",
        ),
        TlsError::NoCertificatesPresented => denied(
            ErrorCode::TlsUntrusted,
            "the server showed no certificate: give the member its certificate",
        ),
        other => (
            ErrorClass::Transient,
            ErrorCode::TlsFailed,
            format!("the TLS handshake failed ({other}): see the member's log"),
        ),
    }
}

fn read_certificate(error: &CertificateError) -> Reading {
    use CertificateError as E;
    let (code, why) = match error {
        E::Expired => (ErrorCode::TlsExpired, expired(None)),
        E::ExpiredContext { not_after, .. } => (ErrorCode::TlsExpired, expired(Some(*not_after))),
        E::NotValidYet => (ErrorCode::TlsExpired, not_yet_valid(None)),
        E::NotValidYetContext { not_before, .. } => {
            (ErrorCode::TlsExpired, not_yet_valid(Some(*not_before)))
        }
        E::UnknownIssuer | E::BadSignature => (
            ErrorCode::TlsUntrusted,
            format!(
                "the server's certificate was not issued by the authority in `ca:` {WHERE}: give it the authority of this cluster"
            ),
        ),
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            (ErrorCode::TlsWrongName, wrong_name(error))
        }
        other => (
            ErrorCode::TlsUntrusted,
            format!("the server's certificate is not acceptable ({other}): issue it anew"),
        ),
    };
    (ErrorClass::Denied, code, why)
}

fn expired(since: Option<RustlsTime>) -> String {
    let on = since.map(|time| format!(" on {}", day(time)));
    let on = on.unwrap_or_else(|| " some time ago".to_owned());
    format!(
        "the server's certificate expired{}: renew it on the member (and see that this node's clock is right)",
        on
    )
}

fn not_yet_valid(until: Option<RustlsTime>) -> String {
    let before = until.map(|time| format!(" before {}", day(time)));
    format!(
        "the server's certificate is not valid{}: set this node's clock, or issue the certificate anew",
        before.unwrap_or_else(|| " yet".to_owned())
    )
}

fn wrong_name(error: &CertificateError) -> String {
    let names = match error {
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names = presented.iter().take(NAMES_TOLD_MAX);
            let names: Vec<String> = names.map(|name| bare(&plain(name))).collect();
            format!("is for {} and not for this host", names.join(", "))
        }
        _ => "does not name this host".to_owned(),
    };
    format!(
        "the server's certificate {names}: use an address that it names, or issue it anew with this one"
    )
}

/// The name in `DnsName("a.example")`, as the TLS library writes it.
fn bare(name: &str) -> String {
    let inner = name
        .split_once('(')
        .map_or(name, |(_, inner)| inner.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

/// An alert comes from the server: it did not like what this side showed.
fn read_alert(alert: AlertDescription) -> Reading {
    use AlertDescription as A;
    let refused = |why: String| (ErrorClass::Denied, ErrorCode::TlsClientRefused, why);
    match alert {
        A::CertificateRequired => refused(format!(
            "the server wants a client certificate: set `certificate:` and `key:` {WHERE}"
        )),
        A::CertificateExpired => refused(format!(
            "the server refuses the client certificate, which has expired or is not valid yet: renew `certificate:` {WHERE} (and see that the clocks are right)"
        )),
        A::UnknownCA => refused(format!(
            "the server refuses the client certificate, whose issuer it does not trust: set `certificate:` and `key:` {WHERE} to a pair that this cluster's authority issued"
        )),
        A::BadCertificate
        | A::CertificateRevoked
        | A::CertificateUnknown
        | A::AccessDenied
        | A::UnsupportedCertificate => refused(format!(
            "the server refuses the client certificate ({alert:?}): see why in the member's log, and give another `certificate:` {WHERE}"
        )),
        other => (
            ErrorClass::Transient,
            ErrorCode::TlsFailed,
            format!("the server ended the TLS handshake ({other:?}): see why in the member's log"),
        ),
    }
}

/// None for an I/O error that only carries another error, or says nothing of its own.
fn read_io(error: &io::Error) -> Option<Reading> {
    use io::ErrorKind as K;
    let unreachable = |why: String| Some((ErrorClass::Transient, ErrorCode::Unreachable, why));
    if let Some(own) = read_own(error) {
        return Some(own);
    }
    if error.to_string().contains("tls handshake eof") {
        return Some((
            ErrorClass::Transient,
            ErrorCode::TlsFailed,
            "the server cut the connection during the TLS handshake: it goes down, or it does not speak TLS (then write http://)".to_owned(),
        ));
    }
    match error.kind() {
        K::ConnectionRefused => unreachable(
            "nothing listens there: start the member, or correct host and port".to_owned(),
        ),
        K::HostUnreachable | K::NetworkUnreachable => unreachable(
            "no way leads there from this node: see its routes and the firewall".to_owned(),
        ),
        K::ConnectionReset
        | K::ConnectionAborted
        | K::BrokenPipe
        | K::UnexpectedEof
        | K::NotConnected => unreachable(CUT.to_owned()),
        K::TimedOut => Some((
            ErrorClass::Transient,
            ErrorCode::Timeout,
            format!("no connection came about within the time limit: {SILENCE}"),
        )),
        _ if error.to_string().contains("lookup address") => unreachable(
            "its host name cannot be resolved: correct it, or this node's DNS".to_owned(),
        ),
        _ => error
            .raw_os_error()
            .and_then(|_| unreachable(without_os_number(&error.to_string()))),
    }
}

/// What this node itself refuses: the member was not asked, and may well be there.
fn read_own(error: &io::Error) -> Option<Reading> {
    let (class, code, why) = match error.raw_os_error()? {
        EMFILE | ENFILE => (
            ErrorClass::Transient,
            ErrorCode::NoHandles,
            "this node can open no more connections: raise the daemon's limit (`LimitNOFILE=` of its unit)",
        ),
        ENOMEM | ENOBUFS => (
            ErrorClass::Transient,
            ErrorCode::NoMemory,
            "this node has no memory left for a connection: see what takes it",
        ),
        EADDRNOTAVAIL => (
            ErrorClass::Transient,
            ErrorCode::NoPorts,
            "this node has no address or no free port left to connect from: see its network and what holds its connections",
        ),
        EACCES | EPERM => (
            ErrorClass::Denied,
            ErrorCode::ConnectionForbidden,
            "this node does not let the daemon connect there: see its firewall, and what confines the daemon",
        ),
        _ => return None,
    };
    Some((class, code, why.to_owned()))
}

/// The server's own answer. etcd's words are those of its `rpctypes` package.
fn read_status(status: &tonic::Status) -> Option<Reading> {
    let said = plain(status.message());
    read_log_in(status.code(), &said)
        .or_else(|| read_code(status.code(), &said))
        .or_else(|| refusal::read(&said))
        .or_else(|| read_words(&said))
        .or_else(|| read_answer(&said))
}

fn read_log_in(code: Code, said: &str) -> Option<Reading> {
    const WORDS: [&str; 7] = [
        "user name is empty",
        "user name not found",
        "invalid auth token",
        "revision of auth store is old",
        "authentication failed",
        "invalid user ID or password",
        "authentication is not enabled",
    ];
    if code != Code::Unauthenticated && !says(said, &WORDS) {
        return None;
    }
    let why = if says(said, &["user name is empty"]) {
        format!("the cluster wants a log-in: set `username:` and `password:` {WHERE}")
    } else if says(said, &["authentication is not enabled"]) {
        format!("the cluster knows no log-in: remove `username:` and `password:` {WHERE}")
    } else if says(
        said,
        &["invalid auth token", "revision of auth store is old"],
    ) {
        "the member refuses the token of a log-in that it has just taken: see in the members' logs why, and that all have the same `--auth-token`".to_owned()
    } else {
        format!("the cluster refuses the log-in: correct `username:` and `password:` {WHERE}")
    };
    Some((ErrorClass::Denied, ErrorCode::Unauthenticated, why))
}

fn read_code(code: Code, said: &str) -> Option<Reading> {
    use ErrorClass::{Denied, Permanent, Transient};
    let (class, word, why) = match code {
        Code::PermissionDenied => (
            Denied,
            ErrorCode::PermissionDenied,
            "the cluster does not allow it to the user in `username:`: a snapshot, and whatever changes the cluster, needs the role root (`etcdctl user grant-role USER root`)".to_owned(),
        ),
        Code::Unimplemented => (
            Permanent,
            ErrorCode::NotEtcd,
            "a server answers there that is no etcd: correct host and port".to_owned(),
        ),
        Code::OutOfRange if says(said, &["compacted"]) => (
            Permanent,
            ErrorCode::Compacted,
            "the revision has been compacted".to_owned(),
        ),
        Code::OutOfRange if says(said, &["future"]) => (
            Transient,
            ErrorCode::FutureRevision,
            "the member has not reached the revision yet".to_owned(),
        ),
        Code::Cancelled => (Transient, ErrorCode::Unreachable, CUT.to_owned()),
        Code::DataLoss => (
            Permanent,
            ErrorCode::Corrupt,
            format!("the member reports damage ({said}): take it out of the cluster and replace it"),
        ),
        Code::DeadlineExceeded => (
            Transient,
            ErrorCode::Timeout,
            "the member gave up waiting: see its load and its disk".to_owned(),
        ),
        _ => return None,
    };
    Some((class, word, why))
}

fn read_words(said: &str) -> Option<Reading> {
    const OTHER_PROTOCOL: [&str; 4] = [
        "grpc-status header missing",
        "invalid compression flag",
        "protocol error",
        "http2 error",
    ];
    let (class, code, why) = if says(said, &["no leader"]) {
        (
            ErrorClass::Transient,
            ErrorCode::NoLeader,
            "the cluster has no leader: bring members back until more than half of them run",
        )
    } else if says(said, &["timed out"]) {
        (
            ErrorClass::Transient,
            ErrorCode::Timeout,
            "the member gave up waiting: see its load and its disk",
        )
    } else if says(said, &OTHER_PROTOCOL) {
        (
            ErrorClass::Permanent,
            ErrorCode::NotEtcd,
            "a server answers there that does not speak etcd's protocol: correct host, port, and http:// or https://",
        )
    } else {
        return None;
    };
    Some((class, code, why.to_owned()))
}

/// Whatever else etcd itself says is an answer, so that somebody is there.
fn read_answer(said: &str) -> Option<Reading> {
    let why = || format!("the member answers `{said}`: see its log");
    let is_answer = said.starts_with("etcdserver: ");
    is_answer.then(|| (ErrorClass::Transient, ErrorCode::Refused, why()))
}

fn says(said: &str, words: &[&str]) -> bool {
    words.iter().any(|word| said.contains(word))
}

fn unknown(error: &etcd_client::Error, chain: &[&(dyn StdError + 'static)]) -> Reading {
    let mut words: Vec<String> = chain
        .iter()
        .map(|error| plain(&error.to_string()))
        .collect();
    words.dedup();
    if words.is_empty() {
        words.push(plain(&error.to_string()));
    }
    let class = match error {
        etcd_client::Error::InvalidUri(_) | etcd_client::Error::InvalidArgs(_) => {
            ErrorClass::Permanent
        }
        _ => ErrorClass::Transient,
    };
    (class, ErrorCode::Unreachable, words.join(": "))
}

/// Text from a server, fit for a log.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_certificate_is_read_by_what_is_wrong_with_it() {
        let table = [
            (CertificateError::Expired, "tls-expired", "renew it"),
            (
                CertificateError::ExpiredContext {
                    time: RustlsTime::since_unix_epoch(Duration::from_secs(2_000_000_000)),
                    not_after: RustlsTime::since_unix_epoch(Duration::from_secs(1_700_000_000)),
                },
                "tls-expired",
                "expired on 2023-11-14",
            ),
            (CertificateError::NotValidYet, "tls-expired", "clock"),
            (CertificateError::UnknownIssuer, "tls-untrusted", "`ca:`"),
            (
                CertificateError::NotValidForName,
                "tls-wrong-name",
                "does not name this host",
            ),
            (CertificateError::Revoked, "tls-untrusted", "not acceptable"),
        ];
        for (error, code, words) in table {
            let (class, found, why) = read_tls(&TlsError::InvalidCertificate(error));
            assert_eq!((class, found.as_str()), (ErrorClass::Denied, code));
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn what_etcd_answers_is_read_by_its_words() {
        let table = [
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
                "compacted",
            ),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision is a future revision",
                "future-revision",
            ),
            (Code::Unavailable, "etcdserver: no leader", "no-leader"),
            (
                Code::Unavailable,
                "etcdserver: request timed out",
                "timeout",
            ),
            (Code::DataLoss, "etcdserver: corrupt cluster", "corrupt"),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                "permission-denied",
            ),
            (
                Code::Unauthenticated,
                "etcdserver: invalid auth token",
                "unauthenticated",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: user name is empty",
                "unauthenticated",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                "unauthenticated",
            ),
            (
                Code::FailedPrecondition,
                "etcdserver: user name not found",
                "unauthenticated",
            ),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
                "unauthenticated",
            ),
            (
                Code::Unavailable,
                "etcdserver: rpc not supported for learner",
                "refused",
            ),
            (
                Code::ResourceExhausted,
                "etcdserver: too many requests",
                "refused",
            ),
            (
                Code::Unimplemented,
                "unknown service etcdserverpb.Maintenance",
                "not-etcd",
            ),
        ];
        for (code, words, expected) in table {
            let status = tonic::Status::new(code, words);
            let fault = of(&etcd_client::Error::GRpcStatus(status), "http://a", "ask");
            assert_eq!(fault.code.as_str(), expected, "{words}");
            assert_eq!(is_silence(&fault), expected == "timeout", "{words}");
        }
    }

    #[test]
    fn what_this_node_refuses_is_no_silence_of_the_member() {
        for (number, code, class) in [
            (EMFILE, "no-handles", ErrorClass::Transient),
            (ENFILE, "no-handles", ErrorClass::Transient),
            (ENOMEM, "no-memory", ErrorClass::Transient),
            (ENOBUFS, "no-memory", ErrorClass::Transient),
            (EADDRNOTAVAIL, "no-ports", ErrorClass::Transient),
            (EPERM, "connection-forbidden", ErrorClass::Denied),
            (EACCES, "connection-forbidden", ErrorClass::Denied),
        ] {
            let error = io::Error::from_raw_os_error(number);
            let fault = of(&etcd_client::Error::IoError(error), "http://a", "ask");
            assert_eq!((fault.code.as_str(), fault.class), (code, class));
            assert!(!is_silence(&fault), "{fault}");
        }
        // Nothing listens, no way leads there, the other side let go.
        for number in [111, 113, 101, 104, 110] {
            let error = io::Error::from_raw_os_error(number);
            let fault = of(&etcd_client::Error::IoError(error), "http://a", "ask");
            assert!(is_silence(&fault), "{fault}");
        }
    }

    #[test]
    fn an_unknown_answer_is_told_without_control_characters() {
        let status = tonic::Status::new(Code::Unknown, "strange\u{1b}[31m\n");
        let fault = of(&etcd_client::Error::GRpcStatus(status), "http://a", "ask");
        assert!(fault.message.contains("strange"), "{}", fault.message);
        assert!(
            !fault.message.contains(char::is_control),
            "{}",
            fault.message
        );
    }
}
