//! What each service that keeps recovery points has to be told, as tables: questions, flags,
//! the variables that the vendors' own tools read, and the keys of the documents all follow
//! from a row.

use drydock_cli::args::{TargetArgs, TargetKind};

use super::shown;

/// A service.
#[derive(Debug)]
pub struct Service {
    pub kind: TargetKind,
    /// The target's name, as in `--target`.
    pub name: &'static str,
    pub plugin: &'static str,
    /// What of it is said under `config:`.
    pub places: &'static [Field],
    pub identities: &'static [Login],
}

/// Who the node is there.
#[derive(Debug)]
pub struct Login {
    /// The key in the document.
    pub kind: &'static str,
    pub fields: &'static [Field],
}

/// Something that has to be said.
#[derive(Debug)]
pub struct Field {
    /// The key in the document.
    pub key: &'static str,
    pub flag: &'static str,
    pub prompt: &'static str,
    /// Variables that hold it, the likeliest first.
    pub variables: &'static [&'static str],
    pub form: Form,
    /// Whether nobody is asked for it: a flag or a variable says it, or nothing does.
    pub is_optional: bool,
    /// What it is where nobody says otherwise.
    pub usual: Option<&'static str>,
    pub given: fn(&TargetArgs) -> Option<String>,
}

/// What stands in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The word itself.
    Word,
    /// The place of a secret; a variable of this name holds the secret itself.
    Secret,
    /// The same; a variable holds the path of its file.
    SecretFile,
    /// A path.
    Path,
}

/// A row is the same as itself and as no other.
impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Service {}

/// Several rows may have one kind.
impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && std::ptr::eq(self.fields, other.fields)
    }
}

impl Eq for Login {}

/// How a secret's place is written as an answer: `env:NAME`, or a path.
pub const ENV: &str = "env:";

const fn word(
    key: &'static str,
    flag: &'static str,
    prompt: &'static str,
    variables: &'static [&'static str],
    given: fn(&TargetArgs) -> Option<String>,
) -> Field {
    Field {
        key,
        flag,
        prompt,
        variables,
        form: Form::Word,
        is_optional: false,
        usual: None,
        given,
    }
}

const fn secret(
    key: &'static str,
    prompt: &'static str,
    variables: &'static [&'static str],
) -> Field {
    Field {
        form: Form::Secret,
        ..word(
            key,
            "--secret-env VARIABLE (or --secret-file FILE)",
            prompt,
            variables,
            |args| {
                let env = args.secret_env.as_ref().map(|name| format!("{ENV}{name}"));
                env.or_else(|| args.secret_file.as_ref().map(shown))
            },
        )
    }
}

const fn optional(field: Field) -> Field {
    Field {
        is_optional: true,
        ..field
    }
}

const BUCKET: Field = word(
    "bucket",
    "--bucket NAME",
    "Name of the bucket",
    &[],
    |args| args.bucket.clone(),
);

