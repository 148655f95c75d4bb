//! A store of the model world: objects, open uploads, at most one manifest.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::UnixTime;
use drydock_core::store::{Acknowledgement, Layout, Session, Sessions};
use drydock_point::model::{PointAnswer, PointEffect};

use crate::graph::RUN;
use crate::random::Random;
use crate::world::{Broken, receipt};

/// The manifest of another daemon, and what it names.
pub const RIVAL: &str = "the manifest of another daemon\nrivals-object";

pub struct ModelStore {
    pub dead: bool,
    pub sessions: BTreeMap<Vec<u8>, Upload>,
    pub objects: BTreeMap<String, u64>,
    pub locked: BTreeSet<String>,
    pub manifest: Option<String>,
    pub parallel_max: u32,
    pub verifies: bool,
    part_size: u64,
    begun: u32,
}

pub struct Upload {
    pub object: String,
    parts: BTreeMap<u32, u64>,
}

impl ModelStore {
    pub fn new(random: &mut Random, rival: u64) -> Self {
        let upload = Upload {
            object: format!("c1/{RUN}/db.ffffffffffffffff.zst.age"),
            parts: BTreeMap::new(),
        };
        let manifest = random.chance(rival).then(|| RIVAL.to_owned());
        let named = manifest.iter().map(|_| ("rivals-object".to_owned(), 9));
        Self {
            dead: false,
            sessions: BTreeMap::from([(b"rival".to_vec(), upload)]),
            objects: named.collect(),
            locked: BTreeSet::new(),
            manifest,
            parallel_max: random.pick(&[1, 2, 8]),
            part_size: 3 + random.below(8),
            verifies: random.chance(500),
            begun: 0,
        }
    }

    pub fn put_part(&mut self, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        let PointEffect::PutPart {
            session,
            number,
            offset,
            length,
            ..
        } = effect
        else {
            return Err("not a part".to_owned());
        };
        if *offset != u64::from(number - 1) * self.part_size || *length > self.part_size {
            return Err(format!(
                "part {number} has offset {offset} and {length} bytes"
            ));
        }
        let append_only = self.parallel_max == 1;
        let upload = self.sessions.get_mut(&session.0);
        let upload = upload.ok_or(format!("part {number} goes to no upload"))?;
        if append_only && *number as usize > upload.parts.len() + 1 {
            return Err(format!(
                "part {number} comes too early for an append-only store"
            ));
        }
        upload.parts.insert(*number, *length);
        Ok(PointAnswer::PartStored {
            part: Acknowledgement {
                receipt: receipt(*number),
                verified: false,
            },
        })
    }

    pub fn complete(
        &mut self,
        session: &Session,
        object: &str,
        known: &[u32],
        size: u64,
    ) -> Result<(), Broken> {
        if self.objects.get(object) == Some(&size) {
            return Ok(());
        }
        let upload = self.sessions.get(&session.0);
        let upload = upload.ok_or(format!("{object} is completed without an upload"))?;
        let sent: u64 = upload.parts.values().sum();
        if sent != size || !known.iter().eq(upload.parts.keys()) {
            return Err(format!("{object} is completed with {sent} of {size} bytes"));
        }
        self.sessions.remove(&session.0);
        self.objects.insert(object.to_owned(), size);
        Ok(())
    }

    pub fn simple_call(&mut self, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        match effect {
            PointEffect::BeginUpload { object, .. } => Ok(self.begin(object)),
            PointEffect::ReadBack { object, size, .. } => match self.objects.get(object) {
                Some(found) if found == size => Ok(PointAnswer::ReadBack),
                _ => Err(format!("{object} is read back and not there")),
            },
            PointEffect::RetainObject { object, .. } => match self.objects.get(object) {
                Some(_) => {
                    self.locked.insert(object.clone());
                    Ok(PointAnswer::Retained {
                        until: UnixTime(1_800_000_000),
                    })
                }
                None => Err(format!("{object} is locked and not there")),
            },
            PointEffect::AbortUpload { session, .. } => {
                self.sessions.remove(&session.0);
                Ok(PointAnswer::Aborted { room_until: None })
            }
            PointEffect::DeleteObject { object, .. } => {
                self.objects.remove(object);
                Ok(PointAnswer::Deleted)
            }
            PointEffect::SweepUploads { objects, keep, .. } => Ok(self.sweep(objects, keep)),
            other => Err(format!("{} is nothing for a store", other.word())),
        }
    }

    fn begin(&mut self, object: &str) -> PointAnswer {
        self.begun += 1;
        let session = format!("{object}#{}", self.begun).into_bytes();
        let upload = Upload {
            object: object.to_owned(),
            parts: BTreeMap::new(),
        };
        self.sessions.insert(session.clone(), upload);
        PointAnswer::Began {
            session: Session(session),
            layout: Layout {
                part_bytes_min: 1,
                part_bytes_max: 100,
                parts_max: 1000,
                parallel_max: self.parallel_max,
                equal_parts: true,
                object_bytes_max: 1 << 20,
                part_checksum: None,
                sessions: Sessions::Listed,
                retain: true,
            },
            part_size: self.part_size,
        }
    }

    fn sweep(&mut self, objects: &[String], keep: &[Session]) -> PointAnswer {
        let before = self.sessions.len();
        self.sessions.retain(|session, upload| {
            keep.contains(&Session(session.clone())) || !objects.contains(&upload.object)
        });
        let aborted = u32::try_from(before - self.sessions.len()).unwrap();
        PointAnswer::Swept {
            aborted,
            room_until: None,
        }
    }
}
