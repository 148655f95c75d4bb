//! Whether a component may run, decided before any of it does.
//!
//! The rule has three parts: what the component imports must lie within the baseline and
//! what its manifest requests; each request must be granted; and the grant must lie
//! within the node's ceiling. What remains of the grants is what the plugin gets.

mod imports;

use std::path::Path;

use drydock_core::PluginDigest;
#[cfg(test)]
use drydock_core::plugin::OutputUse;
use drydock_core::plugin::{
    Access, CONTRACT, EtcdCall, FolderGrant, Grants, HttpGrant, PluginManifest, Request, World,
};

use crate::compile::{self, CompileError};
use crate::limits::{Limits, mend};
use crate::manifest::ManifestError;

pub(crate) use imports::check as check_imports;

/// The mend of what no document raises.
const SMALLER: &str = "no document raises that, so build it smaller";

/// A component that wants in.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    pub component: &'a [u8],
    /// The name by which grants speak of it, when it is built into this binary.
    pub builtin: Option<&'a str>,
    /// What the PluginGrants that name it allow; none when no PluginGrant names it.
    pub grants: Option<&'a Grants>,
    /// The most that this node allows to anybody; none for no such limit.
    pub ceiling: Option<&'a Grants>,
    /// The plugin's own limits; none for those of the sandbox.
    pub limits: Option<&'a Limits>,
}

/// Why a component may not run. Each names the plugin and the mend.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error("the plugin {digest} cannot be used")]
    Manifest {
        digest: PluginDigest,
        #[source]
        source: ManifestError,
    },
    #[error(
        "component-limit: the plugin {digest} has {asked} bytes, the limit is {limit} bytes: {}",
        mend("componentMebibytes")
    )]
    TooLarge {
        digest: PluginDigest,
        asked: u64,
        limit: u64,
    },
    #[error("compile-limit: plugin {name} ({digest}) {told}: {mend}")]
    CompileLimit {
        name: String,
        digest: PluginDigest,
        /// What it took and what is allowed.
        told: String,
        mend: String,
    },
    #[error(
        "plugin-invalid: plugin {name} ({digest}) cannot be compiled: the compiler broke off on it ({how})"
    )]
    CompilerCrashed {
        name: String,
        digest: PluginDigest,
        how: String,
    },
    #[error("plugin {name} ({digest}) was not compiled: the compiler's process cannot be used")]
    NoCompiler {
        name: String,
        digest: PluginDigest,
        #[source]
        source: std::io::Error,
    },
    #[error("plugin {name} ({digest}) is not valid WebAssembly")]
    Invalid {
        name: String,
        digest: PluginDigest,
        #[source]
        source: Reason,
    },
    #[error(
        "plugin {name} ({digest}) says it is a {world} plugin and does not export {expected}: mend `world` in its manifest, or what it exports"
    )]
    WrongWorld {
        name: String,
        digest: PluginDigest,
        world: World,
        expected: String,
    },
    #[error(
        "plugin {name} ({digest}) {does}, and this host speaks {CONTRACT}: build the plugin with the SDK of this host, or use the Drydock version that the plugin was made for"
    )]
    OtherContract {
        name: String,
        digest: PluginDigest,
        /// What it imports or exports of another version.
        does: String,
    },
    #[error(
        "plugin {name} ({digest}) imports {import}, which this host gives to no {world} plugin: build it without"
    )]
    UnknownImport {
        name: String,
        digest: PluginDigest,
        world: World,
        import: String,
    },
    #[error(
        "plugin {name} ({digest}) imports {import} and its manifest does not ask for it: add \"{request}\" to the manifest's requests and build it anew"
    )]
    NotRequested {
        name: String,
        digest: PluginDigest,
        import: String,
        request: Request,
    },
    #[error(
        "no PluginGrant names plugin {name} ({digest}): add a document `kind: PluginGrant` with `digest: {digest}`"
    )]
    NotNamed { name: String, digest: PluginDigest },
    #[error(
        "plugin {name} ({digest}) asks for {request}, which no grant allows: add `{line}` under `grants:` of a PluginGrant that names `{subject}`",
        line = request.grant_line()
    )]
    NotGranted {
        name: String,
        digest: PluginDigest,
        request: Request,
        /// `builtin: NAME` or `digest: sha256:...`.
        subject: String,
    },
    #[error(
        "plugin {name} ({digest}) asks for {request}, which a grant allows and this node's ceiling does not: add `{line}` under `ceiling:` of the node's configuration",
        line = request.grant_line()
    )]
    AboveCeiling {
        name: String,
        digest: PluginDigest,
        request: Request,
    },
    #[error(
        "plugin {name} ({digest}) does not fit the contract of this host, so build it anew with the SDK of this host"
    )]
    Link {
        name: String,
        digest: PluginDigest,
        #[source]
        source: Reason,
    },
}

