//! The operator of a simulated run, who looks at the world before answering, and what the
//! world counts by the records.

use drydock_core::QuestionId;
use drydock_engine::model::{Answer, Effect, Event};
use drydock_engine::state::{About, Question, RunState};

use crate::world::{Broken, World};

/// The answer to one of the open questions, now and then with a word that it does not have.
pub fn answer(state: &RunState, world: &mut World) -> Result<Event, Broken> {
    let open: Vec<_> = state.open_questions().collect();
    let (id, question) = &open[world.random.place(open.len())];
    let choice = if world.random.chance(world.chaos.wrong_words) {
        "perhaps".to_owned()
    } else {
        choose(world, question)?
    };
    Ok(Event::Decided {
        question: *id,
        choice,
        by: "the operator".to_owned(),
    })
}

fn choose(world: &mut World, question: &Question) -> Result<String, Broken> {
    let step = question.about.step();
    let word = match &question.about {
        About::Gate(_) => {
            let ends = world.random.chance(world.chaos.gate_ends);
            let mut choices = question.choices.iter();
            let found = choices.find(|choice| choice.ends == ends);
            return found
                .map(|choice| choice.word.clone())
                .ok_or_else(|| format!("the gate {step} has no choice that fits"));
        }
        About::Step(_) => {
            if world.actions.done_once(step) {
                "done"
            } else {
                "not-done"
            }
        }
        About::Undo { .. } => {
            if world.random.chance(300) {
                "retry"
            } else {
                world.actions.take_back(step);
                "mended-by-hand"
            }
        }
        About::NoReturn(_) => {
            let choices = &question.choices;
            let words: Vec<_> = choices.iter().map(|choice| choice.word.as_str()).collect();
            return Ok(world.random.pick(&words).to_owned());
        }
    };
    Ok(word.to_owned())
}

/// An event is in the records. The state is the one before it.
pub fn recorded(state: &RunState, world: &mut World, event: &Event) {
    match event {
        Event::Answered { effect, answer } => {
            if let Some(effect) = state.in_flight.get(effect) {
                answered(state, world, effect, answer);
            }
        }
        Event::Decided {
            question, choice, ..
        } => decided(state, world, *question, choice),
        _ => {}
    }
}

fn answered(state: &RunState, world: &mut World, effect: &Effect, answer: &Answer) {
    match effect {
        Effect::Attempt { node, .. } => {
            let fault = answer.fault();
            if fault.is_some_and(|fault| !fault.may_be_done()) {
                world.actions.doubt.remove(node);
            }
            let point = state.point.as_ref();
            let contributes = point.is_some_and(|point| point.contributor(node).is_some());
            if contributes && fault.is_none() {
                world.finished.insert(node.clone());
            }
        }
        Effect::Undo { node, .. } if *answer == Answer::Undone => {
            world.actions.doubt.remove(node);
        }
        Effect::Point { point } if answer.fault().is_none() => world.part_recorded(point),
        _ => {}
    }
}

fn decided(state: &RunState, world: &mut World, question: QuestionId, choice: &str) {
    let open = state.questions.get(&question).filter(|open| open.is_open());
    let Some(open) = open else { return };
    let step = open.about.step();
    let may_run_again = matches!(
        (&open.about, choice),
        (About::Step(_), "not-done") | (About::Undo { .. }, "mended-by-hand")
    );
    if may_run_again {
        world.actions.doubt.remove(step);
    }
}
