//! What other clients send.

use ksmbd_mountd::rpc::{Pipe, PipeError};

use super::client::*;

#[test]
fn nothing_is_served_before_a_bind() {
    let directory = Fixture::small();
    for first in [fragment(3, 0, 15, &[0; 8]), bind(14, &[(0, SRVSVC, &[NDR32])])] {
        let mut pipe = open("srvsvc").unwrap();
        assert_eq!(fault(&transact(&mut pipe, &first, &directory)), 0x1c01_000b);
        assert!(pipe.broken().is_some());
        assert_eq!(pipe.write(&hex(BIND), &directory), Err(PipeError::Closed));
    }
}

#[test]
fn a_second_bind_ends_the_association() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    assert_eq!(fault(&transact(&mut pipe, &hex(BIND), &directory)), 0x1c01_000b);
    assert_eq!(pipe.write(&[0], &directory), Err(PipeError::Closed));
}

#[test]
fn an_unknown_operation_is_a_fault_and_no_more() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    for opnum in [0, 14, 17, 22, 1000, u16::MAX] {
        let messages = transact(&mut pipe, &fragment(3, 0, opnum, &[]), &directory);
        assert_eq!(fault(&messages), 0x1c01_0002);
        assert_eq!(messages[0][3], 0x23, "did not execute");
    }
    assert_eq!(word(&answer(&mut pipe, 21, &[0, 0, 0, 0, 100, 0, 0, 0], &directory), -1), 0);
}

/// Changes one byte of `pdu` and returns the answer's type and first word behind the header.
fn spoilt(pipe: &mut Pipe, mut pdu: Vec<u8>, at: usize, byte: u8) -> (u8, u32) {
    pdu[at] = byte;
    let messages = transact(pipe, &pdu, &Fixture::small());
    assert_eq!(messages.len(), 1);
    assert!(pipe.broken().is_some());
    let at = if messages[0][2] == 3 { 6 } else { 4 };
    (messages[0][2], word(&messages[0], at))
}

#[test]
fn other_versions_orders_and_authentication_are_refused() {
    let directory = Fixture::small();
    // What a bind is told in the bind_nak (with version 5.0), and a request in the fault.
    let cases = [
        (0, 4, 0x0501_0004, 0x1c01_000b),
        (1, 2, 0x0501_0004, 0x1c01_000b),
        (4, 0x11, 0x0501_0000, 0x1c01_000b),
        (5, 1, 0x0501_0000, 0x1c01_000b),
        (10, 8, 0x0501_0008, 5),
    ];
    for (at, byte, nak, code) in cases {
        let mut pipe = open("srvsvc").unwrap();
        assert_eq!(spoilt(&mut pipe, hex(BIND), at, byte), (13, nak), "byte {at}");
        let mut pipe = bound(&directory);
        let request = fragment(3, 0, 21, &[0; 8]);
        assert_eq!(spoilt(&mut pipe, request, at, byte), (3, code), "byte {at}");
    }
    // A client whose numbers are big endian all the way.
    let mut big = hex(BIND);
    big[4] = 0;
    big[8..10].reverse();
    big[12..16].reverse();
    let mut pipe = open("srvsvc").unwrap();
    let messages = transact(&mut pipe, &big, &directory);
    assert_eq!((messages[0][2], word(&messages[0], 3)), (13, 1), "bind_nak of call 1");
}

#[test]
fn lengths_out_of_range_end_the_association() {
    let directory = Fixture::small();
    for length in [0_u16, 15, 5841, u16::MAX] {
        let mut pipe = open("srvsvc").unwrap();
        let mut header = hex(BIND)[..16].to_vec();
        header[8..10].copy_from_slice(&length.to_le_bytes());
        refused(&mut pipe, &header, &directory);
    }
    let mut pipe = bound(&directory);
    assert_eq!(fault(&transact(&mut pipe, &pdu(0, 3, 1, &[0; 7]), &directory)), 0x1c01_000b);
}

