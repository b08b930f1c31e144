//! Extended attributes (MS-FSCC 2.4.16, MS-FSA 2.1.5.12.10, 2.1.5.15.6).
#![allow(clippy::unwrap_used, reason = "a test may end at once")]

use ksmbd_core::wire::{
    fscc::{
        ea::{FullEaInformation, encode_get_ea, pack_full_ea, parse_full_ea},
        set_file::SetFileInformation,
    },
    query_info::{InfoType, QueryInfoFlags, QueryInfoRequest},
    set_info::SetInfoRequest,
};
use ksmbd_fuzz::prelude::*;

fn ea(name: &str, value: &[u8]) -> FullEaInformation {
    FullEaInformation { flags: 0, ea_name: name.into(), ea_value: value.to_vec() }
}

fn set(eas: Vec<FullEaInformation>) -> SetFileInformation {
    SetFileInformation::FullEa(eas)
}

fn query(file_id: FileId, names: &[&str], flags: QueryInfoFlags, max: u32) -> RequestBody {
    let mut input = Vec::new();
    let names: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    encode_get_ea(&names, &mut input);
    RequestBody::QueryInfo(QueryInfoRequest {
        info_type: InfoType::FILE,
        info_class: FileInfoClass::FULL_EA.0,
        output_buffer_length: max,
        additional_information: 0,
        flags,
        file_id,
        input,
    })
}

fn seen(response: &Response) -> Vec<(String, Vec<u8>)> {
    let eas = parse_full_ea(response.data()).unwrap();
    eas.into_iter().map(|ea| (String::from_utf8(ea.ea_name).unwrap(), ea.ea_value)).collect()
}

#[test]
fn what_is_set_is_found() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    let (none, one) = (QueryInfoFlags::empty(), QueryInfoFlags::RETURN_SINGLE_ENTRY);
    a.request(&query(f, &[], none, 4096)).is(NtStatus::NO_EAS_ON_FILE);
    a.set_file(f, &set(vec![ea("One", b"1"), ea("Two", b"22")])).ok();
    let both = [("One".to_owned(), b"1".to_vec()), ("Two".to_owned(), b"22".to_vec())];
    assert_eq!(seen(&a.request(&query(f, &[], none, 4096)).ok()), both);
    assert_eq!(seen(&a.request(&query(f, &[], one, 4096)).ok()), both[..1]);
    let asked = seen(&a.request(&query(f, &["TWO", "none"], none, 4096)).ok());
    assert_eq!(asked, [both[1].clone(), ("none".into(), vec![])]);
    assert_eq!(seen(&a.request(&query(f, &[], none, 16)).is(NtStatus::BUFFER_OVERFLOW)), both[..1]);
    a.request(&query(f, &[], none, 12)).is(NtStatus::BUFFER_TOO_SMALL);
    a.request(&query(f, &[], none, 7)).is(NtStatus::BUFFER_TOO_SMALL);
    a.request(&query(f, &["a:b"], none, 4096)).is(NtStatus::INVALID_EA_NAME);
    let size = a.query_file(f, FileInfoClass::EA, 4).ok();
    assert_eq!(size.data(), 19_u32.to_le_bytes());
    a.set_file(f, &set(vec![ea("ONE", b""), ea("two", b"")])).ok();
    a.request(&query(f, &[], none, 4096)).is(NtStatus::NO_EAS_ON_FILE);
}

#[test]
fn what_cannot_be_set_is_refused() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let f = a.create("x").ok();
    for name in ["DOSATTRIB", "DosStream.a:$DATA", "samba_pai", "SmbReparse"] {
        let status =
            if name.contains(':') { NtStatus::INVALID_EA_NAME } else { NtStatus::ACCESS_DENIED };
        a.set_file(f, &set(vec![ea("good", b"1"), ea(name, b"1")])).is(status);
    }
    let large = vec![0; 40_000];
    let two = vec![ea("a", &large), ea("b", &large)];
    a.set_file(f, &set(two)).is(NtStatus::EA_TOO_LARGE);
    a.set_file(f, &set(vec![ea("a", &large)])).ok();
    a.set_file(f, &set(vec![ea("b", &large)])).is(NtStatus::EA_TOO_LARGE);
    let mut raw = |buffer: &[u8], status| {
        let request = SetInfoRequest {
            info_type: InfoType::FILE,
            info_class: FileInfoClass::FULL_EA.0,
            additional_information: 0,
            file_id: f,
            buffer: buffer.to_vec(),
        };
        a.request(&RequestBody::SetInfo(request)).is(status);
    };
    // NextEntryOffset into itself, behind the end; a name longer than the entry.
    for buffer in [[1, 0, 0, 0, 0, 1, 0, 0], [99, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 9, 0, 0]] {
        raw(&buffer, NtStatus::EA_LIST_INCONSISTENT);
    }
    let read = AccessMask::FILE_READ_DATA | AccessMask::FILE_READ_ATTRIBUTES;
    let f = a.create("x").existing().access(read).ok();
    a.set_file(f, &set(vec![ea("a", b"1")])).is(NtStatus::ACCESS_DENIED);
    a.request(&query(f, &[], QueryInfoFlags::empty(), 4096)).is(NtStatus::ACCESS_DENIED);
}

#[test]
fn a_new_file_comes_with_its_own() {
    let w = World::new();
    let mut a = w.logged_on("alice");
    let (buffer, _) = pack_full_ea(&[ea("One", b"1")], usize::MAX);
    let f = a.create("x").context(b"ExtA", &buffer).ok();
    let none = QueryInfoFlags::empty();
    assert_eq!(seen(&a.request(&query(f, &[], none, 99)).ok()), [("One".into(), b"1".to_vec())]);
    let (reserved, _) = pack_full_ea(&[ea("DOSATTRIB", b"1")], usize::MAX);
    a.create("y").context(b"ExtA", &reserved).is(NtStatus::ACCESS_DENIED);
    assert!(!w.exists("y"));
    let cut = &buffer[..buffer.len() - 1];
    a.create("y").context(b"ExtA", cut).is(NtStatus::INVALID_PARAMETER);
}
