//! lsarpc and samr: who may ask, what handles are worth, which name is whose.

use ksmbd_core::rng::Rng;
use ksmbd_mountd::rpc::Pipe;

use super::client::*;

const SUCCESS: u32 = 0;
const SOME_NOT_MAPPED: u32 = 0x107;
const INVALID_HANDLE: u32 = 0xc000_0008;
const INVALID_PARAMETER: u32 = 0xc000_000d;
const ACCESS_DENIED: u32 = 0xc000_0022;
const NO_SUCH_USER: u32 = 0xc000_0064;
const NONE_MAPPED: u32 = 0xc000_0073;
const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
const NO_SUCH_DOMAIN: u32 = 0xc000_00df;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// LsarOpenPolicy2 without a name.
fn open_policy() -> Vec<u8> {
    words(&[0, 24, 0, 0, 0, 0, 0, 0x0200_0000])
}

/// A client of one pipe.
struct Client {
    pipe: Pipe,
    directory: Fixture,
}

impl Client {
    fn new(name: &str) -> Self {
        let directory = Fixture::small();
        Self { pipe: bound_to(name, &directory), directory }
    }

    /// The answer to a call, and its status.
    fn call(&mut self, opnum: u16, stub: &[u8]) -> (Vec<u8>, u32) {
        let mut pieces = stub.chunks(4000).peekable();
        let mut flags = 1;
        while let Some(piece) = pieces.next_if(|piece| piece.len() == 4000) {
            let more = fragment(flags, 0, opnum, piece);
            assert!(transact(&mut self.pipe, &more, &self.directory).is_empty());
            flags = 0;
        }
        let last = fragment(flags | 2, 0, opnum, pieces.next().unwrap_or_default());
        let messages = transact(&mut self.pipe, &last, &self.directory);
        assert!(messages.iter().all(|message| message[2] == 2), "responses");
        let stub: Vec<u8> = messages.iter().flat_map(|message| message[24..].to_vec()).collect();
        let status = word(&stub[stub.len() - 4..], 0);
        (stub, status)
    }

    /// The handle that a call opens.
    fn open(&mut self, opnum: u16, stub: &[u8]) -> Vec<u8> {
        let (stub, status) = self.call(opnum, stub);
        assert_eq!(status, SUCCESS);
        stub[stub.len() - 24..stub.len() - 4].to_vec()
    }

    fn fault(&mut self, opnum: u16, stub: &[u8]) -> u32 {
        fault(&transact(&mut self.pipe, &fragment(3, 0, opnum, stub), &self.directory))
    }

    /// samr's machine domain, by SamrConnect2 and SamrOpenDomain.
    fn domain(&mut self, sid: &[u32]) -> Vec<u8> {
        let server = self.open(57, &words(&[0, 0x0200_0000]));
        self.open(7, &[server, words(&[0]), sid_bytes(sid)].concat())
    }
}

/// S-1-5 and these, as NDR has it.
fn sid_bytes(rest: &[u32]) -> Vec<u8> {
    let count = u32::try_from(rest.len()).unwrap();
    let head = [1, u8::try_from(count).unwrap(), 0, 0, 0, 0, 0, 5];
    [words(&[count]), head.to_vec(), words(rest)].concat()
}

