//! What well-behaved clients send, and what they get. The requests are impacket 0.10's and Samba
//! 4.17's own bytes; both decode the answers that stand here.

use ksmbd_core::rng::Rng;
use ksmbd_mountd::rpc::{Pipe, ReadResult};

use super::client::*;

/// impacket: NetrShareEnum of `\\srv` at levels 0, 1 (with a resume handle) and 2. The gaps are
/// not zero.
const ENUM_0: &str = "050000031000000050000000020000003800000000000f00\
    4e2800000600000000000000060000005c005c0073007200760000000000000000000000\
    0b2300000000000000000000ffffffff00000000";
const ENUM_1: &str = "050000031000000054000000020000003c00000000000f00\
    a87e00000600000000000000060000005c005c0073007200760000000100000001000000\
    1bf000000000000000000000ffffffff43f3000000000000";
const ENUM_2: &str = "050000031000000050000000020000003800000000000f00\
    46a200000600000000000000060000005c005c0073007200760000000200000002000000\
    1ead00000000000000000000ffffffff00000000";
/// impacket: NetrShareGetInfo of `data` at level 1, NetrServerGetInfo at level 101.
const GET_INFO: &str = "050000031000000038000000020000002000000000001000\
    0000000005000000000000000500000064006100740061000000bfbf01000000";
const SERVER_INFO: &str = "050000031000000020000000020000000800000000001500\
    0000000065000000";
/// Samba, stubs: NetShareEnumAll of 127.0.0.1 at level 1, NetShareGetInfo of `DATA` at 1005.
const SAMBA_ENUM: &str = "000002000a000000000000000a0000003100320037002e0030002e0030002e003100\
    00000100000001000000040002000000000000000000ffffffff0800020000000000";
const SAMBA_GET_INFO: &str = "000002000a000000000000000a0000003100320037002e0030002e0030002e00\
    31000000050000000000000005000000440041005400410000000000ed030000";

/// One whole exchange of `request` on a bound pipe.
fn exchange(request: &str, response: &str) {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let messages = transact(&mut pipe, &hex(request), &directory);
    let messages: Vec<String> = messages.iter().map(|message| to_hex(message)).collect();
    assert_eq!(messages, [to_hex(&hex(response))]);
}