/// What the engine says of a component. It repeats words out of the component, so it is
/// made fit for a terminal, and cut.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Reason(String);

/// Longest reason: the first sentences say what is wrong, the rest where in the engine.
const REASON_BYTES_MAX: usize = 240;

impl Reason {
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        Self::told(&format!("{error:#}"))
    }

    fn told(text: &str) -> Self {
        Self(drydock_core::plain(text, REASON_BYTES_MAX))
    }
}

/// Refuses a component that is too large to be looked at.
pub(crate) fn check_size(
    component: &[u8],
    limit: u64,
    digest: &PluginDigest,
) -> Result<(), AdmitError> {
    let asked = component.len() as u64;
    if asked <= limit {
        return Ok(());
    }
    Err(AdmitError::TooLarge {
        digest: digest.clone(),
        asked,
        limit,
    })
}

/// Why a component has no code.
pub(crate) fn not_compiled(
    error: CompileError,
    manifest: &PluginManifest,
    digest: &PluginDigest,
) -> AdmitError {
    let (name, digest) = (manifest.name.clone(), digest.clone());
    let limited = |told: String, mend: String| AdmitError::CompileLimit {
        name: name.clone(),
        digest: digest.clone(),
        told,
        mend,
    };
    match error {
        CompileError::Time(limit) => limited(
            format!(
                "takes more than {0} s to compile, the limit is {0} s",
                limit.as_secs_f64()
            ),
            mend("compileSeconds"),
        ),
        CompileError::Memory => limited(
            over_mebibytes("of memory to compile", compile::MEMORY_BYTES_MAX),
            SMALLER.to_owned(),
        ),
        CompileError::Size => limited(
            over_mebibytes("of code", compile::CODE_BYTES_MAX),
            SMALLER.to_owned(),
        ),
        CompileError::Crashed(how) => AdmitError::CompilerCrashed { name, digest, how },
        CompileError::Start(source) => AdmitError::NoCompiler {
            name,
            digest,
            source,
        },
        CompileError::Refused(reason) => AdmitError::Invalid {
            name,
            digest,
            source: Reason::told(&reason),
        },
        CompileError::Invalid(source) => AdmitError::Invalid {
            name,
            digest,
            source: Reason::of(&source),
        },
    }
}

fn over_mebibytes(what: &str, limit: u64) -> String {
    let limit = limit / (1024 * 1024);
    format!("takes more than {limit} MiB {what}, the limit is {limit} MiB")
}

/// The manifest as if the plugin asked to read where it asks to write: what it needs where
/// nothing is to be written.
pub(crate) fn reading(manifest: &PluginManifest) -> PluginManifest {
    let half = |request: &Request| match request {
        Request::FilesWrite => Request::FilesRead,
        other => *other,
    };
    PluginManifest {
        requests: manifest.requests.iter().map(half).collect(),
        ..manifest.clone()
    }
}

