//! What a component imports, held against its world and its requests, function by
//! function.

use drydock_core::PluginDigest;
use drydock_core::plugin::{CONTRACT, PluginManifest, Request, World};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use super::AdmitError;

/// WASI interfaces that every guest may import: what a standard library needs to start.
/// None of them reaches the node: the file system has no folders, the environment is
/// empty, stdin is at its end.
const WASI: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Interfaces of the contract that need no grant, in every world.
const OURS: [&str; 6] = [
    "types",
    "artifact",
    "configuration",
    "log",
    "progress",
    "clock",
];

/// Who is being looked at.
struct Subject<'a> {
    manifest: &'a PluginManifest,
    digest: &'a PluginDigest,
}

/// Checks exports against the manifest's world and imports against world and requests.
pub(crate) fn check(
    engine: &Engine,
    component: &Component,
    manifest: &PluginManifest,
    digest: &PluginDigest,
) -> Result<(), AdmitError> {
    let subject = Subject { manifest, digest };
    let ty = component.component_type();
    let expected = exported_interface(manifest.world);
    if ty.get_export(engine, &expected).is_none() {
        let mut exports = ty.exports(engine);
        return Err(
            match exports.find(|(name, _)| is_of_another_contract(name)) {
                Some((name, _)) => subject.other_contract(format!("exports {name}")),
                None => subject.wrong_world(expected),
            },
        );
    }
    for (name, import) in ty.imports(engine) {
        subject.check_import(engine, name, &import.ty)?;
    }
    Ok(())
}

impl Subject<'_> {
    fn check_import(
        &self,
        engine: &Engine,
        name: &str,
        item: &ComponentItem,
    ) -> Result<(), AdmitError> {
        let ComponentItem::ComponentInstance(instance) = item else {
            return Err(self.unknown(name));
        };
        if is_of_another_contract(name) {
            return Err(self.other_contract(format!("imports {name}")));
        }
        if let Some((interface, version)) = name.split_once('@')
            && WASI.contains(&interface)
            && version.starts_with("0.2.")
        {
            return Ok(());
        }
        if is_wasi_http(name) {
            return self.check_functions(engine, name, instance, http);
        }
        let Some(interface) = contract_interface(name) else {
            return Err(self.unknown(name));
        };
        match (interface, self.manifest.world) {
            (always, _) if OURS.contains(&always) => Ok(()),
            ("target", World::Store) => Ok(()),
            ("etcd", World::Backup | World::Verify) => {
                self.check_functions(engine, name, instance, etcd)
            }
            ("files", _) => self.check_functions(engine, name, instance, files),
            ("http", _) => self.check_functions(engine, name, instance, http),
            ("secret", _) => self.check_functions(engine, name, instance, secret),
            _ => Err(self.unknown(name)),
        }
    }

    /// Each imported function must be covered by a request.
    fn check_functions(
        &self,
        engine: &Engine,
        interface: &str,
        instance: &ComponentInstance,
        covering: fn(&str) -> Option<&'static [Request]>,
    ) -> Result<(), AdmitError> {
        for (function, export) in instance.exports(engine) {
            if !matches!(export.ty, ComponentItem::ComponentFunc(_)) {
                continue;
            }
            let import = format!("{interface} `{function}`");
            let covering = covering(function).ok_or_else(|| self.unknown(&import))?;
            let asked = |request| self.manifest.requests.contains(request);
            if !covering.iter().any(asked) {
                return Err(self.not_requested(import, covering[0]));
            }
        }
        Ok(())
    }

    fn wrong_world(&self, expected: String) -> AdmitError {
        AdmitError::WrongWorld {
            name: self.manifest.name.clone(),
            digest: self.digest.clone(),
            world: self.manifest.world,
            expected,
        }
    }

    fn other_contract(&self, does: String) -> AdmitError {
        AdmitError::OtherContract {
            name: self.manifest.name.clone(),
            digest: self.digest.clone(),
            does: drydock_core::plain(&does, 200),
        }
    }

    fn unknown(&self, import: &str) -> AdmitError {
        AdmitError::UnknownImport {
            name: self.manifest.name.clone(),
            digest: self.digest.clone(),
            world: self.manifest.world,
            import: drydock_core::plain(import, 200),
        }
    }

    fn not_requested(&self, import: String, request: Request) -> AdmitError {
        AdmitError::NotRequested {
            name: self.manifest.name.clone(),
            digest: self.digest.clone(),
            import,
            request,
        }
    }
}

/// `etcd` for `drydock:plugin/etcd@0.1.0`, none for another package or version.
fn contract_interface(name: &str) -> Option<&str> {
    let (package, version) = CONTRACT.split_once('@')?;
    name.strip_suffix(version)?
        .strip_suffix('@')?
        .strip_prefix(package)?
        .strip_prefix('/')
}

