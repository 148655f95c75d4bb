//! The plugins that this binary carries. They are ordinary plugins.

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The component of a built-in plugin.
pub fn component(name: &str) -> Option<&'static [u8]> {
    BUILT_IN
        .iter()
        .find(|(built_in, _)| *built_in == name)
        .map(|(_, component)| *component)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}
