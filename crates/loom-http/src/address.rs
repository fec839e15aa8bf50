//! Which addresses are of the public internet.
//!
//! Everything else could be the node itself, its neighbours, or the metadata service of a cloud, which gives
//! credentials to whoever asks from inside. IPv4 addresses that hide in IPv6 are taken out and checked as such.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Platform services of Azure virtual machines, reachable only from them though the address is a public one.
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Networks of IPv4 that are not of the public internet (IANA's registry of special-purpose addresses).
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // This network.
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // Private.
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // Shared by carriers.
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // Loopback.
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // Link-local, with the metadata services of clouds.
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // Private.
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // Protocol assignments.
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // Documentation.
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // Relays of 6to4.
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // Private.
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // Benchmarks.
    (Ipv4Addr::new(198, 51, 100, 0), 24), // Documentation.
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // Documentation.
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // Multicast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // Reserved, and broadcast.
];

/// Networks within 2000::/3 that are not of the public internet.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // Protocol assignments, Teredo among them.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // Documentation.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, which wraps any IPv4 address.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // Documentation.
];

/// Global unicast. Whatever is outside it (loopback, unique local, link-local, multicast) is not public.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// How IPv6-only networks reach IPv4: the last four bytes are the address (RFC 6052).
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether the address is of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within =
        |&(network, bits): &(Ipv4Addr, u32)| (address.to_bits() ^ network.to_bits()) >> (u32::BITS - bits) == 0;
    address != AZURE_PLATFORM && !SPECIAL_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let within =
        |&(network, bits): &(Ipv6Addr, u32)| (address.to_bits() ^ network.to_bits()) >> (u128::BITS - bits) == 0;
    if within(&NAT64) {
        return is_public_v4(Ipv4Addr::from_bits(address.to_bits() as u32));
    }
    within(&GLOBAL_UNICAST) && !SPECIAL_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "223.255.255.255",
            "168.63.129.15",
            "2606:4700:4700::1111",
            "2a00::1",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
