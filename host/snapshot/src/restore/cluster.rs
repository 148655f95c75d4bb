//! The cluster that a restore makes: its members, and the ids that etcd gives
//! them.
//!
//! etcd computes ids, it does not draw them: a member's from its peer URLs and
//! the cluster's token, the cluster's from its members'. Whoever computes them
//! alike makes folders that find each other at their first start. The rules are
//! those of `membership.NewMember` and `RaftCluster.genID` in etcd 3.5 to 3.7.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The schemes that etcd takes for peers.
const SCHEMES: [&str; 4] = ["http", "https", "unix", "unixs"];
/// A file system takes no longer name, and names become folders.
const NAME_BYTES_MAX: usize = 255;
/// etcd advises seven members at most; this is far above, and keeps the threads
/// of a restore few.
pub const MEMBERS_MAX: usize = 32;

/// The members of a new cluster and the token that keeps it apart from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialCluster {
    /// In the order of their names.
    pub members: Vec<Member>,
    /// What etcd calls `--initial-cluster-token`.
    pub token: String,
}

/// One member of a new cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, which is also the name of its folder.
    pub name: String,
    /// Where the other members reach it, sorted.
    pub peer_urls: Vec<String>,
}

/// Why a description of a cluster is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// There is no member at all.
    #[error("the initial cluster has no member; write it as NAME=URL,NAME=URL")]
    Empty,
    /// There are too many members.
    #[error("the initial cluster has {members} members and at most {MEMBERS_MAX} can be restored")]
    TooMany {
        /// How many there are.
        members: usize,
    },
    /// A part of the text has no `=`.
    #[error("`{entry}` in the initial cluster is not of the form NAME=URL")]
    NotAnEntry {
        /// The part.
        entry: String,
    },
    /// A name that cannot be a folder.
    #[error(
        "`{name}` cannot be the name of a member, since its folder has that name: use letters, \
         digits and `-`, `_` or `.`, and none of `.` in front"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// An address that etcd does not take.
    #[error(
        "the peer URL `{url}` of member `{member}` is not of the form http://HOST:PORT or \
         https://HOST:PORT"
    )]
    Url {
        /// Whose it is.
        member: String,
        /// The address.
        url: String,
    },
    /// One address is used twice.
    #[error("the peer URL {url} occurs twice in the initial cluster; each may occur once")]
    UrlTwice {
        /// The address.
        url: String,
    },
    /// A member is asked for that the cluster does not have.
    #[error("there is no member `{name}` in the initial cluster, which has {}", names.join(", "))]
    NotAMember {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
    /// What a member advertises is not what the cluster says of it.
    #[error(
        "member `{name}` is to advertise {} but the initial cluster gives it {}; make them the same",
        advertised.join(", "),
        initial.join(", ")
    )]
    UrlsDiffer {
        /// Whose they are.
        name: String,
        /// What it would advertise.
        advertised: Vec<String>,
        /// What the initial cluster says.
        initial: Vec<String>,
    },
}

