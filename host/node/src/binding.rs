//! What a step or target leaves of what its plugin was granted: `grants:` of its document,
//! and, of grants that name targets, a target's own endpoints alone.
//!
//! **Invariant:** a binding only takes away. Who may write schedules and targets gives no
//! plugin more than its PluginGrant does.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_core::{Grants, Name, TargetName};
use drydock_documents::{
    FileError, Located, PluginGrant, Schedule, SecretFrom, Step, Target as TargetDocument,
};
use drydock_sandbox::Plugin;

use super::Configuration;
use super::secrets::with_secrets;

/// A step or target as its plugin is bound to it.
pub(crate) struct Binding<'a, T> {
    document: &'a Located<T>,
    /// `step snapshot`, `target offsite`.
    pub subject: String,
    /// Where its keys stand: `spec`, or `spec.steps[1]`.
    path: String,
    /// The key that names the plugin.
    plugin_key: &'static str,
    pub plugin: &'a str,
    /// The target whose endpoints alone count of those that grants name; none for a step.
    target: Option<&'a TargetName>,
    grants: Option<&'a Grants>,
    secrets: &'a BTreeMap<Name, SecretFrom>,
}

/// A plugin that is to be bound, and where its grants stand.
struct Bound<'a> {
    node: &'a Configuration,
    plugin: Arc<Plugin>,
    grant: Option<&'a Located<PluginGrant>>,
}

impl<'a> Binding<'a, Schedule> {
    /// The step at `path`.
    pub fn of_step(document: &'a Located<Schedule>, path: String, step: &'a Step) -> Self {
        Self {
            document,
            subject: format!("step {}", step.name),
            path,
            plugin_key: step.work.key(),
            plugin: step.plugin().map_or("", Name::as_str),
            target: None,
            grants: step.grants.as_ref(),
            secrets: &step.secrets,
        }
    }
}

impl<'a> Binding<'a, TargetDocument> {
    pub fn of_target(document: &'a Located<TargetDocument>) -> Self {
        let spec = &document.value.spec;
        Self {
            document,
            subject: format!("target {}", document.value.name),
            path: "spec".to_owned(),
            plugin_key: "plugin",
            plugin: spec.plugin.as_str(),
            target: Some(&document.value.name),
            grants: spec.grants.as_ref(),
            secrets: &spec.secrets,
        }
    }
}