#[test]
fn a_bind_must_say_what_it_counts() {
    let directory = Fixture::small();
    let nak = |pdu: &[u8]| {
        let mut pipe = open("srvsvc").unwrap();
        let messages = transact(&mut pipe, pdu, &directory);
        assert!(pipe.broken().is_some());
        (messages[0][2], messages[0][16])
    };
    assert_eq!(nak(&bind(11, &[])), (13, 0), "no context");
    let many: Vec<(u16, &str, &[&str])> = (0..33).map(|id| (id, SRVSVC, [].as_slice())).collect();
    assert_eq!(nak(&bind(11, &many)), (13, 2), "too many contexts");
    for (at, byte) in [(24, 2), (24, 255), (30, 2), (30, 255), (3, 1), (3, 2)] {
        let mut pdu = hex(BIND);
        pdu[at] = byte;
        assert_eq!(nak(&pdu), (13, 0), "byte {at} is {byte}");
    }
    for length in 16..72_usize {
        let mut pdu = hex(BIND)[..length].to_vec();
        pdu[8] = u8::try_from(length).unwrap();
        assert_eq!(nak(&pdu), (13, 0), "cut at {length}");
    }
}

#[test]
fn contexts_are_limited() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    for id in 1..32 {
        let messages = transact(&mut pipe, &bind(14, &[(id, SRVSVC, &[NDR32])]), &directory);
        assert_eq!(word(&messages[0], 8), 0);
    }
    let messages = transact(&mut pipe, &bind(14, &[(32, SRVSVC, &[NDR32])]), &directory);
    assert_eq!(word(&messages[0], 8), 0x0003_0002, "local limit");
    let messages = transact(&mut pipe, &bind(14, &[(31, SRVSVC, &[NDR32])]), &directory);
    assert_eq!(word(&messages[0], 8), 0, "bound already");
}

#[test]
fn fragments_come_in_order() {
    let directory = Fixture::small();
    let first = fragment(1, 0, 15, &[0; 8]);
    let mut other_call = fragment(2, 0, 15, &[0; 8]);
    other_call[12] = 9;
    let wrong: [&[Vec<u8>]; 6] = [
        &[fragment(0, 0, 15, &[])],
        &[fragment(2, 0, 15, &[])],
        &[first.clone(), first.clone()],
        &[first.clone(), fragment(2, 1, 15, &[])],
        &[first.clone(), fragment(2, 0, 16, &[])],
        &[first.clone(), other_call],
    ];
    for fragments in wrong {
        let mut pipe = bound(&directory);
        assert_eq!(fault(&transact(&mut pipe, &fragments.concat(), &directory)), 0x1c01_000b);
        assert!(pipe.broken().is_some());
    }
    // A call that the client gives up is forgotten; a cancel finds nothing to cancel.
    let mut pipe = bound(&directory);
    let given_up = [first, pdu(18, 3, 2, &[]), pdu(19, 3, 2, &[])].concat();
    assert!(transact(&mut pipe, &given_up, &directory).is_empty());
    assert_eq!(word(&answer(&mut pipe, 21, &[0, 0, 0, 0, 100, 0, 0, 0], &directory), -1), 0);
}

#[test]
fn a_request_has_a_longest_length() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let piece = vec![0; 4096];
    pipe.write(&fragment(1, 0, 15, &piece), &directory).unwrap();
    for _ in 1..32 {
        pipe.write(&fragment(0, 0, 15, &piece), &directory).unwrap();
        assert!(!pipe.has_output());
    }
    assert_eq!(fault(&transact(&mut pipe, &fragment(0, 0, 15, &[0]), &directory)), 0x1c00_001b);
    assert!(pipe.broken().is_some());
}

#[test]
fn a_client_that_does_not_read_is_stopped() {
    let directory = Fixture::large(1000);
    let request = fragment(3, 0, 15, &share_enum(1, u32::MAX, None));
    // Write by write, each is refused until the client has read.
    let mut pipe = bound(&directory);
    let taken = (0..100).take_while(|_| pipe.write(&request, &directory).is_ok()).count();
    assert!((1..10).contains(&taken), "{taken}");
    assert_eq!(pipe.write(&request, &directory), Err(PipeError::Unread));
    drain(&mut pipe);
    assert_eq!(pipe.write(&request, &directory), Ok(()));
    // All in one write, the association ends, and what was answered is bounded.
    let mut pipe = bound(&directory);
    assert_eq!(pipe.write(&request.repeat(100), &directory), Ok(()));
    assert!(pipe.broken().is_some());
    assert!(drain(&mut pipe).concat().len() < 520 * 1024);
    // Faults count as answers do.
    let mut pipe = bound(&directory);
    pipe.write(&fragment(3, 9, 0, &[]).repeat(100_000), &directory).unwrap();
    assert!(pipe.broken().is_some());
    assert!(drain(&mut pipe).concat().len() < 520 * 1024);
}

