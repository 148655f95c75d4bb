//! `kind: Target`: a place that keeps artifacts, reached through a store plugin.

use std::collections::BTreeMap;
use std::path::Path;

use drydock_core::{Grants, Name, TargetName};
use serde::{Deserialize, Serialize};

use super::config::PluginConfig;
use super::identity::Identity;
use super::problem::{Problem, grant_problems};
use super::server::Servers;
use super::throttle::ThrottleSpec;
use super::value::{SecretFrom, Setting};
use super::vocabulary::unread_if_any;
use super::{FileError, Located, Lookup};

/// Most recipients of a target: each adds a stanza to the head of every artifact.
pub const RECIPIENTS_MAX: usize = 32;

/// A hundred years: locks cannot be taken back, and nobody means a longer one.
pub const RETAIN_DAYS_MAX: u32 = 36_525;

const RETAIN_RULE: &str = "must be 1 to 36525 days; remove the key where nothing is to be locked";

const RECIPIENT_RULE: &str =
    "must be a public age recipient (age1...) or an SSH public key (ssh-ed25519 ...)";

const NO_RECIPIENT_RULE: &str = "names no recipient: write one a line, or remove the entry";

const IDENTITY_RULE: &str = "holds a private age identity, which must never be on a node that backs up; name its public recipient (age1...) and treat the identity as exposed";

/// A place that keeps artifacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    pub name: TargetName,
    pub spec: TargetSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSpec {
    /// The store plugin's name.
    pub plugin: Name,
    /// The plugin's own configuration, which the plugin checks.
    #[serde(default)]
    pub config: PluginConfig,
    /// Whether the folder, container or bucket itself is made where it is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// For how many days each recovery point is locked here, from when it is stored: nobody
    /// can remove it before. None for no lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_days: Option<u32>,
    /// Who can open what is stored here: age and SSH public keys.
    #[serde(default)]
    pub recipients: Vec<Setting>,
    /// The servers that keep it, e.g. `https://s3.example.com`: what a grant of
    /// `http: [{target: NAME}]` allows.
    #[serde(default, skip_serializing_if = "Servers::is_empty")]
    pub endpoints: Servers,
    /// Who the plugin is at these servers. The host completes its requests with it; the plugin
    /// sees nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// How much of the node it may take.
    #[serde(default, skip_serializing_if = "ThrottleSpec::is_empty")]
    pub limits: ThrottleSpec,
    /// Secrets for the plugin, by the names that its grants use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<Name, SecretFrom>,
    /// What the plugin may do here of what it was granted; all of that where nothing is said.
    #[serde(
        default,
        deserialize_with = "unread_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub grants: Option<Grants>,
}

impl Located<Target> {
    /// Reads the values of its configuration and of its servers that stand elsewhere.
    ///
    /// # Errors
    /// The first one that cannot be had or does not fit.
    pub(super) fn read_values(&mut self, lookup: &dyn Lookup) -> Result<(), FileError> {
        let config = self.value.spec.config.read(lookup);
        config.map_err(|(path, error)| self.error(&format!("spec.config.{path}"), error))?;
        let servers = self.value.spec.endpoints.read(lookup);
        servers.map_err(|(index, error)| self.error(&format!("spec.endpoints[{index}]"), error))?;
        let identity = self.value.spec.identity.iter();
        let servers = self.value.spec.endpoints.numbered();
        let mut problems = identity.filter_map(|own| own.problem_at(&servers));
        match problems.next() {
            Some(problem) => {
                Err(self.error(&problem.path, format!("of a Target {}", problem.rule)))
            }
            None => Ok(()),
        }
    }

    /// All recipients, one line each, with the files and variables read. A file holds
    /// one recipient a line; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// The first recipient that cannot be had or is none.
    pub fn recipients(&self, lookup: &dyn Lookup) -> Result<Vec<String>, FileError> {
        let mut recipients = Vec::new();
        for (index, setting) in self.value.spec.recipients.iter().enumerate() {
            let path = format!("spec.recipients[{index}]");
            let text = setting
                .text(lookup)
                .map_err(|error| self.error(&path, error))?;
            let before = recipients.len();
            for line in lines(&text) {
                check(line).map_err(|rule| self.error(&path, rule))?;
                recipients.push(line.to_owned());
            }
            if recipients.len() == before {
                let place = setting.place();
                let rule = format!("comes from {place}, which {NO_RECIPIENT_RULE}");
                return Err(self.error(&path, rule));
            }
        }
        if recipients.len() > RECIPIENTS_MAX {
            let rule = format!("name more than {RECIPIENTS_MAX} recipients");
            return Err(self.error("spec.recipients", rule));
        }
        Ok(recipients)
    }
}

impl Target {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for recipient in &mut self.spec.recipients {
            recipient.resolve(folder);
        }
        for secret in self.spec.secrets.values_mut() {
            secret.value_from.resolve(folder);
        }
        if let Some(identity) = &mut self.spec.identity {
            identity.resolve_paths(folder);
        }
        self.spec.config.resolve_paths(folder);
        self.spec.endpoints.resolve_paths(folder);
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let recipients = self.spec.recipients.iter().enumerate();
        let wrong = recipients.filter_map(|(index, recipient)| match recipient {
            Setting::Literal(text) => check(text)
                .err()
                .map(|rule| Problem::new(format!("spec.recipients[{index}]"), rule)),
            Setting::From(_) => None,
        });
        let days = self
            .spec
            .retain_days
            .filter(|days| !(1..=RETAIN_DAYS_MAX).contains(days));
        let days = days.map(|_| Problem::new("spec.retainDays", RETAIN_RULE));
        let grants = self.spec.grants.iter();
        let grants = grants.flat_map(|grants| grant_problems(grants, "spec.grants"));
        let identity = self.spec.identity.iter();
        let identity = identity.flat_map(|identity| identity.problems(&self.spec.endpoints));
        let places = self.spec.config.problems("spec.config").into_iter();
        let servers = self.spec.endpoints.problems();
        wrong
            .chain(days)
            .chain(grants)
            .chain(places)
            .chain(servers)
            .chain(identity)
            .collect()
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn check(line: &str) -> Result<(), &'static str> {
    if line.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || line.contains("PRIVATE KEY") {
        return Err(IDENTITY_RULE);
    }
    if line.starts_with("age1") || line.starts_with("ssh-") {
        return Ok(());
    }
    Err(RECIPIENT_RULE)
}