/// What the plugin gets: what it requests, as far as grants and ceiling allow it.
pub(crate) fn effective(
    admission: &Admission<'_>,
    manifest: &PluginManifest,
    digest: &PluginDigest,
) -> Result<Grants, AdmitError> {
    let granted = match (admission.grants, admission.builtin) {
        (Some(grants), _) => grants.clone(),
        (None, Some(_)) => Grants::default(),
        (None, None) => {
            return Err(AdmitError::NotNamed {
                name: manifest.name.clone(),
                digest: digest.clone(),
            });
        }
    };
    let allowed = match admission.ceiling {
        Some(ceiling) => below(&granted, ceiling),
        None => granted.clone(),
    };
    for request in manifest.requests.iter().copied() {
        require(admission, manifest, digest, request, &granted, &allowed)?;
    }
    Ok(requested(&allowed, &manifest.requests))
}

fn require(
    admission: &Admission<'_>,
    manifest: &PluginManifest,
    digest: &PluginDigest,
    request: Request,
    granted: &Grants,
    allowed: &Grants,
) -> Result<(), AdmitError> {
    let (name, digest) = (manifest.name.clone(), digest.clone());
    if !granted.allow(request) {
        let subject = match admission.builtin {
            Some(builtin) => format!("builtin: {builtin}"),
            None => format!("digest: {digest}"),
        };
        return Err(AdmitError::NotGranted {
            name,
            digest,
            request,
            subject,
        });
    }
    if !allowed.allow(request) {
        return Err(AdmitError::AboveCeiling {
            name,
            digest,
            request,
        });
    }
    Ok(())
}

/// The part of `granted` that lies within `ceiling`.
fn below(granted: &Grants, ceiling: &Grants) -> Grants {
    let etcd = granted.etcd.iter().copied();
    let files = pairs(&granted.files, &ceiling.files);
    let http = pairs(&granted.http, &ceiling.http);
    let secret = pairs(&granted.secret, &ceiling.secret);
    let output = granted.output.iter().copied();
    let rule = |(grant, most): (&HttpGrant, &HttpGrant)| grant.rule()?.common(most.rule()?);
    Grants {
        etcd: etcd.filter(|call| ceiling.etcd.contains(call)).collect(),
        files: files
            .filter_map(|(grant, most)| common(grant, most))
            .collect(),
        http: http.filter_map(rule).map(HttpGrant::Rule).collect(),
        secret: secret
            .filter_map(|(grant, most)| grant.common(most))
            .collect(),
        output: output
            .filter(|what| ceiling.output.contains(what))
            .collect(),
    }
}

/// Each of the one with each of the other.
fn pairs<'a, T>(granted: &'a [T], ceiling: &'a [T]) -> impl Iterator<Item = (&'a T, &'a T)> {
    let with_each = |grant| ceiling.iter().map(move |most| (grant, most));
    granted.iter().flat_map(with_each)
}

/// What two folder grants have in common: the inner folder, with the lesser access.
fn common(one: &FolderGrant, other: &FolderGrant) -> Option<FolderGrant> {
    let inner: &Path = if one.directory.starts_with(&other.directory) {
        &one.directory
    } else if other.directory.starts_with(&one.directory) {
        &other.directory
    } else {
        return None;
    };
    Some(FolderGrant {
        directory: inner.to_owned(),
        access: one.access.min(other.access),
    })
}

/// The part of `allowed` that was asked for.
fn requested(allowed: &Grants, requests: &[Request]) -> Grants {
    let asked = |request| requests.contains(&request);
    let access = match (asked(Request::FilesWrite), asked(Request::FilesRead)) {
        (true, _) => Some(Access::Write),
        (false, true) => Some(Access::Read),
        (false, false) => None,
    };
    let files = access.into_iter().flat_map(|access| {
        allowed.files.iter().map(move |grant| FolderGrant {
            directory: grant.directory.clone(),
            access: grant.access.min(access),
        })
    });
    let etcd = allowed.etcd.iter().copied();
    let http = allowed.http.iter().filter(|_| asked(Request::Http));
    let secret = allowed.secret.iter().filter(|grant| {
        asked(if grant.reveals() {
            Request::SecretReveal
        } else {
            Request::SecretUse
        })
    });
    Grants {
        etcd: etcd.filter(|call| asked(request_of(*call))).collect(),
        files: files.collect(),
        http: http.cloned().collect(),
        secret: secret.cloned().collect(),
        output: allowed.output.clone(),
    }
}

