//! What store plugins that speak HTTP have in common.
//!
//! A plugin says what is to be asked, as a [`Call`]; the [`Client`] sends it, reads what a
//! service says of a call that it refuses into a [`Refusal`], and sends it again while that may
//! help: each request of a call by itself, with pauses that grow, and as long as the service
//! asks to be left alone. What is left of it is an error of the contract: class, certainty, code
//! and one sentence.
//!
//! Keys of objects become paths in [`keys`] and [`encode`]; answers are read by [`xml`] and
//! serde; parts are counted in [`parts`], their checksums joined in [`crc`]; bytes come back
//! through [`read`]. [`wanted`] looks at what has an object's name after it could not be made.
//! [`service`] is the store that comes of it.
//!
//! The crate knows no service, no credential and no header that carries one: the host completes
//! each request, after the plugin built it.
//!
//! **Invariant:** what is sent again is the same request; a plugin sends nothing this way that
//! must not be done twice.
//! **Invariant:** no error holds a URL's query: there are services whose query is a password.
//!
//! Nothing is kept between calls, so that a crash leaves nothing here.

pub mod call;
pub mod config;
pub mod crc;
pub mod encode;
pub mod endpoint;
pub mod keys;
pub mod listing;
pub mod parts;
pub mod read;
pub mod refusal;
mod retry;
pub mod rights;
pub mod service;
pub mod wanted;
pub mod xml;

#[doc(hidden)]
pub use drydock_plugin_sdk as sdk;

pub use call::{Answer, Body, Call, Client, Failure};
pub use endpoint::Endpoint;
pub use keys::Keys;
pub use refusal::{Cause, Refusal};
pub use rights::{Right, Rights};
pub use wanted::{Readable, Wanted};
