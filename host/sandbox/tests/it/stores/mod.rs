//! Store plugins that speak to a service, over real servers.

mod azure;
mod faults;
mod gcs;
mod identities;
mod kit;
mod s3;
