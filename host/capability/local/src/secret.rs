//! Secrets that a plugin may use without seeing them, and those that it may see.
//!
//! [`SecretAccess`] decides, for one attempt, by the plugin's grants: it reads a value
//! from its [`SecretSource`] when it is first used, opens a [`Key`], hands out
//! placeholders that only a granted header of a granted host turns into the value, or
//! gives the value away where a grant says `reveal`. The [`Redactor`] takes whatever was
//! read out of every text that the plugin leaves behind.
//!
//! **Invariant:** neither a key nor anything derived from it leaves this module; what
//! leaves is the last step of a granted chain, over a message with a granted beginning.

mod access;
mod key;
mod redact;

pub(crate) use access::refused;
pub use access::{SecretAccess, SecretSource};
pub use key::Key;
pub use redact::Redactor;