const ACCOUNT_VARIABLES: &[&str] = &["SNAPSHOT_AZURE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];

const ACCOUNT: Field = word(
    "account",
    "--account NAME",
    "Name of the storage account",
    ACCOUNT_VARIABLES,
    |args| args.account.clone(),
);

const CONTAINER: Field = word(
    "container",
    "--container NAME",
    "Name of the container",
    &["SNAPSHOT_AZURE_CONTAINER_NAME"],
    |args| args.container.clone(),
);

const PREFIX: Field = optional(word("prefix", "--prefix PREFIX", "", &[], |args| {
    args.prefix.clone()
}));

const REGION: Field = Field {
    usual: Some("us-east-1"),
    ..word(
        "region",
        "--region REGION",
        "Region",
        &["AWS_REGION", "AWS_DEFAULT_REGION"],
        |args| args.region.clone(),
    )
};

const TENANT: Field = word(
    "tenant",
    "--tenant ID",
    "Directory of Entra ID (tenant)",
    &["SNAPSHOT_AZURE_PRINCIPAL_TENANT", "AZURE_TENANT_ID"],
    |args| args.tenant.clone(),
);

const CLIENT_ID: Field = word(
    "clientId",
    "--client-id ID",
    "Id of the application (client)",
    &["SNAPSHOT_AZURE_PRINCIPAL_APPID", "AZURE_CLIENT_ID"],
    |args| args.client_id.clone(),
);

const AUTHORITY: Field = optional(word(
    "authority",
    "--authority URL",
    "",
    &["AZURE_AUTHORITY_HOST"],
    |args| args.authority.clone(),
));

const TOKEN_FILE: Field = Field {
    form: Form::Path,
    ..word(
        "tokenFile",
        "--token-file FILE",
        "File with the token of the issuer",
        &["AWS_WEB_IDENTITY_TOKEN_FILE"],
        |args| args.token_file.as_ref().map(shown),
    )
};

pub const SERVICES: [Service; 3] = [
    Service {
        kind: TargetKind::S3,
        name: "s3",
        plugin: "store-s3",
        places: &[BUCKET, REGION, PREFIX],
        identities: S3_IDENTITIES,
    },
    Service {
        kind: TargetKind::Azure,
        name: "azure",
        plugin: "store-azure-blob",
        places: &[ACCOUNT, CONTAINER, PREFIX],
        identities: AZURE_IDENTITIES,
    },
    Service {
        kind: TargetKind::Gcs,
        name: "gcs",
        plugin: "store-gcs",
        places: &[BUCKET, PREFIX],
        identities: GCS_IDENTITIES,
    },
];

const NOBODY: Login = Login {
    kind: "none",
    fields: &[],
};

/// Where several rows have one kind, the first that fits what was said is meant.
const AZURE_IDENTITIES: &[Login] = &[
    Login {
        kind: "servicePrincipal",
        fields: &[
            TENANT,
            CLIENT_ID,
            secret(
                "secret",
                "Secret of the application",
                &["SNAPSHOT_AZURE_PRINCIPAL_PASSWORD", "AZURE_CLIENT_SECRET"],
            ),
            AUTHORITY,
        ],
    },
    Login {
        kind: "servicePrincipal",
        fields: &[
            TENANT,
            CLIENT_ID,
            Field {
                form: Form::Secret,
                ..word(
                    "certificate",
                    "--certificate-file FILE",
                    "File with certificate and key of the application",
                    &[],
                    |args| args.certificate_file.as_ref().map(shown),
                )
            },
            AUTHORITY,
        ],
    },
    Login {
        kind: "servicePrincipal",
        fields: &[
            TENANT,
            CLIENT_ID,
            Field {
                key: "federatedTokenFile",
                variables: &["AZURE_FEDERATED_TOKEN_FILE"],
                ..TOKEN_FILE
            },
            AUTHORITY,
        ],
    },
    Login {
        kind: "accountKey",
        fields: &[
            ACCOUNT,
            secret(
                "key",
                "Key of the account",
                &["SNAPSHOT_AZURE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"],
            ),
        ],
    },
    Login {
        kind: "sas",
        fields: &[secret(
            "token",
            "Shared access signature",
            &["AZURE_STORAGE_SAS_TOKEN"],
        )],
    },
    Login {
        kind: "managedIdentity",
        fields: &[optional(CLIENT_ID)],
    },
    NOBODY,
];

const S3_IDENTITIES: &[Login] = &[
    Login {
        kind: "accessKey",
        fields: &[
            word(
                "id",
                "--access-key-id ID",
                "Id of the access key",
                &["AWS_ACCESS_KEY_ID"],
                |args| args.access_key_id.clone(),
            ),
            secret("secret", "Secret access key", &["AWS_SECRET_ACCESS_KEY"]),
            optional(Field {
                form: Form::Secret,
                ..word(
                    "sessionToken",
                    "--session-token-env VARIABLE",
                    "",
                    &["AWS_SESSION_TOKEN"],
                    |args| {
                        let name = args.session_token_env.as_ref();
                        name.map(|name| format!("{ENV}{name}"))
                    },
                )
            }),
            REGION,
        ],
    },
    Login {
        kind: "webIdentity",
        fields: &[
            word(
                "role",
                "--role ARN",
                "Role of AWS",
                &["AWS_ROLE_ARN"],
                |args| args.role.clone(),
            ),
            TOKEN_FILE,
            REGION,
        ],
    },
    Login {
        kind: "containerCredentials",
        fields: &[
            word(
                "uri",
                "--credentials-url URL",
                "Where the container's credentials come from",
                &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
                |args| args.credentials_url.clone(),
            ),
            optional(Field {
                variables: &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
                ..TOKEN_FILE
            }),
            REGION,
        ],
    },
    Login {
        kind: "instanceRole",
        fields: &[REGION],
    },
    NOBODY,
];

const GCS_IDENTITIES: &[Login] = &[
    Login {
        kind: "serviceAccountKey",
        fields: &[Field {
            form: Form::SecretFile,
            variables: &["GOOGLE_APPLICATION_CREDENTIALS"],
            ..secret("key", "Key of the service account", &[])
        }],
    },
    Login {
        kind: "workloadIdentity",
        fields: &[],
    },
    Login {
        kind: "workloadIdentity",
        fields: &[
            word(
                "audience",
                "--audience NAME",
                "Provider of the workload identity pool",
                &[],
                |args| args.audience.clone(),
            ),
            Field {
                variables: &[],
                ..TOKEN_FILE
            },
            optional(word(
                "serviceAccount",
                "--service-account ADDRESS",
                "",
                &[],
                |args| args.service_account.clone(),
            )),
        ],
    },
    NOBODY,
];
