//! How large a crate is, and how far its files lean on each other.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Error, Result};

use super::circles;
use super::graph::Graph;
use super::packages::Package;

/// The most files of a crate that may use each other in a circle: so many are understood
/// together, and more are one file in pieces.
const CIRCLE_FILES_MAX: usize = 8;

/// The most lines of code of a crate: more take too long to compile as one, and to read.
const CODE_LINES_MAX: usize = 9_000;

/// What a crate looks like, its tests apart: files that are declared behind `#[cfg(test)]`
/// and all else that stands behind it count for nothing here.
#[derive(Default)]
pub struct Shape {
    name: String,
    /// Lines that are neither blank nor comments alone.
    lines: usize,
    files: usize,
    /// The files in the largest circle, 0 without one.
    circle: usize,
    /// What is too much of it, one sentence each.
    pub broken: Vec<String>,
}

impl Shape {
    /// Looks at the library and the programs of a crate.
    pub fn of(package: &Package) -> Result<Self> {
        let read = |path: &std::path::Path| std::fs::read_to_string(path).ok();
        let mut graphs = Vec::new();
        for target in &package.targets {
            let is_code = |kind: &String| kind == "lib" || kind == "bin";
            if target.kind.iter().any(is_code) {
                graphs.push(Graph::of(&target.src_path, &read).map_err(Error::msg)?);
            }
        }
        Ok(Self::judged(package, &graphs))
    }

    fn judged(package: &Package, graphs: &[Graph]) -> Self {
        let files = graphs.iter().flat_map(|graph| &graph.files);
        let files: BTreeMap<_, _> = files.map(|file| (&file.path, file.lines)).collect();
        let mut shape = Self {
            name: package.name.clone(),
            lines: files.values().sum(),
            files: files.len(),
            ..Self::default()
        };
        if shape.lines > CODE_LINES_MAX {
            shape.broken.push(format!(
                "{} has {} lines of code without tests, and {CODE_LINES_MAX} is the most: make \
                 two crates of it",
                shape.name, shape.lines
            ));
        }
        for graph in graphs {
            for circle in circles::of(graph) {
                shape.circle = shape.circle.max(circle.len());
                if circle.len() > CIRCLE_FILES_MAX {
                    shape.broken.push(format!(
                        "{} has a circle of {} files, and {CIRCLE_FILES_MAX} is the most; one \
                         use of each that closes it:{}",
                        shape.name,
                        circle.len(),
                        circles::story(graph, &circle, package.folder())
                    ));
                }
            }
        }
        shape
    }
}

/// The shapes of all crates as a table, the largest first.
pub fn table(shapes: &[Shape]) -> String {
    let mut shapes: Vec<&Shape> = shapes.iter().collect();
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.lines));
    let mut table = format!(
        "{:<28} {:>6} {:>6} {:>14}\n",
        "crate", "lines", "files", "largest circle"
    );
    for shape in shapes {
        let _ = writeln!(
            table,
            "{:<28} {:>6} {:>6} {:>14}",
            shape.name, shape.lines, shape.files, shape.circle
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deps::graph::tests::graph;

    /// A crate of so many files, each of which uses the next and the last the first.
    fn circle(files: usize) -> Shape {
        let name = |number: usize| format!("file_{number}");
        let modules = (0..files).fold(String::new(), |all, number| {
            all + &format!("mod {};\n", name(number))
        });
        let mut sources = vec![("lib".to_owned(), modules)];
        for number in 0..files {
            let next = name((number + 1) % files);
            let source = format!("use crate::{next}::Item as Next;\npub struct Item(Next);\n");
            sources.push((name(number), source));
        }
        Shape::judged(&package(), &[graph(&sources)])
    }

    fn package() -> Package {
        Package {
            name: "round".to_owned(),
            manifest_path: "/w/round/Cargo.toml".into(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn eight_files_may_go_round_and_nine_may_not() {
        let eight = circle(8);
        assert_eq!((eight.circle, eight.files, eight.lines), (8, 9, 24));
        assert_eq!(eight.broken, [""; 0]);
        let [broken] = &circle(9).broken[..] else {
            panic!("one sentence about one circle");
        };
        let first = "round has a circle of 9 files, and 8 is the most; one use of each that \
                     closes it:\n    src/file_0.rs:1 -> src/file_1.rs by \
                     crate::file_1::Item\n";
        assert!(broken.starts_with(first), "{broken}");
        assert_eq!(broken.lines().count(), 10);
    }

    #[test]
    fn a_crate_of_too_many_lines_is_told() {
        let lines = |count: usize| {
            let source = "// why\n\nstruct A;\n".repeat(count);
            Shape::judged(&package(), &[graph(&[("lib".to_owned(), source)])])
        };
        assert_eq!(lines(9_000).broken, [""; 0]);
        assert_eq!(
            lines(9_001).broken,
            [
                "round has 9001 lines of code without tests, and 9000 is the most: make two crates \
              of it"
            ]
        );
    }

    #[test]
    fn the_table_has_a_row_a_crate_the_largest_first() {
        let (small, large) = (circle(2), circle(8));
        assert_eq!(
            table(&[small, large]),
            "crate                         lines  files largest circle\n\
             round                            24      9              8\n\
             round                             6      3              2\n"
        );
    }
}
