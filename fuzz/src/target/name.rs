//! What Linux and clients call the same file: each name on the disk has one name for clients, and the
//! other way round.

use super::{choice, units};
use ksmbd_core::{
    name::{SharePath, mapping, same_name},
    stream::{self, Suffix},
    wire::utf16::Utf16,
};

/// The first byte chooses: bytes of a name on the disk, or units of one that a client sends.
pub(super) fn run(data: &[u8]) {
    let (kind, bytes) = choice(data);
    match kind % 3 {
        0 => on_disk(bytes),
        1 => on_the_wire(&units(bytes)),
        _ => path(&units(bytes)),
    }
}

/// A name of the disk is shown, and what is shown leads to it.
fn on_disk(host: &[u8]) {
    let is_name = !host.is_empty() && host.len() <= 255 && !host.contains(&b'/');
    if !is_name || host.contains(&0) || matches!(host, b"." | b"..") {
        return;
    }
    let shown = mapping::shown(host);
    assert_eq!(*mapping::host(&shown), *host, "{shown:?} is another file");
    let wire: Vec<u16> = mapping::units(&shown).collect();
    if wire.len() <= mapping::MAX_UNITS {
        let parsed = mapping::parse(&wire);
        assert_eq!(parsed.as_deref(), Ok(&*shown), "{wire:04x?} does not lead back");
    }
    let utf16 = Utf16(wire);
    assert_eq!(Utf16::parse(&utf16.to_bytes()), Ok(utf16));
}

/// A client's name is a file's, and the file is shown by that name.
fn on_the_wire(name: &[u16]) {
    let Ok(shown) = mapping::parse(name) else {
        return;
    };
    let host = mapping::host(&shown);
    assert!(!host.is_empty() && !host.contains(&b'/') && !host.contains(&0), "{host:02x?}");
    assert!(!matches!(&*host, b"." | b".."), "{host:02x?}");
    assert_eq!(mapping::shown(&host), shown, "two names for {host:02x?}");
}

/// A whole path stays below the share, whatever is in it.
fn path(name: &[u16]) {
    if let Ok((path, suffix)) = stream::split(name) {
        below(&path);
        if let Suffix::Named(name) = suffix {
            let again = stream::StreamName::new(name.as_str());
            assert_eq!(again.map(|again| again.id()), Ok(name.id()));
        }
    }
    let _ = stream::target(name);
    if let Ok(path) = SharePath::parse(name) {
        below(&path);
        // What clients are told begins with a separator; what they say must not.
        let told = path.to_windows().0;
        let again = SharePath::parse(told.strip_prefix(&[u16::from(b'\\')]).unwrap_or(&told));
        assert_eq!(again.as_ref(), Ok(&path));
        assert!(path.is_root() || path.is_below(&path.parent()));
        elsewhere(&path);
    }
}

/// By a share within, or around, it is the same place, also when it gets another name there.
fn elsewhere(path: &SharePath) {
    const SHARES: [&str; 4] = ["/srv", "/srv/d/", "/srv/d/e", "/other"];
    for (own, other) in SHARES.iter().flat_map(|own| SHARES.map(|other| (*own, other))) {
        let Some(seen) = path.seen_from(own, other) else {
            continue;
        };
        below(&seen);
        let back = seen.seen_from(other, own).expect("it lies there");
        assert!(same_name(back.as_str(), path.as_str()), "{path:?} is {back:?} by {other}");
        let to = seen.parent().join_host("new");
        if let Some(moved) = path.moved_in(own, other, [&seen, &to]) {
            assert_eq!(moved.seen_from(own, other).as_deref(), Some(&to), "{path:?} by {other}");
        }
    }
}

fn below(path: &SharePath) {
    let host = path.host();
    assert!(!host.starts_with(b"/") && !host.contains(&0), "{host:02x?}");
    let climbs = |part: &[u8]| matches!(part, b"." | b"..");
    assert!(!host.split(|&byte| byte == b'/').any(climbs), "{host:02x?} leaves the share");
}
