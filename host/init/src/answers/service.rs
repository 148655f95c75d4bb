//! Where recovery points go that are not kept in a folder: which service, where in it, and who
//! this node is there. The rows of [`super::kinds`] say what has to be known.
//!
//! **Invariant:** a secret is never read here, asked for or shown: an answer is the name of a
//! variable or the path of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use drydock_cli::Failure;
use drydock_cli::args::{InitArgs, TargetArgs, TargetKind};
use drydock_core::Endpoint;
use drydock_documents::identity::{ACCOUNT, REGION, SERVICE_ACCOUNT, WordRule};

use super::kinds::{ENV, Field, Form, Login, SERVICES, Service};
use super::{Found, Gatherer, Mode, Question, absolute, path, usual};

/// Where Google's service is.
const GOOGLE: &str = "https://storage.googleapis.com";

/// What stands behind the account's name in the public cloud.
const BLOB_DOMAIN: &str = "blob.core.windows.net";

/// Where recovery points go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTarget {
    pub service: &'static Service,
    /// Keys of its `config:` with their values.
    pub config: Vec<(&'static str, String)>,
    pub server: Endpoint,
    /// Kinds of addresses inside to which the server's name leads.
    pub inside: Vec<&'static str>,
    pub create: bool,
    pub ca: Option<PathBuf>,
    pub login: &'static Login,
    /// Keys below the identity's kind with their values.
    pub said: Vec<(&'static str, Said)>,
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Word(String),
    Env(String),
    /// A secret in a file.
    File(PathBuf),
    /// A path itself.
    Path(PathBuf),
}

impl ServiceTarget {
    /// The variables that this node's daemon has to be given.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.said.iter().filter_map(|(_, said)| match said {
            Said::Env(name) => Some(name.as_str()),
            Said::Word(_) | Said::File(_) | Said::Path(_) => None,
        })
    }
}

/// What was answered once need not be asked again: a region stands in two places.
type Known = BTreeMap<&'static str, String>;

