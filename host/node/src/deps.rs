//! What the process hands to everything in it.

use std::sync::Arc;

use drydock_core::{Clock, CrashPoint};
use drydock_documents::Lookup;

use crate::action::Actions;

/// Made in `main` and passed on; nothing of it is kept in a static.
#[derive(Clone)]
pub struct Deps {
    pub clock: Arc<dyn Clock>,
    pub crash: Arc<dyn CrashPoint>,
    /// Environment variables, and the files that documents name.
    pub env: Arc<dyn Lookup>,
    pub built_in: BuiltIn,
    /// What `action:` steps can do.
    pub actions: Arc<dyn Actions>,
}

/// The plugins that the program carries: name and component of each. They are ordinary
/// plugins.
#[derive(Clone, Copy)]
pub struct BuiltIn(pub &'static [(&'static str, &'static [u8])]);

impl BuiltIn {
    /// The component of a built-in plugin.
    pub fn component(self, name: &str) -> Option<&'static [u8]> {
        let mut plugins = self.0.iter();
        plugins
            .find(|(built_in, _)| *built_in == name)
            .map(|(_, component)| *component)
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }
}
