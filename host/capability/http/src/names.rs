//! From names to addresses, of which those are left out that no grant allows.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{Reach, is_own_machine, reach};
use super::error::{Prohibited, Unresolved, inside};
use super::grant::AddressClass;

/// The addresses of a name, in the order in which they are tried.
pub type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows the addresses of names.
pub trait NameLookup: Send + Sync {
    fn lookup(&self, name: &str) -> Looked;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl NameLookup for SystemNames {
    fn lookup(&self, name: &str) -> Looked {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves for one client: what comes out is what the connection goes to.
pub(super) struct Filtered {
    pub names: Arc<dyn NameLookup>,
    pub allowed: Allowed,
}

/// Where a client may connect to.
#[derive(Debug, Clone)]
pub(super) enum Allowed {
    /// For a client that only speaks to a proxy, which the operator chose.
    Everything,
    /// Public addresses, and these.
    Classes(BTreeSet<AddressClass>),
    /// For the host alone: where a machine is told of itself, see [`is_own_machine`].
    OwnMachine,
}

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let found = self.names.lookup(&name);
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let found = found.await.map_err(|error| {
                let why = drydock_core::without_os_number(&error.to_string());
                Unresolved(format!("the name {name} cannot be resolved: {why}"))
            })?;
            let addresses = match &allowed {
                Allowed::Everything => found,
                Allowed::Classes(allowed) => filter(&name, &found, allowed)?,
                Allowed::OwnMachine => own_machine(&name, found)?,
            };
            let addresses = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Whether the address may be reached, or the sentence that says why not. `what` is how
/// it was come by.
pub(super) fn check(
    what: &str,
    address: IpAddr,
    allowed: &BTreeSet<AddressClass>,
) -> Result<(), Prohibited> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Inside(class) if allowed.contains(&class) => Ok(()),
        Reach::Inside(class) => Err(Prohibited(inside(what, class))),
        Reach::Never(why) => Err(Prohibited(format!(
            "{what}, {why}, which no plugin may reach"
        ))),
    }
}

/// Of these the addresses at which a machine is told of itself.
fn own_machine(name: &str, mut found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Prohibited> {
    found.retain(|address| is_own_machine(*address));
    if found.is_empty() {
        return Err(Prohibited(format!(
            "the host {name} leads to none of the addresses at which a machine gets credentials without TLS: its own, or those of a cloud's metadata"
        )));
    }
    Ok(found)
}

fn filter(
    name: &str,
    found: &[IpAddr],
    allowed: &BTreeSet<AddressClass>,
) -> Result<Vec<IpAddr>, Prohibited> {
    let check = |address: &IpAddr| {
        check(
            &format!("the host {name} leads to {address}"),
            *address,
            allowed,
        )
        .map(|()| *address)
    };
    let fit: Vec<IpAddr> = found
        .iter()
        .filter_map(|address| check(address).ok())
        .collect();
    match found.iter().map(check).find_map(Result::err) {
        Some(prohibited) if fit.is_empty() => Err(prohibited),
        _ if fit.is_empty() => Err(Prohibited(format!("the host {name} has no address"))),
        _ => Ok(fit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_left() {
        let found: Vec<IpAddr> = ["10.0.0.1", "1.1.1.1", "169.254.169.254", "::1"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let of = |allowed: &[AddressClass]| {
            let allowed = allowed.iter().copied().collect();
            let fit = filter("a.example", &found, &allowed).unwrap();
            fit.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), ["1.1.1.1"]);
        assert_eq!(of(&[AddressClass::Private]), ["10.0.0.1", "1.1.1.1"]);
        assert_eq!(
            of(&[AddressClass::Loopback, AddressClass::LinkLocal]),
            ["1.1.1.1", "::1"]
        );
    }

    #[test]
    fn a_name_that_leads_inside_only_names_the_mend() {
        let refused = |address: &str| {
            filter("a.example", &[address.parse().unwrap()], &BTreeSet::new())
                .unwrap_err()
                .0
        };
        assert_eq!(
            refused("10.0.0.1"),
            "the host a.example leads to 10.0.0.1, a private address: add `addresses: [private]` to the `http:` grant of this host, if the plugin is to reach it"
        );
        assert_eq!(
            refused("169.254.169.254"),
            "the host a.example leads to 169.254.169.254, a metadata address of a cloud, where credentials are handed out, which no plugin may reach"
        );
    }
}
