//! Which addresses are public: the defence of connections whose host somebody else has named. Pure.
//!
//! The dialer asks [`check`] about every address that it is about to connect to, behind the name look-up, so that a name that
//! resolves to something else the second time gains nothing. Source: the IANA registries of special-purpose addresses (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address that is not for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind} (hint: only public addresses may be connected to; see allow_private)")]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// What it is, in words.
    pub kind: &'static str,
}

/// A block of addresses: its first address, the length of its prefix, what it is.
type Block<A> = (A, u32, &'static str);

const V4: [Block<Ipv4Addr>; 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a carrier's own (CGNAT)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "for protocols"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
];

/// Inside the block of public addresses, 2000::/3; whatever is outside of it is not public.
const V6: [Block<Ipv6Addr>; 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "for protocols (Teredo among them)"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, "of a network that was"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
];

const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Forms in which an IPv4 address is written as IPv6: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
const MAPPED: (Ipv6Addr, u32) = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const SIX_TO_FOUR: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Checks that an address is public; one that wraps an IPv4 address is as public as that.
///
/// # Errors
/// [`Forbidden`] if it is not.
pub fn check(address: IpAddr) -> Result<(), Forbidden> {
    let kind = match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    };
    kind.map_or(Ok(()), |kind| Err(Forbidden { address, kind }))
}

fn kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let inside = |first: Ipv4Addr, prefix: u32| (address.to_bits() ^ first.to_bits()) >> (32 - prefix) == 0;
    V4.iter().find(|(first, prefix, _)| inside(*first, *prefix)).map(|(_, _, kind)| *kind)
}

fn kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let inside =
        |(first, prefix): (Ipv6Addr, u32)| (address.to_bits() ^ first.to_bits()) >> (128 - prefix) == 0;
    let bits = address.to_bits();
    if inside(MAPPED) || inside(NAT64) {
        return kind_v4(Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32));
    }
    if inside(SIX_TO_FOUR) {
        return kind_v4(Ipv4Addr::from_bits((bits >> 80 & 0xffff_ffff) as u32));
    }
    if !inside(PUBLIC_V6) {
        return Some(if address.is_loopback() {
            "loopback"
        } else if address.is_multicast() {
            "multicast"
        } else if address.is_unicast_link_local() {
            "link-local"
        } else {
            "private or reserved"
        });
    }
    V6.iter().find(|(first, prefix, _)| inside((*first, *prefix))).map(|(_, _, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_public(text: &str) -> bool {
        check(text.parse().unwrap()).is_ok()
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "8.8.8.8 1.1.1.1 142.250.1.95 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0",
            "223.255.255.255 2a00:1450:4001::5f 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808",
            "2002:808:808::1",
        ]
        .iter()
        .flat_map(|line| line.split(' '))
        {
            assert!(is_public(text), "{text}");
        }
    }

    #[test]
    fn what_is_ours_or_nobody_s_is_not_whatever_its_form() {
        for text in [
            "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1",
            "172.31.255.255 192.0.0.170 192.0.2.1 192.168.1.1 198.19.255.255 224.0.0.1 240.0.0.1",
            "255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254",
            "64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:7f00:1::1 2002:a9fe:a9fe:: 2001::1 2001:db8::1",
            "3fff::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 4000::1 100::1",
        ]
        .iter()
        .flat_map(|line| line.split(' '))
        {
            assert!(!is_public(text), "{text}");
        }
        let error = check("169.254.169.254".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("link-local") && error.contains("allow_private"), "{error}");
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_as_public_in_ipv6_s_clothes(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let public = check(address.into()).is_ok();
            let nat64 = Ipv6Addr::from_bits(NAT64.0.to_bits() | u128::from(bits));
            let relayed = Ipv6Addr::from_bits(SIX_TO_FOUR.0.to_bits() | u128::from(bits) << 80);
            for other in [address.to_ipv6_mapped(), nat64, relayed] {
                prop_assert_eq!(check(other.into()).is_ok(), public, "{}", other);
            }
        }

        #[test]
        fn what_the_standard_library_calls_local_is_never_public(bits: u128, wide: u32) {
            let v4 = Ipv4Addr::from_bits(wide);
            let odd = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!odd || check(v4.into()).is_err());
            let v6 = Ipv6Addr::from_bits(bits);
            let odd = v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast();
            prop_assert!(!odd || check(v6.into()).is_err());
        }
    }
}
