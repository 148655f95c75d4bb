//! Whether a component may run, decided before any of it does.
//!
//! The rule has three parts: what the component imports must lie within the baseline and
//! what its manifest requests; each request must be granted; and the grant must lie
//! within the node's ceiling. What remains of the grants is what the plugin gets.

mod imports;

use drydock_core::{Grants, PluginDigest, Reach};

use crate::compile::{self, CompileError};
use crate::contract_name::CONTRACT;
use crate::limits::{Limits, mend};
use crate::link::LINKS;
use crate::manifest::{ManifestError, PluginManifest};
use crate::request::Request;
use crate::world::World;

pub(crate) use imports::{complaints, needless};

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

/// What an author is told of a component.
#[derive(Debug)]
pub struct Judgement {
    /// Why it may not run, all of it.
    pub complaints: Vec<AdmitError>,
    /// What it asks for and imports nothing of: an operator would grant it for nothing.
    pub needless: Vec<Request>,
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
        "plugin {name} ({digest}) says it is of the world {world} and does not export {expected}: mend `world` in its manifest, or what it exports"
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
        "plugin {name} ({digest}) imports {import} and its manifest does not ask for it: add \"{request}\" to the manifest's requests and build it anew; or, where no code of it calls that, leave it out of the world that it is built from"
    )]
    NotRequested {
        name: String,
        digest: PluginDigest,
        import: String,
        request: Request,
    },
    #[error(
        "plugin {name} ({digest}) imports all of {interface} and its manifest asks for nothing of it: where its code calls none of that, build it from a world of its own without the `include` that brings it, since bindings of its language import whatever stands in their world; else add what it calls to the manifest's requests, out of {requests}"
    )]
    WholeInterface {
        name: String,
        digest: PluginDigest,
        interface: String,
        /// The words for the manifest.
        requests: String,
    },
    #[error(
        "plugin {name} ({digest}) is a {world} plugin and asks for {request}, which changes what it reaches: only a plugin of the world {only} may, whatever is granted; take \"{request}\" out of the manifest's requests and build it anew, or make it a step of the world {only}"
    )]
    NoWrites {
        name: String,
        digest: PluginDigest,
        world: World,
        request: Request,
        /// The world that may.
        only: World,
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

/// What the plugin asks for that changes something where its world only reads. No grant gives
/// that.
pub(crate) fn beyond_world<'a>(
    manifest: &'a PluginManifest,
    digest: &'a PluginDigest,
) -> impl Iterator<Item = AdmitError> + 'a {
    let beyond = |request: Request| {
        let power = request.power();
        let mut links = LINKS.iter();
        let link = links.find(|link| link.capability.powers.contains(power))?;
        let is_beyond = power.reach == Reach::Writes && !link.may_write(manifest.world);
        Some(AdmitError::NoWrites {
            name: manifest.name.clone(),
            digest: digest.clone(),
            world: manifest.world,
            request,
            only: link.writes_for.filter(|_| is_beyond)?,
        })
    };
    manifest.asked().filter_map(beyond)
}

/// The manifest as if the plugin asked to read where it asks to write: what it needs where
/// nothing is to be written.
pub(crate) fn reading(manifest: &PluginManifest) -> PluginManifest {
    let read = |requests: &[Request]| requests.iter().map(|request| request.reading()).collect();
    PluginManifest {
        requests: read(&manifest.requests),
        optional: read(&manifest.optional),
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
        Some(ceiling) => granted.within(ceiling),
        None => granted.clone(),
    };
    // What nobody wants to give is left out; what somebody does and the ceiling does not is a
    // mistake.
    let optional = manifest.optional.iter();
    let wanted = optional.filter(|request| granted.allow(request.power()));
    for request in manifest.requests.iter().chain(wanted).copied() {
        require(admission, manifest, digest, request, &granted, &allowed)?;
    }
    let asked = manifest.asked().map(Request::power);
    Ok(allowed.part(&asked.collect::<Vec<_>>()))
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
    if !granted.allow(request.power()) {
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
    if !allowed.allow(request.power()) {
        return Err(AdmitError::AboveCeiling {
            name,
            digest,
            request,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