/// `text` as NDR sends it.
fn ndr(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
    let count = u32::try_from(units.len()).unwrap();
    let mut bytes: Vec<u8> = [count, 0, count].iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// NetrShareGetInfo without a server name.
fn get_info(name: &str, level: u32) -> Vec<u8> {
    [vec![0; 4], ndr(name), level.to_le_bytes().to_vec()].concat()
}

#[test]
fn pipes_are_opened_by_name() {
    for name in ["srvsvc", "SRVSVC", "SrvSvc"] {
        assert_eq!(open(name).unwrap().name(), "srvsvc");
    }
    for name in ["", "srvsv", "srvsvc ", "\\srvsvc", "../srvsvc", "srvsvc\0", "spoolss"] {
        assert!(open(name).is_none(), "{name}");
    }
}

#[test]
fn binds() {
    let directory = Fixture::small();
    let mut pipe = open("srvsvc").unwrap();
    assert!(!pipe.has_output());
    assert_eq!(pipe.read(100), ReadResult::default());
    let messages = transact(&mut pipe, &hex(BIND), &directory);
    let ack = "05000c03100000004400000001000000b810b810f0530000\
        0d005c504950455c73727673766300000100000000000000045d888aeb1cc9119fe808002b10486002000000";
    assert_eq!(to_hex(&messages[0]), to_hex(&hex(ack)));
    assert_eq!(messages.len(), 1);
}

#[test]
fn windows_binds_three_contexts() {
    let contexts: [(u16, &str, &[&str]); 3] =
        [(0, SRVSVC, &[NDR32]), (1, SRVSVC, &[NDR64]), (2, SRVSVC, &[FEATURES])];
    let directory = Fixture::small();
    let mut pipe = open("srvsvc").unwrap();
    let messages = transact(&mut pipe, &bind(11, &contexts), &directory);
    let nil = "00".repeat(20);
    let results = format!("00000000{NDR32} 02000200{nil} 03000000{nil}");
    assert_eq!(to_hex(&messages[0][44..]), to_hex(&hex(&results)));
    // The accepted one answers, the others are not bound.
    assert_eq!(word(&answer(&mut pipe, 21, &[0, 0, 0, 0, 100, 0, 0, 0], &directory), -1), 0);
    for context in [1, 2, 3] {
        let messages = transact(&mut pipe, &fragment(3, context, 21, &[0; 8]), &directory);
        assert_eq!(fault(&messages), 0x1c01_0003, "context {context}");
    }
}

#[test]
fn a_context_is_refused_with_its_reason() {
    let newer = "c84f324b7016d30112785a47bf6ee18803000100";
    let cases: [(&str, &[&str], u32); 5] = [
        (UNKNOWN, &[NDR32], 0x0001_0002),
        (newer, &[NDR32], 0x0001_0002),
        (SRVSVC, &[NDR64], 0x0002_0002),
        (SRVSVC, &[], 0x0002_0002),
        (SRVSVC, &[NDR64, NDR32], 0),
    ];
    let directory = Fixture::small();
    for (interface, transfer, result) in cases {
        let mut pipe = open("srvsvc").unwrap();
        let messages = transact(&mut pipe, &bind(11, &[(0, interface, transfer)]), &directory);
        assert_eq!(messages[0][2], 12);
        assert_eq!(word(&messages[0], 11), result, "{interface} {transfer:?}");
    }
}

#[test]
fn contexts_are_added_later() {
    let directory = Fixture::small();
    let mut pipe = open("srvsvc").unwrap();
    transact(&mut pipe, &bind(11, &[(0, UNKNOWN, &[NDR32])]), &directory);
    let messages = transact(&mut pipe, &fragment(3, 0, 21, &[0; 8]), &directory);
    assert_eq!(fault(&messages), 0x1c01_0003);
    let contexts: [(u16, &str, &[&str]); 2] = [(0, SRVSVC, &[NDR32]), (7, SRVSVC, &[FEATURES])];
    let messages = transact(&mut pipe, &bind(14, &contexts), &directory);
    let expected = format!(
        "05000f0310000000 5000 0000 01000000 b810b810 f0530000 00000000 02000000
         00000000{NDR32} 02000200{}",
        "00".repeat(20)
    );
    let expected: String = expected.split_whitespace().collect();
    assert_eq!(to_hex(&messages[0]), expected);
    assert_eq!(word(&answer(&mut pipe, 21, &[0, 0, 0, 0, 100, 0, 0, 0], &directory), -1), 0);
}

#[test]
fn lists_names() {
    exchange(
        ENUM_0,
        "050002031000000090000000020000007800000000000000000000000000000000000200
         030000000400020003000000080002000c00020010000200
         050000000000000005000000 6400610074006100 00000000
         060000000000000006000000 4400f6006e006500 72000000
         050000000000000005000000 4900500043002400 00000000
         030000000000000000000000",
    );
}

#[test]
fn lists_names_types_and_remarks() {
    exchange(
        ENUM_1,
        "05000203100000000001000002000000e800000000000000010000000100000000000200
         030000000400020003000000
         080002000000000 00c000200 1000020000000000 14000200 1800020003000080 1c000200
         050000000000000005000000 6400610074006100 00000000 010000000000000001000000 00000000
         060000000000000006000000 4400f6006e006500 72000000
         0b000000000000000b000000 7700690074006800200073006100750063006500 00000000
         050000000000000005000000 4900500043002400 00000000
         0a000000000000000a000000 490050004300200073006800610072006500 0000
         03000000 2000020000000000 00000000",
    );
}

#[test]
fn lists_what_administrators_ask_for() {
    exchange(
        ENUM_2,
        "050002031000000068010000020000005001000000000000
         02000000020000000000020003000000 0400020003000000
         080002000000000 00c00020000000000ffffffff00000000 1000020000000000
         140002000000000 01800020000000000ffffffff00000000 1c00020000000000
         200002000300008 02400020000000000ffffffff00000000 2800020000000000
         050000000000000005000000 6400610074006100 00000000 010000000000000001000000 00000000
         010000000000000001000000 00000000
         060000000000000006000000 4400f6006e006500 72000000
         0b000000000000000b000000 7700690074006800200073006100750063006500 00000000
         010000000000000001000000 00000000
         050000000000000005000000 4900500043002400 00000000
         0a000000000000000a000000 490050004300200073006800610072006500 0000
         010000000000000001000000 00000000 03000000 00000000 00000000",
    );
}

#[test]
fn other_levels_are_refused_in_the_union() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let list = answer(&mut pipe, 15, &share_enum(503, u32::MAX, None), &directory);
    assert_eq!(
        to_hex(&list),
        to_hex(&hex("f7010000 f7010000 00000000 00000000 00000000 7c000000"))
    );
    // Windows shows these to administrators alone, we to whoever has logged on.
    let mut anonymous = Pipe::open("srvsvc", None, Rng::new([7; 32])).unwrap();
    transact(&mut anonymous, &hex(BIND), &directory);
    for level in [2, 502] {
        let list = answer(&mut anonymous, 15, &share_enum(level, u32::MAX, None), &directory);
        assert_eq!([word(&list, 2), word(&list, -1)], [0, 5]);
        let info = answer(&mut anonymous, 16, &get_info("data", level), &directory);
        assert_eq!([word(&info, 1), word(&info, -1)], [0, 5]);
    }
    let list = answer(&mut anonymous, 15, &share_enum(1, u32::MAX, None), &directory);
    assert_eq!([word(&list, 3), word(&list, -1)], [3, 0]);
    let info = answer(&mut anonymous, 21, &[0, 0, 0, 0, 102, 0, 0, 0], &directory);
    assert_eq!(to_hex(&info), "660000000000000005000000");
}

