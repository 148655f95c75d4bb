//! Identities against real servers, and against fakes of those that hand out credentials.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aws;
mod azure;
mod google;
mod kit;
mod secrets;
mod trouble;
