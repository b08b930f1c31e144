//! Class B: replies that are larger than the room there is, above all in chains (MS-SMB2 3.3.4.1.3,
//! 3.3.5.18, 3.3.5.20; MS-FSCC for what a short buffer is answered with).

use ksmbd_core::wire::{
    fscc::ea::{FullEaInformation, pack_full_ea},
    query_info::InfoType,
};
use ksmbd_fuzz::client::body;
use ksmbd_fuzz::prelude::*;

const PREVIOUS: FileId = Client::PREVIOUS;
/// All parts of a descriptor but the SACL.
const SECURITY: u32 = 7;

/// A file with a long name, streams and attributes, in a directory of long names.
fn world() -> (World, Client) {
    let w = World::new();
    w.vfs(|vfs| vfs.put_directory("/srv/share", "d"));
    for n in 0..10 {
        w.put(&format!("d/{}{n}", "entry".repeat(20)), b"x");
    }
    let mut a = w.logged_on("alice");
    a.connect_tree("streams");
    a.ask = 400;
    let f = a.create(&long_name()).ok();
    for n in 0..4 {
        let stream = a.create(&format!("{}:stream{n}", long_name())).ok();
        a.close(stream).ok();
    }
    let ea = |name: &str, length| FullEaInformation {
        flags: 0,
        ea_name: name.into(),
        ea_value: vec![7; length],
    };
    let (list, _) = pack_full_ea(&[ea("a", 1), ea("bb", 2), ea("ccc", 61)], usize::MAX);
    a.request(&body::set_raw(f, InfoType::FILE, FileInfoClass::FULL_EA.0, &list)).ok();
    a.close(f).ok();
    (w, a)
}

fn long_name() -> String {
    "a long name ".repeat(15) + "x"
}

/// A question with room for so many bytes in its answer.
type Question = fn(u32) -> RequestBody;

fn questions() -> Vec<(&'static str, Question)> {
    vec![
        ("all", |max| body::query_file(PREVIOUS, FileInfoClass::ALL, max)),
        ("stream", |max| body::query_file(PREVIOUS, FileInfoClass::STREAM, max)),
        ("ea", |max| body::query_file(PREVIOUS, FileInfoClass::FULL_EA, max)),
        ("normalized name", |max| body::query_file(PREVIOUS, FileInfoClass::NORMALIZED_NAME, max)),
        ("volume", |max| body::query_volume(PREVIOUS, FsInfoClass::VOLUME, max)),
        ("attribute", |max| body::query_volume(PREVIOUS, FsInfoClass::ATTRIBUTE, max)),
        ("security", |max| body::query(PREVIOUS, InfoType::SECURITY, 0, SECURITY, max)),
    ]
}

/// CREATE and then this, so many times; the answers to the questions.
fn ask(a: &mut Client, create: Message, question: &RequestBody, times: usize) -> Vec<Response> {
    let mut chain = vec![create];
    chain.extend((0..times).map(|_| a.message(question).related()));
    chain.push(a.message(&body::close(PREVIOUS)).related());
    a.send_chain(&chain);
    let mut answers: Vec<Response> =
        chain.iter().map(|message| a.answer(message.header.message_id)).collect();
    assert!(answers.pop().unwrap().ok().last, "the chain ends");
    answers.remove(0).ok();
    answers
}

/// What an answer holds, and that it is no more than there was room for. In between, elements are
/// aligned, and what they are padded with is zero.
#[track_caller]
fn room(answer: &Response, max: u32, of: &str) -> Vec<u8> {
    let data = match &answer.body {
        ResponseBody::Error(_) => Vec::new(),
        _ => answer.data().to_vec(),
    };
    assert!(data.len() <= max as usize, "{of}: {} bytes for {max}", data.len());
    assert_eq!(answer.header.next_command as usize % 8, 0, "{of}");
    let used = match &answer.body {
        ResponseBody::Error(_) => 64 + 8,
        _ => 64 + 8 + data.len(),
    };
    assert!(answer.element.len() <= (used + 8).next_multiple_of(8) + 16, "{of}: nothing unasked");
    data
}

