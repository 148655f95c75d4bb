//! What is wrong with the steps of a schedule, as far as the document shows it: whether all
//! are there and in order, what may stand beside a step's key, and whom steps name. The keys
//! say all that, so no plugin is asked.

use drydock_core::{StepName, suggestion};

use super::STEPS_MAX;
use super::circle::Timeline;
use super::step::{Gate, Role, Step, StepWork, When};
use crate::problem::{Problem, grant_problems};

/// Most choices of a gate: an operator reads them at night.
const CHOICES_MAX: usize = 8;

/// Longest question and longest explanation of a choice, for the same reason.
const TEXT_CHARS_MAX: usize = 1000;

/// A key that only some kinds of steps take.
struct Beside {
    key: &'static str,
    is_there: fn(&Step) -> bool,
    fits: fn(&StepWork) -> bool,
    /// What follows the key where it does not fit.
    rule: &'static str,
}

const OF_THE_POINT: &str = "has no place at a verify or store step: they are parts of the recovery point, which follows all backup steps and is tried again as the schedule says; remove it";

/// The keys that do not fit every kind, but for those of a plugin.
const BESIDE: [Beside; 8] = [
    Beside {
        key: "needs",
        is_there: |step| step.needs.is_some(),
        fits: is_node,
        rule: OF_THE_POINT,
    },
    Beside {
        key: "during",
        is_there: |step| !step.during.is_empty(),
        fits: is_node,
        rule: OF_THE_POINT,
    },
    Beside {
        key: "when",
        is_there: |step| step.when != When::Success,
        fits: is_node,
        rule: OF_THE_POINT,
    },
    Beside {
        key: "activeDeadlineSeconds",
        is_there: |step| step.active_deadline().is_some(),
        fits: is_node,
        rule: OF_THE_POINT,
    },
    Beside {
        key: "backoffLimit",
        is_there: |step| step.backoff_limit().is_some(),
        fits: is_node,
        rule: OF_THE_POINT,
    },
    Beside {
        key: "required",
        is_there: |step| step.required,
        fits: |work| work.role() == Role::Store,
        rule: "belongs to store steps: it says which targets a run may not be without; remove it",
    },
    Beside {
        key: "noReturn",
        is_there: |step| step.no_return,
        fits: |work| matches!(work.role(), Role::Action | Role::Question),
        rule: "belongs to actions and gates: after the others nothing has to be undone; remove it",
    },
    Beside {
        key: "inputs",
        is_there: |step| !step.inputs.is_empty(),
        fits: |work| work.role() == Role::Action,
        rule: "belong to actions; remove them",
    },
];

/// Everything that is wrong. What follows from something else is not told beside it.
pub(super) fn problems(steps: &[Step]) -> Vec<Problem> {
    if steps.is_empty() {
        let rule = "has no step; add those of a backup, e.g. {name: snapshot, backup: etcd-backup}, {name: verify, verify: etcd-verify} and {name: store, target: local}, or a drill, e.g. {name: drill, drill: {target: local}}";
        return vec![Problem::new("spec.steps", rule)];
    }
    if steps.len() > STEPS_MAX {
        let rule = format!("has more than {STEPS_MAX} steps");
        return vec![Problem::new("spec.steps", rule)];
    }
    let mut problems = missing_parts(steps);
    for (index, step) in steps.iter().enumerate() {
        let before = &steps[..index];
        problems.extend(order_problem(index, step, before));
        problems.extend(own_problems(index, step));
        problems.extend(repeated(index, step, before));
        problems.extend(verifies_problems(index, step, steps));
        problems.extend(needs_problems(index, step, steps));
        problems.extend(during_problems(index, step, steps));
        problems.extend(input_names(index, step, steps));
    }
    if problems.is_empty() {
        problems.extend(unverified(steps));
        problems.extend(idle_holds(steps));
        problems.extend(time_problems(steps));
    }
    problems
}

fn is_node(work: &StepWork) -> bool {
    !matches!(work.role(), Role::Verify | Role::Store)
}

/// Only so many targets can have a recovery point as there are store steps.
pub(super) fn too_many_targets(minimum: u32, steps: &[Step]) -> Option<Problem> {
    let stores = steps.iter().filter(|step| step.role() == Role::Store);
    let targets: Vec<_> = stores
        .filter_map(Step::target)
        .map(|target| target.as_str())
        .collect();
    let there = match targets.len() {
        count if count >= minimum as usize => return None,
        0 => "none".to_owned(),
        count => format!("only {count} ({})", targets.join(", ")),
    };
    let rule = format!(
        "asks for {minimum} targets, and the store steps name {there}; add store steps, or lower it"
    );
    Some(Problem::new("spec.minimumTargets", rule))
}

