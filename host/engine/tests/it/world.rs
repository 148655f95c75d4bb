//! A model of the world that a run works on: stores that keep objects, a spool, and
//! backup steps. It checks on every operation what no engine may ever do.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::store::{Completion, Layout, ObjectStat, Receipt, Session};
use drydock_core::{Certainty, ErrorClass, ErrorCode, Fault, OutputId, StepName};
use drydock_engine::model::{Effect, Event};
use drydock_engine::state::RunState;

use crate::kit;
use crate::random::Random;

/// How likely things go wrong, in a thousand operations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chaos {
    /// An operation fails before it did anything.
    pub transient: u64,
    /// An operation takes place and its answer is a failure, of any class.
    pub answer_lost: u64,
    /// A commit is answered by any fault there is, whether or not it took place.
    pub commit_fails: u64,
    pub permanent: u64,
    /// From some operation on a store answers nothing any more.
    pub store_dies: u64,
    /// The backup attempt fails.
    pub backup_fails: u64,
    /// The backup discards an output and opens another one.
    pub output_discarded: u64,
    pub verdict_no: u64,
    /// The process ends at a transaction.
    pub crash: u64,
    /// The spool is gone after a crash.
    pub spool_lost: u64,
    pub cancel: u64,
    /// Another daemon's manifest is at a store already, in a thousand stores.
    pub rival: u64,
}

pub struct World {
    pub random: Random,
    pub chaos: Chaos,
    pub stores: BTreeMap<StepName, ModelStore>,
    /// Sealed bytes by output.
    pub spool: BTreeMap<OutputId, u64>,
    pub parts_recorded: BTreeSet<(StepName, OutputId, u32)>,
    /// The first output of the present attempt of each backup step.
    pub first_output: BTreeMap<StepName, OutputId>,
    /// The backup steps that finished, by the record.
    pub finished: BTreeSet<StepName>,
    /// Whether a crash took anything from the spool.
    pub spool_was_hit: bool,
    manifests: u32,
}

pub struct ModelStore {
    pub dead: bool,
    pub sessions: BTreeMap<Vec<u8>, Upload>,
    pub objects: BTreeMap<String, u64>,
    pub manifest: Option<String>,
    parallel_max: u32,
    part_size: u64,
    verifies: bool,
    begun: u32,
}

pub struct Upload {
    pub object: String,
    parts: BTreeMap<u32, u64>,
}

/// A law that was broken.
pub type Broken = String;

/// The manifest of another daemon, and what it names.
pub const RIVAL: &str = "the manifest of another daemon\nrivals-object";

impl World {
    pub fn new(random: Random, chaos: Chaos, stores: &[&str]) -> Self {
        let mut world = Self {
            random,
            chaos,
            stores: BTreeMap::new(),
            spool: BTreeMap::new(),
            parts_recorded: BTreeSet::new(),
            first_output: BTreeMap::new(),
            finished: BTreeSet::new(),
            spool_was_hit: false,
            manifests: 0,
        };
        for name in stores {
            let store = world.new_store();
            world.stores.insert(kit::step(name), store);
        }
        world
    }

    fn new_store(&mut self) -> ModelStore {
        let rival = Upload {
            object: format!("c1/{}/db.ffffffffffffffff.zst.age", kit::RUN),
            parts: BTreeMap::new(),
        };
        let manifest = self.random.chance(self.chaos.rival);
        let manifest = manifest.then(|| RIVAL.to_owned());
        let named = manifest.iter().map(|_| ("rivals-object".to_owned(), 9));
        ModelStore {
            dead: false,
            sessions: BTreeMap::from([(b"rival".to_vec(), rival)]),
            objects: named.collect(),
            manifest,
            parallel_max: self.random.pick(&[1, 2, 8]),
            part_size: 3 + self.random.below(8),
            verifies: self.random.chance(500),
            begun: 0,
        }
    }

    /// Carries out an effect on a store, the spool or the verdicts.
    pub fn perform(&mut self, state: &RunState, effect: &Effect) -> Result<Event, Broken> {
        if let Some(fault) = self.fails_before(effect) {
            return Ok(failed(effect, fault));
        }
        if self.drops_commit(effect) {
            let certainty = self.random.pick(&[Certainty::NotDone, Certainty::Unknown]);
            return Ok(failed(effect, self.any_fault().with_certainty(certainty)));
        }
        let event = self.carry_out(state, effect)?;
        self.check_manifests()?;
        let per_mille = match effect {
            Effect::CommitManifest { .. } => self.chaos.commit_fails + self.chaos.answer_lost,
            _ => self.chaos.answer_lost,
        };
        let lost = effect.store().is_some() && self.random.chance(per_mille);
        Ok(if lost {
            failed(effect, self.any_fault())
        } else {
            event
        })
    }

    /// The manifest never leaves.
    fn drops_commit(&mut self, effect: &Effect) -> bool {
        let is_commit = matches!(effect, Effect::CommitManifest { .. });
        is_commit && self.random.chance(self.chaos.commit_fails / 2)
    }