#[test]
fn a_stub_cut_anywhere_is_a_fault() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let server = "000002000a000000000000000a0000003100320037002e0030002e0030002e003100 0000";
    let name = "050000000000000005000000640061007400610000000000";
    let level = "01000000";
    let enumeration = format!("{server}01000000 01000000 04000200 00000000 00000000 ffffffff");
    let stubs = [
        (15, format!("{enumeration} 08000200 00000000")),
        (15, format!("{enumeration} 00000000")),
        (16, format!("{server}{name}{level}")),
        (21, format!("{server}65000000")),
    ];
    for (opnum, stub) in stubs {
        let stub = hex(&stub);
        for cut in 0..stub.len() {
            let request = fragment(3, 0, opnum, &stub[..cut]);
            let code = fault(&transact(&mut pipe, &request, &directory));
            assert!(matches!(code, 0x6f7 | 0x1c00_0006), "opnum {opnum} cut at {cut}: {code:#x}");
        }
        assert_eq!(word(&answer(&mut pipe, opnum, &stub, &directory), -1), 0);
        // What follows the arguments is padding.
        let longer = [stub, vec![0xaa; 9]].concat();
        assert_eq!(word(&answer(&mut pipe, opnum, &longer, &directory), -1), 0);
    }
}

#[test]
fn counts_that_the_input_cannot_hold_are_faults() {
    let directory = Fixture::small();
    let mut pipe = bound(&directory);
    let stub = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let cases: [(u16, &[u32], u32); 8] = [
        (15, &[1, u32::MAX, 0, u32::MAX, 0], 0x6f7),
        (15, &[1, 0x8000_0001, 0, 0x8000_0001, 0], 0x6f7),
        (15, &[0, 1, 1, 1, u32::MAX, 1, u32::MAX, 0, 0, 0], 0x6f7),
        (15, &[0, 0, 0, 1, 0x4000_0000, 1, 0x4000_0000, 0, 0, 0], 0x6f7),
        (15, &[0, 2, 2, 1, 1, 1, 1, 0, 0, 0], 0x6f7),
        (15, &[0, 1, 0, 1, 0, 0, u32::MAX, 0], 0x1c00_0006),
        (15, &[0, 7, 7, 1, 0, 0, u32::MAX, 0], 0x1c00_0006),
        (16, &[0, 2, 0, 3, 0, 0, 1], 0x6f7),
    ];
    for (opnum, words, code) in cases {
        let messages = transact(&mut pipe, &fragment(3, 0, opnum, &stub(words)), &directory);
        assert_eq!(fault(&messages), code, "{words:?}");
    }
}

/// Xorshift: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// Every answer is whole PDUs, none longer than agreed on.
fn check(pipe: &mut Pipe) {
    let mut total = 0;
    for message in drain(pipe) {
        assert!(message.len() <= 4280);
        assert_eq!(usize::from(u16::from_le_bytes([message[8], message[9]])), message.len());
        assert!(matches!(message[2], 2 | 3 | 12 | 13 | 15));
        total += message.len();
    }
    assert!(total < 520 * 1024);
}

#[test]
fn mutated_sessions_never_panic() {
    let directory = Fixture::small();
    let session = [
        hex(BIND),
        bind(14, &[(1, SRVSVC, &[NDR64, NDR32]), (2, UNKNOWN, &[NDR32])]),
        fragment(3, 0, 15, &share_enum(1, u32::MAX, Some(0))),
        fragment(1, 1, 15, &share_enum(0, 9, None)[..12]),
        fragment(2, 1, 15, &share_enum(0, 9, None)[12..]),
        fragment(3, 0, 16, &hex("00000000 02000000 00000000 02000000 61000000 01000000")),
        fragment(3, 0, 21, &[0, 0, 0, 0, 101, 0, 0, 0]),
    ]
    .concat();
    let interesting = [0, 1, 2, 3, 0x10, 0x7f, 0x80, 0xfe, 0xff];
    let mut random = Random(0x5eed_2545_f491_4f6c);
    for _ in 0..20_000 {
        let mut bytes = session.clone();
        for _ in 0..=random.below(4) {
            // The bind stays as it is most of the time, or little would be reached behind it.
            let from = if random.below(8) == 0 { 0 } else { 72 };
            let at = from + random.below(bytes.len() - from);
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = interesting[random.below(interesting.len())],
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(80)),
            }
        }
        let mut pipe = open("srvsvc").unwrap();
        let cut = random.below(bytes.len());
        for part in [&bytes[..cut], &bytes[cut..]] {
            let _ = pipe.write(part, &directory);
            check(&mut pipe);
        }
    }
}
