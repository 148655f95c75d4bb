//! The crate against what Kubernetes' own module and real API servers have stored.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test where something is not as it should be"
)]

mod corpus;
mod noise;