    /// Of what took place nobody ever knows that it did not.
    fn any_fault(&mut self) -> Fault {
        let class = self.random.pick(&ErrorClass::ALL);
        Fault::new(class, ErrorCode::of("lost"), "the answer got lost")
    }

    /// Every object that a visible manifest names is there, at every moment.
    pub fn check_manifests(&self) -> Result<(), Broken> {
        for (name, store) in &self.stores {
            let manifest = store.manifest.iter();
            let named = manifest.flat_map(|text| text.lines().skip(1));
            for object in named {
                if !store.objects.contains_key(object) {
                    return Err(format!("{name}: {object} is named and not there"));
                }
            }
        }
        Ok(())
    }

    fn fails_before(&mut self, effect: &Effect) -> Option<Fault> {
        let dies = self.random.chance(self.chaos.store_dies);
        let transient = self.random.chance(self.chaos.transient);
        let permanent = self.random.chance(self.chaos.permanent);
        let store = self.stores.get_mut(effect.store()?)?;
        store.dead |= dies;
        match () {
            () if store.dead => Some(Fault::transient(ErrorCode::Unreachable, "nobody answers")),
            () if transient => Some(Fault::transient(ErrorCode::of("busy"), "busy")),
            () if permanent => Some(Fault::permanent(ErrorCode::NoSpace, "no space").not_done()),
            () => None,
        }
    }

    fn carry_out(&mut self, state: &RunState, effect: &Effect) -> Result<Event, Broken> {
        match effect {
            Effect::Judge { step, output, .. } => self.judge(state, step, *output),
            Effect::SignManifest => self.sign(state),
            Effect::DropSpool => {
                self.spool.clear();
                Ok(Event::SpoolDropped)
            }
            Effect::PutPart { .. } => self.put_part(state, effect),
            Effect::CompleteUpload { .. } => self.complete(state, effect),
            Effect::CommitManifest { .. } => self.commit(state, effect),
            _ => self.simple_store_call(effect),
        }
    }

    /// A step is asked about nothing but what it was told to judge.
    fn judge(
        &mut self,
        state: &RunState,
        step: &StepName,
        output: OutputId,
    ) -> Result<Event, Broken> {
        let made_by = state.outputs.get(&output).map(|output| &output.step);
        let mut verify = state.spec.verify.iter();
        let verify = verify.find(|verify| verify.pin.step == *step);
        if !made_by.is_some_and(|made_by| verify.is_some_and(|v| v.judges(made_by))) {
            return Err(format!("{step} is asked about output {output}"));
        }
        let pass = !self.random.chance(self.chaos.verdict_no);
        Ok(kit::judged_by(step.as_str(), output.0, pass))
    }

    /// What is signed is of one attempt of each backup step, whole, under names of its own.
    fn sign(&mut self, state: &RunState) -> Result<Event, Broken> {
        let mut live = state.live_outputs();
        if let Some(old) = live.find(|output| output.id < self.first_output[&output.step]) {
            return Err(format!("output {} of an earlier attempt is signed", old.id));
        }
        let names: BTreeSet<_> = state.live_outputs().map(|output| &output.name).collect();
        if names.len() < state.live_outputs().count() {
            return Err("two artifacts of one name are signed".to_owned());
        }
        for backup in &state.backups {
            if !state.live_outputs().any(|o| o.step == backup.step) {
                return Err(format!("nothing of {} is signed", backup.step));
            }
        }
        self.manifests += 1;
        let objects: Vec<_> = state.live_outputs().map(|o| o.object.clone()).collect();
        Ok(Event::ManifestSigned {
            manifest: format!("manifest {}\n{}", self.manifests, objects.join("\n")),
            signature: "signature".to_owned(),
        })
    }

    fn store(&mut self, effect: &Effect) -> Result<&mut ModelStore, Broken> {
        let name = effect.store().ok_or("no store")?;
        self.stores.get_mut(name).ok_or(format!("no store {name}"))
    }

    fn put_part(&mut self, state: &RunState, effect: &Effect) -> Result<Event, Broken> {
        let Effect::PutPart {
            store,
            output,
            session,
            number,
            offset,
            length,
            ..
        } = effect
        else {
            return Err("not a part".to_owned());
        };
        if self
            .parts_recorded
            .contains(&(store.clone(), *output, *number))
        {
            return Err(format!(
                "part {number} of {output} is sent though it is recorded"
            ));
        }
        let is_live = state.outputs[output].is_live();
        if self
            .spool
            .get(output)
            .is_none_or(|size| *size < offset + length)
        {
            return if is_live && !self.chaos_took_spool() {
                Err(format!("part {number} of {output} is not in the spool"))
            } else {
                Ok(kit::spool_missing(effect))
            };
        }
        let model = self.store(effect)?;
        if *offset != u64::from(number - 1) * model.part_size || *length > model.part_size {
            return Err(format!(
                "part {number} has offset {offset} and {length} bytes"
            ));
        }
        let append_only = model.parallel_max == 1;
        let upload = model.sessions.get_mut(&session.0);
        let upload = upload.ok_or(format!("part {number} goes to no upload"))?;
        if append_only && *number as usize > upload.parts.len() + 1 {
            return Err(format!(
                "part {number} comes too early for an append-only store"
            ));
        }
        upload.parts.insert(*number, *length);
        Ok(Event::PartStored {
            store: store.clone(),
            output: *output,
            number: *number,
            receipt: Receipt(number.to_be_bytes().to_vec()),
        })
    }

