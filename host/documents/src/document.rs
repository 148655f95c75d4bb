//! From the tree of a file to its documents, of whichever kind each is.

use std::path::Path;
use std::sync::Arc;

use drydock_core::tree::{Node, Position, Value};
use drydock_core::{DecodeError, Grants, Name, nearest};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::error::FileError;
use super::grant::{PluginGrant, PluginGrantSpec};
use super::located::Located;
use super::node::{NodeConfig, NodeConfigSpec};
use super::problem::Problem;
use super::schedule::{Schedule, ScheduleSpec};
use super::set_aside::parse_node_config_without;
use super::target::{Target, TargetSpec};
use super::tree::{self, Positions};
use super::value;
use super::vocabulary::{Vocabulary, granted, granted_if_any, granted_to_steps};

/// The version of all documents.
pub const API_VERSION: &str = "drydock.dev/v1";

/// One document of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub enum Document {
    NodeConfig(NodeConfig),
    Cluster(Cluster),
    Target(Target),
    Schedule(Schedule),
    PluginGrant(PluginGrant),
}

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    NodeConfig,
    Cluster,
    Target,
    Schedule,
    PluginGrant,
}

/// Parses a file of any number of documents. `file_name` is the file as the operator
/// named it: it stands in every error, and relative paths start at its folder.
///
/// # Errors
/// The first mistake of the file.
pub fn parse(
    file_name: &str,
    text: &str,
    vocabulary: &dyn Vocabulary,
) -> Result<Vec<Located<Document>>, FileError> {
    let file: Arc<str> = Arc::from(file_name);
    tree::parse(&file, text)?
        .iter()
        .map(|node| document(&file, node, vocabulary))
        .collect()
}

/// Parses a node's configuration: a file with one NodeConfig and nothing else.
///
/// # Errors
/// The first mistake of the file.
pub fn parse_node_config(
    file_name: &str,
    text: &str,
    vocabulary: &dyn Vocabulary,
) -> Result<Located<NodeConfig>, FileError> {
    let (config, _) = parse_node_config_without(file_name, text, &[], vocabulary)?;
    Ok(config)
}

/// Reads what can stand under `grants:`, from a text that holds nothing else: a mapping, or
/// several as documents of their own, which add up.
///
/// # Errors
/// The first mistake.
pub fn parse_grants(
    file_name: &str,
    text: &str,
    vocabulary: &dyn Vocabulary,
) -> Result<Grants, FileError> {
    let file: Arc<str> = Arc::from(file_name);
    let mut all = Grants::default();
    for node in tree::parse(&file, text)? {
        let grants = vocabulary
            .grants(&node)
            .map_err(|error| FileError::misfit(&file, Kind::PluginGrant.word(), &node, &error))?;
        all = all.and(&grants);
    }
    Ok(all)
}

/// The only NodeConfig of a file.
pub(super) fn node_config(
    file: &Arc<str>,
    nodes: &[Node],
    vocabulary: &dyn Vocabulary,
) -> Result<Located<NodeConfig>, FileError> {
    let mut found = None;
    for node in nodes {
        let located = document(file, node, vocabulary)?;
        let extra = found.is_some();
        match located.value {
            Document::NodeConfig(config) if !extra => {
                found = Some(Located {
                    value: config,
                    file: located.file,
                    positions: located.positions,
                });
            }
            ref other => {
                let rule = format!(
                    "{} {} does not belong into the node's configuration, which holds one NodeConfig; move it to a file of its own",
                    other.kind(),
                    other.name()
                );
                return Err(located.sentence("kind", rule));
            }
        }
    }
    found.ok_or_else(|| FileError {
        file: Arc::clone(file),
        at: Position::START,
        message: "the file holds no NodeConfig; begin it with apiVersion: drydock.dev/v1 and kind: NodeConfig".to_owned(),
    })
}

impl Document {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NodeConfig(_) => Kind::NodeConfig,
            Self::Cluster(_) => Kind::Cluster,
            Self::Target(_) => Kind::Target,
            Self::Schedule(_) => Kind::Schedule,
            Self::PluginGrant(_) => Kind::PluginGrant,
        }
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::NodeConfig(node) => node.name.as_str(),
            Self::Cluster(cluster) => cluster.name.as_str(),
            Self::Target(target) => target.name.as_str(),
            Self::Schedule(schedule) => schedule.name.as_str(),
            Self::PluginGrant(grant) => grant.name.as_str(),
        }
    }

    /// The document as JSON, keys in their order by name: two with one text say the same, and
    /// [`parse`] reads the text back. Paths that are relative still are from `folder`, so that
    /// the text means the same wherever it is read. Secrets are places there as here.
    #[must_use]
    pub fn canonical(&self, folder: &Path) -> String {
        let mut document = self.clone();
        document.resolve_paths(folder);
        let spec = match &document {
            Self::NodeConfig(node) => serde_json::to_value(&node.spec),
            Self::Cluster(cluster) => serde_json::to_value(&cluster.spec),
            Self::Target(target) => serde_json::to_value(&target.spec),
            Self::Schedule(schedule) => serde_json::to_value(&schedule.spec),
            Self::PluginGrant(grant) => serde_json::to_value(&grant.spec),
        };
        let document = serde_json::json!({
            "apiVersion": API_VERSION,
            "kind": self.kind().word(),
            "metadata": {"name": self.name()},
            "spec": spec.expect("documents are plain maps, lists and scalars"),
        });
        escaped(&document.to_string())
    }

    fn resolve_paths(&mut self, folder: &Path) {
        match self {
            Self::NodeConfig(node) => node.resolve_paths(folder),
            Self::Cluster(cluster) => cluster.resolve_paths(folder),
            Self::Target(target) => target.resolve_paths(folder),
            Self::Schedule(schedule) => schedule.resolve_paths(folder),
            Self::PluginGrant(grant) => grant.resolve_paths(folder),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        match self {
            Self::NodeConfig(node) => node.problems(),
            Self::Cluster(cluster) => cluster.problems(),
            Self::Target(target) => target.problems(),
            Self::Schedule(schedule) => schedule.problems(),
            Self::PluginGrant(grant) => grant.problems(),
        }
    }
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::NodeConfig,
        Self::Cluster,
        Self::Target,
        Self::Schedule,
        Self::PluginGrant,
    ];

    /// The word as it stands in a document.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NodeConfig => "NodeConfig",
            Self::Cluster => "Cluster",
            Self::Target => "Target",
            Self::Schedule => "Schedule",
            Self::PluginGrant => "PluginGrant",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// JSON whose characters YAML allows too: it has fewer that may stand in a text as they are.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        let is_plain = !character.is_control()
            && !matches!(
                character,
                '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            );
        if is_plain {
            text.push(character);
        } else {
            // All of these are below U+10000, so that one escape is enough for both.
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        }
    }
    text
}