/// Backup, verify and store steps are there together or not at all.
fn missing_parts(steps: &[Step]) -> Vec<Problem> {
    let has = |role: Role| steps.iter().any(|step| step.role() == role);
    let backs_up = has(Role::Backup);
    let verifies = has(Role::Verify);
    let stores = has(Role::Store);
    let any = backs_up || verifies || stores;
    let parts = [
        (
            backs_up,
            "has no backup step, and verify and store steps have nothing to do without one; begin with one, e.g. {name: snapshot, backup: etcd-backup}",
        ),
        (
            verifies,
            "has no verify step, and nothing counts as stored that was not verified; add one after the backup steps, e.g. {name: verify, verify: etcd-verify}",
        ),
        (
            stores,
            "has no store step; add one after the verify steps that names a target, e.g. {name: store, target: local}",
        ),
    ];
    let missing = parts.into_iter().filter(|(is_there, _)| any && !is_there);
    missing
        .map(|(_, rule)| Problem::new("spec.steps", rule))
        .collect()
}

/// Backup steps stand before verify steps, and those before store steps: so they run.
fn order_problem(index: usize, step: &Step, before: &[Step]) -> Option<Problem> {
    let rank = rank(&step.work)?;
    let later = before
        .iter()
        .find(|other| self::rank(&other.work) > Some(rank))?;
    let rule = format!(
        "is a {} step and follows {}, a {} step; move it before that",
        step_word(step),
        later.name,
        step_word(later)
    );
    Some(Problem::new(path(index), rule))
}

fn rank(work: &StepWork) -> Option<u8> {
    match work.role() {
        Role::Backup => Some(0),
        Role::Verify => Some(1),
        Role::Store => Some(2),
        Role::Work | Role::Question | Role::Action => None,
    }
}

/// What a step is called: `a backup step`, `a store step`.
fn step_word(step: &Step) -> &'static str {
    match &step.work {
        StepWork::Store(_) => "store",
        work => work.key(),
    }
}

/// What the step itself shows.
fn own_problems(index: usize, step: &Step) -> Vec<Problem> {
    let at = |key: &str| format!("{}.{key}", path(index));
    let mut problems = plugin_keys(index, step);
    let beside = BESIDE.iter();
    let beside = beside.filter(|row| (row.is_there)(step) && !(row.fits)(&step.work));
    problems.extend(beside.map(|row| Problem::new(at(row.key), row.rule)));
    if step.is_backup() && step.when == When::Failure {
        let rule = "cannot be failure at a backup step: a recovery point is whole when all its backup steps are done; remove it";
        problems.push(Problem::new(at("when"), rule));
    }
    if step.or_without && step.during.is_empty() {
        let rule = "says what happens without the hold of `during`, and there is none; add `during`, or remove it";
        problems.push(Problem::new(at("orWithout"), rule));
    }
    if step.hold().is_some() && !step.during.is_empty() {
        let rule = "stands at a step that holds something itself, and holds are not nested; let the steps that need both name both";
        problems.push(Problem::new(at("during"), rule));
    }
    if let Some(grants) = &step.grants {
        problems.extend(grant_problems(grants, &at("grants")));
    }
    if let StepWork::Gate(gate) = &step.work {
        problems.extend(gate_problems(&at("gate"), gate));
        if step.backoff_limit().is_some() {
            let rule = "has no place at a gate: a question is asked once; remove it";
            problems.push(Problem::new(at("backoffLimit"), rule));
        }
    }
    problems
}

/// `config`, `secrets` and `grants` of a step that no plugin of its own carries out.
fn plugin_keys(index: usize, step: &Step) -> Vec<Problem> {
    let keys = [
        ("config", "belongs", "it", step.config.is_empty()),
        ("secrets", "belong", "them", step.secrets.is_empty()),
        ("grants", "belong", "them", step.grants.is_none()),
    ];
    let written = keys.into_iter().filter(|(.., is_empty)| !is_empty);
    let told = |(key, belongs, it, _)| {
        let rule = match step.role() {
            Role::Backup | Role::Verify | Role::Action => return None,
            Role::Store => format!(
                "{belongs} into the target's own document, since every store step of the target must use the same"
            ),
            Role::Work | Role::Question => {
                format!(
                    "{belongs} to steps of plugins, and a {} is none; remove {it}",
                    step_word(step)
                )
            }
        };
        Some(Problem::new(format!("{}.{key}", path(index)), rule))
    };
    written.filter_map(told).collect()
}

