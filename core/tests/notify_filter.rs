//! Which change is told to whom: each bit of CompletionFilter, and each FileAction (MS-SMB2 2.2.35,
//! MS-FSCC 2.7.1, MS-FSA 2.1.4.1).

use ksmbd_core::time::FileTime;
use ksmbd_core::wire::fscc::{
    ea::FullEaInformation, file::BasicInformation, set_file::SetFileInformation,
};
use ksmbd_fuzz::prelude::*;

const ADDED: FileAction = FileAction::ADDED;
const REMOVED: FileAction = FileAction::REMOVED;
const MODIFIED: FileAction = FileAction::MODIFIED;

/// Does something in `d` of the share with streams and says which bits of the filter it was told
/// under, and what; always the same under each.
#[track_caller]
fn told_by(
    prepare: impl Fn(&mut Client),
    change: impl Fn(&mut Client),
) -> (CompletionFilter, Vec<(FileAction, String)>) {
    let mut bits = CompletionFilter::empty();
    let mut told: Option<Vec<(FileAction, String)>> = None;
    for bit in (0..12).map(|bit| CompletionFilter::from_bits_retain(1 << bit)) {
        let w = World::new();
        let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
        for client in [&mut a, &mut b] {
            client.tree_id = client.connect_tree("streams");
        }
        let d = a.create("d").directory().access(AccessMask::GENERIC_READ).ok();
        prepare(&mut b);
        let waiting = a.notify(d, bit, true).waits();
        a.cancel(waiting);
        a.answer(waiting.mid).is(NtStatus::CANCELLED);
        change(&mut b);
        let sent = a.notify(d, bit, true).later();
        let first = a.receive();
        assert_eq!(first.header.message_id, sent);
        if first.status == NtStatus::PENDING {
            a.cancel_message(sent);
            a.answer(sent).is(NtStatus::CANCELLED);
            continue;
        }
        bits |= bit;
        let changes = first.ok().changes();
        assert_eq!(told.get_or_insert_with(|| changes.clone()), &changes, "{bit:?}");
    }
    (bits, told.unwrap_or_default())
}

#[track_caller]
fn is(
    found: (CompletionFilter, Vec<(FileAction, String)>),
    bits: CompletionFilter,
    told: &[(FileAction, &str)],
) {
    let names: Vec<_> = found.1.iter().map(|(action, name)| (*action, name.as_str())).collect();
    assert_eq!((found.0, names.as_slice()), (bits, told));
}

fn file(client: &mut Client) {
    let f = client.create("d\\x").ok();
    client.write(f, 0, b"data").ok();
    client.close(f).ok();
}

fn nothing(_: &mut Client) {}

/// With `d\x` open.
fn with_file(change: impl Fn(&mut Client, FileId)) -> impl Fn(&mut Client) {
    move |client| {
        let access = AccessMask::MAXIMUM_ALLOWED;
        let f = client.create("d\\x").existing().access(access).ok();
        change(client, f);
        client.close(f).ok();
    }
}

fn basic(change: impl Fn(&mut BasicInformation)) -> impl Fn(&mut Client) {
    with_file(move |client, f| {
        let mut set = BasicInformation::default();
        change(&mut set);
        client.set_file(f, &SetFileInformation::Basic(set)).ok();
    })
}

#[test]
fn files_and_directories_come_and_go() {
    use CompletionFilter as Bits;
    is(
        told_by(nothing, |b| {
            b.create("d\\n").ok();
        }),
        Bits::FILE_NAME,
        &[(ADDED, "n")],
    );
    let mkdir = |b: &mut Client| {
        b.create("d\\n").directory().ok();
    };
    is(told_by(nothing, mkdir), Bits::DIR_NAME, &[(ADDED, "n")]);
    let delete = with_file(|client, f| drop(client.delete(f, true).ok()));
    is(told_by(file, delete), Bits::FILE_NAME, &[(REMOVED, "x")]);
    let rmdir = |b: &mut Client| {
        let f = b.create("d\\n").directory().delete_on_close().ok();
        b.close(f).ok();
    };
    is(told_by(nothing, rmdir), Bits::DIR_NAME, &[(ADDED, "n"), (REMOVED, "n")]);
}

#[test]
fn what_is_opened_or_refused_is_no_change() {
    let open = with_file(|_, _| ());
    is(told_by(file, open), CompletionFilter::empty(), &[]);
    let refused = |b: &mut Client| {
        b.create("d\\x").fresh().is(NtStatus::OBJECT_NAME_COLLISION);
    };
    is(told_by(file, refused), CompletionFilter::empty(), &[]);
    // The directory itself is not in itself.
    let itself = |b: &mut Client| {
        let d = b.create("d").directory().access(AccessMask::MAXIMUM_ALLOWED).ok();
        let file_attributes = FileAttributes::HIDDEN;
        let set = BasicInformation { file_attributes, ..Default::default() };
        b.set_file(d, &SetFileInformation::Basic(set)).ok();
    };
    is(told_by(nothing, itself), CompletionFilter::empty(), &[]);
}

