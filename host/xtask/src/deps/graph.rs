//! Which file of a crate uses which.
//!
//! A path leads to the file that defines what it names, through `pub use` and through what
//! is imported here. A `mod name;` is no use, a module alone that is imported is none either
//! (what is then taken from it is), and a `pub use` is one only where the name is used in
//! its own file as well: else it is a sign that points elsewhere.
//!
//! A call of a method names no file, so it is no use; the type whose method it is was named
//! somewhere before. Hence files that share the methods of one type among them, and call each
//! other's through `self`, are a circle that is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::items::{self, Module};
use super::tokens;

/// The files of a crate and the uses between them.
#[derive(Default)]
pub struct Graph {
    pub files: Vec<File>,
    scopes: Vec<Scope>,
}

/// One file, with the first use that it makes of each other one.
pub struct File {
    pub path: PathBuf,
    /// Its lines of code.
    pub lines: usize,
    pub uses: BTreeMap<usize, Arrow>,
}

/// Where a use stands and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub line: usize,
    pub path: String,
}

/// A module among its relatives.
struct Scope {
    parent: Option<usize>,
    file: usize,
    children: BTreeMap<String, usize>,
    module: Module,
}

/// What a name stands for: a module, or an item in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Module(usize),
    Item(usize),
    /// Another crate has it.
    Outside,
}

/// How many imports are followed from one name to where it is defined: more than there are
/// floors in any crate, and few enough that two modules which import all of each other end.
const IMPORTS_FOLLOWED_MAX: usize = 8;