#[test]
fn shows_one_share() {
    exchange(
        GET_INFO,
        "050002031000000058000000020000004000000000000000
         0100000000000200 040002000000000008000200
         050000000000000005000000 6400610074006100 00000000
         010000000000000001000000 00000000 00000000",
    );
}

#[test]
fn shows_the_server() {
    exchange(
        SERVER_INFO,
        "050002031000000078000000020000006000000000000000
         6500000000000200 f4010000040002000600000001000000 0398000008000200
         040000000000000004000000 42004f0058000000
         0d000000000000000d000000 73006d0061006c006c0020006400650076006900630065000000 0000
         00000000",
    );
}

#[test]
fn samba_asks_too() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let list = answer(&mut pipe, 15, &hex(SAMBA_ENUM), &directory);
    assert_eq!((word(&list, 0), word(&list, 3), word(&list, -1)), (1, 3, 0));
    let flags = answer(&mut pipe, 16, &hex(SAMBA_GET_INFO), &directory);
    assert_eq!(to_hex(&flags), "ed030000000002000000000000000000");
}

#[test]
fn a_hidden_share_is_shown_by_name() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    for name in ["secret", "SECRET", "dÖNER", "ipc$"] {
        let info = answer(&mut pipe, 16, &get_info(name, 0), &directory);
        assert_eq!(word(&info, -1), 0, "{name}");
    }
    for (name, level, expected) in [
        ("nobody", 1, [1, 0, 2310]),
        ("", 1, [1, 0, 2310]),
        ("nobody", 502, [502, 0, 2310]),
        ("data", 503, [503, 0, 124]),
        ("data", 1004, [1004, 0, 124]),
    ] {
        let info = answer(&mut pipe, 16, &get_info(name, level), &directory);
        assert_eq!([word(&info, 0), word(&info, 1), word(&info, -1)], expected, "{name} {level}");
    }
    let info = answer(&mut pipe, 16, &get_info("data", 77), &directory);
    assert_eq!(to_hex(&info), "4d0000007c000000", "a level without an arm");
}

#[test]
fn server_levels() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let mut ask = |level: u8| answer(&mut pipe, 21, &[0, 0, 0, 0, level, 0, 0, 0], &directory);
    assert_eq!(
        to_hex(&ask(100)),
        "6400000000000200f40100000400020004000000000000000400000042004f005800000000000000"
    );
    assert_eq!(to_hex(&ask(103)), "67000000000000007c000000");
    assert_eq!(to_hex(&ask(99)), "630000007c000000");
}

#[test]
fn entries_that_a_client_sends_are_skipped() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let head: Vec<u8> = words(&[0, 1, 1, 1, 2, 1, 2, 1, 0, 0, 0, 0, 1]);
    let tail: Vec<u8> = words(&[u32::MAX, 0]);
    let stub = [head, ndr("name"), ndr("remark"), tail].concat();
    assert_eq!(word(&answer(&mut pipe, 15, &stub, &directory), -1), 0);
    // The same with a count that the array does not have, and with a string missing.
    let mut wrong = stub.clone();
    wrong[16] = 3;
    assert_eq!(fault(&transact(&mut pipe, &fragment(3, 0, 15, &wrong), &directory)), 0x6f7);
    let mut wrong = stub;
    wrong[36] = 1;
    assert_eq!(fault(&transact(&mut pipe, &fragment(3, 0, 15, &wrong), &directory)), 0x6f7);
}