fn gate_problems(path: &str, gate: &Gate) -> Vec<Problem> {
    let mut problems = Vec::new();
    let texts = gate.choices.iter().enumerate();
    let texts =
        texts.map(|(index, choice)| (format!("{path}.choices[{index}].means"), &choice.means));
    for (path, text) in [(format!("{path}.question"), &gate.question)]
        .into_iter()
        .chain(texts)
    {
        if text.trim().is_empty() || text.chars().count() > TEXT_CHARS_MAX {
            let rule = format!(
                "must be a text of 1 to {TEXT_CHARS_MAX} characters, for whoever has to answer"
            );
            problems.push(Problem::new(path, rule));
        }
    }
    let choices = format!("{path}.choices");
    if !(2..=CHOICES_MAX).contains(&gate.choices.len()) {
        let rule = format!(
            "must be 2 to {CHOICES_MAX}, e.g. [{{name: go-on, means: TEXT}}, {{name: stop, means: TEXT, ends: true}}]"
        );
        problems.push(Problem::new(choices, rule));
    } else if gate.choices.iter().all(|choice| choice.ends) {
        let rule = "all end the run, so that no answer lets it go on; take `ends` away from one";
        problems.push(Problem::new(choices, rule));
    }
    for (index, choice) in gate.choices.iter().enumerate() {
        if gate.choices[..index]
            .iter()
            .any(|other| other.name == choice.name)
        {
            let rule = format!("repeats the word {}; give each choice its own", choice.name);
            problems.push(Problem::new(format!("{path}.choices[{index}].name"), rule));
        }
    }
    problems
}

/// A name or a store step's target that stands there before.
fn repeated(index: usize, step: &Step, before: &[Step]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if before.iter().any(|other| other.name == step.name) {
        let rule = format!("repeats the name {}; give each step its own", step.name);
        problems.push(Problem::new(format!("{}.name", path(index)), rule));
    }
    let StepWork::Store(target) = &step.work else {
        return problems;
    };
    if before.iter().any(|other| other.work == step.work) {
        let rule = format!(
            "stores at {target} a second time; a recovery point is committed once at each target"
        );
        problems.push(Problem::new(format!("{}.target", path(index)), rule));
    }
    problems
}

/// What is wrong with the steps that a verify step says it judges.
fn verifies_problems(index: usize, step: &Step, steps: &[Step]) -> Vec<Problem> {
    let key = format!("{}.verifies", path(index));
    let Some(verifies) = &step.verifies else {
        return Vec::new();
    };
    let rule = match step.role() {
        Role::Verify if verifies.is_empty() => {
            "names no step; name backup steps, or remove the line to judge what all of them make"
        }
        Role::Verify => return names(&key, verifies, step, steps, &TO_VERIFY),
        Role::Store => {
            "belongs to verify steps, and a step with a target stores what all of them passed; remove it"
        }
        Role::Backup | Role::Work | Role::Question | Role::Action => {
            "belongs to verify steps; remove it"
        }
    };
    vec![Problem::new(key, rule)]
}

fn needs_problems(index: usize, step: &Step, steps: &[Step]) -> Vec<Problem> {
    // Said already where the key does not belong.
    let Some(needs) = step.needs.as_ref().filter(|_| step.is_node()) else {
        return Vec::new();
    };
    let key = format!("{}.needs", path(index));
    let expected = if step.is_backup() {
        &TO_BACK_UP_AFTER
    } else {
        &TO_NEED
    };
    names(&key, needs, step, steps, expected)
}

fn during_problems(index: usize, step: &Step, steps: &[Step]) -> Vec<Problem> {
    let key = format!("{}.during", path(index));
    if !step.is_node() || step.hold().is_some() {
        return Vec::new();
    }
    names(&key, &step.during, step, steps, &TO_STAND_DURING)
}

fn input_names(index: usize, step: &Step, steps: &[Step]) -> Vec<Problem> {
    let inputs = step.inputs.iter();
    inputs
        .flat_map(|(name, input)| {
            let key = format!("{}.inputs.{name}.valueFrom.step", path(index));
            name_problem(&key, &input.value_from.step, step, steps, &TO_TAKE_FROM)
        })
        .collect()
}

/// Which steps another may name under a key.
struct Expected {
    fits: fn(&Step) -> bool,
    /// What is said after what the named step is.
    why: &'static str,
}

const TO_VERIFY: Expected = Expected {
    fits: Step::is_backup,
    why: "",
};

const TO_NEED: Expected = Expected {
    fits: |_| true,
    why: "",
};

