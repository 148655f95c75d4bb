//! Secrets that a plugin may use without seeing them, and those that it may see.
//!
//! [`SecretAccess`] decides, for one attempt, by the plugin's grants: it reads a value
//! from its [`SecretSource`] when it is first used, opens a [`Key`], hands out
//! placeholders that only a granted header of a granted host turns into the value, or
//! gives the value away where a grant says `reveal`. The [`Redactor`] takes whatever was
//! read out of every text that the plugin leaves behind.
//!
//! The crate refuses to know where secrets are kept: the daemon hands in the source. It
//! sends nothing either: whoever sends asks it to fill the headers of a request.
//!
//! **Invariant:** neither a key nor anything derived from it leaves this crate; what
//! leaves is the last step of a granted chain, over a message with a granted beginning.
//!
//! **Invariant:** a value that was read is known to the redactor before anybody has it.
//!
//! A crash leaves nothing: values live in memory alone, and are zeroed there when they go.

mod backend;
pub mod grant;
mod key;
mod redact;

pub use backend::{SecretAccess, SecretSource, refused};
pub use grant::{SecretGrant, SecretPower};
pub use key::Key;
pub use redact::{MARK_BEGIN, REDACTED_BYTES_MIN, Redactor, mark_of};
