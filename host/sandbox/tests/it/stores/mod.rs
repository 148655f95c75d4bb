//! Store plugins that speak to a service, over real servers.

mod azure;
mod gcs;
mod kit;
mod s3;