/// An array of RPC_UNICODE_STRINGs behind its maximum count.
fn texts(names: &[&str]) -> Vec<u8> {
    let count = u32::try_from(names.len()).unwrap();
    let mut bytes = words(&[count]);
    let units = |name: &str| name.encode_utf16().collect::<Vec<u16>>();
    for name in names {
        let length = u16::try_from(units(name).len() * 2).unwrap().to_le_bytes();
        bytes.extend([length, length].concat());
        bytes.extend(words(&[1]));
    }
    for name in names {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let units = units(name);
        let count = u32::try_from(units.len()).unwrap();
        bytes.extend(words(&[count, 0, count]));
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// LsarLookupNames3.
fn lookup_names(policy: &[u8], names: &[&str]) -> Vec<u8> {
    let count = u32::try_from(names.len()).unwrap();
    let tail = words(&[0, 0, 1, 0, 0, 2]);
    [policy.to_vec(), words(&[count]), texts(names), tail].concat()
}

#[test]
fn nobody_is_told_who_there_is() {
    let directory = Fixture::small();
    for (name, opnum, stub) in [
        ("lsarpc", 44, open_policy()),
        ("lsarpc", 6, open_policy()),
        ("samr", 0, words(&[0, 0])),
        ("samr", 57, words(&[0, 0])),
        ("samr", 62, words(&[0, 2, 0])),
        ("samr", 64, words(&[0, 0, 1, 1, 3, 0])),
        ("samr", 56, words(&[0])),
    ] {
        let mut pipe = Pipe::open(name, None, Rng::new([7; 32])).unwrap();
        bind_to(&mut pipe, name, &directory);
        let stub = answer(&mut pipe, opnum, &stub, &directory);
        assert_eq!(word(&stub[stub.len() - 4..], 0), ACCESS_DENIED, "{name} {opnum}");
        let handle = &stub[stub.len().saturating_sub(24)..stub.len() - 4];
        assert!(opnum == 56 || handle == [0; 20], "no handle");
    }
}

#[test]
fn a_handle_is_worth_something_on_its_own_association_until_it_is_closed() {
    let mut one = Client::new("lsarpc");
    let policy = one.open(44, &open_policy());
    let question = [policy.clone(), vec![5, 0]].concat();
    assert_eq!(one.call(7, &question).1, SUCCESS);
    // Another association, whose own handles come from elsewhere.
    let mut other = Pipe::open("lsarpc", Some("Bob".to_owned()), Rng::new([8; 32])).unwrap();
    bind_to(&mut other, "lsarpc", &one.directory);
    let messages = transact(&mut other, &fragment(3, 0, 7, &question), &one.directory);
    assert_eq!(fault(&messages), 0x1c00_001a);
    let (closed, status) = one.call(0, &policy);
    assert_eq!((&closed[..20], status), (&[0; 20][..], SUCCESS));
    assert_eq!(one.fault(7, &question), 0x1c00_001a);
    assert_eq!(one.fault(0, &policy), 0x1c00_001a);
    assert_eq!(one.fault(0, &[0; 20]), 0x1c00_001a);
}

#[test]
fn a_handle_of_another_kind_is_refused() {
    let mut client = Client::new("samr");
    let server = client.open(57, &words(&[0, 0]));
    let domain = client.domain(&[21, 11, 22, 33]);
    let user = client.open(34, &[domain.clone(), words(&[0, 1000])].concat());
    let text = [vec![6, 0, 6, 0], words(&[1, 3, 0, 3]), hex("42004f0058000000")].concat();
    let cases: [(u16, &[u8], Vec<u8>); 15] = [
        (5, &domain, text),
        (6, &domain, words(&[0, 100])),
        (7, &user, [words(&[0]), sid_bytes(&[32])].concat()),
        (8, &server, vec![2, 0]),
        (11, &server, words(&[0, 100])),
        (13, &user, words(&[0, 0, 100])),
        (15, &server, words(&[0, 100])),
        (16, &server, words(&[0, 0])),
        (17, &server, words(&[0, 1000, 0, 0])),
        (18, &user, words(&[0, 1000, 0, 0])),
        (34, &server, words(&[0, 1000])),
        (36, &domain, vec![21, 0]),
        (39, &server, vec![]),
        (40, &server, words(&[1, 0, 10, 100])),
        (44, &domain, vec![]),
    ];
    for (opnum, handle, rest) in cases {
        let stub = [handle.to_vec(), rest].concat();
        assert_eq!(client.call(opnum, &stub).1, INVALID_HANDLE, "{opnum}");
    }
    // All of samr is closed by one operation, but not by lsarpc's.
    for handle in [server, domain, user] {
        assert_eq!(client.call(1, &handle).1, SUCCESS);
    }
}

#[test]
fn handles_are_limited() {
    let mut client = Client::new("lsarpc");
    let policy = client.open(44, &open_policy());
    for _ in 1..64 {
        client.open(6, &open_policy());
    }
    let (answer, status) = client.call(44, &open_policy());
    assert_eq!((&answer[..20], status), (&[0; 20][..], INSUFFICIENT_RESOURCES));
    assert_eq!(client.call(0, &policy).1, SUCCESS);
    client.open(44, &open_policy());
    // A root is refused, whatever is below it.
    let rooted = words(&[0, 24, 1, 0, 0, 0, 0, 0]);
    assert_eq!(client.call(44, &rooted).1, INVALID_PARAMETER);
}

#[test]
fn lookups_say_how_much_they_found() {
    let mut client = Client::new("lsarpc");
    let policy = client.open(44, &open_policy());
    let many = vec!["x"; 1001];
    for (names, status, mapped) in [
        (&["alice", "carol"][..], SUCCESS, 2),
        (&["alice", "nosuch"][..], SOME_NOT_MAPPED, 1),
        (&["nosuch", "BOX\\nosuch", "\\", ""][..], NONE_MAPPED, 0),
        (&[][..], SUCCESS, 0),
        (&many[..1000], NONE_MAPPED, 0),
        (&many[..], INVALID_PARAMETER, 0),
    ] {
        let (answer, got) = client.call(68, &lookup_names(&policy, names));
        let count = word(&answer[answer.len() - 8..], 0);
        assert_eq!((got, count), (status, mapped), "{} names", names.len());
    }
    // A level that there is not, and a SID that is not there.
    let mut stub = lookup_names(&policy, &["alice"]);
    let at = stub.len() - 16;
    stub[at] = 8;
    assert_eq!(client.call(68, &stub).1, INVALID_PARAMETER);
    let stub = [policy.clone(), words(&[1, 1, 1, 0, 0, 0, 1, 0, 0, 2])].concat();
    assert_eq!(client.call(57, &stub).1, INVALID_PARAMETER);
    // An array that is not as long as was said.
    for counts in [[2, 1, 1], [1, 1, 2], [1, 0, 0], [u32::MAX, 1, u32::MAX]] {
        let stub = [policy.clone(), words(&counts), words(&[0; 12])].concat();
        assert_eq!(client.fault(57, &stub), 0x6f7, "{counts:?}");
    }
}

#[test]
fn classes_without_an_answer_are_refused() {
    let mut client = Client::new("lsarpc");
    let policy = client.open(44, &open_policy());
    for class in [0, 1, 2, 4, 7, 11, 15, 99] {
        let (answer, status) = client.call(7, &[policy.clone(), vec![class, 0]].concat());
        assert_eq!((word(&answer, 0), status), (0, INVALID_PARAMETER), "{class}");
    }
    let mut client = Client::new("samr");
    let domain = client.domain(&[21, 11, 22, 33]);
    let user = client.open(34, &[domain.clone(), words(&[0, 1000])].concat());
    for (opnum, handle) in [(8, domain), (36, user)] {
        for class in [0, 4, 99] {
            let (answer, status) = client.call(opnum, &[handle.clone(), vec![class, 0]].concat());
            assert_eq!((word(&answer, 0), status), (0, 0xc000_0003), "{opnum} {class}");
        }
    }
}

#[test]
fn only_what_is_there_is_opened() {
    let mut client = Client::new("samr");
    let server = client.open(57, &words(&[0, 0]));
    let open = |sid: &[u32]| [server.clone(), words(&[0]), sid_bytes(sid)].concat();
    assert_eq!(client.call(7, &open(&[21, 11, 22, 34])).1, NO_SUCH_DOMAIN);
    let builtin = client.open(7, &open(&[32]));
    let domain = client.open(7, &open(&[21, 11, 22, 33]));
    // carol is a Unix user without an account.
    for (domain, number) in [(&domain, 1002), (&domain, 0), (&builtin, 544), (&builtin, 1000)] {
        let stub = [domain.clone(), words(&[0, number])].concat();
        assert_eq!(client.call(34, &stub).1, NO_SUCH_USER, "{number}");
    }
    client.open(34, &[domain, words(&[0, 0x8000_0007])].concat());
    let aliases = client.call(15, &[builtin, words(&[0, 10_000])].concat());
    assert_eq!((word(&aliases.0, 2), aliases.1), (9, SUCCESS));
}

#[test]
fn a_list_of_accounts_comes_in_parts() {
    let mut client = Client::new("samr");
    let domain = client.domain(&[21, 11, 22, 33]);
    for (preferred, step) in [(0, 1), (65, 2), (u32::MAX, 3)] {
        let mut start = 0;
        while start < 3 {
            let stub = [domain.clone(), words(&[start, 0, preferred])].concat();
            let (answer, status) = client.call(13, &stub);
            let next = (start + step).min(3);
            assert_eq!([word(&answer, 0), word(&answer, 2)], [next, next - start]);
            assert_eq!(status, if next < 3 { 0x105 } else { SUCCESS });
            start = next;
        }
    }
    let (answer, status) = client.call(13, &[domain, words(&[u32::MAX, 0, 9])].concat());
    assert_eq!((word(&answer, 2), status), (0, SUCCESS));
}

#[test]
fn the_security_authority_has_one_pipe_of_several_names() {
    let directory = Fixture::small();
    for name in ["lsarpc", "samr", "lsass", "LSARPC"] {
        for interface in ["lsarpc", "samr", "dssetup"] {
            bind_to(&mut open(name).unwrap(), interface, &directory);
        }
    }
    let mut pipe = open("lsarpc").unwrap();
    bind_to(&mut pipe, "dssetup", &directory);
    for (level, expected) in [
        (
            1,
            "00000200 01000000 02000000 00000000 04000200 00000000 00000000
             00000000000000000000000000000000
             050000000000000005000000 48004f004d0045000000 0000 00000000",
        ),
        (2, "00000200 02000000 00000000 00000000 00000000"),
        (3, "00000200 03000000 00000000 00000000"),
        (4, "00000000 57000000"),
    ] {
        let answer = answer(&mut pipe, 0, &[level, 0], &directory);
        assert_eq!(to_hex(&answer), to_hex(&hex(expected)));
    }
}
