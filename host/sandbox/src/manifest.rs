//! What a plugin says of itself, read from its bytes without running anything.

mod embed;
mod inspect;

use drydock_core::action::{ActionManifest, OUTPUTS_MAX};
use drydock_core::{HoldKind, Repeat, SubjectAccess};
use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

use crate::contract_name::CONTRACT;
use crate::link;
use crate::request::Request;
use crate::world::World;

/// Name of the custom section that carries a [`PluginManifest`] as JSON.
pub const MANIFEST_SECTION: &str = "drydock:plugin";

/// Largest manifest section that is read: it is a handful of words.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024;

/// What stands in the custom section of a component or of its nested core module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginManifest {
    /// Lower-case letters, digits and `-`, at most 63 characters.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    pub world: World,
    /// The contract version that the plugin was built against, e.g. [`CONTRACT`].
    pub contract: String,
    /// What the plugin asks for.
    #[serde(default)]
    pub requests: Vec<Request>,
    /// What it can do without: where no grant allows it, the plugin runs, and a call of that
    /// power is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<Request>,
    /// Of the world `action`, and of no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionManifest>,
}

/// Largest component that is looked at; an interpreter with its library has about 20 MB.
const COMPONENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The first bytes of every module and component (WebAssembly core specification, 5.5.16).
const WASM_MAGIC: &[u8] = b"\0asm";

/// Longest name and version.
const NAME_CHARACTERS_MAX: usize = 63;

/// Why a file is no plugin of ours.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(
        "the file has {bytes} bytes, more than the {COMPONENT_BYTES_MAX} that a plugin may have"
    )]
    TooLarge { bytes: usize },
    #[error(
        "the file is not WebAssembly: a plugin is a component that was built for wasm32-wasip2"
    )]
    NotWasm,
    #[error(
        "the file begins as WebAssembly and is damaged or cut off further on: copy or build it again"
    )]
    Damaged,
    #[error("the file is a core WebAssembly module, not a component: build it for wasm32-wasip2")]
    CoreModule,
    #[error(
        "the component has no section `{MANIFEST_SECTION}`, which says what it is and what it asks for: build it with the plugin SDK, or add the section with `drydock plugin embed`"
    )]
    Missing,
    #[error(
        "the component has {count} manifests in sections `{MANIFEST_SECTION}` and must have exactly one: link only one plugin into it"
    )]
    Several { count: usize },
    #[error(
        "the section `{MANIFEST_SECTION}` has {bytes} bytes, more than the {MANIFEST_BYTES_MAX} allowed"
    )]
    SectionTooLarge { bytes: usize },
    #[error(
        "the section `{MANIFEST_SECTION}` is not a manifest: build the plugin with an SDK of this contract ({CONTRACT})"
    )]
    NotAManifest {
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "the component has a section `{MANIFEST_SECTION}` already, and may have only one: build it without, or use it as it is"
    )]
    Already,
    #[error("the manifest of plugin {name} contradicts itself: {rule}")]
    BadAction { name: String, rule: &'static str },
    #[error("the manifest's {what} {found:?} is not valid: {rule}")]
    BadWord {
        what: &'static str,
        found: String,
        rule: &'static str,
    },
    #[error(
        "plugin {name} was built against {found}, and this host speaks {CONTRACT}: build the plugin with the SDK of this host, or use the Drydock version that the plugin was made for"
    )]
    OtherContract { name: String, found: String },
}

impl PluginManifest {
    /// All that it asks for, what it can do without last.
    pub fn asked(&self) -> impl Iterator<Item = Request> {
        self.requests.iter().chain(&self.optional).copied()
    }
}

pub use embed::embed;
pub use inspect::{Inspection, inspect};

/// Reads the manifest of a component.
///
/// # Errors
/// [`ManifestError`], one sentence for each way to be wrong.
pub fn read(component: &[u8]) -> Result<PluginManifest, ManifestError> {
    let manifest = parse(section(component)?)?;
    check(&manifest)?;
    Ok(manifest)
}

/// Refuses words that cannot stand in a manifest, and other contracts.
fn check(manifest: &PluginManifest) -> Result<(), ManifestError> {
    check_words(manifest)?;
    if manifest.contract != CONTRACT {
        return Err(ManifestError::OtherContract {
            name: manifest.name.clone(),
            found: shown(&manifest.contract),
        });
    }
    check_action(manifest)
}

