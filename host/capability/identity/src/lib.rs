//! Identities: who a target's plugin is at its servers, without the plugin ever knowing.
//!
//! A plugin builds a request as if nobody were asked for. [`Identity`] completes it: a header
//! `Authorization` with a token, a signature of AWS (version 4) or of an Azure account's key,
//! or a shared access signature at the end of the query. Where the credential comes from is a
//! [`CredentialSource`], one file a kind under [`exchange`]; how it is put into a request is
//! one file a way under `sign`.
//!
//! Data passes from a source (a file, a token endpoint, a machine's metadata) into the cache,
//! which holds one [`Credential`] at a time, and from there into one request after the other.
//! Key id, token and signature of a request come from one credential, whatever is renewed
//! meanwhile.
//!
//! The crate refuses to know documents, plugins and what a request is for. It reads no
//! clock, no file and no variable by itself: all of these are handed in.
//!
//! **Invariant:** a request to a server that is not one of the identity's own is never touched.
//!
//! **Invariant:** what can be used by whoever sees it (a token, a shared access signature) goes
//! over TLS alone.
//!
//! **Invariant:** one exchange at a time; what it sent never stands in an error.
//!
//! A crash leaves nothing: credentials live in memory alone, and are zeroed there when they go.

mod answer;
mod cache;
mod credential;
pub mod exchange;
mod identity;
mod instant;
mod jwt;
mod sign;
mod words;

pub use credential::{AwsKey, Credential, Fetched};
pub use exchange::{CredentialSource, Exchanger, ReadSecret};
pub use identity::{Identity, IdentityParts, KindWord};
