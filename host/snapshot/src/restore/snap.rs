//! The `.snap` file of a restored member: the state of etcd's older store, in
//! which servers up to 3.6 look for the members.
//!
//! It is a `snappb.Snapshot` of a checksum and a `raftpb.Snapshot`, whose data
//! is the older store in JSON (`server/etcdserver/api/v2store` of etcd 3.5 and
//! 3.6): a tree of nodes, and the events that made it. Servers from 3.7 on do
//! not read the file.

use crate::crc::Crc;

use super::cluster::{InitialCluster, Member};
use super::members::{member_json, member_key, quoted};
use super::proto::Message;
use super::wal::{TERM, conf_state};

/// The length of the older store's ring of events.
const EVENTS: usize = 1000;
/// What every node of the tree has in common: it never ends.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The name of the file: term and index of the snapshot, each in 16 digits.
pub(crate) fn file_name(cluster: &InitialCluster) -> String {
    format!("{TERM:016x}-{:016x}.snap", cluster.members.len())
}

/// The bytes of the file, the same for all members.
pub(crate) fn file(cluster: &InitialCluster) -> Vec<u8> {
    let metadata = Message::default()
        .bytes(1, &conf_state(cluster))
        .number(2, cluster.members.len() as u64)
        .number(3, TERM);
    let snapshot = Message::default()
        .bytes(1, store(cluster).as_bytes())
        .bytes(2, &metadata.finish())
        .finish();
    let mut crc = Crc::default();
    crc.update(&snapshot);
    let file = Message::default().number(1, u64::from(crc.value));
    file.bytes(2, &snapshot).finish()
}

/// The older store after every member was added, in the order of their ids.
fn store(cluster: &InitialCluster) -> String {
    let members = cluster.by_id();
    let count = members.len();
    let nodes: Vec<String> = (1..)
        .zip(&members)
        .map(|(index, (id, member))| member_node(index, *id, member))
        .collect();
    let mut events: Vec<String> = (1..)
        .zip(&members)
        .map(|(index, (id, member))| event(index, *id, member))
        .collect();
    events.resize(EVENTS, "null".to_owned());
    let members = node("/0/members", 1, "", &format!("{{{}}}", nodes.join(",")));
    let zero = node("/0", 0, "", &format!(r#"{{"members":{members}}}"#));
    let one = node("/1", 0, "", "{}");
    let root = node("/", 0, "", &format!(r#"{{"0":{zero},"1":{one}}}"#));
    let queue = format!(
        r#"{{"Events":[{}],"Size":{count},"Front":0,"Back":{count},"Capacity":{EVENTS}}}"#,
        events.join(",")
    );
    let history = format!(r#"{{"Queue":{queue},"StartIndex":1,"LastIndex":{count}}}"#);
    format!(
        r#"{{"Root":{root},"WatcherHub":{{"EventHistory":{history}}},"CurrentIndex":{count},"Stats":{{"createSuccess":{count}}},"CurrentVersion":2}}"#
    )
}

fn member_node(index: usize, id: u64, member: &Member) -> String {
    let key = member_key(id);
    let path = format!("/0/members/{key}");
    let attributes = node(
        &format!("{path}/raftAttributes"),
        index,
        &member_json(id, &member.peer_urls, None),
        "null",
    );
    let node = node(
        &path,
        index,
        "",
        &format!(r#"{{"raftAttributes":{attributes}}}"#),
    );
    format!(r#""{key}":{node}"#)
}

fn node(path: &str, index: usize, value: &str, children: &str) -> String {
    format!(
        r#"{{"Path":"{path}","CreatedIndex":{index},"ModifiedIndex":{index},"ExpireTime":"{NEVER}","Value":{},"Children":{children}}}"#,
        quoted(value)
    )
}

fn event(index: usize, id: u64, member: &Member) -> String {
    let key = member_key(id);
    let value = quoted(&member_json(id, &member.peer_urls, None));
    format!(
        r#"{{"action":"create","node":{{"key":"/0/members/{key}/raftAttributes","value":{value},"modifiedIndex":{index},"createdIndex":{index}}}}}"#
    )
}
