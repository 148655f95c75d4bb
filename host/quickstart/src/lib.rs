//! What Drydock is told of a scratch cluster: the documents of the quickstart, which the
//! benchmarks use as well. The scenario itself is the program of this package.
//!
//! It knows Drydock from outside alone, by its documents and its command line, and brings
//! it to the servers that the testkit starts.
//!
//! Data passes from a cluster of the testkit into YAML files in a scratch folder, which
//! the program `drydock` then reads.
//!
//! A crash leaves nothing: the testkit's guard removes the scratch folder.

pub mod documents;
