//! `identity:` of a Target: who its plugin is at the target's servers. The key below it names
//! the kind; what stands there is places of secrets and words that are none. The host
//! completes requests with it, and the plugin never learns of it.

mod kinds;

use std::fmt;
use std::path::Path;

use drydock_core::{Endpoint, Scheme};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::problem::Problem;
use super::server::Servers;

pub use kinds::{
    ACCOUNT, AccessKey, AccountKey, ContainerCredentials, InstanceRole, ManagedIdentity, REGION,
    SERVICE_ACCOUNT, Sas, ServiceAccountKey, ServicePrincipal, WebIdentity, WordRule,
    WorkloadIdentity,
};

/// What is said where no kind is.
const NONE: &str = "none";

/// What a kind of identity says of itself.
pub(super) trait Judged {
    /// Makes relative paths start at `folder`.
    fn resolve_paths(&mut self, folder: &Path);
    /// What single keys cannot show, by the path below the kind's key.
    fn problems(&self) -> Vec<Problem>;
}

/// The kinds: variant, field and key.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $kind:ident $field:ident $word:literal),* $(,)?) => {
        /// Who a target's plugin is at the target's servers.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub enum Identity {
            /// Nobody: requests go as the plugin made them.
            #[serde(rename = "none")]
            None,
            $($(#[$attribute])* #[serde(rename = $word)] $kind($kind)),*
        }

        /// The mapping as it is written: one key.
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        struct Written {
            $($field: Option<$kind>),*
        }

        impl Written {
            fn all(self) -> Vec<Identity> {
                let all = [$(self.$field.map(Identity::$kind)),*];
                all.into_iter().flatten().collect()
            }
        }

        impl Identity {
            /// The keys of all kinds.
            pub const KINDS: &[&str] = &[$($word),*];

            /// The key that names the kind; `none` for none.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    Self::None => NONE,
                    $(Self::$kind(_) => $word),*
                }
            }

            fn judged(&self) -> Option<&dyn Judged> {
                match self {
                    Self::None => None,
                    $(Self::$kind(kind) => Some(kind)),*
                }
            }

            pub(super) fn resolve_paths(&mut self, folder: &Path) {
                match self {
                    Self::None => {}
                    $(Self::$kind(kind) => kind.resolve_paths(folder)),*
                }
            }
        }
    };
}

kinds! {
    /// The key of a storage account at Azure.
    AccountKey account_key "accountKey",
    /// A shared access signature of Azure.
    Sas sas "sas",
    /// An application of Entra ID.
    ServicePrincipal service_principal "servicePrincipal",
    /// The identity of a virtual machine at Azure.
    ManagedIdentity managed_identity "managedIdentity",
    /// An access key of AWS, or of whoever speaks S3.
    AccessKey access_key "accessKey",
    /// A role of AWS, for who holds a token of a trusted issuer.
    WebIdentity web_identity "webIdentity",
    /// The role of a virtual machine at AWS.
    InstanceRole instance_role "instanceRole",
    /// What containers of ECS and pods of EKS are given.
    ContainerCredentials container_credentials "containerCredentials",
    /// The key of a service account at Google.
    ServiceAccountKey service_account_key "serviceAccountKey",
    /// What machines and pods at Google are given, or a token that Google trusts.
    WorkloadIdentity workload_identity "workloadIdentity",
}

impl Identity {
    /// Whether what it adds to a request can be used by whoever sees that.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        matches!(
            self,
            Self::Sas(_)
                | Self::ServicePrincipal(_)
                | Self::ManagedIdentity(_)
                | Self::ServiceAccountKey(_)
                | Self::WorkloadIdentity(_)
        )
    }

    /// What is wrong with it at these servers, the paths from the document's root.
    pub(super) fn problems(&self, endpoints: &Servers) -> Vec<Problem> {
        let Some(judged) = self.judged() else {
            return Vec::new();
        };
        let path = format!("spec.identity.{}", self.kind());
        let below = judged.problems().into_iter();
        let mut problems: Vec<_> = below
            .map(|problem| Problem::new(format!("{path}.{}", problem.path), problem.rule))
            .collect();
        if endpoints.is_empty() {
            problems.push(Problem::new(
                "spec.identity",
                "is for the servers under `endpoints:`, and there are none: add e.g. `endpoints: [https://s3.example.com]`",
            ));
        }
        problems.extend(self.problem_at(&endpoints.numbered()));
        problems
    }

    /// What is wrong with it at these servers in particular.
    pub(super) fn problem_at(&self, servers: &[(usize, Endpoint)]) -> Option<Problem> {
        let mut servers = servers.iter();
        let (index, _) = servers.find(|(_, server)| server.scheme == Scheme::Http)?;
        self.is_bare().then(|| Problem::new(
            format!("spec.endpoints[{index}]"),
            format!(
                "is in the clear, where whoever sees what the identity {} adds to a request could use it: write https://",
                self.kind()
            ),
        ))
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdentityVisitor)
    }
}

struct IdentityVisitor;

impl<'de> Visitor<'de> for IdentityVisitor {
    type Value = Identity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "none, or a mapping with one of {}",
            Identity::KINDS.join(", ")
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Identity, E> {
        if text == NONE {
            return Ok(Identity::None);
        }
        Err(E::invalid_type(de::Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Identity, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        let mut all = written.all().into_iter();
        match (all.next(), all.next()) {
            (Some(identity), None) => Ok(identity),
            _ => Err(de::Error::custom(format!(
                "must name exactly one kind: one of {}, or `identity: none`; one that needs no more is written {{}}",
                Identity::KINDS.join(", ")
            ))),
        }
    }
}
