//! What a component imports, held against its world and its requests, function by
//! function.

use drydock_core::{PluginDigest, Power};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use super::AdmitError;
use crate::contract_name::{CONTRACT, contract_interface};
use crate::link::{FREE_INTERFACES, LINKS, Link};
use crate::manifest::PluginManifest;
use crate::request::Request;
use crate::world::World;

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

/// Who is being looked at.
struct Subject<'a> {
    manifest: &'a PluginManifest,
    digest: &'a PluginDigest,
}

/// All that speaks against the component: its exports held against its manifest's world, its
/// imports against world and requests. The first is what matters most.
pub(crate) fn complaints(
    engine: &Engine,
    component: &Component,
    manifest: &PluginManifest,
    digest: &PluginDigest,
) -> Vec<AdmitError> {
    let subject = Subject { manifest, digest };
    let ty = component.component_type();
    let expected = exported_interface(manifest.world);
    let mut complaints: Vec<AdmitError> = super::beyond_world(manifest, digest).collect();
    if ty.get_export(engine, &expected).is_none() {
        let mut exports = ty.exports(engine);
        complaints.push(
            match exports.find(|(name, _)| is_of_another_contract(name)) {
                Some((name, _)) => subject.other_contract(format!("exports {name}")),
                None => subject.wrong_world(expected),
            },
        );
    }
    for (name, import) in ty.imports(engine) {
        complaints.extend(subject.judge_import(engine, name, &import.ty));
    }
    complaints
}

/// The requests that no import of the component needs.
pub(crate) fn needless(
    engine: &Engine,
    component: &Component,
    manifest: &PluginManifest,
) -> Vec<Request> {
    let ty = component.component_type();
    let mut needed: Vec<&Power> = Vec::new();
    for (name, import) in ty.imports(engine) {
        let link = LINKS.iter().find(|link| belongs_to(name, link));
        if let (Some(link), ComponentItem::ComponentInstance(instance)) = (link, &import.ty) {
            let functions = functions(engine, instance);
            needed.extend(functions.iter().flat_map(|one| covering(link, name, one)));
        }
    }
    let requests = manifest.asked();
    requests
        .filter(|request| !needed.contains(&request.power()))
        .collect()
}

impl Subject<'_> {
    fn judge_import(&self, engine: &Engine, name: &str, item: &ComponentItem) -> Vec<AdmitError> {
        let ComponentItem::ComponentInstance(instance) = item else {
            return vec![self.unknown(name)];
        };
        if is_of_another_contract(name) {
            return vec![self.other_contract(format!("imports {name}"))];
        }
        if let Some((interface, version)) = name.split_once('@')
            && WASI.contains(&interface)
            && version.starts_with("0.2.")
        {
            return Vec::new();
        }
        let link = LINKS.iter().find(|link| belongs_to(name, link));
        let world = self.manifest.world;
        if let Some(link) = link.filter(|link| !link.not_for.contains(&world)) {
            return self.judge_functions(name, &functions(engine, instance), link);
        }
        let interface = contract_interface(name);
        let is_free = FREE_INTERFACES
            .iter()
            .any(|free| interface == Some(free.name) && free.is_of(world));
        if is_free {
            return Vec::new();
        }
        vec![self.unknown(name)]
    }

    /// Each imported function must be covered by a request. A sentence for each request that
    /// is missing; one for the interface where all of it is imported and nothing asked for.
    fn judge_functions(&self, interface: &str, functions: &[&str], link: &Link) -> Vec<AdmitError> {
        let mut complaints = Vec::new();
        let mut missing: Vec<(&Power, Vec<&str>)> = Vec::new();
        let mut is_asked_for = false;
        for function in functions {
            let covering = covering(link, interface, function);
            let Some(recommended) = covering.first() else {
                complaints.push(self.unknown(&format!("{interface} `{function}`")));
                continue;
            };
            let mut asked = self.manifest.asked();
            if asked.any(|request| covering.contains(&request.power())) {
                is_asked_for = true;
                continue;
            }
            match missing.iter_mut().find(|(power, _)| power == recommended) {
                Some((_, functions)) => functions.push(function),
                None => missing.push((recommended, vec![function])),
            }
        }
        let powers = missing.iter().map(|(power, _)| *power);
        if !is_asked_for && imports_all(link, interface, functions) {
            complaints.push(self.takes_all(interface, powers.collect()));
        } else {
            let missing = missing.iter();
            complaints.extend(missing.map(|(power, functions)| {
                self.not_requested(format!("{interface} {}", named(functions)), power)
            }));
        }
        complaints
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

    fn not_requested(&self, import: String, power: &Power) -> AdmitError {
        AdmitError::NotRequested {
            name: self.manifest.name.clone(),
            digest: self.digest.clone(),
            import,
            request: request_for(power),
        }
    }

    fn takes_all(&self, interface: &str, powers: Vec<&Power>) -> AdmitError {
        let requests = powers.into_iter().map(request_for);
        let requests: Vec<String> = requests.map(|one| format!("\"{one}\"")).collect();
        AdmitError::WholeInterface {
            name: self.manifest.name.clone(),
            digest: self.digest.clone(),
            interface: interface.to_owned(),
            requests: requests.join(", "),
        }
    }
}

