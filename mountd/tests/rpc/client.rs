//! The client's half: a directory to ask for, and PDUs to ask with.

use ksmbd_core::rng::Rng;
use ksmbd_mountd::rpc::{Directory, People, Pipe, PipeError, ShareInfo, User};

/// The daemon as the services see it.
pub(crate) struct Fixture {
    pub(crate) shares: Vec<ShareInfo>,
}

impl Fixture {
    /// `data`, `Döner` with a remark, the hidden `secret`, and `IPC$`.
    pub(crate) fn small() -> Self {
        let share = |name: &str, comment: &str, browseable, ipc| ShareInfo {
            name: name.into(),
            comment: comment.into(),
            browseable,
            ipc,
        };
        Self {
            shares: vec![
                share("data", "", true, false),
                share("Döner", "with sauce", true, false),
                share("secret", "not listed", false, false),
                share("IPC$", "IPC share", true, true),
            ],
        }
    }

    /// `count` shares with names of eight characters.
    pub(crate) fn large(count: usize) -> Self {
        let share = |n| ShareInfo {
            name: format!("share{n:03}"),
            comment: "a remark".into(),
            browseable: true,
            ipc: false,
        };
        Self { shares: (0..count).map(share).collect() }
    }
}

impl Directory for Fixture {
    fn shares(&self) -> Vec<ShareInfo> {
        self.shares.clone()
    }

    fn server_name(&self) -> &str {
        "BOX"
    }

    fn server_comment(&self) -> &str {
        "small device"
    }

    fn workgroup(&self) -> &str {
        "HOME"
    }

    fn machine(&self) -> [u32; 3] {
        [11, 22, 33]
    }

    fn people(&self) -> &dyn People {
        self
    }
}

/// The accounts `alice` (1000, in groups 100 and 50), `Bob` (1001, 100) and `ghost`; the Unix user
/// `carol` (1002), the Unix groups `users` (100), `staff` (50) and `alice` (1000).
impl People for Fixture {
    fn accounts(&self) -> Vec<String> {
        ["Bob", "alice", "ghost"].map(str::to_owned).to_vec()
    }

    fn account(&self, name: &str) -> Option<User> {
        let (rid, gid) = match name {
            "alice" => (1000, 100),
            "Bob" => (1001, 100),
            "ghost" => (0x8000_0007, 65534),
            _ => return None,
        };
        Some(User { name: name.to_owned(), rid, gid })
    }

    fn account_of(&self, rid: u32) -> Option<User> {
        self.accounts().iter().filter_map(|name| self.account(name)).find(|user| user.rid == rid)
    }

    fn groups_of(&self, user: &User) -> Vec<u32> {
        if user.name == "alice" { vec![user.gid, 50] } else { vec![user.gid] }
    }

    fn unix_user(&self, name: &str) -> Option<u32> {
        [("alice", 1000), ("Bob", 1001), ("carol", 1002)]
            .into_iter()
            .find_map(|(known, uid)| (known == name).then_some(uid))
    }

    fn unix_user_name(&self, uid: u32) -> Option<String> {
        let names = ["alice", "Bob", "carol"].into_iter();
        names.map(str::to_owned).find(|name| self.unix_user(name) == Some(uid))
    }

    fn unix_group(&self, name: &str) -> Option<u32> {
        [("users", 100), ("staff", 50), ("alice", 1000)]
            .into_iter()
            .find_map(|(known, gid)| (known == name).then_some(gid))
    }

    fn unix_group_name(&self, gid: u32) -> Option<String> {
        let names = ["users", "staff", "alice"].into_iter();
        names.map(str::to_owned).find(|name| self.unix_group(name) == Some(gid))
    }
}

