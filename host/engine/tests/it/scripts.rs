//! What one attempt of each model kind goes through, line by line.

use std::collections::VecDeque;

use drydock_core::{ErrorCode, Fault, HoldKind};
use drydock_engine::model::NodeSpec;
use drydock_engine::state::RunState;

use crate::chaos::Chaos;
use crate::random::Random;

/// One thing that an attempt does or says.
#[derive(Debug, Clone)]
pub enum Line {
    /// It waits for what somebody else has, without end.
    Blocked,
    /// It waits for its lock and takes it.
    Take,
    Held,
    /// It holds until it is told to let go, or notices that it was lost.
    Stand,
    Cut,
    Begin,
    Do,
    Keep,
    Open(String),
    Advance(u64),
    Seal(u64),
    Discard,
    Fail(Fault),
    End,
}

/// One attempt of a step, from its beginning to its end.
pub fn script(
    random: &mut Random,
    chaos: &Chaos,
    state: &RunState,
    spec: &NodeSpec,
) -> VecDeque<Line> {
    let point = state.point.as_ref();
    let makes_outputs = point.is_some_and(|point| point.contributor(&spec.step).is_some());
    let mut lines = match spec.hold.map(|hold| hold.kind) {
        Some(HoldKind::Session) => session(random, chaos),
        Some(HoldKind::State) => vec![Line::Do],
        None if makes_outputs => backup(random, chaos, spec),
        None => action(random, spec),
    };
    if random.chance(chaos.step_fails) {
        let length = lines.len() as u64;
        lines.truncate(usize::try_from(random.below(length + 1)).unwrap());
        lines.push(Line::Fail(fault(random)));
    }
    lines.push(Line::End);
    lines.into()
}

fn fault(random: &mut Random) -> Fault {
    if random.chance(200) {
        Fault::permanent(ErrorCode::of("no"), "no")
    } else {
        Fault::transient(ErrorCode::StreamBroken, "broken")
    }
}

fn session(random: &mut Random, chaos: &Chaos) -> Vec<Line> {
    let blocked = random.chance(chaos.hold_blocked);
    let blocked = blocked.then_some(Line::Blocked);
    let rest = [Line::Take, Line::Held, Line::Stand];
    blocked.into_iter().chain(rest).collect()
}

/// A step during holds says when it made its cut, as a rule.
fn action(random: &mut Random, spec: &NodeSpec) -> Vec<Line> {
    let mut lines = vec![Line::Begin];
    if !spec.during.is_empty() && random.chance(700) {
        lines.push(Line::Cut);
    }
    if spec.contributes {
        lines.push(Line::Keep);
    }
    lines.push(Line::Do);
    lines
}

/// One or two outputs, some of them given up on the way.
fn backup(random: &mut Random, chaos: &Chaos, spec: &NodeSpec) -> Vec<Line> {
    let mut lines = Vec::new();
    for number in 0..1 + random.below(2) {
        let name = format!("{}-{number}", spec.step);
        loop {
            lines.push(Line::Open(name.clone()));
            if number == 0 && !spec.during.is_empty() {
                lines.push(Line::Cut);
            }
            let size = random.below(60);
            lines.extend((0..size).step_by(7).map(Line::Advance));
            if random.chance(chaos.output_discarded) {
                lines.push(Line::Discard);
            } else {
                lines.push(Line::Seal(size));
                break;
            }
        }
    }
    lines
}