/// Refuses what an action cannot say of itself.
fn check_action(manifest: &PluginManifest) -> Result<(), ManifestError> {
    let refused = |rule: &'static str| {
        Err(ManifestError::BadAction {
            name: manifest.name.clone(),
            rule,
        })
    };
    let action = match (&manifest.action, manifest.world) {
        (Some(action), World::Action) => action,
        (None, World::Action) => {
            return refused("an action says what it is under `action`, at least `repeat`");
        }
        (Some(_), _) => return refused("only a plugin of the world action has `action`"),
        (None, _) => return Ok(()),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= NAME_CHARACTERS_MAX && name.chars().all(plain)
    };
    if action.outputs.len() > OUTPUTS_MAX || !action.outputs.keys().all(is_name) {
        return refused("an action has at most 64 outputs, named by letters, digits and `-`");
    }
    let changes = |request: Request| link::changes_cluster(request.power());
    if action.access == SubjectAccess::Reads && manifest.asked().any(changes) {
        return refused(
            "an action that asks to change the cluster's etcd says `access: \"writes\"`, so that nothing else goes on there meanwhile",
        );
    }
    match action.hold {
        Some(HoldKind::State) if !action.undo => {
            refused("a hold of kind state is let go by undo, so `undo` must be true")
        }
        Some(HoldKind::Session) if action.repeat != Repeat::Idempotent => {
            refused("a hold of kind session is gone with its attempt, so `repeat` is idempotent")
        }
        _ => Ok(()),
    }
}

/// The bytes of the one manifest section in the component and everything nested in it.
fn section(component: &[u8]) -> Result<&[u8], ManifestError> {
    if component.len() > COMPONENT_BYTES_MAX {
        let bytes = component.len();
        return Err(ManifestError::TooLarge { bytes });
    }
    let sections = sections(component)?;
    match sections.as_slice() {
        [] => Err(ManifestError::Missing),
        [one] if one.len() > MANIFEST_BYTES_MAX => {
            let bytes = one.len();
            Err(ManifestError::SectionTooLarge { bytes })
        }
        [one] => Ok(one),
        several => {
            let count = several.len();
            Err(ManifestError::Several { count })
        }
    }
}

