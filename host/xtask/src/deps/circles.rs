//! Circles of files: each reaches each other one by what they use.

use std::fmt::Write as _;
use std::path::Path;

use super::graph::{File, Graph};

/// The circles of a crate, each with its files in order, the largest first.
pub fn of(graph: &Graph) -> Vec<Vec<usize>> {
    let mut search = Search {
        files: &graph.files,
        order: vec![None; graph.files.len()],
        lowest: vec![0; graph.files.len()],
        open: Vec::new(),
        counted: 0,
        circles: Vec::new(),
    };
    for file in 0..graph.files.len() {
        search.visit(file);
    }
    let mut circles = search.circles;
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    circles
}

/// What closes a circle: of each file the first use of another one in it.
pub fn story(graph: &Graph, circle: &[usize], root: &Path) -> String {
    let name = |file: usize| {
        let path = &graph.files[file].path;
        path.strip_prefix(root).unwrap_or(path).display()
    };
    let mut story = String::new();
    for file in circle {
        let uses = &graph.files[*file].uses;
        let closing = uses.iter().filter(|(used, _)| circle.contains(used));
        if let Some((used, arrow)) = closing.min_by_key(|(_, arrow)| arrow.line) {
            let (from, to) = (name(*file), name(*used));
            let _ = write!(
                story,
                "\n    {from}:{} -> {to} by {}",
                arrow.line, arrow.path
            );
        }
    }
    story
}

/// Tarjan's search for what is strongly connected.
struct Search<'a> {
    files: &'a [File],
    /// When a file was first seen.
    order: Vec<Option<usize>>,
    /// The earliest file that is still open and can be reached.
    lowest: Vec<usize>,
    /// Files that are seen and are in no finished circle.
    open: Vec<usize>,
    counted: usize,
    circles: Vec<Vec<usize>>,
}

impl Search<'_> {
    /// Visits a file once, and says how early it reaches back while it is open.
    fn visit(&mut self, file: usize) {
        if self.order[file].is_some() {
            return;
        }
        let order = self.counted;
        self.counted += 1;
        self.order[file] = Some(order);
        self.lowest[file] = order;
        self.open.push(file);
        let files = self.files;
        for used in files[file].uses.keys() {
            self.visit(*used);
            if self.open.contains(used) {
                self.lowest[file] = self.lowest[file].min(self.lowest[*used]);
            }
        }
        if self.lowest[file] == order {
            let begin = self.open.iter().position(|open| *open == file);
            let mut circle = self.open.split_off(begin.unwrap_or(0));
            circle.sort_unstable();
            if circle.len() > 1 {
                self.circles.push(circle);
            }
        }
    }
}
