//! `cargo xtask check-deps`: the crates depend on each other one way only, no crate is too
//! large, and inside of one the files do not all lean on each other.
//!
//! What a crate may use stands in `rules`, a row a crate. How large it may be, and how many
//! of its files may use each other in a circle, stands in `shape`; `tokens`, `items`, `graph`
//! and `circles` find that out, each from what the one before it says. Plugins never depend
//! on the host.

mod circles;
mod graph;
mod items;
mod packages;
mod rules;
mod shape;
mod tokens;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

use shape::Shape;

/// The chore: prints the shape of each crate, and fails with every broken rule.
pub fn run(workspace: &Workspace) -> Result<()> {
    let host = packages::of(&workspace.root)?;
    let mut broken = rules::host_violations(&host);
    let shapes = host.iter().map(Shape::of).collect::<Result<Vec<_>>>()?;
    println!("{}", shape::table(&shapes));
    broken.extend(shapes.into_iter().flat_map(|shape| shape.broken));
    let mut count = host.len();
    let plugins = workspace.plugins();
    if plugins.join("Cargo.toml").is_file() {
        let guests = packages::of(&plugins)?;
        count += guests.len();
        let host = workspace.root.join("host");
        broken.extend(rules::plugin_violations(&guests, &host));
    }
    if !broken.is_empty() {
        bail!(
            "the dependency rules are broken:\n  {}",
            broken.join("\n  ")
        );
    }
    println!("{count} crates keep the dependency rules");
    Ok(())
}
