//! A model of the world that a run works on: stores that keep objects, a spool, and what
//! the steps change. It checks on every operation what no engine may ever do.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::store::{Completion, ObjectStat, Receipt};
use drydock_core::{Certainty, ErrorClass, ErrorCode, Fault, OutputId, StepName, Verdict};
use drydock_point::Point;
use drydock_point::model::{PointAnswer, PointEffect};

use crate::actions::Actions;
use crate::chaos::Chaos;
use crate::graph::LOCKING;
use crate::random::Random;
use crate::stores::ModelStore;

/// A line of a manifest that begins like this names a thing that is kept elsewhere.
const KEPT: &str = "kept ";

/// A law that was broken.
pub type Broken = String;

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
    pub actions: Actions,
    manifests: u32,
}

impl World {
    pub fn new(random: Random, chaos: Chaos, stores: &[StepName]) -> Self {
        let mut world = Self {
            random,
            chaos,
            stores: BTreeMap::new(),
            spool: BTreeMap::new(),
            parts_recorded: BTreeSet::new(),
            first_output: BTreeMap::new(),
            finished: BTreeSet::new(),
            spool_was_hit: false,
            actions: Actions::default(),
            manifests: 0,
        };
        for name in stores {
            let store = ModelStore::new(&mut world.random, chaos.rival);
            world.stores.insert(name.clone(), store);
        }
        world
    }

    /// Carries out an effect on a store, the spool or the verdicts.
    pub fn perform(&mut self, point: &Point, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        if let Some(fault) = self.fails_before(effect) {
            return Ok(PointAnswer::Failed { fault });
        }
        if self.drops_commit(effect) {
            let certainty = self.random.pick(&[Certainty::NotDone, Certainty::Unknown]);
            let fault = self.any_fault().with_certainty(certainty);
            return Ok(PointAnswer::Failed { fault });
        }
        let answer = self.carry_out(point, effect)?;
        self.check_manifests()?;
        let per_mille = match effect {
            PointEffect::CommitManifest { .. } => self.chaos.commit_fails + self.chaos.answer_lost,
            _ => self.chaos.answer_lost,
        };
        let lost = effect.store().is_some() && self.random.chance(per_mille);
        Ok(if lost {
            let fault = self.any_fault();
            PointAnswer::Failed { fault }
        } else {
            answer
        })
    }

    /// The manifest never leaves.
    fn drops_commit(&mut self, effect: &PointEffect) -> bool {
        let is_commit = matches!(effect, PointEffect::CommitManifest { .. });
        is_commit && self.random.chance(self.chaos.commit_fails / 2)
    }

    /// Of what took place nobody ever knows that it did not.
    pub fn any_fault(&mut self) -> Fault {
        let class = self.random.pick(&ErrorClass::ALL);
        Fault::new(class, ErrorCode::of("lost"), "the answer got lost")
    }

    /// Everything that a visible manifest names is there, at every moment.
    pub fn check_manifests(&self) -> Result<(), Broken> {
        for (name, store) in &self.stores {
            let manifest = store.manifest.iter();
            for named in manifest.flat_map(|text| text.lines().skip(1)) {
                let there = match named.strip_prefix(KEPT) {
                    Some(kept) => self.actions.keeps(kept),
                    None => store.objects.contains_key(named),
                };
                if !there {
                    return Err(format!("{name}: {named} is named and not there"));
                }
            }
        }
        Ok(())
    }

