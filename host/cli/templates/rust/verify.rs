//! {{name}}: a verify step, which judges artifacts. Replace what `judge` does; the rest
//! stays.

use drydock_plugin_sdk::{Error, FactMap, Facts, Finding, Slice, Verdict, Verify, plugin};
use serde::Deserialize;

/// The step's `config:`. An unknown key is refused by name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    max_bytes: u64,
}

struct Step;

impl Verify for Step {
    type Config = Config;

    /// `plain` holds the bytes, to be looked at in pieces of at most 1 MiB. It is absent when
    /// a run is taken up after a crash; the facts were kept.
    fn judge(config: Config, facts: &Facts, _plain: Option<&Slice>) -> Result<Verdict, Error> {
        let facts = FactMap::collect(facts);
        let size = facts.unsigned("artifact.size").unwrap_or_default();
        let findings = if size > config.max_bytes {
            let told = format!("it has {size} bytes, more than the {} allowed", config.max_bytes);
            vec![Finding::failure("too-long", told)]
        } else {
            vec![Finding::note("size", format!("it has {size} bytes"))]
        };
        Ok(Verdict::of(findings))
    }
}

// What it may reach beyond the artifact is asked for here, and granted by an operator.
plugin! { world: verify, step: Step, requests: [] }