/// Whether this is an interface of the contract in another version than this host's, be it
/// a newer or an older one.
fn is_of_another_contract(name: &str) -> bool {
    let contract = CONTRACT.split_once('@');
    let interface = name.split_once('@');
    contract
        .zip(interface)
        .is_some_and(|((package, ours), (interface, theirs))| {
            let ours_but_for_the_version = interface
                .strip_prefix(package)
                .is_some_and(|rest| rest.starts_with('/'));
            ours_but_for_the_version && theirs != ours
        })
}

fn exported_interface(world: World) -> String {
    let (package, version) = CONTRACT
        .split_once('@')
        .expect("the contract's name carries its version");
    format!("{package}/{world}-step@{version}")
}

/// The requests of which one is enough for a function of the interface `etcd`. The first
/// is the one to recommend.
fn etcd(function: &str) -> Option<&'static [Request]> {
    use Request::{EtcdHashKv, EtcdMemberList, EtcdSnapshot, EtcdStatus};
    Some(match function {
        "endpoints" => &[EtcdStatus, EtcdMemberList, EtcdSnapshot, EtcdHashKv],
        "member-list" => &[EtcdMemberList],
        "status" => &[EtcdStatus],
        "snapshot" => &[EtcdSnapshot],
        "hash-kv" => &[EtcdHashKv],
        _ => return None,
    })
}

/// The same for the interface `files`.
fn files(function: &str) -> Option<&'static [Request]> {
    use Request::{FilesRead, FilesWrite};
    let method = function
        .rsplit_once('.')
        .map_or(function, |(_, method)| method);
    Some(match method {
        "open" | "is-mounted" | "read-range" | "read-bytes" | "sha256" | "size" | "list"
        | "free" | "walk" | "next" | "skip" | "look" | "append" => &[FilesRead, FilesWrite],
        "write-at" | "write-bytes-at" | "sync" | "link-if-absent" | "remove" => &[FilesWrite],
        _ => return None,
    })
}

/// The same for the interface `http` and for those of `wasi:http`.
fn http(_: &str) -> Option<&'static [Request]> {
    Some(&[Request::Http])
}

/// The same for the interface `secret`.
fn secret(function: &str) -> Option<&'static [Request]> {
    let method = function
        .rsplit_once('.')
        .map_or(function, |(_, method)| method);
    Some(match method {
        "open" | "derive" | "sign" | "placeholder" => &[Request::SecretUse],
        "reveal" => &[Request::SecretReveal],
        _ => return None,
    })
}

/// Whether the import is one of the two interfaces for requests to others.
fn is_wasi_http(name: &str) -> bool {
    name.split_once('@').is_some_and(|(interface, version)| {
        matches!(interface, "wasi:http/types" | "wasi:http/outgoing-handler")
            && version.starts_with("0.2.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_another_version_are_not_ours() {
        assert_eq!(
            contract_interface("drydock:plugin/etcd@0.1.0"),
            Some("etcd")
        );
        for other in [
            "drydock:plugin/etcd@0.1.1",
            "drydock:plugin/etcd",
            "evil:plugin/etcd@0.1.0",
        ] {
            assert_eq!(contract_interface(other), None, "{other}");
        }
        assert!(is_of_another_contract("drydock:plugin/etcd@0.1.1"));
        for other in [
            "drydock:plugin/etcd@0.1.0",
            "drydock:plugin/etcd",
            "drydock:plugins/etcd@0.1.1",
            "evil:plugin/etcd@0.1.1",
        ] {
            assert!(!is_of_another_contract(other), "{other}");
        }
        assert_eq!(
            exported_interface(World::Store),
            "drydock:plugin/store-step@0.1.0"
        );
    }

    #[test]
    fn every_function_of_the_granted_interfaces_has_its_request() {
        let wit = [
            (
                include_str!("../../../../wit/etcd.wit"),
                etcd as fn(&str) -> Option<&'static [Request]>,
            ),
            (
                include_str!("../../../../wit/files.wit"),
                files as fn(&str) -> Option<&'static [Request]>,
            ),
        ];
        for (text, covering) in wit {
            let functions: Vec<_> = text
                .lines()
                .filter_map(|line| line.trim().split_once(':'))
                .filter(|(_, rest)| rest.contains("func("))
                .map(|(name, _)| name.trim_start_matches('%'))
                .collect();
            assert!(functions.len() >= 4);
            for function in functions {
                assert!(covering(function).is_some(), "{function}");
            }
        }
    }
}