impl<T> Binding<'_, T> {
    /// The plugin as the step or target may use it. `builtin` is its name if it is built in.
    ///
    /// # Errors
    /// By file and line: what the binding names and nobody granted, or a secret that is not
    /// there.
    pub fn bind(
        &self,
        node: &Configuration,
        plugin: Arc<Plugin>,
        builtin: Option<&str>,
    ) -> Result<Arc<Plugin>, FileError> {
        let mut bound = Bound {
            node,
            grant: node.documents.grant_of(builtin, plugin.digest()),
            plugin,
        };
        self.leave_own_endpoints(&mut bound)?;
        self.leave_what_is_said(&mut bound)?;
        let path = self.at("secrets");
        let env = &node.deps.env;
        with_secrets(bound.plugin, self.document, &path, self.secrets, env)
    }

    /// The place of one of its keys.
    pub fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// The line that names the plugin.
    pub fn plugin_span(&self) -> drydock_documents::SourceSpan {
        self.document.span(&self.at(self.plugin_key))
    }

    /// Of a target: its plugin reaches the endpoints of no other, also where it serves several.
    fn leave_own_endpoints(&self, bound: &mut Bound<'_>) -> Result<(), FileError> {
        let (Some(own), Some(grant)) = (self.target, bound.grant) else {
            return Ok(());
        };
        let targets = grant.value.spec.grants.targets();
        if targets.iter().all(|(_, target)| target == own) {
            return Ok(());
        }
        let why = format!(
            "what is granted by the name of another target does not count for {}",
            self.subject
        );
        let narrowed = bound.plugin.narrowed(&self.given(bound), &why);
        let before = bound.plugin.grants();
        let mut requests = bound.plugin.manifest().requests.iter();
        let lost = requests.find(|request| {
            let power = request.power();
            before.allow(power) && !narrowed.grants().allow(power)
        });
        if let Some(request) = lost {
            let (file, at) = (&grant.file, grant.at("spec.grants"));
            let rule = format!(
                "names plugin {}, which asks for {request}, and the PluginGrant {} ({file}:{at}) gives that for other targets only: add `{{target: {own}}}` beside them",
                self.plugin, grant.value.name
            );
            return Err(self.document.error(&self.at(self.plugin_key), rule));
        }
        bound.plugin = narrowed;
        Ok(())
    }

    /// What the document says under `grants:`, each entry of which has to give something.
    fn leave_what_is_said(&self, bound: &mut Bound<'_>) -> Result<(), FileError> {
        let Some(said) = self.grants else {
            return Ok(());
        };
        let documents = &bound.node.documents;
        let given = self.given(bound);
        let requests = bound.plugin.manifest().requests.iter();
        let asked: Vec<_> = requests.map(|request| request.power()).collect();
        for (limit, why) in [
            (&given, self.not_given(bound)),
            (&given.part(&asked), self.not_asked()),
        ] {
            let apart = said.apart_from(limit, &|target| documents.endpoints(target));
            if let Some(entry) = apart.first() {
                let rule = format!("narrows {} to {}, {why}", self.subject, entry.words);
                let path = self.at(&format!("grants.{}", entry.path));
                return Err(self.document.error(&path, rule));
            }
        }
        let path = self.at("grants");
        let why = format!(
            "{} narrows what the plugin was granted by `grants:` of its own ({}:{}), where it has to stand too",
            self.subject,
            self.document.file,
            self.document.at(&path)
        );
        let said = said.at_endpoints(&|target| documents.endpoints(target));
        let narrowed = bound.plugin.narrowed(&said, &why);
        self.check_ceiling(bound, &given.within(&said), &narrowed)?;
        bound.plugin = narrowed;
        Ok(())
    }

    /// As when a plugin is admitted: a ceiling narrows, and what it leaves nothing of is told.
    fn check_ceiling(
        &self,
        bound: &Bound<'_>,
        wanted: &Grants,
        narrowed: &Plugin,
    ) -> Result<(), FileError> {
        let before = bound.plugin.grants();
        let mut requests = bound.plugin.manifest().requests.iter();
        let lost = requests.find(|request| {
            let power = request.power();
            before.allow(power) && wanted.allow(power) && !narrowed.grants().allow(power)
        });
        let Some(request) = lost else {
            return Ok(());
        };
        let rule = format!(
            "narrows {} to what this node's ceiling does not allow, and plugin {} asks for {request}: add it under `ceiling:` of the node's configuration, or name what stands there",
            self.subject, self.plugin
        );
        Err(self.document.error(&self.at("grants"), rule))
    }

    /// What the PluginGrant gives here.
    fn given(&self, bound: &Bound<'_>) -> Grants {
        let endpoints = |target: &TargetName| match self.target {
            Some(own) if own != target => Vec::new(),
            _ => bound.node.documents.endpoints(target),
        };
        let grants = bound.grant.map(|grant| &grant.value.spec.grants);
        grants.map_or_else(Grants::default, |grants| grants.at_endpoints(&endpoints))
    }

    fn not_given(&self, bound: &Bound<'_>) -> String {
        let plugin = self.plugin;
        let Some(grant) = bound.grant else {
            return format!(
                "and no PluginGrant names plugin {plugin}: add one that gives it, or remove it here"
            );
        };
        format!(
            "which the PluginGrant {} ({}:{}) does not give plugin {plugin} for it: add it there, or correct it here",
            grant.value.name,
            grant.file,
            grant.at("spec.grants")
        )
    }

    fn not_asked(&self) -> String {
        format!(
            "and plugin {} asks for no such thing: remove it",
            self.plugin
        )
    }
}