impl Gatherer<'_> {
    /// Which kind of target it is; none for a folder.
    pub fn service(&mut self, args: &InitArgs) -> Result<Option<&'static Service>, Failure> {
        let given = args.target.kind;
        let named = given.map(|kind| match SERVICES.iter().find(|own| own.kind == kind) {
            Some(service) => service.name.to_owned(),
            None => "folder".to_owned(),
        });
        if self.mode != Mode::Ask || args.target_folder.is_some() {
            return Ok(SERVICES.iter().find(|own| Some(own.kind) == given));
        }
        let kind = self.settle(Question {
            flag: "--target KIND",
            prompt: "Where recovery points go: folder, s3, azure or gcs",
            given: named,
            suggestion: Some(usual("folder")),
            parse: &kind,
        })?;
        Ok(kind.and_then(|kind| SERVICES.iter().find(|own| own.kind == kind)))
    }

    /// Everything that this service has to be told.
    pub fn service_target(
        &mut self,
        service: &'static Service,
        args: &InitArgs,
    ) -> Result<Option<ServiceTarget>, Failure> {
        let target = &args.target;
        let mut known = Known::new();
        let mut config = Vec::new();
        for field in service.places {
            let is_elsewhere = target.target_endpoint.is_some();
            if is_elsewhere && matches!(field.key, "account" | "region") {
                continue;
            }
            if let Some(said) = self.field(field, target, &mut known)? {
                config.push((field.key, text(&said)));
            }
        }
        if let Some(url) = &target.target_endpoint {
            config.push(("endpoint", url.trim_end_matches('/').to_owned()));
        }
        let login = self.login(service, target)?;
        let mut said = Vec::new();
        for field in login.map_or(&[][..], |login| login.fields) {
            if let Some(value) = self.field(field, target, &mut known)? {
                said.push((field.key, value));
            }
        }
        if let Some(login) = login {
            self.refuse_strangers(service, login, target);
        }
        let Some(server) = self.server(service, &config) else {
            return Ok(None);
        };
        if is_dotted(service, &config) {
            config.push(("style", "path".to_owned()));
        }
        let ca = target.target_ca.as_deref().map(absolute).transpose()?;
        Ok(login.map(|login| ServiceTarget {
            service,
            config,
            inside: inside(&server, args.offline),
            server,
            create: target.create,
            ca,
            login,
            said,
        }))
    }

    /// Flags that are another service's or another identity's: whoever gave one meant something
    /// that is not going to happen.
    fn refuse_strangers(&mut self, service: &Service, login: &Login, args: &TargetArgs) {
        let own = |field: &Field| {
            let mut all = service.places.iter().chain(login.fields);
            all.any(|own| own.flag == field.flag)
        };
        let all = SERVICES.iter().flat_map(|service| {
            let identities = service.identities.iter().flat_map(|login| login.fields);
            service.places.iter().chain(identities)
        });
        let strange = all.filter(|field| (field.given)(args).is_some() && !own(field));
        let flags: BTreeSet<&str> = strange.map(|field| super::word(field.flag)).collect();
        for flag in flags {
            self.wrong.push(format!(
                "{flag} says nothing of target {} with the identity {}: remove it",
                service.name, login.kind
            ));
        }
    }

    /// Who the node is at the service. Of rows of one kind that one is meant of which all was
    /// said, by a flag or a variable.
    fn login(
        &mut self,
        service: &'static Service,
        args: &TargetArgs,
    ) -> Result<Option<&'static Login>, Failure> {
        // Where nothing had to be said, nothing speaks for it.
        let is_told = |field: &Field| !field.is_optional && field.usual.is_none();
        let mut identities = service.identities.iter();
        let likeliest =
            identities.find(|login| login.fields.iter().any(is_told) && self.has_all(login, args));
        let kinds: Vec<&str> = service.identities.iter().map(|login| login.kind).collect();
        let parse = |text: &str| {
            let known = kinds.contains(&text);
            let rule = || format!("must be one of {}", listed(&kinds));
            known.then(|| text.to_owned()).ok_or_else(rule)
        };
        let kind = self.settle(Question {
            flag: "--target-identity IDENTITY",
            prompt: &format!("Who this node is there: {}", listed(&kinds)),
            given: args.target_identity.clone(),
            suggestion: likeliest.map(|login| Found {
                value: login.kind.to_owned(),
                from: "its variables or flags are there".to_owned(),
            }),
            parse: &parse,
        })?;
        let of_kind = || {
            service
                .identities
                .iter()
                .filter(|login| Some(login.kind) == kind.as_deref())
        };
        let said = of_kind().find(|login| {
            login.fields.iter().any(|field| {
                (field.given)(args).is_some() && !field.is_optional && is_own(field, service, login)
            })
        });
        Ok(said
            .or_else(|| of_kind().find(|login| self.has_all(login, args)))
            .or_else(|| of_kind().next()))
    }

    fn has_all(&self, login: &Login, args: &TargetArgs) -> bool {
        let mut needed = login.fields.iter().filter(|field| !field.is_optional);
        needed.all(|field| {
            (field.given)(args).is_some() || field.usual.is_some() || self.variable(field).is_some()
        })
    }

    fn field(
        &mut self,
        field: &'static Field,
        args: &TargetArgs,
        known: &mut Known,
    ) -> Result<Option<Said>, Failure> {
        let given = (field.given)(args).or_else(|| known.get(field.flag).cloned());
        let found = self.variable(field);
        if field.is_optional {
            let said = given.or_else(|| found.map(|found| found.value));
            let said = said.map(|text| said_as(field, &text)).transpose();
            return said.map_err(|rule| Failure::usage(format!("{} {rule}", field.flag)));
        }
        let answer = self.settle(Question {
            flag: field.flag,
            prompt: &prompt(field),
            given,
            suggestion: found.or_else(|| field.usual.map(usual)),
            parse: &|text| said_as(field, text).map(|said| (text.to_owned(), said)),
        })?;
        Ok(answer.map(|(text, said)| {
            known.insert(field.flag, text);
            said
        }))
    }

    /// What a variable of this process says: a secret's name, or the value itself.
    fn variable(&self, field: &Field) -> Option<Found<String>> {
        let mut variables = field.variables.iter();
        let (name, value) = variables.find_map(|name| {
            let value = self.env.env(name).filter(|value| !value.is_empty())?;
            Some((*name, value))
        })?;
        Some(Found {
            value: match field.form {
                Form::Secret => format!("{ENV}{name}"),
                Form::Word | Form::Path | Form::SecretFile => value,
            },
            from: format!("the environment variable {name}"),
        })
    }

    /// The server that follows from what was said; what does not fit is noted as wrong.
    fn server(&mut self, service: &Service, config: &[(&'static str, String)]) -> Option<Endpoint> {
        let said = |key: &str| {
            let mut config = config.iter();
            config
                .find(|(own, _)| *own == key)
                .map(|(_, value)| value.clone())
        };
        let url = match (service.kind, said("endpoint")) {
            (_, Some(url)) => origin(&url),
            (TargetKind::Azure, None) => format!("https://{}.{BLOB_DOMAIN}", said("account")?),
            (TargetKind::S3, None) => {
                let (bucket, region) = (said("bucket")?, said("region")?);
                if bucket.contains('.') {
                    format!("https://s3.{region}.amazonaws.com")
                } else {
                    format!("https://{bucket}.s3.{region}.amazonaws.com")
                }
            }
            (TargetKind::Gcs | TargetKind::Folder, None) => GOOGLE.to_owned(),
        };
        match url.parse() {
            Ok(server) => Some(server),
            Err(rule) => {
                let flag = match service.kind {
                    _ if said("endpoint").is_some() => "--target-endpoint",
                    TargetKind::Azure => "--account",
                    _ => "--bucket",
                };
                self.wrong.push(format!("{flag} {rule}"));
                None
            }
        }
    }
}

/// Whether it is a bucket of AWS that has no host of its own: a certificate covers one part of a
/// name before the service's.
fn is_dotted(service: &Service, config: &[(&'static str, String)]) -> bool {
    let has = |key: &str, fits: &dyn Fn(&str) -> bool| {
        config.iter().any(|(own, value)| *own == key && fits(value))
    };
    service.kind == TargetKind::S3
        && has("bucket", &|bucket| bucket.contains('.'))
        && !has("endpoint", &|_| true)
}

/// Whether a field tells rows of one kind apart.
fn is_own(field: &Field, service: &Service, login: &Login) -> bool {
    let mut others = service
        .identities
        .iter()
        .filter(|other| other.kind == login.kind && *other != login);
    others.all(|other| other.fields.iter().all(|own| own.key != field.key))
}

fn prompt(field: &Field) -> String {
    match field.form {
        Form::Secret | Form::SecretFile => {
            format!("{}: {ENV}VARIABLE, or the path of its file", field.prompt)
        }
        Form::Word | Form::Path => field.prompt.to_owned(),
    }
}

fn kind(text: &str) -> Result<TargetKind, String> {
    let named = SERVICES.iter().find(|service| service.name == text);
    match named {
        Some(service) => Ok(service.kind),
        None if text == "folder" => Ok(TargetKind::Folder),
        None => Err("must be folder, s3, azure or gcs".to_owned()),
    }
}

/// The answer as it stands in the document, or the rest of a sentence.
fn said_as(field: &Field, text: &str) -> Result<Said, String> {
    match field.form {
        Form::Word => match word_rule(field.key) {
            Some(rule) if !(rule.fits)(text) => Err(rule.rule.to_owned()),
            _ if text.is_empty() || text.chars().any(char::is_control) => {
                Err("must be a word".to_owned())
            }
            _ => Ok(Said::Word(text.to_owned())),
        },
        Form::Path => path(text).map(Said::Path),
        Form::Secret | Form::SecretFile => match text.strip_prefix(ENV) {
            Some(name) if is_variable(name) => Ok(Said::Env(name.to_owned())),
            // What stands there is not shown: it may be the secret itself.
            Some(_) => Err("must name an environment variable of letters, digits and _".to_owned()),
            None if text.starts_with(['/', '.']) => path(text).map(Said::File),
            None => Err(format!(
                "must say where the secret is, not what it is: {ENV}VARIABLE, or the path of a file that begins with / or ."
            )),
        },
    }
}

fn word_rule(key: &str) -> Option<WordRule> {
    match key {
        "account" => Some(ACCOUNT),
        "region" => Some(REGION),
        "serviceAccount" => Some(SERVICE_ACCOUNT),
        _ => None,
    }
}

fn text(said: &Said) -> String {
    match said {
        Said::Word(text) | Said::Env(text) => text.clone(),
        Said::File(path) | Said::Path(path) => path.display().to_string(),
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    format!("{scheme}://{authority}")
}

/// The kinds of addresses inside to which a server's name leads from here: a grant has to name
/// them. Without a network only what the name itself says is known.
fn inside(server: &Endpoint, offline: bool) -> Vec<&'static str> {
    let host = server.host.to_string();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<IpAddr> = match bare.parse() {
        Ok(address) => vec![address],
        Err(_) if offline && host != "localhost" => Vec::new(),
        Err(_) => (host.as_str(), server.port)
            .to_socket_addrs()
            .map(|found| found.map(|address| address.ip()).collect())
            .unwrap_or_default(),
    };
    let mut kinds: Vec<&str> = addresses.into_iter().filter_map(class).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn class(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => match v4.octets() {
            [127, ..] => Some("loopback"),
            [169, 254, ..] => Some("link-local"),
            [100, 64..=127, ..] => Some("shared"),
            [198, 18..=19, ..] => Some("private"),
            _ => v4.is_private().then_some("private"),
        },
        IpAddr::V6(v6) if v6.is_loopback() => Some("loopback"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local"),
        IpAddr::V6(v6) => v6.is_unique_local().then_some("private"),
    }
}

fn listed(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.dedup();
    words.join(", ")
}

fn is_variable(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(plain)
}
