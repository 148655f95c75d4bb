//! Which of a schedule's front steps back up and which judge. Only their plugins say: a
//! document names a plugin, and the plugin's manifest its world.

use std::sync::Arc;

use drydock_core::{StepName, nearest};
use drydock_documents::{FileError, Step, Workflow};
use drydock_node::{PluginRegistry, RegistryError, place, step_plugin};
use drydock_sandbox::{Plugin, World};

use crate::PrepareError;

/// A front step with its plugin.
#[derive(Clone)]
pub struct Front<'a> {
    pub step: &'a Step,
    pub plugin: Arc<Plugin>,
}

/// A verify step with what it judges.
#[derive(Clone)]
pub struct Judge<'a> {
    pub front: Front<'a>,
    /// Names of backup steps, one at least.
    pub judges: Vec<StepName>,
}

/// The front steps by what they do.
///
/// **Invariant:** there is a backup step, every judged step is one, and each of them is
/// judged by a verify step.
pub struct Roles<'a> {
    pub backups: Vec<Front<'a>>,
    pub verify: Vec<Judge<'a>>,
}

/// The front steps whose plugins were admitted, and why the others were not.
pub fn admitted<'a>(
    registry: &PluginRegistry,
    workflow: &Workflow<'a>,
) -> (Vec<Front<'a>>, Vec<RegistryError>) {
    let mut fronts = Vec::new();
    let mut refused = Vec::new();
    for step in &workflow.front {
        match step_plugin(registry, workflow, step) {
            Ok(plugin) => fronts.push(Front { step, plugin }),
            Err(error) => refused.push(error),
        }
    }
    (fronts, refused)
}

impl<'a> Roles<'a> {
    /// Admits the plugins and tells the steps apart.
    ///
    /// # Errors
    /// Everything that is in the way, a line each.
    pub fn in_force(
        registry: &PluginRegistry,
        workflow: &Workflow<'a>,
    ) -> Result<Self, PrepareError> {
        let (fronts, refused) = admitted(registry, workflow);
        if !refused.is_empty() {
            let refused = refused.into_iter().map(Into::into);
            return Err(PrepareError::Several(refused.collect()));
        }
        Self::of(workflow, &fronts)
            .map_err(|wrong| PrepareError::Several(wrong.into_iter().map(Into::into).collect()))
    }

    /// Tells the steps apart.
    ///
    /// # Errors
    /// Everything that is wrong with their order and with what they judge, by its line.
    pub fn of(workflow: &Workflow<'_>, fronts: &[Front<'a>]) -> Result<Self, Vec<FileError>> {
        let mut failures: Vec<FileError> = order(workflow, fronts).into_iter().collect();
        let backups: Vec<_> = fronts.iter().filter(|f| f.backs_up()).cloned().collect();
        let mut verify = Vec::new();
        for front in fronts {
            failures.extend(misplaced_judges(workflow, front, fronts));
            if !front.backs_up() {
                let judges = front.judges(&backups);
                let front = front.clone();
                verify.push(Judge { front, judges });
            }
        }
        let unjudged = |backup: &&Front<'_>| !verify.iter().any(|judge| judge.has(backup.step));
        if failures.is_empty() {
            failures.extend(
                backups
                    .iter()
                    .filter(unjudged)
                    .map(|b| unproven(workflow, b)),
            );
        }
        if failures.is_empty() {
            Ok(Self { backups, verify })
        } else {
            Err(failures)
        }
    }
}

impl Front<'_> {
    fn backs_up(&self) -> bool {
        self.plugin.manifest().world == World::Backup
    }

    /// What a verify step judges: what it says, or everything.
    fn judges(&self, backups: &[Self]) -> Vec<StepName> {
        match &self.step.judges {
            Some(names) => names.clone(),
            None => backups.iter().map(|b| b.step.name.clone()).collect(),
        }
    }
}

impl Judge<'_> {
    fn has(&self, backup: &Step) -> bool {
        self.judges.contains(&backup.name)
    }
}

/// Backup steps come first, and both kinds are there. One mistake of the order makes
/// others, so only the first is told.
fn order(workflow: &Workflow<'_>, fronts: &[Front<'_>]) -> Option<FileError> {
    let first = fronts.first()?;
    let Some(judge) = fronts.iter().find(|front| !front.backs_up()) else {
        let schedule = &workflow.schedule;
        let message = "of the schedule's steps none judges, and nothing counts as stored that was not verified: add a step with a verify plugin, e.g. {name: verify, plugin: etcd-verify}";
        return Some(schedule.sentence("spec.steps", message));
    };
    if !first.backs_up() {
        let told = format!(
            "step {} needs a backup plugin, and {} is a verify plugin: the first step makes what others judge",
            first.step.name,
            plugin_word(first.step),
        );
        return Some(placed(workflow, first.step, "plugin", told));
    }
    let mut after = fronts.iter().skip_while(|front| front.backs_up());
    let late = after.find(|front| front.backs_up())?;
    let told = format!(
        "step {} backs up and follows step {}, which judges: move it before that",
        late.step.name, judge.step.name
    );
    Some(placed(workflow, late.step, "name", told))
}

/// `judges:` of a step that cannot judge, or names of steps that are not there to be
/// judged.
fn misplaced_judges(
    workflow: &Workflow<'_>,
    front: &Front<'_>,
    fronts: &[Front<'_>],
) -> Vec<FileError> {
    let Some(judges) = &front.step.judges else {
        return Vec::new();
    };
    if front.backs_up() {
        let told = format!(
            "step {} backs up, so it judges nothing: remove `judges`",
            front.step.name
        );
        return vec![placed(workflow, front.step, "judges", told)];
    }
    let backs_up = |name: &StepName| fronts.iter().any(|f| f.backs_up() && f.step.name == *name);
    let others = judges
        .iter()
        .enumerate()
        .filter(|(_, name)| !backs_up(name));
    others
        .map(|(number, name)| {
            let told = format!(
                "step {} judges {name}, which is a verify step: name steps that back up{}",
                front.step.name,
                near(name, fronts)
            );
            placed(workflow, front.step, &format!("judges[{number}]"), told)
        })
        .collect()
}

fn near(name: &StepName, fronts: &[Front<'_>]) -> String {
    let backups = || fronts.iter().filter(|front| front.backs_up());
    let names = backups().map(|front| front.step.name.as_str());
    match nearest(name.as_str(), names.clone()) {
        Some(near) => format!("; did you mean {near}?"),
        None => format!("; there are: {}", names.collect::<Vec<_>>().join(", ")),
    }
}

fn unproven(workflow: &Workflow<'_>, backup: &Front<'_>) -> FileError {
    let name = &backup.step.name;
    let told = format!(
        "no verify step judges what step {name} makes, and nothing counts as stored that was not verified: add {name} to the `judges` of a verify step, or add a step that judges it"
    );
    placed(workflow, backup.step, "name", told)
}

fn placed(workflow: &Workflow<'_>, step: &Step, key: &str, told: String) -> FileError {
    place(workflow, step, key).error(told)
}

fn plugin_word(step: &Step) -> &str {
    step.plugin.as_ref().map_or("", |name| name.as_str())
}