/// Functions that a sentence names; more would hide the mend.
const NAMED_MAX: usize = 3;

/// Functions of one interface in a sentence.
fn named(functions: &[&str]) -> String {
    let first: Vec<String> = functions
        .iter()
        .take(NAMED_MAX)
        .map(|function| format!("`{}`", drydock_core::plain(function, 200)))
        .collect();
    let mut text = first.join(", ");
    if let Some(more @ 1..) = functions.len().checked_sub(NAMED_MAX) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn request_for(power: &Power) -> Request {
    Request::named(power.word).expect("powers are those of the table")
}

/// The names of an instance's functions.
fn functions<'a>(engine: &'a Engine, instance: &'a ComponentInstance) -> Vec<&'a str> {
    let exports = instance.exports(engine);
    let functions = exports.filter(|(_, one)| matches!(one.ty, ComponentItem::ComponentFunc(_)));
    functions.map(|(name, _)| name).collect()
}

/// Whether a component imports every function of one of the contract's interfaces, as those
/// of languages do whose bindings take in whatever stands in their world. Of an interface of
/// others, nobody here knows the functions.
fn imports_all(link: &Link, interface: &str, functions: &[&str]) -> bool {
    let methods: Vec<&str> = functions.iter().map(|one| method(one)).collect();
    let all = link.capability.powers.iter().flat_map(|one| one.functions);
    contract_interface(interface).is_none()
        || all.clone().count() > 1 && all.into_iter().all(|one| methods.contains(one))
}

/// A method without the name of its resource.
fn method(function: &str) -> &str {
    function
        .rsplit_once('.')
        .map_or(function, |(_, method)| method)
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

/// Whether the interface is one of a capability's.
fn belongs_to(name: &str, link: &Link) -> bool {
    if let Some(interface) = contract_interface(name) {
        return link.interface == Some(interface);
    }
    name.split_once('@').is_some_and(|(interface, version)| {
        link.foreign.contains(&interface) && version.starts_with("0.2.")
    })
}

/// The powers of which one is enough for a function. The first is the one to recommend: the
/// one that the function belongs to.
fn covering(link: &Link, interface: &str, function: &str) -> Vec<&'static Power> {
    let powers = link.capability.powers;
    if contract_interface(interface).is_none() {
        return powers.iter().collect();
    }
    let method = method(function);
    let (own, also): (Vec<_>, Vec<_>) = powers
        .iter()
        .filter(|power| power.opens(method))
        .partition(|power| power.functions.contains(&method));
    [own, also].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use drydock_core::Reach;

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

    /// The functions and methods of an interface of the contract.
    fn functions(interface: &str) -> Vec<String> {
        let root = env!("CARGO_MANIFEST_DIR");
        let text = std::fs::read_to_string(format!("{root}/../../wit/{interface}.wit")).unwrap();
        let named = text.lines().filter_map(|line| line.trim().split_once(':'));
        let functions = named.filter(|(_, rest)| rest.contains("func("));
        functions
            .map(|(name, _)| name.trim_start_matches('%').to_owned())
            .collect()
    }

    #[test]
    fn every_function_of_the_granted_interfaces_belongs_to_one_power() {
        for link in LINKS {
            let Some(interface) = link.interface else {
                continue;
            };
            let functions = functions(interface);
            assert!(!functions.is_empty(), "{interface}");
            let powers = || link.capability.powers.iter();
            for function in &functions {
                let owners = powers().filter(|power| power.functions.contains(&&**function));
                assert_eq!(owners.count(), 1, "{interface} {function}");
            }
            for named in powers().flat_map(|power| power.functions.iter().chain(power.also)) {
                assert!(
                    functions.iter().any(|own| own == named),
                    "{interface} {named}"
                );
            }
        }
    }

    #[test]
    fn what_is_left_of_a_power_for_reading_reads_and_what_it_opens_is_open() {
        for power in crate::link::powers() {
            let Some(reading) = power.reading else {
                continue;
            };
            assert_eq!((power.reach, reading.reach), (Reach::Writes, Reach::Reads));
            for function in reading.functions {
                assert!(power.opens(function), "{} {function}", power.word);
            }
        }
    }

    #[test]
    fn a_name_and_an_interface_belong_to_one_capability_and_no_other_list() {
        let foreign = LINKS.iter().flat_map(|link| link.foreign);
        let granted = LINKS.iter().filter_map(|link| link.interface);
        let lists: [Vec<&str>; 2] = [
            LINKS.iter().map(|link| link.capability.name).collect(),
            foreign
                .copied()
                .chain(granted)
                .chain(FREE_INTERFACES.iter().map(|free| free.name))
                .collect(),
        ];
        for list in lists {
            let unique: BTreeSet<&str> = list.iter().copied().collect();
            assert_eq!(unique.len(), list.len(), "{list:?}");
        }
    }

    #[test]
    fn each_power_has_a_word_of_its_own_and_a_line_of_its_capability() {
        let mut words: Vec<&str> = crate::link::powers().map(|power| power.word).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
        for link in LINKS {
            let begin = format!("{}: [", link.capability.name);
            for power in link.capability.powers {
                assert!(power.line.starts_with(&begin), "{power:?}");
            }
        }
    }
}
