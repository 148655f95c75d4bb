//! What a source file declares and what it names: its modules, its items, its uses.
//!
//! It is a light scan and no parser: it knows where an item begins and ends, and takes
//! every `a::b` inside for a path.

use std::collections::BTreeSet;

use super::tokens::{Token, behind_group, behind_item, behind_visibility, text};

/// A module as it stands in its file.
#[derive(Debug, Default)]
pub struct Module {
    pub name: String,
    /// False for `mod name;`: another file holds it.
    pub is_here: bool,
    /// The names of the items that it declares.
    pub items: BTreeSet<String>,
    pub modules: Vec<Module>,
    pub uses: Vec<Use>,
    /// The paths inside of its items, e.g. `crate::a::f` of a call.
    pub paths: Vec<Path>,
    /// The words in its items, those of a `use` apart.
    pub words: BTreeSet<String>,
}

/// A path with the line that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// One name of a `use`, however deep it was nested.
#[derive(Debug)]
pub struct Use {
    pub path: Path,
    /// What it is called here; `None` if it is all that the path holds (`*`).
    pub name: Option<String>,
    /// Whether others may take it from here.
    pub is_public: bool,
}

/// The outermost module of a file.
pub fn of(tokens: &[Token]) -> Module {
    let mut module = Module {
        is_here: true,
        ..Module::default()
    };
    fill(&mut module, tokens);
    module
}

fn fill(module: &mut Module, tokens: &[Token]) {
    let mut at = 0;
    while at < tokens.len() {
        at = item(module, tokens, at);
    }
}

/// Reads the item at `from` and says what is behind it.
fn item(module: &mut Module, tokens: &[Token], from: usize) -> usize {
    let start = behind_visibility(tokens, from);
    match text(tokens, start) {
        "#" => attribute(module, tokens, start + 1),
        "mod" => module_at(module, tokens, start + 1),
        "use" => {
            let (end, mut found) = (behind_item(tokens, from), Vec::new());
            uses(&mut found, tokens, start + 1, &[]);
            let is_public = start > from;
            let uses = found.into_iter().map(|found| Use { is_public, ..found });
            module.uses.extend(uses);
            end
        }
        _ => {
            let end = behind_item(tokens, from).max(from + 1);
            let item = &tokens[start.min(end)..end];
            module.items.extend(name_of(item));
            code(module, item);
            end
        }
    }
}

/// Reads what an attribute names, a derive by its path for one.
fn attribute(module: &mut Module, tokens: &[Token], from: usize) -> usize {
    let open = if text(tokens, from) == "!" {
        from + 1
    } else {
        from
    };
    let end = behind_group(tokens, open);
    code(module, &tokens[open..end]);
    end
}

fn module_at(parent: &mut Module, tokens: &[Token], name: usize) -> usize {
    let mut module = Module {
        name: text(tokens, name).to_owned(),
        is_here: text(tokens, name + 1) == "{",
        ..Module::default()
    };
    let mut end = name + 2;
    if module.is_here {
        end = behind_group(tokens, name + 1);
        fill(&mut module, &tokens[name + 2..end - 1]);
    }
    parent.modules.push(module);
    end
}

/// The name that an item declares, behind the words that say what it is.
fn name_of(item: &[Token]) -> Option<String> {
    let before = ["unsafe", "async", "const", "auto", "default", "extern", ""];
    let kinds = ["fn", "struct", "enum", "union", "trait", "type", "static"];
    let mut at = 0;
    while at < item.len() && before.contains(&text(item, at)) {
        at += 1;
    }
    let name = match text(item, at) {
        "macro_rules" => at + 2,
        kind if kinds.contains(&kind) => at + 1,
        _ if at > 0 && text(item, at - 1) == "const" => at,
        _ => return None,
    };
    let name = if text(item, name) == "mut" {
        name + 1
    } else {
        name
    };
    item.get(name).map(|token| token.text.to_owned())
}

/// Collects the paths of a piece of code, and of the `use` in it.
fn code(module: &mut Module, tokens: &[Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let next = text(tokens, at + 1);
        if text(tokens, at) == "use" && next != "<" {
            at = uses(&mut module.uses, tokens, at + 1, &[]);
        } else if next == "::" && tokens[at].is_word() && !is_within(tokens, at) {
            let path = path(tokens, at);
            module.words.insert(path.segments[0].clone());
            at += 2 * path.segments.len() - 1;
            module.paths.push(path);
        } else {
            module.words.insert(text(tokens, at).to_owned());
            at += 1;
        }
    }
}

/// Whether a word goes on from something before it, which is no module of ours. After two
/// dots, of a range or of the rest of a struct, a path begins.
fn is_within(tokens: &[Token], at: usize) -> bool {
    let before = |steps: usize| at.checked_sub(steps).map_or("", |at| text(tokens, at));
    before(1) == "::" || before(1) == "." && before(2) != "."
}

