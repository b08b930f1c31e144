//! `hosts allow` and `hosts deny`, with Samba's meaning (hosts_access(5), smb.conf(5)).
//!
//! Addresses only. A name of a host would need a lookup that the client's side answers, so a list
//! with one cannot be used, and says so.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Some addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// `ALL`
    All,
    /// The addresses that begin with the first `bits` bits of `address`.
    Prefix {
        /// The beginning.
        address: IpAddr,
        /// How much of it.
        bits: u32,
    },
}

impl Net {
    /// Reads `ALL`, an address, `192.168.`, `address/bits` or `address/mask`.
    pub fn parse(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("ALL") {
            return Some(Self::All);
        }
        if let Some(start) = word.strip_suffix('.') {
            return dotted_start(start);
        }
        let word = word.trim_start_matches('[').replace(']', "");
        let Some((address, length)) = word.split_once('/') else {
            let address: IpAddr = word.parse().ok()?;
            return Some(Self::Prefix { address, bits: width(address) });
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = match length.parse() {
            Ok(bits) => bits,
            Err(_) => mask_bits(length.parse().ok()?)?,
        };
        (bits <= width(address)).then_some(Self::Prefix { address, bits })
    }

    /// Whether an address is one of these. IPv4 inside IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match *self {
            Self::All => true,
            Self::Prefix { address: start, bits } => {
                same_start(start, address.to_canonical(), bits)
            }
        }
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `192.168` of `192.168.`
fn dotted_start(start: &str) -> Option<Net> {
    let mut octets = [0; 4];
    let mut count = 0;
    for part in start.split('.') {
        *octets.get_mut(count)? = part.parse().ok()?;
        count += 1;
    }
    let bits = u32::try_from(count).ok()? * 8;
    Some(Net::Prefix { address: IpAddr::V4(Ipv4Addr::from(octets)), bits })
}

/// The length of a mask of ones followed by zeros.
fn mask_bits(mask: Ipv4Addr) -> Option<u32> {
    let mask = mask.to_bits();
    (mask.leading_ones() + mask.trailing_zeros() == 32).then_some(mask.leading_ones())
}

fn same_start(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    // A shift by the whole width is none at all; zero bits are always the same.
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits.min(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// One list: `192.168. EXCEPT 192.168.1.7`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostList {
    listed: Vec<Net>,
    except: Vec<Net>,
}

impl HostList {
    /// Reads a list. What cannot be read is returned: a list that is partly understood would let
    /// somebody in or keep somebody out.
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut list = Self::default();
        let mut excepting = false;
        for word in words {
            if word.eq_ignore_ascii_case("EXCEPT") {
                if excepting {
                    return Err("a second EXCEPT".to_owned());
                }
                excepting = true;
                continue;
            }
            let net = Net::parse(word).ok_or_else(|| format!("`{word}`"))?;
            if excepting {
                list.except.push(net);
            } else {
                list.listed.push(net);
            }
        }
        Ok(list)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.listed.iter().any(|net| net.contains(address))
            && !self.except.iter().any(|net| net.contains(address))
    }
}

/// As it is written.
impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::Prefix { address, bits } if *bits == width(*address) => write!(f, "{address}"),
            Self::Prefix { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

/// As it is written.
impl fmt::Display for HostList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<_> = self.listed.iter().map(ToString::to_string).collect();
        // Without a word it would be no list, which keeps nobody out.
        if words.is_empty() || !self.except.is_empty() {
            words.push("EXCEPT".to_owned());
            words.extend(self.except.iter().map(ToString::to_string));
        }
        f.write_str(&words.join(" "))
    }
}

/// Which hosts may use a share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRules {
    /// `hosts allow`
    pub allow: Option<HostList>,
    /// `hosts deny`
    pub deny: Option<HostList>,
}

impl HostRules {
    /// Whether a host may. An allowed one may though it is also denied; with an allow list alone
    /// the rest may not; the machine itself may unless it is denied and not allowed.
    pub fn permit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let on = |list: &Option<HostList>| list.as_ref().map(|list| list.contains(address));
        match (on(&self.allow), on(&self.deny)) {
            (Some(true), _) => true,
            (_, Some(true)) => false,
            _ if is_this_machine(address) => true,
            (Some(false), None) => false,
            _ => true,
        }
    }
}

/// As Samba: these two addresses and not the rest of 127.0.0.0/8.
fn is_this_machine(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Option<HostList> {
        (!text.is_empty()).then(|| HostList::parse(text.split(' ')).expect(text))
    }

    fn permit(allow: &str, deny: &str, address: &str) -> bool {
        HostRules { allow: list(allow), deny: list(deny) }
            .permit(address.parse().expect("an address"))
    }

    #[test]
    fn ways_to_write_addresses() {
        for (text, inside, outside) in [
            ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
            ("192.168.", "192.168.255.1", "192.169.0.1"),
            ("10.", "10.9.8.7", "11.0.0.1"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.0.0/255.255.0.0", "10.1.9.9", "10.2.0.1"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.2"),
            ("10.1.2.3/255.255.255.255", "10.1.2.3", "10.1.2.2"),
            ("0.0.0.0/0", "8.8.8.8", "::2"),
            ("fe80::/10", "fe80::1", "fec0::1"),
            ("[2001:db8::]/32", "2001:db8:1::1", "2001:db9::1"),
            ("192.168.0.0/16", "::ffff:192.168.3.4", "::ffff:192.169.0.1"),
        ] {
            let net = Net::parse(text).expect(text);
            assert!(net.contains(inside.parse().expect("inside")), "{text} {inside}");
            assert!(!net.contains(outside.parse().expect("outside")), "{text} {outside}");
        }
        assert_eq!(Net::parse("all"), Some(Net::All));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "server",
            "192.168",
            "10.0.0.0/33",
            "10.0.0.0/255.0.255.0",
            "::/129",
            "300.",
            "@net",
            "1.2.3.4.5.",
        ] {
            assert_eq!(Net::parse(text), None, "{text}");
        }
        let error = HostList::parse("10. server.example".split(' ')).expect_err("a name");
        assert_eq!(error, "`server.example`");
        HostList::parse("ALL EXCEPT 10. EXCEPT 10.1.".split(' ')).expect_err("two");
    }

    #[test]
    fn the_rules_are_sambas() {
        for (allow, deny, address, expected) in [
            ("", "", "8.8.8.8", true),
            ("10.", "", "10.1.1.1", true),
            ("10.", "", "8.8.8.8", false),
            ("", "10.", "10.1.1.1", false),
            ("", "10.", "8.8.8.8", true),
            ("10.1.", "10.", "10.1.1.1", true),
            ("10.1.", "10.", "10.2.1.1", false),
            ("10.1.", "10.", "8.8.8.8", true),
            ("10.1.", "ALL", "8.8.8.8", false),
            ("ALL EXCEPT 10.", "", "10.1.1.1", false),
            ("ALL EXCEPT 10.", "", "8.8.8.8", true),
            // The machine itself.
            ("10.", "", "127.0.0.1", true),
            ("10.", "", "::1", true),
            ("10.", "ALL", "127.0.0.1", false),
            ("127.", "ALL", "127.0.0.1", true),
            ("10.", "", "127.0.0.2", false),
            ("", "ALL", "::ffff:127.0.0.1", false),
        ] {
            assert_eq!(permit(allow, deny, address), expected, "{allow}|{deny}|{address}");
        }
    }
}
