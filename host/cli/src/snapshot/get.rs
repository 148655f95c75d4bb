//! `drydock snapshot get`: one object, as kubectl prints it.

use drydock_objects::{stored::set_resource_version, yaml::to_yaml};
use drydock_snapshot::Survey;
use drydock_terminal::print;
use serde_json::Value;

use super::limits;
use super::objects::{Stored, Wanted, keys};
use super::source::open_inside;
use crate::args::GetArgs;
use crate::args::Global;
use crate::args::ObjectForm;
use crate::{Context as _, Exit, Failure, Outcome};

pub fn get(global: &Global, asked: &GetArgs) -> Outcome {
    let keys = keys(asked.encryption_config.as_deref())?;
    let opened = open_inside(global, &asked.source, &asked.inside)?;
    let survey = Survey::of(&opened.file, &limits(&asked.inside))
        .with_context(|| format!("{} cannot be looked into", asked.source.display()))?;
    let wanted = Wanted::of(&survey, &asked.resource, &asked.name)?;
    let when = asked
        .revision
        .map_or_else(String::new, |revision| format!(" at revision {revision}"));
    let Some(found) = wanted.find(&survey, asked.revision)? else {
        return Err(wanted.missing(&asked.source, &when));
    };
    if asked.form == ObjectForm::Raw {
        print::bytes(&found.open(keys.as_ref())?)?;
        return Ok(Exit::Done);
    }
    let object = shown(&found, keys.as_ref())
        .with_context(|| format!("{} cannot be shown", wanted.shown()))?;
    match asked.form {
        ObjectForm::Yaml => print::line(to_yaml(&object).trim_end()),
        _ => print::line(&serde_json::to_string_pretty(&object)?),
    }
    Ok(Exit::Done)
}

/// With the resource version that the API server fills in when it reads.
fn shown(
    found: &Stored,
    keys: Option<&drydock_objects::encryption::Keys>,
) -> Result<Value, Failure> {
    let mut object = found.decode(keys)?;
    set_resource_version(&mut object, found.mod_revision);
    Ok(object.into())
}
