//! The changes that turn a member's database into that of a new cluster.
//!
//! Nothing of the database is overwritten but its two meta pages: new versions
//! of the small buckets, of the right edge of the tree of bucket `key`, and of
//! the root go behind the last page, and the metas point to them. What is no
//! longer reachable is free, since the metas then name no stored freelist and
//! bbolt finds the free pages by itself, as it does in every file of etcd.
//!
//! The changes are those of `etcdutl snapshot restore`: the members are the new
//! ones, the raft index is behind their additions in term 1, and, for a bump, an
//! empty row far behind the last one is marked as the next compaction.

use crate::bucket::{TopBucket, Where};
use crate::error::SnapshotError;
use crate::meta::Geometry;
use crate::page::{BUCKET_HEAD_BYTES, Bounds, Kind, Page};
use crate::reader::Reader;
use crate::source::Source;
use crate::tree::LEVELS_MAX;

use super::cluster::InitialCluster;
use super::inspect::Findings;
use super::members::{member_json, member_key};
use super::pages::{Child, Element, Tail, bucket_at};
use super::wal::TERM;

/// A branch that holds fewer is not split: each half needs two children, or
/// bbolt cannot rebalance it.
const SPLIT_CHILDREN_MIN: usize = 4;

/// What to write into a copy of a database.
pub(crate) struct Patch {
    /// Where the new pages begin, in bytes; whatever stands there is cut off.
    pub tail_at: u64,
    pub tail: Vec<u8>,
    /// The first bytes of the two meta pages, each with its place.
    pub metas: [(u64, Vec<u8>); 2],
}

/// What is to be changed.
pub(crate) struct Wanted<'a> {
    pub cluster: &'a InitialCluster,
    pub keep_alarms: bool,
    /// The revision of the row to append, and of the compaction up to it.
    pub bump_to: Option<i64>,
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

impl Patch {
    /// Works the changes out. `source` is the database that was found to be so.
    ///
    /// # Errors
    /// A failure to read.
    pub fn of(
        findings: &Findings,
        source: &dyn Source,
        wanted: &Wanted<'_>,
    ) -> Result<Self, SnapshotError> {
        let geometry = findings.geometry;
        let mut tail = Tail::new(u64::from(geometry.page_bytes), geometry.pages);
        let mut buckets = kept_buckets(&findings.buckets);
        if let Some(revision) = wanted.bump_to {
            let key = findings.buckets.iter().find(|bucket| bucket.name == b"key");
            let mut reader = findings.reader(source);
            let root = append_row(&mut tail, &mut reader, key, &row_key(revision))?;
            put(&mut buckets, b"key", bucket_at(root));
        }
        for (name, pairs) in rewritten(findings, wanted) {
            let elements: Vec<_> = pairs.iter().map(|(k, v)| Element::pair(k, v)).collect();
            let value = tail.bucket(&elements);
            put(&mut buckets, name, value);
        }
        if !buckets.iter().any(|(name, _)| name == b"cluster") {
            let value = tail.bucket(&[]);
            put(&mut buckets, b"cluster", value);
        }
        let root = tail.leaf(&bucket_elements(&buckets));
        Ok(Self::with_root(geometry, tail, root))
    }

    fn with_root(geometry: Geometry, tail: Tail, root: u64) -> Self {
        let newer = Geometry {
            root,
            pages: tail.next(),
            freelist: None,
            txid: geometry.txid.saturating_add(1),
            ..geometry
        };
        let older = Geometry {
            txid: newer.txid - 1,
            ..newer
        };
        Self {
            tail_at: geometry.body_bytes(),
            tail: tail.into_bytes(),
            metas: [
                (0, newer.to_bytes(0)),
                (u64::from(geometry.page_bytes), older.to_bytes(1)),
            ],
        }
    }

    /// How long the database is afterwards.
    pub fn bytes(&self) -> u64 {
        self.tail_at + self.tail.len() as u64
    }
}

/// The buckets as they are, each with the value of its element.
fn kept_buckets(buckets: &[TopBucket]) -> Pairs {
    let value = |place: &Where| match place {
        Where::Page(root) => bucket_at(*root),
        Where::Inline(inline) => [&[0; BUCKET_HEAD_BYTES][..], inline.bytes()].concat(),
    };
    let kept = buckets.iter();
    kept.map(|bucket| (bucket.name.clone(), value(&bucket.place)))
        .collect()
}

/// Sets a pair and keeps the order.
fn put(pairs: &mut Pairs, key: &[u8], value: Vec<u8>) {
    match pairs.binary_search_by(|(name, _)| name.as_slice().cmp(key)) {
        Ok(at) => pairs[at].1 = value,
        Err(at) => pairs.insert(at, (key.to_vec(), value)),
    }
}

fn bucket_elements(buckets: &Pairs) -> Vec<Element<'_>> {
    let element = |(key, value)| Element {
        is_bucket: true,
        key,
        value,
    };
    buckets.iter().map(|(k, v)| element((k, v))).collect()
}

