use super::*;

/// The graph of a crate whose files lie in `/w/round/src`, given without `.rs`.
pub fn graph(sources: &[(String, String)]) -> Graph {
    let read = |path: &Path| {
        let name = path.strip_prefix("/w/round/src").ok()?.with_extension("");
        let mut sources = sources.iter();
        let source = sources.find(|(other, _)| name.to_str() == Some(other.as_str()));
        source.map(|(_, source)| source.clone())
    };
    Graph::of(Path::new("/w/round/src/lib.rs"), &read).expect("a crate that is all there")
}

/// The arrows of a crate, e.g. `a -> b`.
fn arrows(sources: &[(&str, &str)]) -> Vec<String> {
    let owned = |(name, source): &(&str, &str)| ((*name).to_owned(), (*source).to_owned());
    let sources: Vec<_> = sources.iter().map(owned).collect();
    let graph = graph(&sources);
    let name = |file: usize| {
        let path = graph.files[file].path.strip_prefix("/w/round/src");
        let path = path.expect("it lies there").with_extension("");
        path.display().to_string()
    };
    let mut arrows = Vec::new();
    for (from, file) in graph.files.iter().enumerate() {
        arrows.extend(
            file.uses
                .keys()
                .map(|to| format!("{} -> {}", name(from), name(*to))),
        );
    }
    arrows.sort();
    arrows
}

/// What file `a` uses of a crate in which `b` and `c/d` declare items, `c` and the root
/// hand on some of them, and the root has one of its own.
fn of_a(source: &str) -> Vec<String> {
    let arrows = arrows(&[
        (
            "lib",
            "mod a; mod b; pub mod c; pub use b::{B, f as g}; pub use c::*; use std::io; \
             pub struct Root; fn only() { b::f() }",
        ),
        ("a", source),
        (
            "b",
            "pub struct B; pub fn f() {} pub const LIMIT: u8 = 1; pub enum Kind { One }",
        ),
        ("c", "pub mod d; pub use self::d::D; #[cfg(test)] mod e;"),
        ("c/d", "pub struct D; made! { Made }"),
    ]);
    let of_a = arrows
        .iter()
        .filter_map(|arrow| arrow.strip_prefix("a -> "));
    of_a.map(str::to_owned).collect()
}

#[test]
fn a_name_leads_to_the_file_that_defines_it() {
    for (source, used) in [
        ("use crate::b::B;", "b"),
        ("use crate::B;", "b"),
        ("use crate::{c::{D}};", "c/d"),
        ("use crate::D;", "c/d"),
        ("use super::Root;", "lib"),
        ("use super::c::d::D as E;", "c/d"),
        ("use crate::b::Kind::{self, One};", "b"),
        ("mod inner { use super::super::b::B; }", "b"),
        ("mod inner { use crate::g; }", "b"),
        ("use crate::c::d::Made;", "c/d"),
    ] {
        assert_eq!(of_a(source), [used], "{source}");
    }
}

#[test]
fn paths_inside_of_code_are_uses() {
    for (source, used) in [
        ("fn h() { crate::b::f() }", "b"),
        ("fn h() { crate::g() }", "b"),
        ("use crate::b; fn h() -> u8 { b::LIMIT }", "b"),
        ("use crate::c as other; fn h(d: other::D) {}", "c/d"),
        ("use super::c::{self}; fn h(d: c::d::D) {}", "c/d"),
        ("use crate::*; fn h(b: B) {}", "b"),
        ("use crate::c::d::*; fn h(d: D) {}", "c/d"),
        ("#[derive(crate::c::D)] struct H;", "c/d"),
        ("fn h() { use super::b::Kind::*; }", "b"),
    ] {
        assert_eq!(of_a(source), [used], "{source}");
    }
}

#[test]
fn what_is_no_use_is_no_arrow() {
    for source in [
        "use crate::b;",
        "use crate::*;",
        "use std::fmt; fn h() -> fmt::Result { B::new() }",
        "use super::io; fn h() -> io::Result<()> {}",
        "// crate::b::f()\nconst H: &str = \"use crate::b::B;\";",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] use crate::b::B;",
        "struct B; impl B { fn h() { self::B::h(); Self::h() } }",
        "use ::b::B;",
    ] {
        assert_eq!(of_a(source), [""; 0], "{source}");
    }
}

#[test]
fn what_is_only_handed_on_is_not_used() {
    let lower = ("b", "use crate::Root; pub struct B;");
    assert_eq!(
        arrows(&[("lib", "mod b; pub use b::B; pub struct Root;"), lower]),
        ["b -> lib"]
    );
    assert_eq!(
        arrows(&[("lib", "mod b; pub use b::B; pub struct Root(B);"), lower]),
        ["b -> lib", "lib -> b"]
    );
}

#[test]
fn files_are_found_in_both_ways_of_writing_modules() {
    let found = arrows(&[
        ("lib", "mod a; mod b { pub mod c; }"),
        ("a/mod", "mod d; use d::D; use crate::b::c::C;"),
        ("a/d", "pub struct D;"),
        ("b/c", "pub struct C;"),
    ]);
    assert_eq!(found, ["a/mod -> a/d", "a/mod -> b/c"]);
}

#[test]
fn imports_that_go_round_come_to_an_end() {
    let found = arrows(&[
        ("lib", "mod a; mod b; pub use a::*; pub use b::*;"),
        ("a", "pub use crate::b::*; pub use crate::X as Y;"),
        (
            "b",
            "pub use crate::a::*; pub use crate::Y as X; fn f() -> X {}",
        ),
    ]);
    // What nobody declares is taken for something that a macro made.
    assert_eq!(found, ["b -> lib"]);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let read = |path: &Path| path.ends_with("lib.rs").then(|| "mod a;".to_owned());
    let error = Graph::of(Path::new("/w/lib.rs"), &read).err();
    assert_eq!(error.as_deref(), Some("cannot read /w/a/mod.rs"));
}
