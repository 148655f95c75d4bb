//! What an address is: out in the world, inside, or nowhere that a plugin may ever go.
//!
//! The addresses are those of the IANA registries for special purposes (RFC 6890 and
//! what came after it), and those at which clouds hand out credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use drydock_core::Host;

use super::grant::AddressClass;

/// Addresses at which a cloud answers questions about the machine, its credentials
/// among them: AWS (machines, containers, pods), Azure, Google, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The same of AWS (machines, pods) and Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Names that clouds give these addresses.
const METADATA_NAMES: [&str; 6] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
];

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Public,
    /// Only where a grant says so.
    Inside(AddressClass),
    /// Never, with the reason.
    Never(&'static str),
}

const METADATA: &str = "a metadata address of a cloud, where credentials are handed out";
const NO_HOST: &str = "no address of a single host";
const TUNNEL: &str = "an address inside of a tunnel";

/// Whether a host is a cloud's metadata service by its name.
pub(super) fn is_metadata_name(host: &Host) -> bool {
    matches!(host, Host::Name(name) if METADATA_NAMES.contains(&name.as_str()))
}

/// Where `address` leads. An IPv4 address that is wrapped into IPv6 leads where it would
/// by itself.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Whether a machine is told of itself there: on loopback, on its own link, or where a cloud
/// has its metadata.
pub(super) fn is_own_machine(address: IpAddr) -> bool {
    matches!(
        reach(address),
        Reach::Never(METADATA) | Reach::Inside(AddressClass::Loopback | AddressClass::LinkLocal)
    )
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return Reach::Never(METADATA);
    }
    match address.octets() {
        [127, ..] => Reach::Inside(AddressClass::Loopback),
        [169, 254, ..] => Reach::Inside(AddressClass::LinkLocal),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [198, 18..=19, ..] => {
            Reach::Inside(AddressClass::Private)
        }
        [100, 64..=127, ..] => Reach::Inside(AddressClass::Shared),
        // This network, protocol assignments, documentation, multicast and what is reserved.
        [0, ..] | [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..] => {
            Reach::Never(NO_HOST)
        }
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return Reach::Never(METADATA);
    }
    let low = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Inside(AddressClass::Loopback),
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never(NO_HOST),
        // IPv4-compatible, translated (RFC 2765), and NAT64 (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0, 0, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b]
        | [0x64, 0xff9b, 1, _, _, _, a, b] => reach_v4(low(a, b)),
        // 6to4 (RFC 3056).
        [0x2002, a, b, ..] => reach_v4(low(a, b)),
        [0x2001, 0, ..] => Reach::Never(TUNNEL),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] | [0x100, 0, 0, 0, ..] => {
            Reach::Never(NO_HOST)
        }
        [0xfe80..=0xfebf, ..] => Reach::Inside(AddressClass::LinkLocal),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reach::Inside(AddressClass::Private),
        // Only what is handed out as global unicast (RFC 4291, 2.4) is public.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Never(NO_HOST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn each_kind_of_address_is_told() {
        use AddressClass::{LinkLocal, Loopback, Private, Shared};
        let inside = [
            ("127.0.0.1", Loopback),
            ("127.255.0.9", Loopback),
            ("::1", Loopback),
            ("169.254.1.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.0.1", Private),
            ("198.18.0.1", Private),
            ("fd12::1", Private),
            ("fec0::1", Private),
            ("100.64.0.1", Shared),
            ("100.127.255.255", Shared),
        ];
        for (text, class) in inside {
            assert_eq!(of(text), Reach::Inside(class), "{text}");
        }
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "172.15.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "2606:4700::1111",
        ] {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "100::1",
            "4000::1",
            "5f00::1",
        ] {
            assert!(matches!(of(text), Reach::Never(_)), "{text}");
        }
    }

    #[test]
    fn no_wrapping_hides_an_address() {
        let wrappings = |a: &str| {
            let v4: Ipv4Addr = a.parse().unwrap();
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ]
        };
        for plain in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "100.64.1.1",
            "1.1.1.1",
            "224.0.0.1",
        ] {
            for wrapped in wrappings(plain) {
                assert_eq!(reach(wrapped.into()), of(plain), "{plain} as {wrapped}");
            }
        }
    }

    #[test]
    fn metadata_is_never_reached() {
        let addresses = METADATA_V4.map(IpAddr::V4).into_iter();
        for address in addresses.chain(METADATA_V6.map(IpAddr::V6)) {
            assert_eq!(reach(address), Reach::Never(METADATA), "{address}");
        }
        for address in [
            "169.254.169.254",
            "127.0.0.1",
            "::1",
            "fd00:ec2::23",
            "169.254.1.1",
        ] {
            assert!(is_own_machine(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "1.1.1.1", "fd12::1", "0.0.0.0"] {
            assert!(!is_own_machine(address.parse().unwrap()), "{address}");
        }
        for name in [
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "metadata",
        ] {
            assert!(is_metadata_name(&Host::parse(name).unwrap()), "{name}");
        }
        assert!(!is_metadata_name(
            &Host::parse("metadata.example.com").unwrap()
        ));
    }
}
