//! Where to listen, and where clients are told that they find this server.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::GlobalSettings;
use super::hosts::Net;

mod advertise;

pub use advertise::advertised;
pub(super) use advertise::{check, words, written};

/// An address of the machine, and the interface that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `eth0`
    pub name: String,
    /// With port 0. A link-local address has its scope.
    pub address: SocketAddr,
    /// It is up.
    pub up: bool,
}

/// Why there is nowhere to listen.
#[derive(Debug)]
pub enum ListenError {
    /// The machine does not say.
    Unreadable(io::Error),
    /// No interface is called so, or none has an address.
    NoAddress(String),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot list the network interfaces: {error}"),
            Self::NoAddress(name) => write!(
                f,
                "`interfaces`: no interface `{name}` has an address now; correct the name, or \
                 write `bind interfaces only = no`"
            ),
        }
    }
}

impl std::error::Error for ListenError {}

/// The addresses to listen on.
///
/// # Errors
///
/// With `bind interfaces only`, when no word of `interfaces` names anything. Of others that do not it is warned:
/// an interface may be down.
pub fn listen_addresses(settings: &GlobalSettings) -> Result<Vec<SocketAddr>, ListenError> {
    if !settings.bind_interfaces_only {
        return Ok(everywhere(settings.port));
    }
    let machine = list().map_err(ListenError::Unreadable)?;
    let (chosen, strange) = choose(&machine, &settings.interfaces, settings.port);
    if let (true, Some(word)) = (chosen.is_empty(), strange.first()) {
        return Err(ListenError::NoAddress(word.clone()));
    }
    for word in strange {
        log::warn!(
            "`interfaces`: no interface `{word}` has an address now; nobody is served there until the \
             server is started again"
        );
    }
    Ok(chosen)
}

/// `::` takes IPv4 too, unless the kernel has no IPv6, or was told to keep the two apart.
fn everywhere(port: u16) -> Vec<SocketAddr> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        return vec![v4];
    }
    let apart = std::fs::read("/proc/sys/net/ipv6/bindv6only").is_ok_and(|text| text == b"1\n");
    if apart { vec![v6, v4] } else { vec![v6] }
}

fn list() -> io::Result<Vec<Interface>> {
    let mut interfaces = Vec::new();
    for interface in getifaddrs()? {
        let Some(address) = interface.address else {
            continue;
        };
        let address = if let Some(v4) = address.as_sockaddr_in() {
            SocketAddr::from((v4.ip(), 0))
        } else if let Some(v6) = address.as_sockaddr_in6() {
            SocketAddr::V6(std::net::SocketAddrV6::new(v6.ip(), 0, 0, v6.scope_id()))
        } else {
            continue;
        };
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        interfaces.push(Interface { name: interface.interface_name, address, up });
    }
    Ok(interfaces)
}

/// Each word is an interface's name, `eth*`, an address or a net (as in Samba). Also returns those that name
/// nothing.
fn choose(machine: &[Interface], words: &[String], port: u16) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut chosen, mut strange) = (BTreeSet::new(), Vec::new());
    for word in words {
        let mut known = false;
        for interface in machine.iter().filter(|interface| fits(interface, word)) {
            let mut address = interface.address;
            address.set_port(port);
            chosen.insert(address);
            known = true;
        }
        if !known {
            strange.push(word.clone());
        }
    }
    (chosen.into_iter().collect(), strange)
}

fn fits(interface: &Interface, word: &str) -> bool {
    let word = advertise::named(word);
    if interface.name == word {
        return true;
    }
    if let Some(start) = word.strip_suffix('*') {
        return interface.name.starts_with(start);
    }
    match Net::parse(word) {
        Some(net @ Net::Prefix { .. }) => net.contains(interface.address.ip()),
        // An interface may be called `all`; there is no word for all of them.
        Some(Net::All) | None => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn machine() -> Vec<Interface> {
        [
            ("lo", "127.0.0.1:0"),
            ("lo", "[::1]:0"),
            ("eth0", "192.168.1.7:0"),
            ("eth0", "[fe80::7]:0"),
            ("eth1", "10.0.0.7:0"),
        ]
        .map(|(name, address)| Interface {
            name: name.to_owned(),
            address: address.parse().expect("an address"),
            up: true,
        })
        .to_vec()
    }

    fn chosen(words: &str) -> (Vec<String>, Vec<String>) {
        let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
        let (chosen, strange) = choose(&machine(), &words, 445);
        (chosen.iter().map(ToString::to_string).collect(), strange)
    }

    #[test]
    fn interfaces_are_named_in_four_ways() {
        let right = |words| match chosen(words) {
            (addresses, strange) if strange.is_empty() => addresses,
            other => panic!("{other:?}"),
        };
        assert_eq!(right("lo"), ["127.0.0.1:445", "[::1]:445"]);
        assert_eq!(right("eth0"), ["192.168.1.7:445", "[fe80::7]:445"]);
        assert_eq!(right("eth*").len(), 3);
        assert_eq!(right("10.0.0.7 eth1"), ["10.0.0.7:445"]);
        assert_eq!(right("192.168.1.0/24"), ["192.168.1.7:445"]);
    }

    #[test]
    fn a_name_without_an_address_is_left_out_and_said() {
        assert_eq!(chosen("eth1 wlan0"), (vec!["10.0.0.7:445".into()], vec!["wlan0".into()]));
        assert_eq!(chosen("all"), (vec![], vec!["all".into()]), "there is no word for all");
        let settings = GlobalSettings {
            bind_interfaces_only: true,
            interfaces: vec!["no-such-0".to_owned()],
            ..GlobalSettings::default()
        };
        let error = listen_addresses(&settings).expect_err("nothing").to_string();
        assert!(error.contains("no interface `no-such-0` has an address"), "{error}");
    }

    #[test]
    fn without_the_switch_it_is_everywhere() {
        let mut settings = GlobalSettings { port: 4450, ..GlobalSettings::default() };
        settings.interfaces = vec!["wlan9".to_owned()];
        let addresses = listen_addresses(&settings).expect("everywhere");
        assert!(!addresses.is_empty());
        assert!(addresses.iter().all(|at| at.ip().is_unspecified() && at.port() == 4450));
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let settings = GlobalSettings {
            bind_interfaces_only: true,
            interfaces: vec!["lo".to_owned()],
            ..GlobalSettings::default()
        };
        let addresses = listen_addresses(&settings).expect("lo");
        assert!(addresses.contains(&"127.0.0.1:445".parse().expect("an address")));
    }
}
