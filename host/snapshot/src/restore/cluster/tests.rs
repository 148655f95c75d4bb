use super::{ClusterError, InitialCluster};

const THREE: &str = "m1=http://127.0.0.1:1001,m2=http://127.0.0.1:1002,m3=http://127.0.0.1:1003";

fn refusal(text: &str) -> String {
    InitialCluster::parse(text, "tok")
        .expect_err("it is wrong")
        .to_string()
}

#[test]
fn ids_are_those_that_etcd_gave() {
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    let ids: Vec<u64> = cluster
        .members
        .iter()
        .map(|member| cluster.member_id(member))
        .collect();
    assert_eq!(
        ids,
        [
            0xf81e_e44e_01b3_5da3,
            0x9288_313b_a186_7e46,
            0x5fac_fb90_b61b_458a
        ]
    );
    assert_eq!(cluster.id(), 0x0b14_4f6e_17d3_20a6);
}

#[test]
fn a_member_may_have_several_urls() {
    let cluster =
        InitialCluster::parse("b=http://h:2,a=https://[::1]:9,b=http://h:1", "t").expect("two");
    assert_eq!(cluster.members[0].peer_urls, ["https://[::1]:9"]);
    assert_eq!(cluster.members[1].peer_urls, ["http://h:1", "http://h:2"]);
}

#[test]
fn what_is_no_cluster_is_refused_in_one_sentence() {
    assert_eq!(
        refusal(""),
        "the initial cluster has no member; write it as NAME=URL,NAME=URL"
    );
    assert_eq!(
        refusal("http://h:1"),
        "`http://h:1` in the initial cluster is not of the form NAME=URL"
    );
    assert_eq!(
        refusal("a=http://h:1,b=http://h:1"),
        "the peer URL http://h:1 occurs twice in the initial cluster; each may occur once"
    );
    assert_eq!(
        refusal("a=http://h:1,a=http://h:1"),
        "the peer URL http://h:1 occurs twice in the initial cluster; each may occur once"
    );
    let many: Vec<String> = (0..33)
        .map(|n| format!("m{n}=http://h:{}", n + 1))
        .collect();
    assert_eq!(
        refusal(&many.join(",")),
        "the initial cluster has 33 members and at most 32 can be restored"
    );
}

#[test]
fn names_that_cannot_be_folders_are_refused() {
    for name in ["", ".", "..", ".drydock-restore", "a/b", "a\u{7}b"] {
        let text = format!("{name}=http://h:1");
        let error = InitialCluster::parse(&text, "t").expect_err("no folder");
        assert!(matches!(error, ClusterError::Name { .. }), "{name:?}");
    }
    assert_eq!(
        refusal("a/b=http://h:1"),
        "`a/b` cannot be the name of a member, since its folder has that name: use letters, \
         digits and `-`, `_` or `.`, and none of `.` in front"
    );
}

#[test]
fn urls_that_etcd_does_not_take_are_refused() {
    for url in [
        "h:1",
        "http://h",
        "http://h:",
        "http://:1",
        "http://h:0",
        "http://h:70000",
        "http://h:1/",
        "http://h:1?x",
        "http://u@h:1",
        "ftp://h:1",
        "http://::1:2",
        "http://h:1 ",
        "http://h h:1",
    ] {
        let text = format!("a={url}");
        let parsed = InitialCluster::parse(&text, "t");
        assert_eq!(parsed.is_ok(), url.ends_with("1 "), "{url}");
    }
    assert_eq!(
        refusal("a=h:1"),
        "the peer URL `h:1` of member `a` is not of the form http://HOST:PORT or https://HOST:PORT"
    );
}

#[test]
fn advertised_urls_are_those_of_the_cluster() {
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    let advertised = |url: &str| vec![url.to_owned()];
    cluster
        .check_advertised("m2", &advertised("HTTP://127.0.0.1:1002"))
        .expect("the same");
    let differ = cluster
        .check_advertised("m2", &advertised("http://127.0.0.1:1001"))
        .expect_err("another's");
    assert_eq!(
        differ.to_string(),
        "member `m2` is to advertise http://127.0.0.1:1001 but the initial cluster gives it \
         http://127.0.0.1:1002; make them the same"
    );
    let nobody = cluster.check_advertised("m9", &[]).expect_err("no member");
    assert_eq!(
        nobody.to_string(),
        "there is no member `m9` in the initial cluster, which has m1, m2, m3"
    );
}
