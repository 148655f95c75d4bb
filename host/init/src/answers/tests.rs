use clap::Parser as _;

use drydock_cli::Exit;

use super::*;
use crate::survey::Credentials;

const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// The environment of the process, as the test has it.
struct Variables(&'static [(&'static str, &'static str)]);

impl Lookup for Variables {
    fn file(&self, _: &Path) -> Result<Vec<u8>, String> {
        Err("No such file or directory".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_owned())
    }
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: InitArgs,
}

fn args(line: &[&str]) -> InitArgs {
    Line::parse_from(std::iter::once("init").chain(line.iter().copied())).args
}

fn said(line: &[&str], survey: &Survey, mode: Mode) -> Vec<String> {
    let failure = gather(&args(line), survey, mode, &Variables(&[])).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    failure.to_string().lines().map(str::to_owned).collect()
}

fn kubeadm() -> Survey {
    let found = |value: &str| Found {
        value: value.to_owned(),
        from: "somewhere".to_owned(),
    };
    Survey {
        unread: Vec::new(),
        node: Some(found("cp-1")),
        credentials: Some(Found {
            value: Credentials {
                ca: "/pki/ca.crt".into(),
                certificate: "/pki/client.crt".into(),
                key: "/pki/client.key".into(),
            },
            from: "somewhere".to_owned(),
        }),
        endpoints: Some(Found {
            value: vec!["https://10.0.0.11:2379".to_owned()],
            from: "somewhere".to_owned(),
        }),
        folders: Some(Found {
            value: vec!["/etc/kubernetes".to_owned()],
            from: "somewhere".to_owned(),
        }),
    }
}

#[test]
fn every_missing_flag_is_named_in_one_sentence() {
    assert_eq!(
        said(&[], &Survey::default(), Mode::Strict),
        [
            "init needs --node NAME, --cluster NAME, --endpoint URL, --ca FILE, --cert FILE, --key FILE, --target-folder DIR, --schedule CRON, --recipient AGE (or --sealing-key-out FILE): give them, or start it on a terminal to be asked; --yes takes what was found on this node or is usual for --target-folder, --schedule"
        ]
    );
}

#[test]
fn yes_takes_what_was_found_but_never_a_name_or_a_key() {
    assert_eq!(
        said(&[], &kubeadm(), Mode::Take),
        [
            "init needs --cluster NAME, --recipient AGE (or --sealing-key-out FILE): give them, or start it on a terminal to be asked"
        ]
    );
    let line = ["--cluster", "c1", "--recipient", RECIPIENT];
    let answers = gather(&args(&line), &kubeadm(), Mode::Take, &Variables(&[])).unwrap();
    assert_eq!(answers.node, "cp-1");
    assert_eq!(answers.endpoints, ["https://10.0.0.11:2379"]);
    assert_eq!(answers.client.unwrap().1, Path::new("/pki/client.key"));
    assert_eq!(answers.files, [Path::new("/etc/kubernetes")]);
    assert_eq!(answers.sealing, Sealing::For(vec![RECIPIENT.to_owned()]));
    assert_eq!(
        (answers.schedule.as_str(), answers.time_zone.as_str()),
        (SCHEDULE, TIME_ZONE)
    );
}

#[test]
fn without_yes_what_was_found_is_named_and_not_taken() {
    let line = [
        "--cluster",
        "c1",
        "--recipient",
        RECIPIENT,
        "--schedule",
        "@daily",
        "--target-folder",
        "/t",
    ];
    assert_eq!(
        said(&line, &kubeadm(), Mode::Strict),
        [
            "init needs --endpoint URL, --ca FILE, --cert FILE, --key FILE, --files DIR (or --no-files): give them, or start it on a terminal to be asked; --yes takes what was found on this node or is usual for --endpoint, --ca, --cert, --key, --files"
        ]
    );
}

#[test]
fn certificates_are_needed_only_where_there_is_tls() {
    let line = [
        "--cluster",
        "c1",
        "--endpoint",
        "http://127.0.0.1:2379/",
        "--target-folder",
        "/t",
        "--schedule",
        "@hourly",
        "--sealing-key-out",
        "/k",
        "--node",
        "n",
    ];
    let answers = gather(
        &args(&line),
        &Survey::default(),
        Mode::Strict,
        &Variables(&[]),
    )
    .unwrap();
    assert_eq!((answers.ca, answers.client), (None, None));
    assert_eq!(answers.endpoints, ["http://127.0.0.1:2379"]);
    assert_eq!(answers.sealing, Sealing::NewKey("/k".into()));
}

#[test]
fn a_name_and_a_password_stand_in_for_a_certificate() {
    let line = [
        "--cluster",
        "c1",
        "--endpoint",
        "https://a:1,https://b:2",
        "--ca",
        "/ca",
        "--username",
        "u",
        "--password-file",
        "/p",
        "--target-folder",
        "/t",
        "--schedule",
        "@hourly",
        "--recipient",
        RECIPIENT,
        "--node",
        "n",
    ];
    let answers = gather(
        &args(&line),
        &Survey::default(),
        Mode::Strict,
        &Variables(&[]),
    )
    .unwrap();
    assert_eq!(answers.endpoints.len(), 2);
    assert_eq!(answers.client, None);
    assert_eq!(answers.login, Some(("u".to_owned(), "/p".into())));
}

#[test]
fn everything_wrong_is_said_at_once_and_no_secret_with_it() {
    let line = [
        "--cluster",
        "Prod",
        "--endpoint",
        "https://u:hunter2@h:1",
        "--schedule",
        "61 * * * *",
        "--time-zone",
        "Europe/Berlin2",
        "--recipient",
        "AGE-SECRET-KEY-1QQQQQQ",
        "--node",
        "n",
        "--target-folder",
        "/a\nb",
    ];
    let said = said(&line, &kubeadm(), Mode::Take);
    let flags = [
        "--cluster",
        "--endpoint",
        "--target-folder",
        "--schedule",
        "--time-zone",
        "--recipient",
    ];
    assert_eq!(said.len(), flags.len(), "{said:#?}");
    for (sentence, flag) in said.iter().zip(flags) {
        let sentence = sentence.trim_start_matches("error: ");
        assert!(sentence.starts_with(flag), "{sentence}");
        assert!(
            !sentence.contains("hunter2") && !sentence.contains("QQQ"),
            "{sentence}"
        );
    }
}

#[test]
fn folders_are_taken_named_or_declined_but_never_left_out_in_silence() {
    let files = |more: &[&str], mode| {
        let line = ["--cluster", "c1", "--recipient", RECIPIENT];
        let line = [&line[..], more].concat();
        gather(&args(&line), &kubeadm(), mode, &Variables(&[])).map(|answers| answers.files)
    };
    let own = files(&["--files", "/etc/a,/etc/b"], Mode::Take).unwrap();
    assert_eq!(own, [Path::new("/etc/a"), Path::new("/etc/b")]);
    assert!(files(&["--no-files"], Mode::Take).unwrap().is_empty());
    let told = said(&[], &kubeadm(), Mode::Strict).join("\n");
    assert!(told.contains("--files DIR (or --no-files)"), "{told}");
    assert!(folders("-").unwrap().is_empty());
}

/// What `--yes` makes of these flags and variables.
fn service(line: &[&str], variables: &'static [(&'static str, &'static str)]) -> ServiceTarget {
    let usual = ["--cluster", "c1", "--recipient", RECIPIENT, "--offline"];
    let line = [&usual[..], line].concat();
    let answers = gather(&args(&line), &kubeadm(), Mode::Take, &Variables(variables)).unwrap();
    answers.service().unwrap().clone()
}

const CLASSIC: &[(&str, &str)] = &[
    ("SNAPSHOT_AZURE_PRINCIPAL_APPID", "app"),
    ("SNAPSHOT_AZURE_PRINCIPAL_PASSWORD", "hunter2"),
    ("SNAPSHOT_AZURE_PRINCIPAL_TENANT", "tenant"),
    ("SNAPSHOT_AZURE_ACCOUNT_NAME", "examplebackups"),
    ("SNAPSHOT_AZURE_ACCOUNT_KEY", "hunter3"),
    ("SNAPSHOT_AZURE_CONTAINER_NAME", "snapshots"),
];

#[test]
fn the_variables_of_the_vendors_tools_are_taken_and_secrets_by_name_alone() {
    let word = |text: &str| Said::Word(text.to_owned());
    let env = |name: &str| Said::Env(name.to_owned());
    let azure = service(&["--target", "azure"], CLASSIC);
    assert_eq!(azure.login.kind, "servicePrincipal");
    assert_eq!(
        azure.said,
        [
            ("tenant", word("tenant")),
            ("clientId", word("app")),
            ("secret", env("SNAPSHOT_AZURE_PRINCIPAL_PASSWORD")),
        ]
    );
    let server = "https://examplebackups.blob.core.windows.net:443";
    assert_eq!(azure.server.to_string(), server);
    assert!(!format!("{azure:?}").contains("hunter"), "{azure:?}");

    let key = ["--target", "azure", "--target-identity", "accountKey"];
    let azure = service(&key, CLASSIC);
    assert_eq!(
        azure.said,
        [
            ("account", word("examplebackups")),
            ("key", env("SNAPSHOT_AZURE_ACCOUNT_KEY")),
        ]
    );

    let s3 = service(
        &["--target", "s3", "--bucket", "b1"],
        &[
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
        ],
    );
    assert_eq!(
        s3.said,
        [
            ("id", word("AKIA")),
            ("secret", env("AWS_SECRET_ACCESS_KEY")),
            ("sessionToken", env("AWS_SESSION_TOKEN")),
            ("region", word("eu-central-1")),
        ]
    );
    let server = "https://b1.s3.eu-central-1.amazonaws.com:443";
    assert_eq!(s3.server.to_string(), server);

    let gcs = service(
        &["--target", "gcs", "--bucket", "b1"],
        &[("GOOGLE_APPLICATION_CREDENTIALS", "/etc/gcp.json")],
    );
    assert_eq!(gcs.said, [("key", Said::File("/etc/gcp.json".into()))]);
}

#[test]
fn of_several_proofs_of_one_identity_the_one_is_meant_that_was_said() {
    let principal = [
        "--target",
        "azure",
        "--account",
        "abc",
        "--container",
        "c",
        "--target-identity",
        "servicePrincipal",
        "--tenant",
        "t",
        "--client-id",
        "i",
    ];
    let with = |more: &[&str]| service(&[&principal[..], more].concat(), &[]).said[2].clone();
    assert_eq!(
        with(&["--certificate-file", "/c.pem"]),
        ("certificate", Said::File("/c.pem".into()))
    );
    assert_eq!(
        with(&["--token-file", "/t"]),
        ("federatedTokenFile", Said::Path("/t".into()))
    );
    assert_eq!(
        with(&["--secret-file", "/s"]),
        ("secret", Said::File("/s".into()))
    );
    let inside = service(
        &[
            "--target",
            "s3",
            "--bucket",
            "b.c",
            "--target-endpoint",
            "https://10.1.2.3:9000/",
            "--target-identity",
            "none",
        ],
        &[],
    );
    assert_eq!(inside.inside, ["private"]);
    assert_eq!(
        inside.config[1],
        ("endpoint", "https://10.1.2.3:9000".to_owned())
    );
}

#[test]
fn what_a_service_lacks_is_named_with_its_flags() {
    let line = ["--cluster", "c1", "--recipient", RECIPIENT, "--target"];
    let said_of = |more: &[&str]| said(&[&line[..], more].concat(), &kubeadm(), Mode::Take);
    assert_eq!(
        said_of(&["azure"]),
        [
            "init needs --account NAME, --container NAME, --target-identity IDENTITY: give them, or start it on a terminal to be asked"
        ]
    );
    // A region is usual, and speaks for nobody.
    assert_eq!(
        said_of(&["s3", "--bucket", "b"]),
        ["init needs --target-identity IDENTITY: give it, or start it on a terminal to be asked"]
    );
    assert_eq!(
        said_of(&[
            "s3",
            "--bucket",
            "b",
            "--target-identity",
            "none",
            "--account",
            "abc",
            "--secret-file",
            "/s",
        ]),
        [
            "--account says nothing of target s3 with the identity none: remove it",
            "error: --secret-env says nothing of target s3 with the identity none: remove it",
        ]
    );
    let wrong = said_of(&["s3", "--bucket", "b", "--target-identity", "acessKey"]);
    assert_eq!(
        wrong,
        [
            "--target-identity must be one of accessKey, webIdentity, containerCredentials, instanceRole, none"
        ]
    );
    let wrong = said_of(&[
        "s3",
        "--bucket",
        "b",
        "--target-identity",
        "none",
        "--target-endpoint",
        "minio:9000",
    ]);
    assert!(
        wrong[0].starts_with("--target-endpoint must be a server such as"),
        "{wrong:?}"
    );
}
