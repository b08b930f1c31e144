//! What clients are told of the machine's addresses (MS-SMB2 2.2.32.5), and what `interfaces` says
//! about them: `eth0;speed=1000000000,capability=RSS,if_index=65`, as in Samba.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ksmbd_adduser::{ConfProblem, Entry, Severity};
use ksmbd_core::wire::network_interface::{InterfaceCapability, NetworkInterfaceInfo};

use super::{GlobalSettings, Interface, ListenError, fits, list};

/// Addresses in one answer; a client has no use for more.
const MOST: usize = 64;

/// In bits a second, of interfaces that do not know: ksmbd says the same.
const UNKNOWN_SPEED: u64 = 1_000_000_000;

/// The addresses that clients may use: those of `interfaces`, or else all that are up and can be
/// reached from elsewhere.
///
/// # Errors
///
/// The machine does not say.
pub fn advertised(settings: &GlobalSettings) -> Result<Vec<NetworkInterfaceInfo>, ListenError> {
    let machine = list().map_err(ListenError::Unreadable)?;
    Ok(choose(&machine, &settings.interfaces, Path::new("/sys/class/net")))
}

fn choose(machine: &[Interface], chosen: &[String], sys: &Path) -> Vec<NetworkInterfaceInfo> {
    let reachable = machine.iter().filter(|interface| interface.up && has_one_meaning(interface));
    let told = reachable.filter_map(|interface| {
        let said = chosen.iter().find(|word| fits(interface, word));
        let elsewhere = chosen.is_empty() && !interface.address.ip().is_loopback();
        let said = said.map(String::as_str).or_else(|| elsewhere.then_some(""))?;
        Some(info(interface, &Options::read(said).0, sys))
    });
    told.take(MOST).collect()
}

