//! A node's configuration for a verb that uses only some of its keys: what is wrong with the
//! others is noted and set aside, so that nobody is stopped by it who does not need it.

use std::sync::Arc;

use drydock_core::tree::{Node, Position, Value};

use super::document::node_config;
use super::error::FileError;
use super::located::Located;
use super::node::{NodeConfig, NodeConfigSpec};
use super::tree;
use super::vocabulary::Vocabulary;

/// Parses a node's configuration. The keys `unused` of its `spec` are left out where
/// something is wrong with them.
///
/// # Errors
/// The first mistake anywhere else.
pub fn parse_node_config_without(
    file_name: &str,
    text: &str,
    unused: &[&str],
    vocabulary: &dyn Vocabulary,
) -> Result<(Located<NodeConfig>, Vec<FileError>), FileError> {
    let file: Arc<str> = Arc::from(file_name);
    let mut nodes = tree::parse(&file, text)?;
    let mut warnings = Vec::new();
    loop {
        let error = match node_config(&file, &nodes, vocabulary) {
            Ok(config) => return Ok((config, warnings)),
            Err(error) => error,
        };
        // Each turn takes a key away, so this ends.
        if !set_aside(&mut nodes, error.at, unused) {
            return Err(error);
        }
        warnings.push(error);
    }
}

/// Takes the key of `spec` away in which this place is, if it is one of `unused` or none that
/// there is.
fn set_aside(nodes: &mut [Node], at: Position, unused: &[&str]) -> bool {
    let [node] = nodes else {
        return false;
    };
    let Some(Value::Map(keys)) = node.get_mut("spec").map(|spec| &mut spec.value) else {
        return false;
    };
    let before = keys.iter().enumerate().filter(|(_, (key, _))| key.at <= at);
    let Some((index, (key, _))) = before.max_by_key(|(_, (key, _))| key.at) else {
        return false;
    };
    let word = key.text.as_str();
    // A verb that needs everything has none to spare, and hears of a slip at once.
    let is_slip = !unused.is_empty() && !NodeConfigSpec::KEYS.contains(&word);
    let is_unused = is_slip || unused.contains(&word);
    if is_unused {
        keys.remove(index);
    }
    is_unused
}
