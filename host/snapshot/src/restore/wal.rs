//! The write-ahead log of a restored member: as if it had just bootstrapped a
//! cluster of all members.
//!
//! A log is a file of frames: u64 little-endian with the length of a record in
//! the low 56 bits and, if padding follows, 0x80 and its length in the highest
//! byte; the record; zeros up to a multiple of eight. A record is a
//! `walpb.Record` of type, checksum and data; the checksum is one CRC-32C that
//! runs over the data of all records. The order of the records is that of
//! `etcdutl snapshot restore` (`etcdutl/snapshot/v3_snapshot.go`): checksum,
//! metadata, an empty snapshot, one entry a member that adds it, the hard
//! state, and the snapshot behind which the member starts.

use crate::crc::Crc;

use super::cluster::InitialCluster;
use super::members::member_json;
use super::proto::Message;

/// The one file of a new log: sequence number and first index.
pub(crate) const FILE_NAME: &str = "0000000000000000-0000000000000000.wal";
/// etcd makes its segments as long as this before it fills them, so that an
/// append cannot fail for want of space.
pub(crate) const SEGMENT_BYTES: u64 = 64 * 1000 * 1000;
/// The term in which all members were added.
pub(crate) const TERM: u64 = 1;

const RECORD_METADATA: u64 = 1;
const RECORD_ENTRY: u64 = 2;
const RECORD_STATE: u64 = 3;
const RECORD_CRC: u64 = 4;
const RECORD_SNAPSHOT: u64 = 5;
const ENTRY_CONF_CHANGE: u64 = 1;
const CONF_ADD_NODE: u64 = 0;

#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    crc: Crc,
}

/// The log of the member with id `member`, without the zeros that fill its
/// segment.
pub(crate) fn log(cluster: &InitialCluster, member: u64) -> Vec<u8> {
    let members = cluster.by_id();
    let commit = members.len() as u64;
    let mut log = Log::default();
    log.start();
    let metadata = Message::default().number(1, member).number(2, cluster.id());
    log.record(RECORD_METADATA, &metadata.finish());
    let beginning = Message::default().number(1, 0).number(2, 0);
    log.record(RECORD_SNAPSHOT, &beginning.finish());
    for (index, (id, added)) in (1..).zip(&members) {
        let context = member_json(*id, &added.peer_urls, Some(&added.name));
        log.record(RECORD_ENTRY, &addition(index, *id, context.as_bytes()));
    }
    let vote = members.first().map_or(0, |(id, _)| *id);
    let state = Message::default().number(1, TERM).number(2, vote);
    log.record(RECORD_STATE, &state.number(3, commit).finish());
    let snapshot = Message::default().number(1, commit).number(2, TERM);
    let snapshot = snapshot.bytes(3, &conf_state(cluster));
    log.record(RECORD_SNAPSHOT, &snapshot.finish());
    log.bytes
}

/// A `raftpb.ConfState` in which every member votes.
pub(crate) fn conf_state(cluster: &InitialCluster) -> Vec<u8> {
    let voters = cluster.by_id().into_iter();
    let voters = voters.fold(Message::default(), |state, (id, _)| state.number(1, id));
    voters.number(5, 0).finish()
}

/// A `raftpb.Entry` with the `raftpb.ConfChange` that adds a member.
fn addition(index: u64, id: u64, context: &[u8]) -> Vec<u8> {
    let change = Message::default().number(1, 0).number(2, CONF_ADD_NODE);
    let change = change.number(3, id).bytes(4, context).finish();
    let entry = Message::default().number(1, ENTRY_CONF_CHANGE);
    let entry = entry.number(2, TERM).number(3, index);
    entry.bytes(4, &change).finish()
}

impl Log {
    /// The first record carries the checksum so far, none, and no data.
    fn start(&mut self) {
        let record = Message::default().number(1, RECORD_CRC).number(2, 0);
        self.frame(&record.finish());
    }

    fn record(&mut self, kind: u64, data: &[u8]) {
        self.crc.update(data);
        let record = Message::default().number(1, kind);
        let record = record.number(2, u64::from(self.crc.value)).bytes(3, data);
        self.frame(&record.finish());
    }

    fn frame(&mut self, record: &[u8]) {
        let length = record.len() as u64;
        let padding = length.next_multiple_of(8) - length;
        let mark = if padding == 0 { 0 } else { 0x80 | padding };
        self.bytes
            .extend_from_slice(&(mark << 56 | length).to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.bytes.resize(self.bytes.len() + padding as usize, 0);
    }
}