    fn chaos_took_spool(&self) -> bool {
        self.chaos.spool_lost > 0
    }

    fn complete(&mut self, state: &RunState, effect: &Effect) -> Result<Event, Broken> {
        let Effect::CompleteUpload {
            store,
            output,
            session,
            object,
            receipts,
            size,
            ..
        } = effect
        else {
            return Err("not a completion".to_owned());
        };
        if !state.is_verified() {
            return Err(format!(
                "{object} is completed before everything was verified"
            ));
        }
        let model = self.store(effect)?;
        let there = model.objects.get(object) == Some(size);
        match (there, model.sessions.get(&session.0)) {
            (true, _) => {}
            (false, Some(upload)) => {
                let sent: u64 = upload.parts.values().sum();
                let known = receipts
                    .iter()
                    .map(|r| r.number)
                    .eq(upload.parts.keys().copied());
                if sent != *size || !known {
                    return Err(format!("{object} is completed with {sent} of {size} bytes"));
                }
                model.sessions.remove(&session.0);
                model.objects.insert(object.clone(), *size);
            }
            (false, None) => return Err(format!("{object} is completed without an upload")),
        }
        Ok(Event::UploadCompleted {
            store: store.clone(),
            output: *output,
            completion: Completion {
                stat: ObjectStat {
                    object: object.clone(),
                    size: *size,
                    sha256: None,
                },
                verified: model.verifies,
            },
        })
    }

    fn commit(&mut self, state: &RunState, effect: &Effect) -> Result<Event, Broken> {
        let Effect::CommitManifest {
            store, manifest, ..
        } = effect
        else {
            return Err("not a commit".to_owned());
        };
        if !state.is_verified() {
            return Err("a commit before everything was verified".to_owned());
        }
        let model = self.store(effect)?;
        let kept = model.manifest.get_or_insert_with(|| manifest.clone());
        Ok(if kept == manifest {
            Event::Committed {
                store: store.clone(),
                despite: None,
            }
        } else {
            Event::Superseded {
                store: store.clone(),
                names: kept.lines().skip(1).map(str::to_owned).collect(),
            }
        })
    }

    fn simple_store_call(&mut self, effect: &Effect) -> Result<Event, Broken> {
        let model = self.store(effect)?;
        match effect.clone() {
            Effect::BeginUpload {
                store,
                output,
                object,
                ..
            } => Ok(model.begin(store, output, object)),
            Effect::ReadBack {
                store,
                output,
                object,
                size,
                ..
            } => match model.objects.get(&object) {
                Some(found) if *found == size => Ok(Event::ReadBackPassed { store, output }),
                _ => Err(format!("{object} is read back and not there")),
            },
            Effect::AbortUpload {
                store,
                output,
                session,
                ..
            } => {
                model.sessions.remove(&session.0);
                Ok(Event::UploadAborted { store, output })
            }
            Effect::DeleteObject {
                store,
                output,
                object,
                ..
            } => {
                model.objects.remove(&object);
                Ok(Event::ObjectDeleted { store, output })
            }
            Effect::SweepUploads {
                store,
                objects,
                keep,
                ..
            } => {
                let before = model.sessions.len();
                let kept = |session: &Vec<u8>, upload: &Upload| {
                    keep.contains(&Session(session.clone())) || !objects.contains(&upload.object)
                };
                model
                    .sessions
                    .retain(|session, upload| kept(session, upload));
                let aborted = u32::try_from(before - model.sessions.len()).unwrap();
                Ok(Event::UploadsSwept { store, aborted })
            }
            other => Err(format!("{} is nothing for a store", other.word())),
        }
    }
}

impl ModelStore {
    fn begin(&mut self, store: StepName, output: OutputId, object: String) -> Event {
        self.begun += 1;
        let session = format!("{object}#{}", self.begun).into_bytes();
        let parts = BTreeMap::new();
        self.sessions
            .insert(session.clone(), Upload { object, parts });
        Event::UploadBegan {
            store,
            output,
            session: Session(session),
            layout: Layout {
                part_bytes_min: 1,
                part_bytes_max: 100,
                parts_max: 1000,
                parallel_max: self.parallel_max,
                equal_parts: true,
            },
            part_size: self.part_size,
        }
    }

    pub fn parallel_max(&self) -> u32 {
        self.parallel_max
    }
}

pub fn failed(effect: &Effect, fault: Fault) -> Event {
    Event::EffectFailed {
        effect: Box::new(effect.clone()),
        fault,
    }
}
