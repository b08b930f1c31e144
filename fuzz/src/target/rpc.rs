//! DCE/RPC on a pipe: PDUs, fragments, NDR and every service behind them.

use super::choice;
use ksmbd_core::rng::Rng;
use ksmbd_mountd::rpc::{Directory, People, Pipe, PipeError, ReadResult, ShareInfo, User};

/// What a pipe may hold of answers: those unread, and one more.
const MOST: usize = 512 * 1024 + 8192;

const PIPES: [&str; 5] = ["srvsvc", "wkssvc", "lsarpc", "samr", "lsass"];

/// The services with what they are bound by, as MS-SRVS, MS-WKST, MS-LSAT, MS-DSSP and MS-SAMR say.
const INTERFACES: [[u8; 20]; 5] = [
    *b"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88\x03\0\0\0",
    *b"\x98\xd0\xff\x6b\x12\xa1\x10\x36\x98\x33\x46\xc3\xf8\x7e\x34\x5a\x01\0\0\0",
    *b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab\0\0\0\0",
    *b"\xb0\xd9\x19\x39\x86\x6a\xd0\x11\xa8\xa3\x00\xc0\x4f\xd9\x2f\xf5\0\0\0\0",
    *b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac\x01\0\0\0",
];

const NDR32: [u8; 20] =
    *b"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\0\0\0";

/// The first byte chooses the pipe, and whether the rest is what a client writes, as it is, or calls of
/// a client that has bound an interface: number, length of the arguments (two bytes), arguments. With
/// the number's highest bit the last handle that was given replaces the first 20 bytes of them.
pub(super) fn run(data: &[u8]) {
    let (first, rest) = choice(data);
    let name = PIPES[usize::from(first % 5)];
    let account = (first & 0x40 == 0).then(|| "alice".to_owned());
    let pipe = Pipe::open(name, account, Rng::new([5; 32]));
    let mut session =
        Session { pipe: pipe.unwrap_or_else(|| panic!("no {name}")), handle: [0; 20] };
    if first & 0x80 == 0 {
        let mut rest = rest;
        while !rest.is_empty() {
            let (length, behind) = choice(rest);
            let piece = usize::from(length).max(1).min(behind.len());
            let (piece, behind) = behind.split_at(piece);
            session.write(piece);
            rest = behind;
        }
    } else {
        session.calls(rest);
    }
}

struct Session {
    pipe: Pipe,
    handle: [u8; 20],
}

impl Session {
    fn write(&mut self, bytes: &[u8]) -> Vec<u8> {
        match self.pipe.write(bytes, &Town) {
            Ok(()) | Err(PipeError::Protocol(_)) => {}
            Err(PipeError::Closed) => assert!(self.pipe.broken().is_some()),
            Err(PipeError::Unread) => panic!("everything was read"),
        }
        let mut answer = Vec::new();
        while self.pipe.has_output() {
            let ReadResult { data, .. } = self.pipe.read(4096);
            assert!(data.len() <= 4096 && !data.is_empty());
            answer.extend(data);
        }
        assert!(answer.len() <= MOST, "{} bytes of answers", answer.len());
        answer
    }

    fn calls(&mut self, data: &[u8]) {
        let (which, mut rest) = choice(data);
        self.write(&bind(usize::from(which) % INTERFACES.len()));
        for call_id in 2.. {
            let Some((&[number, low, high], behind)) = rest.split_first_chunk() else {
                break;
            };
            let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
            let (arguments, behind) = behind.split_at(length);
            let mut stub = arguments.to_vec();
            if number & 0x80 != 0 {
                stub.splice(..stub.len().min(20), self.handle);
            }
            for fragment in request(call_id, u16::from(number & 0x7f), &stub) {
                let answer = self.write(&fragment);
                // An answer of 24 + 20 + 4 bytes is most likely a handle and a status.
                if let Some(handle) = answer.get(24..44).filter(|_| answer.len() == 48) {
                    self.handle.copy_from_slice(handle);
                }
            }
            rest = behind;
        }
    }
}

/// The header of a PDU whose body follows (C706 12.6.3.1).
fn pdu(kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(16 + body.len()).unwrap_or(u16::MAX);
    let mut pdu = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    pdu.extend(length.to_le_bytes());
    pdu.extend([0, 0]);
    pdu.extend(call_id.to_le_bytes());
    pdu.extend(body);
    pdu
}

fn bind(which: usize) -> Vec<u8> {
    let sizes = [4280_u16.to_le_bytes(), 4280_u16.to_le_bytes()].concat();
    let one_context = [&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0][..]].concat();
    pdu(11, 3, 1, &[&sizes[..], &one_context, &INTERFACES[which], &NDR32].concat())
}

/// The request, in fragments of at most 4096 bytes of arguments.
fn request(call_id: u32, number: u16, stub: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<&[u8]> = stub.chunks(4096).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    let last = parts.len() - 1;
    let fragment = |(index, part): (usize, &&[u8])| {
        let flags = u8::from(index == 0) | u8::from(index == last) << 1;
        let hint = u32::try_from(stub.len()).unwrap_or(0).to_le_bytes();
        let head = [&hint[..], &[0, 0], &number.to_le_bytes()].concat();
        pdu(0, flags, call_id, &[&head[..], part].concat())
    };
    parts.iter().enumerate().map(fragment).collect()
}

/// What the services may ask.
struct Town;

impl Directory for Town {
    fn shares(&self) -> Vec<ShareInfo> {
        let share = |name: &str, browseable, ipc| ShareInfo {
            name: name.into(),
            comment: "a remark".into(),
            browseable,
            ipc,
        };
        vec![share("data", true, false), share("hidden", false, false), share("IPC$", true, true)]
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

impl People for Town {
    fn accounts(&self) -> Vec<String> {
        vec!["alice".into(), "bob".into()]
    }

    fn account(&self, name: &str) -> Option<User> {
        let rid = match name {
            "alice" => 1000,
            "bob" => 1001,
            _ => return None,
        };
        Some(User { name: name.into(), rid, gid: 100 })
    }

    fn account_of(&self, rid: u32) -> Option<User> {
        ["alice", "bob"].iter().filter_map(|name| self.account(name)).find(|user| user.rid == rid)
    }

    fn groups_of(&self, user: &User) -> Vec<u32> {
        vec![user.gid, 50]
    }

    fn unix_user(&self, name: &str) -> Option<u32> {
        self.account(name).map(|user| user.rid)
    }

    fn unix_user_name(&self, uid: u32) -> Option<String> {
        self.account_of(uid).map(|user| user.name)
    }

    fn unix_group(&self, name: &str) -> Option<u32> {
        (name == "users").then_some(100)
    }

    fn unix_group_name(&self, gid: u32) -> Option<String> {
        (gid == 100).then(|| "users".into())
    }
}
