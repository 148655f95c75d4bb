//! Recovery points at targets: sealing artifacts, signing manifests, committing them,
//! and reading all of it back.
//!
//! What is stored is promised item by item in `docs/format.md`, so that somebody
//! without Drydock can restore with `minisign`, `age`, `zstd` and `etcdutl`.
//!
//! The crate knows neither plugins nor schedules nor the local disk: a [`Target`] is
//! handed in, bytes come as `Write` and `Read`, keys come as text, and the time comes
//! from the caller.
//!
//! How data passes through: plain bytes -> [`seal::Sealer`] (counted and hashed, zstd,
//! age, counted and hashed again) -> the caller uploads them -> [`manifest::Manifest`]
//! -> [`sign::SigningKey::sign`] -> [`Repository::commit`]. On the way back
//! [`Repository::load`] checks the signature, and [`Repository::fetch`] reads ranges,
//! checks the digests and opens the seal.
//!
//! **Invariant:** `manifest.json` is created if absent and after everything that it
//! names, so a recovery point is either whole or not there.
//!
//! **Invariant:** no object is ever overwritten.
//!
//! **Invariant:** nothing of a manifest or a mark is believed before its signature was
//! checked against the trusted signers.
//!
//! **Invariant:** no secret key appears in `Debug` output, in an error or in a log.
//!
//! A crash leaves at most open upload sessions, an artifact or a signature without a
//! manifest. None of them counts as a recovery point, none blocks another attempt, and
//! [`Repository::commit`] may be repeated with the same bytes.

pub mod contract;
pub mod digest;
pub mod error;
pub mod identity;
pub mod keys;
pub mod manifest;
pub mod mark;
pub mod names;
pub mod object;
pub mod pages;
pub mod probe;
pub mod recipient;
pub mod recovery_point;
pub mod seal;
pub mod sign;
pub mod target;

pub use digest::{Measure, Sha256, Tally};
pub use error::RepositoryError;
pub use identity::Identity;
pub use manifest::Manifest;
pub use mark::{Mark, MarkKind};
pub use recipient::{Identities, Recipient, Sensitivity, check_sensitivity};
pub use recovery_point::Repository;
pub use seal::{Sealer, Sealing, unseal};
pub use sign::{SigningKey, TrustedSigners};
pub use target::Target;