/// smb2.notify.rec, smb2.notify.mask-change.
#[test]
fn renames() {
    use CompletionFilter as Bits;
    let (old, new) = (FileAction::RENAMED_OLD_NAME, FileAction::RENAMED_NEW_NAME);
    for bit in [Bits::FILE_NAME, Bits::FILE_NAME | Bits::ATTRIBUTES, Bits::ATTRIBUTES] {
        let w = World::new();
        let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
        let d = a.create("d").directory().access(AccessMask::GENERIC_READ).ok();
        b.create("d\\s").directory().access(AccessMask::GENERIC_READ).ok();
        file(&mut b);
        let waiting = a.notify(d, bit, true).waits();
        a.cancel(waiting);
        a.answer(waiting.mid).is(NtStatus::CANCELLED);
        let f = b.create("d\\x").existing().ok();
        b.rename(f, "d\\y", false).ok();
        b.rename(f, "D\\S\\z", false).ok();
        let changes = a.notify(d, bit, true).ok().changes();
        let told: Vec<_> = changes.iter().map(|(what, name)| (*what, name.as_str())).collect();
        if bit.contains(Bits::FILE_NAME) {
            assert_eq!(told, [(old, "x"), (new, "y"), (REMOVED, "y"), (ADDED, "s\\z")]);
        } else {
            assert_eq!(told, [(MODIFIED, "y"), (MODIFIED, "s\\z")]);
        }
    }
    // A directory has no archive attribute to be set.
    let prepare = |b: &mut Client| {
        b.create("d\\n").directory().ok();
    };
    let directory = |b: &mut Client| {
        let f = b.create("d\\n").existing().directory().ok();
        b.rename(f, "d\\m", false).ok();
    };
    is(told_by(prepare, directory), Bits::DIR_NAME, &[(old, "n"), (new, "m")]);
}

#[test]
fn what_is_replaced_is_gone_first() {
    let w = World::new();
    let (mut a, mut b) = (w.logged_on("alice"), w.logged_on("alice"));
    let d = a.create("d").directory().access(AccessMask::GENERIC_READ).ok();
    file(&mut b);
    let f = b.create("d\\y").fresh().ok();
    let waiting = a.notify(d, CompletionFilter::FILE_NAME, false).waits();
    a.cancel(waiting);
    a.answer(waiting.mid).is(NtStatus::CANCELLED);
    b.rename(f, "d\\x", true).ok();
    let told = a.notify(d, CompletionFilter::FILE_NAME, false).ok().changes();
    let actions: Vec<_> = told.iter().map(|(action, _)| *action).collect();
    let renamed = [REMOVED, FileAction::RENAMED_OLD_NAME, FileAction::RENAMED_NEW_NAME];
    assert_eq!(actions, renamed);
}

/// MS-FSA 2.1.5.15.6.
#[test]
fn links() {
    let link = with_file(|client, f| drop(client.link(f, "d\\y", false).ok()));
    is(told_by(file, link), CompletionFilter::FILE_NAME, &[(ADDED, "y")]);
}

#[test]
fn data_and_metadata() {
    use CompletionFilter as Bits;
    let x = [(MODIFIED, "x")];
    let write = with_file(|client, f| drop(client.write(f, 0, b"more").ok()));
    is(told_by(file, write), Bits::SIZE | Bits::LAST_WRITE, &x);
    let size = SetFileInformation::EndOfFile { end_of_file: 1 };
    let resize = with_file(move |client, f| drop(client.set_file(f, &size).ok()));
    is(told_by(file, resize), Bits::SIZE, &x);
    let overwrite = |b: &mut Client| {
        b.create("d\\x").disposition(CreateDisposition::OVERWRITE).ok();
    };
    is(told_by(file, overwrite), Bits::ATTRIBUTES | Bits::SIZE | Bits::LAST_WRITE, &x);
    let time = FileTime(130_000_000_000_000_000);
    let hidden = basic(|set| set.file_attributes = FileAttributes::HIDDEN);
    is(told_by(file, hidden), Bits::ATTRIBUTES, &x);
    is(told_by(file, basic(|set| set.creation_time = time)), Bits::CREATION, &x);
    is(told_by(file, basic(|set| set.last_access_time = time)), Bits::LAST_ACCESS, &x);
    is(told_by(file, basic(|set| set.last_write_time = time)), Bits::LAST_WRITE, &x);
    let ea = FullEaInformation { flags: 0, ea_name: b"N".to_vec(), ea_value: b"v".to_vec() };
    let eas = SetFileInformation::FullEa(vec![ea]);
    let set = with_file(move |client, f| drop(client.set_file(f, &eas).ok()));
    is(told_by(file, set), Bits::EA, &x);
}

#[test]
fn streams() {
    use CompletionFilter as Bits;
    let stream = |b: &mut Client| {
        let f = b.create("d\\x:s").ok();
        b.write(f, 0, b"data").ok();
        b.close(f).ok();
    };
    let both = |b: &mut Client| {
        file(b);
        stream(b);
    };
    let open = |b: &mut Client| b.create("d\\x:s").existing().ok();
    let added = [(FileAction::ADDED_STREAM, "x:s")];
    is(
        told_by(file, |b| {
            b.create("d\\x:s").ok();
        }),
        Bits::STREAM_NAME,
        &added,
    );
    let write = |b: &mut Client| {
        let f = open(b);
        b.write(f, 0, b"more").ok();
    };
    let modified = [(FileAction::MODIFIED_STREAM, "x:s")];
    is(told_by(both, write), Bits::STREAM_SIZE | Bits::STREAM_WRITE, &modified);
    let delete = |b: &mut Client| {
        let f = open(b);
        b.delete(f, true).ok();
        b.close(f).ok();
    };
    let removed = [(FileAction::REMOVED_STREAM, "x:s")];
    is(told_by(both, delete), Bits::STREAM_NAME, &removed);
    let rename = |b: &mut Client| {
        let f = open(b);
        b.rename(f, ":t", false).ok();
    };
    let renamed = [(FileAction::REMOVED_STREAM, "x:s"), (FileAction::ADDED_STREAM, "x:t")];
    is(told_by(both, rename), Bits::STREAM_NAME, &renamed);
}