fn request_of(call: EtcdCall) -> Request {
    match call {
        EtcdCall::MemberList => Request::EtcdMemberList,
        EtcdCall::Status => Request::EtcdStatus,
        EtcdCall::Snapshot => Request::EtcdSnapshot,
        EtcdCall::HashKv => Request::EtcdHashKv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(directory: &str, access: Access) -> FolderGrant {
        FolderGrant {
            directory: directory.into(),
            access,
        }
    }

    fn manifest(requests: &[Request]) -> PluginManifest {
        PluginManifest {
            name: "store-x".to_owned(),
            version: "1".to_owned(),
            world: World::Store,
            contract: String::new(),
            requests: requests.to_vec(),
        }
    }

    #[test]
    fn what_was_read_is_public_only_where_grant_and_ceiling_say_so() {
        let public = vec![OutputUse::Public];
        let reads = Grants {
            files: vec![folder("/a", Access::Read)],
            ..Grants::default()
        };
        let says = Grants {
            output: public.clone(),
            ..reads.clone()
        };
        let decided = |grants: &Grants, ceiling| {
            let granted = decide(&[Request::FilesRead], Some(grants), ceiling);
            granted.map(|granted| granted.allow_public())
        };
        assert_eq!(decided(&reads, None), Ok(false));
        assert_eq!(decided(&says, None), Ok(true));
        assert_eq!(decided(&says, Some(&reads)), Ok(false));
        assert_eq!(decided(&says, Some(&says)), Ok(true));
        // What reads nothing has nothing to give away.
        assert!(Grants::default().allow_public());
        assert!(
            !Grants {
                etcd: vec![EtcdCall::Status, EtcdCall::Snapshot],
                ..Grants::default()
            }
            .allow_public()
        );
    }

    #[test]
    fn for_reading_a_grant_to_read_is_enough_and_no_more_is_given() {
        let asks = manifest(&[Request::FilesRead, Request::FilesWrite]);
        let digest = PluginDigest::new("sha256:00");
        for access in [Access::Read, Access::Write] {
            let grants = Grants {
                files: vec![folder("/a", access)],
                ..Grants::default()
            };
            let admission = Admission {
                component: b"",
                builtin: None,
                grants: Some(&grants),
                ceiling: None,
                limits: None,
            };
            let given = effective(&admission, &reading(&asks), &digest).unwrap();
            assert_eq!(given.files, [folder("/a", Access::Read)]);
        }
    }

    fn decide(
        requests: &[Request],
        grants: Option<&Grants>,
        ceiling: Option<&Grants>,
    ) -> Result<Grants, String> {
        let admission = Admission {
            component: b"",
            builtin: None,
            grants,
            ceiling,
            limits: None,
        };
        let digest = PluginDigest::new("sha256:00");
        effective(&admission, &manifest(requests), &digest).map_err(|error| error.to_string())
    }

    #[test]
    fn a_refusal_names_the_line_to_add() {
        let message = decide(&[Request::FilesWrite], Some(&Grants::default()), None).unwrap_err();
        assert_eq!(
            message,
            "plugin store-x (sha256:00) asks for files.write, which no grant allows: add `files: [{directory: /the/folder, access: write}]` under `grants:` of a PluginGrant that names `digest: sha256:00`"
        );
    }

    #[test]
    fn a_foreign_plugin_must_be_named_even_if_it_asks_for_nothing() {
        let message = decide(&[], None, None).unwrap_err();
        assert!(
            message.starts_with("no PluginGrant names plugin store-x (sha256:00)"),
            "{message}"
        );
        assert!(decide(&[], Some(&Grants::default()), None).is_ok());
    }

    #[test]
    fn a_grant_gives_no_more_than_was_asked() {
        let grants = Grants {
            etcd: vec![EtcdCall::Status, EtcdCall::Snapshot],
            files: vec![folder("/a", Access::Write)],
            ..network()
        };
        let effective = decide(
            &[Request::EtcdStatus, Request::FilesRead],
            Some(&grants),
            None,
        );
        let expected = Grants {
            etcd: vec![EtcdCall::Status],
            files: vec![folder("/a", Access::Read)],
            ..Grants::default()
        };
        assert_eq!(effective.unwrap(), expected);
        assert_eq!(decide(&[], Some(&grants), None).unwrap(), Grants::default());
    }

    /// A host, a key and a secret to be seen.
    fn network() -> Grants {
        serde_json::from_str(
            r#"{
                "http": [{"scheme": "https", "host": "*.example", "addresses": ["private"]}],
                "secret": [
                    {"name": "k", "use": {"sign": {"algorithm": "hmac-sha256"}}},
                    {"name": "k", "reveal": true}
                ]
            }"#,
        )
        .unwrap()
    }

    #[test]
    fn requests_of_the_network_give_their_own_part_each() {
        let granted = network();
        let of = |requests: &[Request]| decide(requests, Some(&granted), None).unwrap();
        let parts = |grants: &Grants| (grants.http.len(), grants.secret.clone());
        assert_eq!(parts(&of(&[Request::Http])), (1, vec![]));
        let used = granted.secret[..1].to_vec();
        assert_eq!(parts(&of(&[Request::SecretUse])), (0, used));
        let seen = granted.secret[1..].to_vec();
        assert_eq!(parts(&of(&[Request::SecretReveal])), (0, seen));
    }

    #[test]
    fn a_use_is_no_reveal_and_a_reveal_no_use() {
        let only = |index: usize| Grants {
            secret: vec![network().secret[index].clone()],
            ..Grants::default()
        };
        let refusal = |request, grants| decide(&[request], Some(&grants), None).unwrap_err();
        let message = refusal(Request::SecretReveal, only(0));
        assert!(
            message.contains("add `secret: [{name: the-secret, reveal: true}]`"),
            "{message}"
        );
        let message = refusal(Request::SecretUse, only(1));
        assert!(
            message.contains("asks for secret.use, which no grant allows"),
            "{message}"
        );
    }

    #[test]
    fn the_ceiling_cuts_hosts_and_secrets() {
        let ceiling: Grants = serde_json::from_str(
            r#"{
                "http": [{"scheme": "https", "host": "a.example", "methods": ["GET"]}],
                "secret": [{"name": "k", "use": {"sign": {"algorithm": "hmac-sha256", "messagePrefix": "x"}}}]
            }"#,
        )
        .unwrap();
        let requests = [Request::Http, Request::SecretUse];
        let effective = decide(&requests, Some(&network()), Some(&ceiling)).unwrap();
        assert_eq!(effective, ceiling);
        let near = [
            (
                Request::SecretReveal,
                &ceiling,
                "`secret: [{name: the-secret, reveal: true}]`",
            ),
            (
                Request::Http,
                &Grants::default(),
                "`http: [{scheme: https, host: the.host}]`",
            ),
        ];
        for (request, ceiling, line) in near {
            let message = decide(&[request], Some(&network()), Some(ceiling)).unwrap_err();
            assert!(
                message.contains(&format!("add {line} under `ceiling:`")),
                "{message}"
            );
        }
    }

    #[test]
    fn the_ceiling_cuts_what_was_granted() {
        let grants = Grants {
            etcd: vec![EtcdCall::Status],
            files: vec![
                folder("/var", Access::Write),
                folder("/srv/x", Access::Write),
            ],
            ..Grants::default()
        };
        let ceiling = Grants {
            etcd: vec![],
            files: vec![
                folder("/var/backups", Access::Write),
                folder("/srv", Access::Read),
            ],
            ..Grants::default()
        };
        let effective = decide(&[Request::FilesWrite], Some(&grants), Some(&ceiling)).unwrap();
        assert_eq!(
            effective.files,
            [
                folder("/var/backups", Access::Write),
                folder("/srv/x", Access::Read)
            ]
        );
        let message = decide(&[Request::EtcdStatus], Some(&grants), Some(&ceiling)).unwrap_err();
        assert!(
            message.contains("add `etcd: [status]` under `ceiling:`"),
            "{message}"
        );
    }
}
