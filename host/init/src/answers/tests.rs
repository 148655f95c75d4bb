use clap::Parser as _;

use drydock_cli::Exit;

use super::*;
use crate::survey::Credentials;

const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: InitArgs,
}

fn args(line: &[&str]) -> InitArgs {
    Line::parse_from(std::iter::once("init").chain(line.iter().copied())).args
}

fn said(line: &[&str], survey: &Survey, mode: Mode) -> Vec<String> {
    let failure = gather(&args(line), survey, mode).unwrap_err();
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
    let answers = gather(&args(&line), &kubeadm(), Mode::Take).unwrap();
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
    let answers = gather(&args(&line), &Survey::default(), Mode::Strict).unwrap();
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
    let answers = gather(&args(&line), &Survey::default(), Mode::Strict).unwrap();
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
        gather(&args(&line), &kubeadm(), mode).map(|answers| answers.files)
    };
    let own = files(&["--files", "/etc/a,/etc/b"], Mode::Take).unwrap();
    assert_eq!(own, [Path::new("/etc/a"), Path::new("/etc/b")]);
    assert!(files(&["--no-files"], Mode::Take).unwrap().is_empty());
    let told = said(&[], &kubeadm(), Mode::Strict).join("\n");
    assert!(told.contains("--files DIR (or --no-files)"), "{told}");
    assert!(folders("-").unwrap().is_empty());
}
