//! Outgoing HTTP of plugins, over the host's own client, which downloads for the host as
//! well. This is the only crate that knows an HTTP client.
//!
//! It refuses to know what is asked for and what an answer means, and where a plugin's
//! words come from: every name, header and length that it is handed is checked here.
//!
//! A request is planned first ([`plan`]): where it goes, held against the rules that the
//! plugin was granted; its headers; the secrets that fill placeholders. Then it is sent
//! by a client that follows no redirect, so that a plugin that follows one comes back
//! here and is checked anew, and that connects to addresses of which each was looked at:
//! a name is resolved once and the connection goes to what came out of that. Bodies are
//! slices of an artifact on their way out, and bounded pieces on their way back.
//!
//! **Invariant:** of a plugin's, nothing is sent to a scheme, host, port or address, or by a method, that
//! no rule allows; to a metadata address of a cloud, never.
//!
//! **Invariant:** every wait has an end, and what a server answers is bounded.
//!
//! Behind a proxy only the name can be looked at: the proxy resolves it.
//!
//! Where the step or target has an identity, that completes each request to its servers last
//! of all ([`identity`]): nothing of the request changes after it was signed. What identities
//! ask credentials of goes through [`HostClient`], which is no plugin's.
//!
//! A crash leaves nothing here; at the server, whatever the requests under way had done.

mod address;
mod backend;
mod body;
mod clients;
mod download;
mod error;
pub mod grant;
mod host_client;
pub mod identity;
mod names;
mod plan;
mod proxy;

pub use backend::{HttpAccess, HttpCall, HttpConfig, Moved};
pub use body::{ResponseBody, SliceBody};
pub use download::download;
pub use error::{HttpError, HttpErrorKind};
pub use grant::{AddressClass, HttpGrant, HttpRule};
pub use host_client::{HostAnswer, HostClient, HostRoute};
pub use names::{Looked, NameLookup, SystemNames};
pub use plan::{Waits, is_forbidden as is_forbidden_header};
pub use proxy::Proxies;