/// What every document has around its `spec`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "version and kind are read before; here they only must be known keys"
)]
struct Envelope<S> {
    api_version: IgnoredAny,
    kind: IgnoredAny,
    metadata: Metadata,
    spec: S,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    name: Name,
}

fn document(
    file: &Arc<str>,
    node: &Node,
    vocabulary: &dyn Vocabulary,
) -> Result<Located<Document>, FileError> {
    let kind = header(file, node)?;
    let folder = Path::new(&**file).parent().unwrap_or(Path::new(""));
    let mut value = body(node, kind, vocabulary)
        .map_err(|error| FileError::misfit(file, kind.word(), node, &error))?;
    value.resolve_paths(folder);
    let located = Located {
        value,
        file: Arc::clone(file),
        positions: Arc::new(Positions::of(node)),
    };
    match located.value.problems().first() {
        Some(problem) => Err(located.error(&problem.path, format!("of a {kind} {}", problem.rule))),
        None => Ok(located),
    }
}

/// The kind of a document whose version is ours.
fn header(file: &Arc<str>, node: &Node) -> Result<Kind, FileError> {
    let fail = |at, message: String| FileError {
        file: Arc::clone(file),
        at,
        message,
    };
    if !matches!(node.value, Value::Map(_)) {
        let message = "a document must be a mapping that begins with apiVersion and kind";
        return Err(fail(node.at, message.to_owned()));
    }
    let (version, at) = text_of(node, "apiVersion");
    if version != Some(API_VERSION) {
        let message = if node.get("apiVersion").is_some() {
            format!("apiVersion must be {API_VERSION}, the only one that this Drydock reads")
        } else {
            format!("apiVersion is missing; add apiVersion: {API_VERSION}")
        };
        return Err(fail(at, message));
    }
    let words = Kind::ALL.map(Kind::word);
    let (word, at) = text_of(node, "kind");
    let Some(word) = word else {
        return Err(fail(
            at,
            format!("kind is missing; add one of {}", words.join(", ")),
        ));
    };
    Kind::ALL
        .into_iter()
        .find(|kind| kind.word() == word)
        .ok_or_else(|| {
            let near = nearest(word, words)
                .map_or(String::new(), |near| format!("; did you mean {near}?"));
            fail(
                at,
                format!("kind must be one of {}, not {word}{near}", words.join(", ")),
            )
        })
}

fn text_of<'n>(node: &'n Node, key: &str) -> (Option<&'n str>, Position) {
    match node.get(key) {
        Some(Node {
            at,
            value: Value::Text(text),
        }) => (Some(text), *at),
        Some(other) => (None, other.at),
        None => (None, node.at),
    }
}

fn body(node: &Node, kind: Kind, vocabulary: &dyn Vocabulary) -> Result<Document, DecodeError> {
    Ok(match kind {
        Kind::NodeConfig => {
            let (name, mut spec) = envelope::<NodeConfigSpec>(node)?;
            spec.ceiling = granted_if_any(node, "ceiling", vocabulary)?;
            Document::NodeConfig(NodeConfig { name, spec })
        }
        Kind::Cluster => {
            let (name, spec) = envelope(node)?;
            Document::Cluster(Cluster {
                name: value::NamedId::from_name(name),
                spec,
            })
        }
        Kind::Target => {
            let (name, mut spec) = envelope::<TargetSpec>(node)?;
            spec.grants = granted(node, "grants", vocabulary)?;
            Document::Target(Target {
                name: value::NamedId::from_name(name),
                spec,
            })
        }
        Kind::Schedule => {
            let (name, mut spec) = envelope::<ScheduleSpec>(node)?;
            let grants = granted_to_steps(node, vocabulary)?;
            for (step, grants) in spec.steps.iter_mut().zip(grants) {
                step.grants = grants;
            }
            Document::Schedule(Schedule {
                name: value::NamedId::from_name(name),
                spec,
            })
        }
        Kind::PluginGrant => {
            let (name, mut spec) = envelope::<PluginGrantSpec>(node)?;
            spec.grants = granted(node, "grants", vocabulary)?.unwrap_or_default();
            Document::PluginGrant(PluginGrant { name, spec })
        }
    })
}

fn envelope<S: for<'de> Deserialize<'de>>(node: &Node) -> Result<(Name, S), DecodeError> {
    let envelope: Envelope<S> = node.decode()?;
    Ok((envelope.metadata.name, envelope.spec))
}