/// A link-local address means another machine on each of the client's links.
fn has_one_meaning(interface: &Interface) -> bool {
    match interface.address.ip() {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}

fn info(interface: &Interface, said: &Options, sys: &Path) -> NetworkInterfaceInfo {
    // An alias (`eth0:1`) is its interface.
    let name = interface.name.split(':').next().unwrap_or_default();
    let folder = sys.join(name);
    NetworkInterfaceInfo {
        if_index: said.if_index.or_else(|| number(&folder.join("ifindex"))).unwrap_or_default(),
        capability: said.capability.unwrap_or_else(|| capability(&folder)),
        link_speed: said.speed.unwrap_or_else(|| speed(&folder)),
        address: interface.address.ip(),
    }
}

/// Megabits a second, or -1, or no such file.
fn speed(folder: &Path) -> u64 {
    let megabits = number::<i64>(&folder.join("speed")).and_then(|speed| u64::try_from(speed).ok());
    let bits = megabits.and_then(|speed| speed.checked_mul(1_000_000));
    bits.filter(|speed| *speed > 0).unwrap_or(UNKNOWN_SPEED)
}

/// With several queues for what comes in, several connections are taken in at once.
fn capability(folder: &Path) -> InterfaceCapability {
    let queues = fs::read_dir(folder.join("queues")).map(|queues| {
        let names = queues.filter_map(Result::ok).map(|queue| queue.file_name());
        names.filter(|name| name.as_encoded_bytes().starts_with(b"rx-")).count()
    });
    match queues {
        Ok(2..) => InterfaceCapability::RSS_CAPABLE,
        _ => InterfaceCapability::empty(),
    }
}

fn number<T: std::str::FromStr>(path: &PathBuf) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The words of `interfaces`, between blanks and commas outside quotes; the commas behind a `;` are
/// the word's own.
pub(in crate::config) fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        let inside = quoted || words.last().is_some_and(|word| word.contains(';'));
        match c {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => words.push(String::new()),
            ',' if !inside => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What [`words`] reads as these words.
pub(in crate::config) fn written(words: &[String]) -> String {
    let written = words.iter().map(|word| {
        let parts = word.contains(char::is_whitespace) || named(word).contains(',');
        // Behind a blank a `;` begins a comment, and behind a quote it does not.
        let word = word.replace(" ;", " \"\";").replace("\t;", "\t\"\";");
        if parts || word.starts_with(';') { format!("\"{word}\"") } else { word }
    });
    written.collect::<Vec<_>>().join(" ")
}

/// The interface, address or net of a word.
pub(super) fn named(word: &str) -> &str {
    word.split(';').next().unwrap_or_default()
}

/// Warns of what is odd about what stands behind a `;`.
pub(in crate::config) fn check(entry: &Entry, words: &[String], problems: &mut Vec<ConfProblem>) {
    for odd in words.iter().flat_map(|word| Options::read(word).1) {
        let remedy = "write speed= (bits a second), capability=RSS or if_index=";
        problems.push(entry.problem(Severity::Warning, format!("`{odd}` is ignored"), remedy));
    }
}

/// What a word says about its addresses.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    speed: Option<u64>,
    capability: Option<InterfaceCapability>,
    if_index: Option<u32>,
}

impl Options {
    /// And what is not understood. There is no SMB Direct, so that RDMA is none either.
    fn read(word: &str) -> (Self, Vec<String>) {
        let mut options = Self::default();
        let mut odd = Vec::new();
        let said = word.split_once(';').map(|(_, said)| said).unwrap_or_default();
        for option in said.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = value.trim();
            let understood = match key.trim().to_ascii_lowercase().as_str() {
                "speed" => keep(&mut options.speed, value.parse().ok()),
                "if_index" => keep(&mut options.if_index, value.parse().ok()),
                "capability" => keep(&mut options.capability, by_name(value)),
                _ => false,
            };
            if !understood {
                odd.push(option.to_owned());
            }
        }
        (options, odd)
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let understood = value.is_some();
    if understood {
        *place = value;
    }
    understood
}

fn by_name(value: &str) -> Option<InterfaceCapability> {
    match value.to_ascii_lowercase().as_str() {
        "rss" => Some(InterfaceCapability::RSS_CAPABLE),
        "none" => Some(InterfaceCapability::empty()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::machine;
    use super::*;
    use ksmbd_adduser::scratch::Scratch;

    fn told(scratch: &Scratch, words: &str) -> Vec<(String, u64, u32, bool)> {
        let infos = choose(&machine(), &super::words(words), scratch.path());
        let told = infos.iter().map(|info| {
            let rss = info.capability == InterfaceCapability::RSS_CAPABLE;
            (info.address.to_string(), info.link_speed, info.if_index, rss)
        });
        told.collect()
    }

    fn sys(scratch: &Scratch, name: &str, index: &str, speed: &str, queues: usize) {
        let folder = scratch.path().join(name);
        for queue in 0..queues {
            fs::create_dir_all(folder.join(format!("queues/rx-{queue}"))).expect("a folder");
            fs::create_dir_all(folder.join(format!("queues/tx-{queue}"))).expect("a folder");
        }
        fs::write(folder.join("ifindex"), index).expect("a file");
        fs::write(folder.join("speed"), speed).expect("a file");
    }

    #[test]
    fn what_the_machine_knows_is_told() {
        let scratch = Scratch::new("interfaces-sys");
        sys(&scratch, "eth0", "2\n", "10000\n", 4);
        sys(&scratch, "eth1", "3\n", "-1\n", 1);
        let expected = [
            ("192.168.1.7".to_owned(), 10_000_000_000, 2, true),
            ("10.0.0.7".to_owned(), UNKNOWN_SPEED, 3, false),
        ];
        assert_eq!(told(&scratch, ""), expected, "neither loopback nor link-local");
        assert_eq!(told(&scratch, "eth1"), expected[1..]);
        assert_eq!(told(&scratch, "lo")[0], ("127.0.0.1".to_owned(), UNKNOWN_SPEED, 0, false));
    }

    #[test]
    fn the_file_knows_better() {
        let scratch = Scratch::new("interfaces-said");
        sys(&scratch, "eth0", "2", "10000", 4);
        let said = "192.168.1.7;if_index=65,speed=100,capability=none eth1;capability=RSS";
        let expected = [
            ("192.168.1.7".to_owned(), 100, 65, false),
            ("10.0.0.7".to_owned(), UNKNOWN_SPEED, 0, true),
        ];
        assert_eq!(told(&scratch, said), expected);
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(words("eth0, lo\t10.0.0.0/8"), ["eth0", "lo", "10.0.0.0/8"]);
        let samba = "\"10.0.0.7;speed=1,capability=RSS\" \"eth1\",eth2";
        assert_eq!(words(samba), ["10.0.0.7;speed=1,capability=RSS", "eth1", "eth2"]);
        assert_eq!(words("10.0.0.7;speed=1,if_index=2 lo"), ["10.0.0.7;speed=1,if_index=2", "lo"]);
        assert!(words(" ,\t").is_empty());
        let odd = "\"a b\" \"a,b;c\" \";c\" a;b,c";
        assert_eq!(words(odd), ["a b", "a,b;c", ";c", "a;b,c"]);
        assert_eq!(written(&words(odd)), odd);
        let blank = ["a ;b".to_owned(), "c\t;;d ;".to_owned()];
        assert_eq!(words(&written(&blank)), blank);
        let begins = |text: &str| text.contains(" ;") || text.contains("\t;");
        assert!(!begins(&written(&blank)), "a comment");
    }

    #[test]
    fn what_is_odd() {
        let (options, odd) = Options::read("eth0;speed=fast, if_index=7,capability=RDMA,x");
        assert_eq!(options, Options { if_index: Some(7), ..Options::default() });
        assert_eq!(odd, ["speed=fast", "capability=RDMA", "x"]);
    }
}