/// QUERY_INFO as the second to the fourth of a chain, with room for 0 bytes to more than enough: no
/// answer is larger than its room, all in a chain are the same, and enough is enough.
#[test]
fn query_info_in_a_chain_with_any_room() {
    let (_w, mut a) = world();
    for (name, question) in questions() {
        let create = a.create(&long_name()).existing().access(AccessMask::MAXIMUM_ALLOWED);
        let create = create.message();
        let whole = ask(&mut a, create, &question(4096), 1).remove(0).ok();
        let whole = whole.data().to_vec();
        assert!(whole.len() > 16, "{name}");
        for max in (0..=whole.len() as u32).rev() {
            let create = a.create(&long_name()).existing().access(AccessMask::MAXIMUM_ALLOWED);
            let create = create.message();
            let answers = ask(&mut a, create, &question(max), 3);
            let expected = answers[0].status;
            let enough = max as usize == whole.len();
            assert_eq!(expected == NtStatus::SUCCESS, enough, "{name}: {expected:?} for {max}");
            let short = [
                NtStatus::BUFFER_OVERFLOW,
                NtStatus::INFO_LENGTH_MISMATCH,
                NtStatus::BUFFER_TOO_SMALL,
            ];
            assert!(enough || short.contains(&expected), "{name}: {expected:?} for {max}");
            for answer in &answers {
                assert_eq!(answer.status, expected, "{name} for {max}");
                let data = room(answer, max, name);
                assert!(expected == NtStatus::BUFFER_OVERFLOW || enough || data.is_empty());
            }
        }
    }
}

/// The same of listings: a page holds whole entries, or one cut one is told to be too long.
#[test]
fn query_directory_in_a_chain_with_any_room() {
    let (_w, mut a) = world();
    let classes = [
        FileInfoClass::DIRECTORY,
        FileInfoClass::FULL_DIRECTORY,
        FileInfoClass::BOTH_DIRECTORY,
        FileInfoClass::NAMES,
        FileInfoClass::ID_BOTH_DIRECTORY,
        FileInfoClass::ID_FULL_DIRECTORY,
    ];
    for class in classes {
        for max in (0..700).step_by(7).chain([64 << 10]) {
            let create = a.create("d").directory().message();
            let question = body::list(PREVIOUS, "*", class, Default::default(), max);
            for answer in ask(&mut a, create, &question, 3) {
                let data = room(&answer, max, "a listing");
                match answer.status {
                    NtStatus::SUCCESS => {
                        let entries =
                            ksmbd_core::wire::fscc::directory::parse_entries(class, &data);
                        assert!(!entries.unwrap().is_empty(), "{class:?} for {max}");
                    }
                    NtStatus::NO_MORE_FILES => assert!(max > 200),
                    NtStatus::BUFFER_OVERFLOW
                    | NtStatus::INFO_LENGTH_MISMATCH
                    | NtStatus::BUFFER_TOO_SMALL => assert!(max < 400, "{class:?} for {max}"),
                    other => panic!("{class:?} for {max}: {other:?}"),
                }
            }
        }
    }
}

/// A chain's answers together are no more than what its requests have paid for.
#[test]
fn a_chain_gets_what_it_has_paid_for() {
    let w = World::new();
    w.put("x", &vec![7; 200_000]);
    let mut a = w.logged_on("alice");
    a.ask = 500;
    a.echo().ok();
    let f = a.create("x").ok();
    let mut chain: Vec<Message> = Vec::new();
    for _ in 0..60 {
        chain.push(a.message(&body::read(f, 0, 65_536)));
    }
    a.send_chain(&chain);
    let mut sum = 0;
    for message in &chain {
        let answer = a.answer(message.header.message_id).ok();
        assert_eq!(answer.data().len(), 65_536);
        sum += answer.element.len();
    }
    assert!(sum <= chain.len() * (65_536 + 128));
    // And one byte more than is paid for is not read.
    let mut unpaid = a.message(&body::read(f, 0, 65_537));
    unpaid.header.credit_charge = 1;
    a.next_mid -= 1;
    a.send(unpaid).is(NtStatus::INVALID_PARAMETER);
}