    fn fails_before(&mut self, effect: &PointEffect) -> Option<Fault> {
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

    fn carry_out(&mut self, point: &Point, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        match effect {
            PointEffect::Judge { step, output, .. } => self.judge(point, step, *output),
            PointEffect::SignManifest => self.sign(point),
            PointEffect::DropSpool => {
                self.spool.clear();
                Ok(PointAnswer::SpoolDropped)
            }
            PointEffect::PutPart { .. } => self.put_part(point, effect),
            PointEffect::CompleteUpload { .. } => self.complete(effect),
            PointEffect::CommitManifest { .. } => self.commit(effect),
            _ => self.store(effect)?.simple_call(effect),
        }
    }

    /// A step is asked about nothing but what it was told to judge.
    fn judge(
        &mut self,
        point: &Point,
        step: &StepName,
        output: OutputId,
    ) -> Result<PointAnswer, Broken> {
        let made_by = point.outputs().get(&output).map(|output| &output.step);
        let mut verify = point.spec().verify.iter();
        let verify = verify.find(|verify| verify.pin.step == *step);
        if !made_by.is_some_and(|made_by| verify.is_some_and(|v| v.judges(made_by))) {
            return Err(format!("{step} is asked about output {output}"));
        }
        let pass = !self.random.chance(self.chaos.verdict_no);
        let findings = Vec::new();
        Ok(PointAnswer::Judged {
            verdict: Verdict { pass, findings },
        })
    }

    /// What is signed is of one attempt of each backup step, whole, under names of its own,
    /// and nothing of it is signed before all that belongs to it is there.
    fn sign(&mut self, point: &Point) -> Result<PointAnswer, Broken> {
        let mut live = point.live_outputs();
        if let Some(old) = live.find(|output| output.id < self.first_output[&output.step]) {
            return Err(format!("output {} of an earlier attempt is signed", old.id));
        }
        let names: BTreeSet<_> = point.live_outputs().map(|output| &output.name).collect();
        if names.len() < point.live_outputs().count() {
            return Err("two artifacts of one name are signed".to_owned());
        }
        for step in &point.spec().contributors {
            if !point.live_outputs().any(|output| output.step == *step) {
                return Err(format!("nothing of {step} is signed"));
            }
        }
        let gathered = point.material().ok_or("it is signed before all is there")?;
        let kept: Vec<_> = gathered.kept.iter().map(|kept| &kept.handle).collect();
        if kept.iter().collect::<BTreeSet<_>>().len() < kept.len() {
            return Err(format!("the manifest names a kept thing twice: {kept:?}"));
        }
        self.manifests += 1;
        let kept = kept.iter().map(|handle| format!("{KEPT}{handle}"));
        let objects = point.live_outputs().map(|output| output.object.clone());
        let lines: Vec<_> = objects.chain(kept).collect();
        Ok(PointAnswer::Signed {
            manifest: format!("manifest {}\n{}", self.manifests, lines.join("\n")),
            signature: "signature".to_owned(),
        })
    }

    fn store(&mut self, effect: &PointEffect) -> Result<&mut ModelStore, Broken> {
        let name = effect.store().ok_or("no store")?;
        self.stores.get_mut(name).ok_or(format!("no store {name}"))
    }

    fn put_part(&mut self, point: &Point, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        let PointEffect::PutPart {
            store,
            output,
            number,
            offset,
            length,
            ..
        } = effect
        else {
            return Err("not a part".to_owned());
        };
        let part = (store.clone(), *output, *number);
        if self.parts_recorded.contains(&part) {
            return Err(format!(
                "part {number} of {output} is sent though it is recorded"
            ));
        }
        let is_live = point.outputs()[output].is_live();
        let in_spool = self.spool.get(output);
        if in_spool.is_some_and(|size| *size >= offset + length) {
            return self.store(effect)?.put_part(effect);
        }
        if is_live && self.chaos.spool_lost == 0 {
            return Err(format!("part {number} of {output} is not in the spool"));
        }
        let fault = Fault::permanent(ErrorCode::SpoolMissing, "the sealed spool is gone");
        Ok(PointAnswer::SpoolMissing { fault })
    }

    fn complete(&mut self, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        let PointEffect::CompleteUpload {
            session,
            object,
            receipts,
            size,
            ..
        } = effect
        else {
            return Err("not a completion".to_owned());
        };
        let model = self.store(effect)?;
        let known: Vec<_> = receipts.iter().map(|receipt| receipt.number).collect();
        model.complete(session, object, &known, *size)?;
        Ok(PointAnswer::Completed {
            completion: Completion {
                stat: ObjectStat {
                    object: object.clone(),
                    size: *size,
                    checksum: None,
                    retained_until: None,
                },
                verified: model.verifies,
            },
        })
    }

    fn commit(&mut self, effect: &PointEffect) -> Result<PointAnswer, Broken> {
        let PointEffect::CommitManifest {
            store, manifest, ..
        } = effect
        else {
            return Err("not a commit".to_owned());
        };
        let model = self.store(effect)?;
        let mut named = manifest.lines().skip(1);
        let open = named.find(|name| !name.starts_with(KEPT) && !model.locked.contains(*name));
        if let (Some(open), LOCKING) = (open, store.as_str()) {
            return Err(format!("{open} is committed at {store} and not locked"));
        }
        let kept = model.manifest.get_or_insert_with(|| manifest.clone());
        Ok(if kept == manifest {
            PointAnswer::Committed { despite: None }
        } else {
            let named = kept.lines().skip(1);
            let names = named.filter(|line| !line.starts_with(KEPT));
            PointAnswer::Superseded {
                names: names.map(str::to_owned).collect(),
            }
        })
    }

    /// A crash of the machine may take some of the spool with it.
    pub fn lose_spool(&mut self) {
        if !self.random.chance(self.chaos.spool_lost) {
            return;
        }
        let random = &mut self.random;
        let before = self.spool.len();
        self.spool.retain(|_, _| random.chance(300));
        self.spool_was_hit |= self.spool.len() < before;
    }

    /// What is not live any more makes room.
    pub fn tidy_spool(&mut self, point: &Point) {
        let live: BTreeSet<_> = point.live_outputs().map(|output| output.id).collect();
        self.spool.retain(|output, _| live.contains(output));
    }

    /// Notes that a part is recorded as stored.
    pub fn part_recorded(&mut self, effect: &PointEffect) {
        if let PointEffect::PutPart {
            store,
            output,
            number,
            ..
        } = effect
        {
            let part = (store.clone(), *output, *number);
            self.parts_recorded.insert(part);
        }
    }
}

/// The receipt of a part.
pub fn receipt(number: u32) -> Receipt {
    Receipt(number.to_be_bytes().to_vec())
}
