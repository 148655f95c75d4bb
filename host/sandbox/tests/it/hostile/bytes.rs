//! Components that no compiler makes, put together byte by byte (WebAssembly core
//! specification, chapter 5; the component model's `Binary.md`).

use drydock_sandbox::{CONTRACT, MANIFEST_SECTION};

/// The head of every component, and of every core module.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Sections of a component.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;
const INSTANCE: u8 = 5;
const IMPORT: u8 = 10;
const EXPORT: u8 = 11;

/// An unsigned number, seven bits a byte.
pub fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number % 0x80) as u8 | 0x80);
        number /= 0x80;
    }
    bytes.push(number as u8);
    bytes
}

/// A section: its id, its length, what it holds.
pub fn section(id: u8, data: &[u8]) -> Vec<u8> {
    [&[id], &leb(data.len())[..], data].concat()
}

/// Text with its length.
fn text(text: &str) -> Vec<u8> {
    [&leb(text.len())[..], text.as_bytes()].concat()
}

pub fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    section(CUSTOM, &[&text(name)[..], data].concat())
}

/// The section that a manifest stands in.
pub fn manifest(json: &[u8]) -> Vec<u8> {
    custom(MANIFEST_SECTION, json)
}

/// A manifest of this contract that asks for nothing.
pub fn manifest_json(name: &str, world: &str) -> String {
    format!(
        r#"{{"name":"{name}","version":"1.0.0","world":"{world}","contract":"{CONTRACT}","requests":[]}}"#
    )
}

/// Imports an instance of the component's own first type, which in everything that our
/// compilers make is that of its first import.
pub fn import_instance(name: &str) -> Vec<u8> {
    section(IMPORT, &[&[1, 0][..], &text(name), &[5, 0]].concat())
}

/// Imports a resource type of this name.
pub fn import_resource(name: &str) -> Vec<u8> {
    section(IMPORT, &[&[1, 0][..], &text(name), &[3, 1]].concat())
}

/// An instance without anything in it, exported under this name. It must be the
/// component's first.
pub fn export_empty_instance(name: &str) -> Vec<u8> {
    let instance = section(INSTANCE, &[1, 1, 0]);
    let export = section(EXPORT, &[&[1, 0][..], &text(name), &[5, 0, 0]].concat());
    [instance, export].concat()
}

/// A core module, and so many instances of it. `index` is how many modules stand before.
pub fn core_module(sections: &[Vec<u8>], index: usize, instances: usize) -> Vec<u8> {
    let module = [MODULE, &sections.concat()].concat();
    let one = [&[0][..], &leb(index), &[0]].concat();
    let made = [leb(instances), one.repeat(instances)].concat();
    [section(CORE_MODULE, &module), section(CORE_INSTANCE, &made)].concat()
}

/// Sections of a core module.
pub mod core {
    use super::{leb, section};

    /// One table of function references, so many elements at first.
    pub fn table(elements: usize) -> Vec<u8> {
        section(4, &[&[1, 0x70, 0][..], &leb(elements)].concat())
    }

    /// One memory, so many pages of 64 KiB at first.
    pub fn memory(pages: usize) -> Vec<u8> {
        section(5, &[&[1, 0][..], &leb(pages)].concat())
    }

    /// One memory of these flags, e.g. 3 for one that threads share, 4 for one of 64 bits.
    pub fn odd_memory(flags: u8) -> Vec<u8> {
        section(5, &[1, flags, 1, 1])
    }

    /// One function without parameters and results whose body is `code`, run at the start.
    pub fn start(code: &[u8]) -> Vec<Vec<u8>> {
        functions(1, code, true)
    }

    /// So many of them, run by nobody.
    pub fn functions(count: usize, code: &[u8], starts: bool) -> Vec<Vec<u8>> {
        let body = [&[0][..], code, &[0x0b]].concat();
        let body = [leb(body.len()), body].concat();
        let mut sections = vec![
            section(1, &[1, 0x60, 0, 0]),
            section(3, &[leb(count), vec![0; count]].concat()),
        ];
        if starts {
            sections.push(section(8, &[0]));
        }
        sections.push(section(10, &[leb(count), body.repeat(count)].concat()));
        sections
    }

    /// `loop br 0 end`.
    pub const LOOP: &[u8] = &[0x03, 0x40, 0x0c, 0, 0x0b];

    /// `unreachable`.
    pub const TRAP: &[u8] = &[0];

    /// `call 0`.
    pub const RECURSE: &[u8] = &[0x10, 0];
}