/// The pipe `name`, opened by alice. Its handles are the same in each run.
pub(crate) fn open(name: &str) -> Option<Pipe> {
    Pipe::open(name, Some("alice".to_owned()), Rng::new([7; 32]))
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A bind of srvsvc over NDR32 as context 0, as impacket 0.10 sends it.
pub(crate) const BIND: &str = "05000b03100000004800000001000000b810b81000000000\
    0100000000000100c84f324b7016d30112785a47bf6ee18803000000045d888aeb1cc9119fe808002b10486002000000";

pub(crate) const SRVSVC: &str = "c84f324b7016d30112785a47bf6ee18803000000";
pub(crate) const NDR32: &str = "045d888aeb1cc9119fe808002b10486002000000";
pub(crate) const NDR64: &str = "33057171babe37498319b5dbef9ccc3601000000";
pub(crate) const FEATURES: &str = "2c1cb76c12984045030000000000000001000000";
pub(crate) const UNKNOWN: &str = "ffffffffffffffffffffffffffffffff01000000";

/// A PDU of any type around `body`.
pub(crate) fn pdu(kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(16 + body.len()).unwrap();
    let mut bytes = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    bytes.extend(length.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(call_id.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// A bind (11) or an alter_context (14): each context's id, interface and transfer syntaxes.
pub(crate) fn bind(kind: u8, contexts: &[(u16, &str, &[&str])]) -> Vec<u8> {
    let mut body = hex("b810b81000000000");
    body.extend([u8::try_from(contexts.len()).unwrap(), 0, 0, 0]);
    for (id, interface, transfer) in contexts {
        body.extend(id.to_le_bytes());
        body.extend([u8::try_from(transfer.len()).unwrap(), 0]);
        body.extend(hex(interface));
        transfer.iter().for_each(|syntax| body.extend(hex(syntax)));
    }
    pdu(kind, 3, 1, &body)
}

/// A request, or with other `flags` than 3 a fragment of one.
pub(crate) fn fragment(flags: u8, context: u16, opnum: u16, stub: &[u8]) -> Vec<u8> {
    let mut body = u32::try_from(stub.len()).unwrap().to_le_bytes().to_vec();
    body.extend(context.to_le_bytes());
    body.extend(opnum.to_le_bytes());
    body.extend(stub);
    pdu(0, flags, 2, &body)
}

/// NetrShareEnum without a server name and with an empty container.
pub(crate) fn share_enum(level: u32, preferred: u32, resume: Option<u32>) -> Vec<u8> {
    let mut words = vec![0, level, level, 1, 0, 0, preferred];
    words.extend(resume.map_or_else(|| vec![0], |resume| vec![2, resume]));
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A pipe on which srvsvc is bound as context 0.
pub(crate) fn bound(directory: &Fixture) -> Pipe {
    let mut pipe = open("srvsvc").unwrap();
    let ack = transact(&mut pipe, &hex(BIND), directory).remove(0);
    assert_eq!(ack[2], 12, "bind_ack");
    pipe
}

/// The pipe `name` of alice, on which its own interface is bound as context 0.
pub(crate) fn bound_to(name: &str, directory: &Fixture) -> Pipe {
    let mut pipe = open(name).unwrap();
    bind_to(&mut pipe, name, directory);
    pipe
}

/// Binds the interface called `name` as context 0.
pub(crate) fn bind_to(pipe: &mut Pipe, name: &str, directory: &Fixture) {
    let interface = match name {
        "srvsvc" => SRVSVC,
        "wkssvc" => "98d0ff6b12a11036983346c3f87e345a01000000",
        "lsarpc" => "785734123412cdabef000123456789ab00000000",
        "samr" => "785734123412cdabef000123456789ac01000000",
        "dssetup" => "6a2819390cb1d0119ba800c04fd92ef500000000",
        _ => panic!("no such interface: {name}"),
    };
    let ack = transact(pipe, &bind(11, &[(0, interface, &[NDR32])]), directory).remove(0);
    assert_eq!(ack[2], 12);
    // The result follows the pipe's name.
    let name_length = usize::from(u16::from_le_bytes([ack[24], ack[25]]));
    let results = (26 + name_length).next_multiple_of(4) + 4;
    assert_eq!(ack[results..results + 2], [0, 0], "accepted");
}

/// Writes, and reads all messages that the pipe then has.
pub(crate) fn transact(pipe: &mut Pipe, bytes: &[u8], directory: &Fixture) -> Vec<Vec<u8>> {
    pipe.write(bytes, directory).unwrap();
    drain(pipe)
}

pub(crate) fn drain(pipe: &mut Pipe) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while pipe.has_output() {
        let read = pipe.read(usize::MAX);
        assert!(!read.more);
        messages.push(read.data);
    }
    messages
}

/// The stub of the one answer, its fragments joined.
pub(crate) fn answer(pipe: &mut Pipe, opnum: u16, stub: &[u8], directory: &Fixture) -> Vec<u8> {
    let messages = transact(pipe, &fragment(3, 0, opnum, stub), directory);
    assert!(messages.iter().all(|message| message[2] == 2), "responses");
    messages.iter().flat_map(|message| message[24..].to_vec()).collect()
}

/// The `at`th word of `bytes`, counted from the end when negative.
pub(crate) fn word(bytes: &[u8], at: isize) -> u32 {
    let words: Vec<u32> =
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    let at = if at < 0 { words.len().checked_add_signed(at).unwrap() } else { at.unsigned_abs() };
    words[at]
}

/// The status of the one answer, which is a fault.
pub(crate) fn fault(messages: &[Vec<u8>]) -> u32 {
    let [message] = messages else { panic!("one message, not {}", messages.len()) };
    assert_eq!((message[2], message.len()), (3, 32), "a fault");
    word(message, 6)
}

/// Writes and expects the association to end without an answer.
pub(crate) fn refused(pipe: &mut Pipe, bytes: &[u8], directory: &Fixture) {
    let result = pipe.write(bytes, directory);
    assert!(matches!(result, Err(PipeError::Protocol(_))), "{result:?}");
    assert!(pipe.broken().is_some() && !pipe.has_output());
    assert_eq!(pipe.write(&hex(BIND), directory), Err(PipeError::Closed));
}