fn path(tokens: &[Token], from: usize) -> Path {
    let mut segments = vec![text(tokens, from).to_owned()];
    let mut at = from + 1;
    while text(tokens, at) == "::" && tokens.get(at + 1).is_some_and(Token::is_word) {
        segments.push(text(tokens, at + 1).to_owned());
        at += 2;
    }
    Path {
        segments,
        line: tokens[from].line,
    }
}

/// Reads the tree of a `use` behind what was said before it, and says what is behind it.
fn uses(found: &mut Vec<Use>, tokens: &[Token], from: usize, before: &[String]) -> usize {
    let mut segments = before.to_vec();
    let line = tokens.get(from).map_or(0, |token| token.line);
    let mut at = from;
    loop {
        match text(tokens, at) {
            // `::name` is a crate from outside; no path of ours begins with nothing.
            "::" if at == from => segments.push(String::new()),
            "::" => {}
            "{" => {
                let end = behind_group(tokens, at);
                at += 1;
                while at + 1 < end {
                    at = uses(found, tokens, at, &segments) + 1;
                }
                return end;
            }
            "*" => {
                let path = Path { segments, line };
                found.push(a_use(path, None));
                return at + 1;
            }
            word if tokens.get(at).is_some_and(Token::is_word) && word != "as" => {
                segments.push(word.to_owned());
            }
            _ => break,
        }
        at += 1;
    }
    if segments.is_empty() {
        return at;
    }
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let mut name = segments.last().cloned();
    if text(tokens, at) == "as" {
        name = Some(text(tokens, at + 1).to_owned());
        at += 2;
    }
    let path = Path { segments, line };
    found.push(a_use(path, name));
    at
}

fn a_use(path: Path, name: Option<String>) -> Use {
    Use {
        path,
        name,
        is_public: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deps::tokens;

    fn module(source: &str) -> Module {
        of(&tokens::of(source))
    }

    fn uses_of(source: &str) -> Vec<String> {
        let uses = module(source).uses.into_iter().map(|found| {
            let path = found.path.segments.join("::");
            format!("{path} {}", found.name.as_deref().unwrap_or("*"))
        });
        uses.collect()
    }

    fn paths_of(source: &str) -> Vec<String> {
        let paths = module(source).paths.into_iter();
        paths.map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn nested_uses_are_taken_apart() {
        assert_eq!(
            uses_of("use a::{self, b::{C, D as E}, f::*,};\npub(crate) use super::g;"),
            ["a a", "a::b::C C", "a::b::D E", "a::f *", "super::g g"]
        );
        assert_eq!(uses_of("use ::a::b;"), ["::a::b b"]);
        assert_eq!(uses_of("fn f() { use a::B; }"), ["a::B B"]);
        assert_eq!(uses_of("fn f<'a>() -> impl G + use<'a> {}"), [""; 0]);
    }

    #[test]
    fn paths_inside_of_code_are_seen() {
        assert_eq!(
            paths_of(
                "fn f(x: a::B) -> c::D<e::F> { <a::G as H>::i(); super::j::<k::L>(x.m::<N>()) }"
            ),
            ["a::B", "c::D", "e::F", "a::G", "super::j", "k::L"]
        );
        assert_eq!(
            paths_of("fn f() { g(0..crate::a::MAX, H { ..i::J }) }"),
            ["crate::a::MAX", "i::J"]
        );
        assert_eq!(
            paths_of("#[derive(a::B)] struct C(d::E);"),
            ["a::B", "d::E"]
        );
        assert_eq!(
            paths_of("macro_rules! m { () => { $crate::a::b() } }"),
            ["crate::a::b"]
        );
        assert_eq!(
            paths_of("/* a::b */ const C: &str = \"d::e\"; // f::g"),
            [""; 0]
        );
    }

    #[test]
    fn items_are_known_by_name() {
        let source = "
            pub const fn a() {} pub(crate) const B: [u8; 2] = { [0; 2] }; static mut C: u8 = 0;
            pub async unsafe fn d<T: E>() where T: F {} struct G; struct H { i: u8 }
            enum J { K } trait L { fn m(); } type N = u8; macro_rules! o { () => {} }
            extern \"C\" fn p() {} impl Q { fn r() {} } s! { t }
        ";
        let items: Vec<_> = module(source).items.into_iter().collect();
        let expected = ["B", "C", "G", "H", "J", "L", "N", "a", "d", "o", "p"];
        assert_eq!(items, expected);
    }

    #[test]
    fn modules_are_here_or_elsewhere() {
        let found = module("mod a; pub mod b { use super::c; mod d; } fn e() {}");
        let names: Vec<_> = found
            .modules
            .iter()
            .map(|module| (module.name.as_str(), module.is_here))
            .collect();
        assert_eq!(names, [("a", false), ("b", true)]);
        assert_eq!(found.modules[1].modules[0].name, "d");
        assert_eq!(found.modules[1].uses.len(), 1);
        assert!(found.uses.is_empty() && found.items.contains("e"));
    }
}
