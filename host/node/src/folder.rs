//! A node that is made up for a target's folder, where nothing of Drydock is configured: a
//! rescue machine has the folder, or a copy of it, and keys. It reads through the same store
//! plugin as ever, which gets the folder for reading and nothing else; its state folder
//! holds compiled code and files without names, and goes with the process.

use std::path::{Path, PathBuf};

use drydock_core::reason;
use drydock_documents::{self as documents, Document, DocumentSet, FileErrors, Located};
use drydock_repository::names::MANIFEST;
use serde_json::{Value, json};

use crate::capabilities::CAPABILITIES;
use crate::{Configuration, Deps, LoadError};

/// What errors call the documents: they were made of this flag.
const SOURCE: &str = "--target-folder";

/// The target's name in what is printed.
pub const TARGET: &str = "folder";

impl Configuration {
    /// A node whose only target is this folder.
    pub fn of_folder(folder: &Path, deps: Deps) -> Result<Self, LoadError> {
        let folder = whole_path(folder)?;
        refuse_inner(&folder)?;
        let state = tempfile::Builder::new().prefix("drydock-").tempdir();
        let state = state.map_err(|error| LoadError::NoTemporary {
            folder: tempfile::env::temp_dir(),
            why: reason(&error),
        })?;
        let config = json!({"state": state.path(), "schedules": [folder]});
        let text = document("NodeConfig", "rescue", &config);
        let config = documents::parse_node_config(SOURCE, &text, &CAPABILITIES)?;
        let target = json!({"plugin": "store-file", "config": {"folder": folder}});
        let grant = json!({
            "builtin": "store-file",
            "grants": {"files": [{"directory": folder, "access": "read"}]},
        });
        let documents = [
            document("Target", TARGET, &target),
            document("PluginGrant", "store-file", &grant),
        ];
        let documents = documents
            .iter()
            .map(|text| documents::parse(SOURCE, text, &CAPABILITIES));
        let documents: Vec<Vec<Located<Document>>> = documents.collect::<Result<_, _>>()?;
        let documents = DocumentSet::build(documents.into_iter().flatten().collect());
        Ok(Self {
            config,
            documents: documents.map_err(FileErrors)?,
            warnings: Vec::new(),
            development: Vec::new(),
            deps,
            lent: Some(state),
        })
    }
}

fn document(kind: &str, name: &str, spec: &Value) -> String {
    let document = json!({
        "apiVersion": documents::API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    });
    // JSON is YAML.
    document.to_string()
}

/// The folder itself: grants follow no links.
fn whole_path(folder: &Path) -> Result<PathBuf, LoadError> {
    let told = |why: String| LoadError::NoFolder {
        folder: folder.to_owned(),
        why,
    };
    let whole = std::fs::canonicalize(folder).map_err(|error| told(reason(&error)))?;
    std::fs::read_dir(&whole).map_err(|error| told(reason(&error)))?;
    if whole.to_str().is_none() {
        return Err(told("its name is no UTF-8 text".to_owned()));
    }
    Ok(whole)
}

/// Somebody in a hurry names the folder of a recovery point, or of a cluster.
fn refuse_inner(folder: &Path) -> Result<(), LoadError> {
    let is_point = |folder: &Path| folder.join(MANIFEST).is_file();
    let mut inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let (what, levels) = if is_point(folder) {
        ("a recovery point", 2)
    } else if inside.any(|entry| is_point(&entry.path())) {
        ("one cluster", 1)
    } else {
        return Ok(());
    };
    let outer = folder.ancestors().nth(levels).unwrap_or(Path::new("/"));
    Err(LoadError::InnerFolder {
        folder: folder.to_owned(),
        what,
        advice: format!(
            "name the target's, which holds CLUSTER/RECOVERY-POINT/{MANIFEST}, e.g. {}; if it was copied alone, make those folders above it",
            outer.display()
        ),
    })
}
