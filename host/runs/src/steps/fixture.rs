//! A finished output as the journal holds it, for the tests of what is made of it.

use drydock_core::{Nature, OutputId, UnixTime};
use drydock_point::model::SealedOutput;

pub fn sealed(nature: Nature) -> SealedOutput {
    SealedOutput {
        output: OutputId(1),
        name: "etcd.db".to_owned(),
        secret: true,
        plain_size: 3,
        plain_sha256: "07".repeat(32),
        sealed_size: 4,
        sealed_sha256: "08".repeat(32),
        opened: UnixTime(5),
        closed: UnixTime(6),
        nature,
        findings: Vec::new(),
    }
}
