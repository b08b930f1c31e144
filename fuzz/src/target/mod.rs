//! The bodies of the fuzz targets, here so that they break in every build when they rot: one file a
//! target, each a function of bytes that panics where something is wrong. Tests run all of them over
//! the committed corpus and over random bytes; `fuzz_targets/` makes a fuzzer of each.

mod conf;
mod control;
mod create_context;
mod der;
mod frame;
mod journal;
mod models;
mod name;
mod ntlm;
mod parser;
mod pattern;
mod pwddb;
mod recording;
mod rpc;
mod security;
mod session;
mod structured;
mod wire;
mod xattr;

use ksmbd_core::wire::codec::Parse;
use std::fmt::Debug;

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As `cargo fuzz run` and the corpus call it.
    pub name: &'static str,
    /// Runs it once; panics on a finding.
    pub run: fn(&[u8]),
    /// Allocates at most in proportion to its input: there is no server in it.
    pub lean: bool,
}

/// Every target there is.
pub const TARGETS: &[Target] = &[
    server("parser", parser::run),
    server("frame", frame::run),
    server("session", session::run),
    server("models", models::run),
    server("structured", structured::run),
    server("recording", recording::run),
    server("journal", journal::run),
    parser("wire", wire::run),
    parser("create_context", create_context::run),
    parser("security", security::run),
    parser("der", der::run),
    parser("ntlm", ntlm::run),
    parser("name", name::run),
    parser("pattern", pattern::run),
    parser("xattr", xattr::run),
    parser("pwddb", pwddb::run),
    parser("control", control::run),
    server("conf", conf::run),
    server("rpc", rpc::run),
];

const fn server(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, lean: false }
}

const fn parser(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, lean: true }
}

/// Runs a target once.
///
/// # Panics
///
/// On a finding, and if there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("no target {name}")).run)(data);
}

/// What was parsed is encoded to what parses as the same and encodes to the same.
fn round<T: PartialEq + Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Parse<T>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    let Ok(value) = parse(bytes) else {
        return;
    };
    let encoded = encode(&value);
    let again = parse(&encoded);
    assert_eq!(again.as_ref(), Ok(&value), "{encoded:02x?}");
    assert_eq!(encode(&value), encoded);
}

/// The first byte chooses, the rest is what it is about.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Bytes as units of UTF-16; half a unit at the end is left out.
fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// The bytes up to the first 0, and those behind it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    (&bytes[..at], bytes.get(at + 1..).unwrap_or_default())
}