impl Graph {
    /// Reads a crate from its outermost file on, with `read` for the text of a file.
    pub fn of(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Result<Self, String> {
        let mut graph = Self::default();
        let folder = root.parent().unwrap_or(root);
        graph.add_file(None, root, folder, read)?;
        for scope in 0..graph.scopes.len() {
            graph.add_uses(scope);
        }
        Ok(graph)
    }

    fn add_file(
        &mut self,
        parent: Option<usize>,
        path: &Path,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<usize, String> {
        let source = read(path).ok_or_else(|| format!("cannot read {}", path.display()))?;
        let tokens = tokens::of(&source);
        self.files.push(File {
            path: path.to_owned(),
            lines: tokens::lines(&tokens),
            uses: BTreeMap::new(),
        });
        let file = self.files.len() - 1;
        self.add_module(parent, file, items::of(&tokens), folder, read)
    }

    /// Takes in a module whose own modules lie in `folder`.
    fn add_module(
        &mut self,
        parent: Option<usize>,
        file: usize,
        mut module: Module,
        folder: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> Result<usize, String> {
        let modules = std::mem::take(&mut module.modules);
        let scope = self.scopes.len();
        self.scopes.push(Scope {
            parent,
            file,
            children: BTreeMap::new(),
            module,
        });
        for module in modules {
            let name = module.name.clone();
            let folder_of_it = folder.join(&name);
            let child = if module.is_here {
                self.add_module(Some(scope), file, module, &folder_of_it, read)?
            } else {
                let path = file_of(folder, &name, read);
                self.add_file(Some(scope), &path, &folder_of_it, read)?
            };
            self.scopes[scope].children.insert(name, child);
        }
        Ok(scope)
    }

    fn add_uses(&mut self, scope: usize) {
        let from = self.scopes[scope].file;
        for (to, arrow) in self.uses_of(scope) {
            if to != from {
                let first = self.files[from].uses.entry(to).or_insert(arrow.clone());
                if arrow.line < first.line {
                    *first = arrow;
                }
            }
        }
    }

    /// The files that a module uses, itself among them perhaps.
    fn uses_of(&self, scope: usize) -> Vec<(usize, Arrow)> {
        let module = &self.scopes[scope].module;
        let mut found = Vec::new();
        let mut add = |path: &items::Path, meanings: BTreeSet<Meaning>| {
            let arrow = Arrow {
                line: path.line,
                path: path.segments.join("::"),
            };
            let files = meanings.into_iter().filter_map(|meaning| match meaning {
                Meaning::Item(file) => Some((file, arrow.clone())),
                Meaning::Module(_) | Meaning::Outside => None,
            });
            found.extend(files);
        };
        for path in &module.paths {
            add(path, self.resolve(scope, &path.segments, 0));
        }
        for import in &module.uses {
            let meanings = self.resolve(scope, &import.path.segments, 0);
            match &import.name {
                Some(name) if import.is_public && !module.words.contains(name) => {}
                Some(_) => add(&import.path, meanings),
                None => {
                    for meaning in meanings {
                        add(&import.path, self.taken_from(meaning, &module.words));
                    }
                }
            }
        }
        found
    }

    /// What `*` brings that one of these words names.
    fn taken_from(&self, meaning: Meaning, words: &BTreeSet<String>) -> BTreeSet<Meaning> {
        match meaning {
            Meaning::Item(_) | Meaning::Outside => BTreeSet::from([meaning]),
            Meaning::Module(scope) => {
                let names = words.iter();
                names
                    .flat_map(|name| self.look_up(scope, name, 0))
                    .collect()
            }
        }
    }

    /// What a path means in a module; nothing if it leads out of the crate.
    fn resolve(&self, scope: usize, path: &[String], followed: usize) -> BTreeSet<Meaning> {
        let mut meanings = BTreeSet::from([Meaning::Module(scope)]);
        for (at, name) in path.iter().enumerate() {
            meanings = match name.as_str() {
                "crate" => BTreeSet::from([Meaning::Module(0)]),
                "self" => meanings,
                "super" => self.parents(&meanings),
                name => self.members(&meanings, name, at > 0, followed),
            };
        }
        meanings
    }

    fn parents(&self, meanings: &BTreeSet<Meaning>) -> BTreeSet<Meaning> {
        let parent = |meaning: &Meaning| match meaning {
            Meaning::Module(scope) => self.scopes[*scope].parent.map(Meaning::Module),
            Meaning::Item(_) | Meaning::Outside => None,
        };
        meanings.iter().filter_map(parent).collect()
    }

    /// What a name means inside of each of these. What belongs to an item (a variant, a
    /// function of a type) lies where the item does; and what a module of ours does not seem
    /// to declare, a macro in it made.
    fn members(
        &self,
        meanings: &BTreeSet<Meaning>,
        name: &str,
        is_inside: bool,
        followed: usize,
    ) -> BTreeSet<Meaning> {
        let mut members = BTreeSet::new();
        for meaning in meanings {
            match *meaning {
                Meaning::Item(_) | Meaning::Outside => {
                    members.insert(*meaning);
                }
                Meaning::Module(scope) => {
                    let found = self.look_up(scope, name, followed);
                    if found.is_empty() {
                        members.insert(if is_inside {
                            Meaning::Item(self.scopes[scope].file)
                        } else {
                            Meaning::Outside
                        });
                    }
                    members.extend(found);
                }
            }
        }
        members
    }

    /// What a name means in a module, itself declared or imported there.
    fn look_up(&self, scope: usize, name: &str, followed: usize) -> BTreeSet<Meaning> {
        let mut meanings = BTreeSet::new();
        let here = &self.scopes[scope];
        if here.module.items.contains(name) {
            meanings.insert(Meaning::Item(here.file));
        }
        if let Some(child) = here.children.get(name) {
            meanings.insert(Meaning::Module(*child));
        }
        if followed == IMPORTS_FOLLOWED_MAX {
            return meanings;
        }
        for import in &here.module.uses {
            let path = &import.path.segments;
            if import.name.as_deref() == Some(name) {
                meanings.extend(self.resolve(scope, path, followed + 1));
            } else if import.name.is_none() && meanings.is_empty() {
                let from = self.resolve(scope, path, followed + 1);
                meanings.extend(from.into_iter().flat_map(|meaning| match meaning {
                    Meaning::Module(from) => self.look_up(from, name, followed + 1),
                    Meaning::Item(_) | Meaning::Outside => BTreeSet::new(),
                }));
            }
        }
        meanings
    }
}

/// `name.rs`, or where that is not, `name/mod.rs`.
fn file_of(folder: &Path, name: &str, read: &dyn Fn(&Path) -> Option<String>) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if read(&file).is_some() {
        return file;
    }
    folder.join(name).join("mod.rs")
}

#[cfg(test)]
pub mod tests;