fn sections(component: &[u8]) -> Result<Vec<&[u8]>, ManifestError> {
    if !component.starts_with(WASM_MAGIC) {
        return Err(ManifestError::NotWasm);
    }
    let mut found = Vec::new();
    for (index, payload) in Parser::new(0).parse_all(component).enumerate() {
        match payload.map_err(|_| ManifestError::Damaged)? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if index == 0 => return Err(ManifestError::CoreModule),
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                found.push(section.data());
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The one manifest in the section. A linker that meets two statics for one section puts
/// them behind each other into it, so that two manifests look like one section.
fn parse(section: &[u8]) -> Result<PluginManifest, ManifestError> {
    let values = serde_json::Deserializer::from_slice(section).into_iter::<serde_json::Value>();
    let whole = values.take_while(Result::is_ok).count();
    if whole > 1 {
        return Err(ManifestError::Several { count: whole });
    }
    serde_json::from_slice(section).map_err(|source| ManifestError::NotAManifest { source })
}

fn check_words(manifest: &PluginManifest) -> Result<(), ManifestError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &manifest.name;
    if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.chars().all(plain) {
        return Err(ManifestError::BadWord {
            what: "name",
            found: shown(name),
            rule: "use 1 to 63 lower-case letters, digits and `-`",
        });
    }
    let version = &manifest.version;
    let graphic = |c: char| c.is_ascii_graphic();
    if version.is_empty() || version.len() > NAME_CHARACTERS_MAX || !version.chars().all(graphic) {
        return Err(ManifestError::BadWord {
            what: "version",
            found: shown(version),
            rule: "use 1 to 63 printable characters",
        });
    }
    Ok(())
}

/// A word of an unknown file, fit for a message.
fn shown(word: &str) -> String {
    drydock_core::plain(word, NAME_CHARACTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    /// A component with these custom sections.
    fn component(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = COMPONENT.to_vec();
        for (name, data) in sections {
            bytes.push(0);
            leb(&mut bytes, 1 + name.len() + data.len());
            leb(&mut bytes, name.len());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(data);
        }
        bytes
    }

    fn leb(bytes: &mut Vec<u8>, mut number: usize) {
        while number >= 0x80 {
            bytes.push((number % 0x80) as u8 | 0x80);
            number /= 0x80;
        }
        bytes.push(number as u8);
    }

    fn json(name: &str, contract: &str) -> String {
        format!(
            r#"{{"name":"{name}","version":"1.0.0","world":"store","contract":"{contract}","requests":["files.write"]}}"#
        )
    }

    fn message(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_is_read() {
        let json = json("store-x", CONTRACT);
        let bytes = component(&[("other", b"x"), (MANIFEST_SECTION, json.as_bytes())]);
        assert_eq!(read(&bytes).unwrap().name, "store-x");
    }

    #[test]
    fn each_kind_of_wrong_file_has_its_sentence() {
        assert!(message(b"hello world").contains("not WebAssembly"));
        assert!(message(b"").contains("not WebAssembly"));
        assert!(message(MODULE).contains("core WebAssembly module"));
        assert!(message(&component(&[])).contains("no section"));
        let one: (&str, &[u8]) = (MANIFEST_SECTION, b"{}");
        assert!(message(&component(&[one, one])).contains("2 manifests"));
        let joined: (&str, &[u8]) = (MANIFEST_SECTION, b"{}{}");
        assert!(message(&component(&[joined])).contains("2 manifests"));
        assert!(message(&component(&[one])).contains("not a manifest"));
        let large = vec![b' '; MANIFEST_BYTES_MAX + 1];
        assert!(message(&component(&[(MANIFEST_SECTION, &large)])).contains("16385 bytes"));
    }

    #[test]
    fn another_contract_names_both_versions_and_the_mend() {
        let json = json("store-x", "drydock:plugin@9.9.9");
        let message = message(&component(&[(MANIFEST_SECTION, json.as_bytes())]));
        assert!(message.starts_with("plugin store-x was built against drydock:plugin@9.9.9, and this host speaks drydock:plugin@0.1.0: build"), "{message}");
    }

    #[test]
    fn an_action_says_what_may_be_done_with_it_and_nobody_else_does() {
        let told = |world: &str, action: &str| {
            let json = format!(
                r#"{{"name":"a","version":"1","world":"{world}","contract":"{CONTRACT}"{action}}}"#
            );
            read(&component(&[(MANIFEST_SECTION, json.as_bytes())]))
        };
        let keyed =
            r#","action":{"repeat":"keyed","undo":true,"outputs":{"bytes-freed":"integer"}}"#;
        let action = told("action", keyed).unwrap().action.unwrap();
        assert_eq!((action.repeat, action.undo), (Repeat::Keyed, true));
        assert_eq!(action.access, drydock_core::SubjectAccess::Writes);
        for (world, action, rule) in [
            ("action", "", "at least `repeat`"),
            ("store", keyed, "only a plugin of the world action"),
            (
                "action",
                r#","action":{"repeat":"keyed","hold":"state"}"#,
                "`undo` must be true",
            ),
            (
                "action",
                r#","action":{"repeat":"keyed","hold":"session"}"#,
                "`repeat` is idempotent",
            ),
            (
                "action",
                r#","action":{"repeat":"keyed","outputs":{"a b":"text"}}"#,
                "at most 64",
            ),
            (
                "action",
                r#","action":{"repeat":"keyed","access":"reads"},"optional":["etcd.compact"]"#,
                "`access: \"writes\"`",
            ),
        ] {
            let error = told(world, action).unwrap_err();
            assert!(matches!(error, ManifestError::BadAction { .. }), "{error}");
            assert!(error.to_string().contains(rule), "{error}");
        }
        let looks =
            r#","action":{"repeat":"keyed","access":"reads"},"requests":["etcd.status","http"]"#;
        told("action", looks).unwrap();
        let unknown = told("action", r#","action":{"repeat":"often"}"#).unwrap_err();
        assert!(matches!(unknown, ManifestError::NotAManifest { .. }));
    }

    #[test]
    fn names_are_held_to_their_rule() {
        for bad in ["", "Store", "a b", "a\\u001b[31m", &"a".repeat(64)] {
            let json = json(bad, CONTRACT);
            let bytes = component(&[(MANIFEST_SECTION, json.as_bytes())]);
            assert!(
                matches!(read(&bytes), Err(ManifestError::BadWord { .. })),
                "{bad}"
            );
        }
    }
}
