//! Whether the steps can all come to their end. A step begins once those that it needs ended
//! and the holds that it stands `during` began; a hold ends once the steps `during` it ended;
//! the recovery point follows all backup steps and the holds that they stand `during`.
//!
//! So each step is two points of a graph, its begin and its end, and what can never come
//! about is a circle there.

use super::order;
use super::step::{Role, Step};

/// The graph: for each point those that come before it. Points 2i and 2i + 1 are begin and
/// end of step i.
pub(super) struct Timeline(Vec<Vec<usize>>);

impl Timeline {
    /// Of steps whose references hold.
    pub fn of(steps: &[Step]) -> Self {
        let mut before = vec![Vec::new(); 2 * steps.len()];
        for (index, step) in steps.iter().enumerate() {
            before[end(index)].push(begin(index));
            let needs = order::needs(index, steps);
            let needed = needs.iter().filter_map(|need| place(&need.step, steps));
            before[begin(index)].extend(needed.map(end));
            for hold in step.during.iter().filter_map(|name| place(name, steps)) {
                before[begin(index)].push(begin(hold));
                before[end(hold)].push(end(index));
            }
            before[begin(index)].extend(of_the_point(step, steps).into_iter().map(end));
        }
        Self(before)
    }

    /// Steps that wait for each other, each for the next one and the last for the first;
    /// by their places in the document.
    pub fn circle(&self) -> Option<Vec<usize>> {
        let mut is_over = vec![false; self.0.len()];
        (0..self.0.len()).find_map(|point| self.walk(point, &mut Vec::new(), &mut is_over))
    }

    /// Whether a step ends before another begins, whatever happens.
    pub fn is_before(&self, earlier: usize, later: usize) -> bool {
        let mut seen = vec![false; self.0.len()];
        let mut open = vec![begin(later)];
        while let Some(point) = open.pop() {
            if !std::mem::replace(&mut seen[point], true) {
                open.extend(&self.0[point]);
            }
        }
        seen[end(earlier)]
    }

    /// Depth first; no deeper than there are points, which `STEPS_MAX` bounds.
    fn walk(&self, point: usize, way: &mut Vec<usize>, is_over: &mut [bool]) -> Option<Vec<usize>> {
        if is_over[point] {
            return None;
        }
        if let Some(first) = way.iter().position(|other| *other == point) {
            let mut steps: Vec<usize> = way[first..].iter().map(|point| point / 2).collect();
            steps.dedup();
            // The circle may begin in the middle of a step.
            if steps.len() > 1 && steps.first() == steps.last() {
                steps.pop();
            }
            return Some(steps);
        }
        way.push(point);
        let found = self.0[point]
            .iter()
            .find_map(|before| self.walk(*before, way, is_over));
        way.pop();
        is_over[point] = true;
        found
    }
}

/// What a verify or store step follows as a part of the recovery point.
fn of_the_point(step: &Step, steps: &[Step]) -> Vec<usize> {
    let is_store = step.role() == Role::Store;
    let is_part = !step.is_node();
    let held = |step: &Step| {
        let stands = |backup: &Step| backup.is_backup() && backup.during.contains(&step.name);
        steps.iter().any(stands)
    };
    let follows = |other: &Step| match other.role() {
        Role::Backup => true,
        Role::Verify => is_store,
        Role::Action => held(other),
        Role::Store | Role::Work | Role::Question => false,
    };
    let all = steps.iter().enumerate();
    let parts = all.filter(|(_, other)| is_part && follows(other));
    parts.map(|(index, _)| index).collect()
}

fn place(name: &drydock_core::StepName, steps: &[Step]) -> Option<usize> {
    steps.iter().position(|step| step.name == *name)
}

fn begin(step: usize) -> usize {
    2 * step
}

fn end(step: usize) -> usize {
    2 * step + 1
}