const TO_BACK_UP_AFTER: Expected = Expected {
    fits: Step::is_node,
    why: ", which itself waits for all backup steps: the recovery point is whole when they all are done",
};

const TO_STAND_DURING: Expected = Expected {
    fits: |step| step.hold().is_some(),
    why: ", which holds nothing: an action does that has `hold`, e.g. {name: freeze, action: NAME, hold: {seconds: 60}}",
};

const TO_TAKE_FROM: Expected = Expected {
    fits: |step| step.role() == Role::Action,
    why: ", and only actions have outputs",
};

/// What is wrong with a list of names.
fn names(
    key: &str,
    names: &[StepName],
    step: &Step,
    steps: &[Step],
    expected: &Expected,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let key = format!("{key}[{number}]");
        if names[..number].contains(name) {
            problems.push(Problem::new(key, format!("names the step {name} twice")));
        } else {
            problems.extend(name_problem(&key, name, step, steps, expected));
        }
    }
    problems
}

fn name_problem(
    key: &str,
    name: &StepName,
    step: &Step,
    steps: &[Step],
    expected: &Expected,
) -> Option<Problem> {
    let named = steps.iter().find(|other| other.name == *name);
    let why = match named {
        _ if *name == step.name => "the step itself".to_owned(),
        None => "a step that the schedule does not have".to_owned(),
        Some(named) if (expected.fits)(named) => return None,
        Some(named) => format!("{} step{}", with_article(step_word(named)), expected.why),
    };
    let could_be = steps
        .iter()
        .filter(|other| other.name != step.name && (expected.fits)(other));
    let near = suggestion(name.as_str(), could_be.map(|other| other.name.as_str()));
    Some(Problem::new(key, format!("names {name}, {why}{near}")))
}

fn with_article(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {word}")
}

/// Backup steps that no verify step judges.
fn unverified(steps: &[Step]) -> Vec<Problem> {
    let verify = || steps.iter().filter(|step| step.role() == Role::Verify);
    let is_verified = |backup: &Step| {
        let judges = |step: &Step| {
            step.verifies
                .as_ref()
                .is_none_or(|names| names.contains(&backup.name))
        };
        verify().any(judges)
    };
    let backups = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.is_backup());
    let open = backups.filter(|(_, backup)| !is_verified(backup));
    open.map(|(index, Step { name, .. })| {
        let rule = format!(
            "makes what no verify step judges, and nothing counts as stored that was not verified; add {name} to the `verifies` of a verify step, or add a step that verifies it"
        );
        Problem::new(path(index), rule)
    })
    .collect()
}

fn idle_holds(steps: &[Step]) -> Vec<Problem> {
    let holds = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.hold().is_some());
    let idle = holds.filter(|(_, hold)| !steps.iter().any(|step| step.during.contains(&hold.name)));
    idle.map(|(index, hold)| {
        let rule = format!(
            "is for steps that run under it, and none does; add `during: [{}]` to them, or remove it",
            hold.name
        );
        Problem::new(format!("{}.hold", path(index)), rule)
    })
    .collect()
}

/// Steps that wait for each other, and inputs that are not there in time.
fn time_problems(steps: &[Step]) -> Vec<Problem> {
    let timeline = Timeline::of(steps);
    if let Some(circle) = timeline.circle() {
        return vec![circle_problem(&circle, steps)];
    }
    let mut problems = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        for (name, input) in &step.inputs {
            let from = &input.value_from.step;
            let source = steps.iter().position(|other| other.name == *from);
            if source.is_none_or(|source| timeline.is_before(source, index)) {
                continue;
            }
            let key = format!("{}.inputs.{name}.valueFrom.step", path(index));
            let rule = format!(
                "names {from}, which need not be done before this step begins; add {from} to its `needs`"
            );
            problems.push(Problem::new(key, rule));
        }
    }
    problems
}

fn circle_problem(circle: &[usize], steps: &[Step]) -> Problem {
    let next = circle.iter().cycle().skip(1);
    let waits = circle
        .iter()
        .zip(next)
        .map(|(one, other)| format!("{} waits for {}", steps[*one].name, steps[*other].name));
    let told = waits.collect::<Vec<_>>().join(", ");
    let says = circle.iter().find(|index| steps[**index].needs.is_some());
    let key = match says {
        Some(index) => format!("{}.needs", path(*index)),
        None => path(circle[0]),
    };
    let rule = format!(
        "is part of a circle, in which no step can begin: {told}; name less in `needs`, or give one of them a `needs` of its own"
    );
    Problem::new(key, rule)
}

fn path(index: usize) -> String {
    format!("spec.steps[{index}]")
}