/// The buckets that get new content, with it.
fn rewritten(findings: &Findings, wanted: &Wanted<'_>) -> Vec<(&'static [u8], Pairs)> {
    let mut buckets: Vec<(&'static [u8], Pairs)> = vec![
        (b"members", members(wanted.cluster)),
        (b"members_removed", Pairs::new()),
        (b"meta", meta(findings, wanted)),
    ];
    if findings.alarms > 0 && !wanted.keep_alarms {
        buckets.push((b"alarm", Pairs::new()));
    }
    buckets
}

fn members(cluster: &InitialCluster) -> Pairs {
    let mut pairs = Pairs::new();
    for (id, member) in cluster.by_id() {
        let json = member_json(id, &member.peer_urls, Some(&member.name));
        put(&mut pairs, member_key(id).as_bytes(), json.into_bytes());
    }
    pairs
}

fn meta(findings: &Findings, wanted: &Wanted<'_>) -> Pairs {
    let index = wanted.cluster.members.len() as u64;
    let mut pairs = findings.meta.clone();
    put(
        &mut pairs,
        b"consistent_index",
        index.to_be_bytes().to_vec(),
    );
    put(&mut pairs, b"term", TERM.to_be_bytes().to_vec());
    if let Some(revision) = wanted.bump_to {
        put(&mut pairs, b"scheduledCompactRev", row_key(revision));
    }
    pairs
}

/// The key of the first row of a revision.
fn row_key(revision: i64) -> Vec<u8> {
    [&revision.to_be_bytes()[..], b"_", &[0; 8]].concat()
}

/// The right edge of a tree from its root down: the children of each branch,
/// and the first key of the leaf below them, if it has one.
struct RightEdge {
    branches: Vec<Vec<Child>>,
    first_key: Option<Vec<u8>>,
}

/// Appends a row without a value behind all others, as a leaf of its own on the
/// lowest level, and gives the tree's new root.
fn append_row(
    tail: &mut Tail,
    reader: &mut Reader<'_>,
    bucket: Option<&TopBucket>,
    key: &[u8],
) -> Result<u64, SnapshotError> {
    let leaf = tail.leaf(&[Element::pair(key, b"")]);
    let (root, edge) = match bucket.map(|bucket| &bucket.place) {
        None => return Ok(leaf),
        Some(Where::Page(root)) => (*root, right_edge(reader, *root)?),
        Some(Where::Inline(inline)) => {
            let first = inline.leaf()?.entries().next();
            let edge = RightEdge {
                branches: Vec::new(),
                first_key: first.map(|entry| entry.key.to_vec()),
            };
            (tail.run(inline.bytes().to_vec()), edge)
        }
    };
    Ok(grow(tail, root, edge, (key.to_vec(), leaf)))
}

/// Adds `added` on the right below the lowest branch, and gives the new root.
fn grow(tail: &mut Tail, root: u64, edge: RightEdge, added: Child) -> u64 {
    let first_key = edge.branches.first().map(|children| children[0].0.clone());
    let Some(first_key) = first_key.or(edge.first_key) else {
        return added.1;
    };
    let mut added = Some(added);
    let mut below = None;
    for mut children in edge.branches.into_iter().rev() {
        if let (Some(page), Some(last)) = (below, children.last_mut()) {
            last.1 = page;
        }
        children.extend(added.take());
        added = split(tail, &mut children);
        below = Some(tail.branch(&children));
    }
    let root = below.unwrap_or(root);
    match added {
        None => root,
        Some(child) => tail.branch(&[(first_key, root), child]),
    }
}

/// Moves the last two children of a branch that has grown too large to a new
/// one beside it.
fn split(tail: &mut Tail, children: &mut Vec<Child>) -> Option<Child> {
    if tail.fits(children) || children.len() < SPLIT_CHILDREN_MIN {
        return None;
    }
    let moved = children.split_off(children.len() - 2);
    let page = tail.branch(&moved);
    Some((moved[0].0.clone(), page))
}

fn right_edge(reader: &mut Reader<'_>, root: u64) -> Result<RightEdge, SnapshotError> {
    let mut branches = Vec::new();
    let mut page = root;
    for _ in 0..LEVELS_MAX {
        let Some(children) = children(reader, page)? else {
            break;
        };
        let next = children.last().map_or(page, |(_, child)| *child);
        branches.push(children);
        page = next;
    }
    let first = reader.leaf(page)?.entries().next();
    Ok(RightEdge {
        branches,
        first_key: first.map(|entry| entry.key.to_vec()),
    })
}

/// The children of a branch; `None` if the page is a leaf.
fn children(reader: &mut Reader<'_>, page: u64) -> Result<Option<Vec<Child>>, SnapshotError> {
    let head = reader.head(page, 1).map_err(SnapshotError::from)?;
    if head.kind(page)? == Kind::Leaf {
        return Ok(None);
    }
    let run = reader.run(page, head).map_err(SnapshotError::from)?;
    let branch = Page::new(page, run).branch(Bounds::default())?;
    let children = (0..branch.count()).map(|at| (branch.key(at).to_vec(), branch.child(at)));
    Ok(Some(children.collect()))
}