impl InitialCluster {
    /// Reads `NAME=URL,NAME=URL`, as etcd's `--initial-cluster`. A member with
    /// several URLs occurs several times.
    ///
    /// # Errors
    /// Everything that [`ClusterError`] names of a whole cluster.
    pub fn parse(text: &str, token: &str) -> Result<Self, ClusterError> {
        let mut members: Vec<Member> = Vec::new();
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            let not_an_entry = || ClusterError::NotAnEntry {
                entry: entry.to_owned(),
            };
            let (name, url) = entry.split_once('=').ok_or_else(not_an_entry)?;
            let url = url.trim().to_owned();
            match members.iter_mut().find(|member| member.name == name) {
                Some(member) => member.peer_urls.push(url),
                None => members.push(Member {
                    name: name.to_owned(),
                    peer_urls: vec![url],
                }),
            }
        }
        Self::of(members, token)
    }

    /// A cluster of these members.
    ///
    /// # Errors
    /// As [`InitialCluster::parse`].
    pub fn of(mut members: Vec<Member>, token: &str) -> Result<Self, ClusterError> {
        match members.len() {
            0 => return Err(ClusterError::Empty),
            count if count > MEMBERS_MAX => return Err(ClusterError::TooMany { members: count }),
            _ => {}
        }
        for member in &mut members {
            check_name(&member.name)?;
            member.peer_urls = urls(&member.name, &member.peer_urls)?;
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let cluster = Self {
            members,
            token: token.to_owned(),
        };
        cluster.check_urls_once()?;
        Ok(cluster)
    }

    /// The member of that name.
    ///
    /// # Errors
    /// [`ClusterError::NotAMember`].
    pub fn member(&self, name: &str) -> Result<&Member, ClusterError> {
        let found = self.members.iter().find(|member| member.name == name);
        found.ok_or_else(|| ClusterError::NotAMember {
            name: name.to_owned(),
            names: self.members.iter().map(|m| m.name.clone()).collect(),
        })
    }

    /// Checks that member `name` would advertise what the cluster says of it.
    /// Addresses are compared as they are written: nothing is looked up.
    ///
    /// # Errors
    /// [`ClusterError::NotAMember`], [`ClusterError::Url`] and
    /// [`ClusterError::UrlsDiffer`].
    pub fn check_advertised(&self, name: &str, advertised: &[String]) -> Result<(), ClusterError> {
        let initial = &self.member(name)?.peer_urls;
        let advertised = urls(name, advertised)?;
        if advertised == *initial {
            return Ok(());
        }
        Err(ClusterError::UrlsDiffer {
            name: name.to_owned(),
            advertised,
            initial: initial.clone(),
        })
    }

    /// The id of a member: the first eight bytes of the SHA-1 of its URLs, one
    /// behind the other, and the token.
    #[must_use]
    pub fn member_id(&self, member: &Member) -> u64 {
        let mut text = member.peer_urls.concat();
        text.push_str(&self.token);
        first_eight(text.as_bytes())
    }

    /// The id of the cluster: the first eight bytes of the SHA-1 of its members'
    /// ids, smallest first.
    #[must_use]
    pub fn id(&self) -> u64 {
        let ids: Vec<u8> = self
            .by_id()
            .iter()
            .flat_map(|(id, _)| id.to_be_bytes())
            .collect();
        first_eight(&ids)
    }

    /// The members with their ids, smallest first: the order of etcd's records.
    pub(crate) fn by_id(&self) -> Vec<(u64, &Member)> {
        let mut members: Vec<_> = self
            .members
            .iter()
            .map(|member| (self.member_id(member), member))
            .collect();
        members.sort_by_key(|(id, _)| *id);
        members
    }

    fn check_urls_once(&self) -> Result<(), ClusterError> {
        let mut urls: Vec<&String> = self.members.iter().flat_map(|m| &m.peer_urls).collect();
        urls.sort();
        match urls.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ClusterError::UrlTwice {
                url: pair[0].clone(),
            }),
            None => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<(), ClusterError> {
    let is_folder = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && !name.contains('/')
        && !name.chars().any(char::is_control);
    if is_folder {
        return Ok(());
    }
    Err(ClusterError::Name {
        name: name.escape_debug().to_string(),
    })
}

/// The URLs of one member as etcd writes them: checked, and sorted.
fn urls(member: &str, urls: &[String]) -> Result<Vec<String>, ClusterError> {
    let refused = |url: &str| ClusterError::Url {
        member: member.to_owned(),
        url: url.escape_debug().to_string(),
    };
    let mut checked = urls
        .iter()
        .map(|url| normal(url).ok_or_else(|| refused(url)))
        .collect::<Result<Vec<_>, _>>()?;
    if checked.is_empty() {
        return Err(refused(""));
    }
    checked.sort();
    Ok(checked)
}

/// A peer URL with its scheme in small letters, as Go writes it; `None` if etcd
/// would not take it.
fn normal(url: &str) -> Option<String> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&&*scheme) || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let taken = if scheme.starts_with("unix") {
        !rest.is_empty()
    } else {
        is_host_and_port(rest)
    };
    taken.then(|| format!("{scheme}://{rest}"))
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let plain = !host.is_empty() && !host.contains([':', '[', ']']);
    let port_is_one = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    (bracketed || plain) && port_is_one && !host.contains(['/', '?', '#', '@', '%', '\\', '"'])
}

fn first_eight(bytes: &[u8]) -> u64 {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let first = hash.as_ref()[..8].try_into();
    u64::from_be_bytes(first.expect("a SHA-1 has 20 bytes"))
}

#[cfg(test)]
mod tests;
