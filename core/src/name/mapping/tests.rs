use super::*;
use crate::rng::Rng;
use alloc::collections::BTreeMap;

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn told(host: &[u8]) -> Vec<u16> {
    units(&shown(host)).collect()
}

#[test]
fn the_table() {
    for (on_disk, name) in [
        (&b"plain.txt"[..], "plain.txt"),
        (b"a:b", "a\u{f022}b"),
        (b"\"*:<>?\\|", "\u{f020}\u{f021}\u{f022}\u{f023}\u{f024}\u{f025}\u{f026}\u{f027}"),
        (b"\x01\x1f\x7f", "\u{f001}\u{f01f}\x7f"),
        (b"end ", "end\u{f028}"),
        (b"end.", "end\u{f029}"),
        (b"end..", "end.\u{f029}"),
        (b". x", ". x"),
        (b" ", "\u{f028}"),
        (b"...", "..\u{f029}"),
        (b".", "."),
        (b"..", ".."),
        ("Größe 🦀".as_bytes(), "Größe 🦀"),
        (b"latin\xe4", "latin\u{f7e4}"),
        (b"\xff\x80", "\u{f7ff}\u{f780}"),
        // The private characters themselves are their bytes.
        ("\u{f022}".as_bytes(), "\u{f7ef}\u{f780}\u{f7a2}"),
        ("\u{f780}".as_bytes(), "\u{f7ef}\u{f79e}\u{f780}"),
        ("\u{f028}x".as_bytes(), "\u{f028}x"),
        ("x\u{f029}".as_bytes(), "x\u{f7ef}\u{f780}\u{f7a9}"),
        ("\u{f000}\u{f02a}\u{f77f}".as_bytes(), "\u{f000}\u{f02a}\u{f77f}"),
    ] {
        assert_eq!(shown(on_disk), name);
        if !matches!(name, "." | "..") {
            assert_eq!(&*host(name), on_disk);
            assert_eq!(parse(&utf16(name)).as_deref(), Ok(name));
        }
    }
}

#[test]
fn surrogates_that_stand_alone() {
    for name in [
        &[0xd800][..],
        &[0xdc00],
        &[0xdfff, 0xd800, 0x61],
        &[0xd800, 0xd83e, 0xdd80],
        &[0xd83e, 0xdd80, 0xdd80],
        // What was a pair in two pieces on the disk is not the pair.
        &[0xd83e, 0xf7ed, 0xf7b6, 0xf780],
    ] {
        let known = parse(name).unwrap();
        let on_disk = host(&known);
        assert_eq!(told(&on_disk), name);
        assert!(core::str::from_utf8(&on_disk).is_err());
    }
    let pair = parse(&[0xd800, 0xdc00]).unwrap();
    assert_eq!(&*host(&pair), "\u{10000}".as_bytes());
    // The three bytes, where the surrogate could be sent.
    assert!(parse(&[0xf7ed, 0xf7a0, 0xf780]).is_err());
}

#[test]
fn what_is_no_name() {
    for bad in ["", ".", "..", "\u{f029}", ".\u{f029}", "a\0", "a/b", "a:b", "\u{1f}", "a\\b"] {
        assert_eq!(parse(&utf16(bad)), Err(NtStatus::OBJECT_NAME_INVALID), "{bad:?}");
    }
    // Bytes that are UTF-8 together have another name already.
    assert!(parse(&utf16("\u{f7c3}\u{f7a4}")).is_err());
    assert!(parse(&utf16("\u{f7ef}\u{f780}\u{f7aa}")).is_err());
    assert_eq!(parse(&utf16("a.")).as_deref(), Ok("a\u{f029}"));
    assert_eq!(parse(&utf16("a ")).as_deref(), Ok("a\u{f028}"));
    assert!(parse(&[0x61; 255]).is_ok() && parse(&[0x61; 256]).is_err());
}

const PIECES: [&[u8]; 24] = [
    b"a",
    b".",
    b" ",
    b":",
    b"\x01",
    b"\\",
    b"\x80",
    b"\xff",
    b"\xc3",
    b"\xa4",
    b"\xed",
    b"\xa0",
    b"\xed\xa0\xbe",
    b"\xed\xb6\x80",
    b"\xef",
    b"\x9e",
    "ä".as_bytes(),
    "🦀".as_bytes(),
    "\u{f022}".as_bytes(),
    "\u{f028}".as_bytes(),
    "\u{f029}".as_bytes(),
    "\u{f780}".as_bytes(),
    "\u{f7ed}".as_bytes(),
    "\u{ffff}".as_bytes(),
];

/// Every host name there is comes back, and no two are told as one.
#[test]
fn no_host_name_is_lost_or_meant_twice() {
    let mut rng = Rng::new([7; 32]);
    let mut seen = BTreeMap::new();
    for _ in 0..60_000 {
        let mut name = Vec::new();
        for _ in 0..=rng.u32() % 6 {
            name.extend(PIECES[rng.u32() as usize % PIECES.len()]);
        }
        if matches!(&*name, b"." | b"..") {
            continue;
        }
        let known = shown(&name);
        assert_eq!(&*host(&known), &*name);
        let wire: Vec<u16> = units(&known).collect();
        assert_eq!(parse(&wire).as_deref(), Ok(&*known), "{name:x?}");
        assert_eq!(*seen.entry(wire).or_insert_with(|| name.clone()), name);
    }
}

const UNITS: [u16; 18] = [
    0x61, 0x2e, 0x20, 0xe4, 0xd800, 0xd83e, 0xdd80, 0xdfff, 0xf001, 0xf022, 0xf028, 0xf029, 0xf780,
    0xf7a0, 0xf7b6, 0xf7c3, 0xf7ed, 0xf7ef,
];

/// The other way round: what a client stores it is told, but for a dot or a space at the end.
#[test]
fn no_client_s_name_is_lost_or_meant_twice() {
    let mut rng = Rng::new([8; 32]);
    let mut seen = BTreeMap::new();
    let mut taken = 0;
    for _ in 0..60_000 {
        let name: Vec<u16> =
            (0..=rng.u32() % 6).map(|_| UNITS[rng.u32() as usize % UNITS.len()]).collect();
        let Ok(known) = parse(&name) else { continue };
        let on_disk = host(&known).into_owned();
        assert_eq!(shown(&on_disk), known, "{name:x?}");
        if !matches!(name.last(), Some(0x2e | 0x20)) {
            assert_eq!(told(&on_disk), name, "{name:x?}");
            assert_eq!(*seen.entry(on_disk).or_insert_with(|| name.clone()), name);
            taken += 1;
        }
    }
    assert!(taken > 30_000, "{taken}");
}