#[test]
fn an_enumeration_resumes() {
    let directory = Fixture::large(10);
    let mut pipe = bound(&directory);
    // Each entry is 4 + 16 + 2 × 8 bytes long: three fit, and one comes in any case.
    for (preferred, step) in [(36 * 3, 3), (0, 1), (u32::MAX, 10)] {
        let mut resume = 0;
        loop {
            let list = answer(&mut pipe, 15, &share_enum(0, preferred, Some(resume)), &directory);
            assert_eq!(word(&list, 3), step.min(10 - resume), "entries");
            assert_eq!(word(&list, -4), 10 - resume, "total");
            let next = word(&list, -2);
            if word(&list, -1) == 0 {
                assert_eq!(next, 0);
                break;
            }
            assert_eq!((word(&list, -1), next), (234, resume + step));
            resume = next;
        }
    }
    // Past the end, and where the client cannot resume.
    let list = answer(&mut pipe, 15, &share_enum(0, 0, Some(u32::MAX)), &directory);
    assert_eq!([word(&list, 3), word(&list, 4), word(&list, -1)], [0, 0, 0]);
    let list = answer(&mut pipe, 15, &share_enum(0, 0, None), &directory);
    assert_eq!([word(&list, 3), word(&list, -2), word(&list, -1)], [1, 0, 234]);
}

#[test]
fn a_long_list_comes_in_fragments_and_in_parts() {
    let directory = Fixture::large(300);
    let mut pipe = bound(&directory);
    let request = fragment(3, 0, 15, &share_enum(1, u32::MAX, None));
    let messages = transact(&mut pipe, &request, &directory);
    assert!(messages.len() > 2);
    assert!(messages.iter().all(|message| message.len() <= 4280));
    let flags: Vec<u8> = messages.iter().map(|message| message[3]).collect();
    assert_eq!((flags[0], flags[1], flags[flags.len() - 1]), (1, 0, 2));
    let list: Vec<u8> = messages.iter().flat_map(|message| message[24..].to_vec()).collect();
    assert_eq!((word(&list, 3), word(&list, -1)), (300, 0));
    assert_eq!(word(&messages[0], 4) as usize, list.len(), "allocation hint");

    let directory = Fixture::large(5000);
    let list = answer(&mut pipe, 15, &share_enum(1, u32::MAX, Some(0)), &directory);
    assert!(list.len() <= 256 * 1024);
    assert_eq!((word(&list, -1), word(&list, -4)), (234, 5000));
}

#[test]
fn requests_come_in_fragments_and_writes_in_pieces() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let stub = share_enum(0, u32::MAX, Some(0));
    let whole = answer(&mut pipe, 15, &stub, &directory);
    let (one, rest) = stub.split_at(3);
    let (two, three) = rest.split_at(20);
    let fragments =
        [fragment(1, 0, 15, one), fragment(0, 0, 15, two), fragment(2, 0, 15, three)].concat();
    let messages = transact(&mut pipe, &fragments, &directory);
    assert_eq!(messages.len(), 1);
    assert_eq!(&messages[0][24..], whole);
    // The same bytes one by one: only the last has an answer.
    for byte in &fragments {
        assert!(!pipe.has_output());
        pipe.write(&[*byte], &directory).unwrap();
    }
    assert_eq!(drain(&mut pipe), messages);
    // And a request with an object, which no interface here looks at.
    let plain = fragment(3, 0, 15, &[&[9; 16], stub.as_slice()].concat());
    let mut object = plain;
    object[3] |= 0x80;
    assert_eq!(&transact(&mut pipe, &object, &directory)[0][24..], whole);
}

#[test]
fn reads_are_of_one_message() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let request = hex(SERVER_INFO);
    pipe.write(&[request.clone(), request].concat(), &directory).unwrap();
    let first = pipe.read(100);
    assert_eq!((first.data.len(), first.more), (100, true));
    assert_eq!(pipe.read(0), ReadResult { data: Vec::new(), more: true });
    let rest = pipe.read(20);
    assert_eq!((rest.data.len(), rest.more), (20, false));
    let second = pipe.read(120);
    assert_eq!((second.data, second.more), ([first.data, rest.data].concat(), false));
    assert!(!pipe.has_output());
}
