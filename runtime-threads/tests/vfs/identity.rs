//! Whose rights count. Only root can test that.

use crate::rig::{Rig, call, done, is_root, user};
use ksmbd_core::{
    time::FileTime,
    vfs::{Done, File, FileKind, Missing, Op, OpenHow, Permitted, SetBasic, VfsError},
    wire::fscc::FileAttributes,
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    thread,
};

fn skip() -> bool {
    if !is_root() {
        println!("skipped: needs root");
    }
    !is_root()
}

#[test]
fn each_call_has_the_rights_of_its_identity() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(rig.host("roots"), "secret").unwrap();
    fs::set_permissions(rig.host("roots"), fs::Permissions::from_mode(0o600)).unwrap();
    let (alice, bob) = (user(12_345), user(12_346));
    let read = |name: &str| OpenHow { read: true, ..rig.how(name) };
    assert_eq!(rig.open_as(&alice, read("roots")).unwrap_err(), VfsError::AccessDenied);
    let seen = rig.open_as(&alice, rig.how("roots")).unwrap();
    assert_eq!(seen.info.permitted, Permitted::DELETE, "the directory is writable");
    let how = OpenHow { write: true, missing: Missing::CreateFile, ..rig.how("alices") };
    let made = rig.open_as(&alice, how).unwrap();
    let meta = fs::metadata(rig.host("alices")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (12_345, 12_345));
    assert!(made.info.permitted.contains(Permitted::OWNER | Permitted::WRITE));
    let write = || OpenHow { write: true, ..rig.how("alices") };
    assert_eq!(rig.open_as(&bob, write()).unwrap_err(), VfsError::AccessDenied);
    let bobs = rig.open_as(&bob, rig.how("alices")).unwrap();
    assert_eq!(bobs.info.permitted, Permitted::READ | Permitted::DELETE);
    let set = SetBasic { last_write_time: Some(made.info.creation_time), ..SetBasic::default() };
    let op = Op::SetBasic { file: bobs.file, set };
    assert_eq!(done(call(&bob, op)), Err(VfsError::AccessDenied));
    // And root is root again on the same thread.
    assert!(rig.open(read("roots")).is_ok() && rig.open(write()).is_ok());
}

/// Windows asks for no more than FILE_WRITE_ATTRIBUTES, which who may write has; the kernel wants the
/// owner.
#[test]
fn who_may_write_sets_times_and_attributes() {
    if skip() {
        return;
    }
    let rig = Rig::with(|share| share.inherit_owner = true);
    chown(&rig.dir, Some(12_345), Some(12_345)).unwrap();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(rig.host("alices"), "x").unwrap();
    chown(rig.host("alices"), Some(12_345), Some(12_345)).unwrap();
    fs::set_permissions(rig.host("alices"), fs::Permissions::from_mode(0o666)).unwrap();
    let bob = user(12_346);
    let old = FileTime::from_unix(1_000_000_000, 0);
    let all = SetBasic {
        creation_time: Some(old),
        last_access_time: Some(old),
        last_write_time: Some(old),
        attributes: Some(FileAttributes::HIDDEN),
        ..SetBasic::default()
    };
    let set = |file: &File| done(call(&bob, Op::SetBasic { file: file.clone(), set: all }));
    let new = |name, missing| OpenHow { missing, ..rig.how(name) };
    let hows = [
        // Somebody else's, opened for its data or for nothing but its attributes.
        OpenHow { write: true, ..rig.how("alices") },
        rig.how("alices"),
        // What bob makes is alice's at once.
        OpenHow { write: true, ..new("file", Missing::CreateFile) },
        new("empty", Missing::CreateFile),
        new("folder", Missing::CreateDirectory),
    ];
    for how in hows {
        let name = how.path.as_str().to_owned();
        let file = rig.open_as(&bob, how).unwrap().file;
        assert_eq!(fs::metadata(rig.host(&name)).unwrap().uid(), 12_345, "{name}");
        assert_eq!(set(&file), Ok(()), "{name}");
        let info = rig.query(&file);
        let times = [info.creation_time, info.last_access_time, info.last_write_time];
        assert_eq!(times, [old; 3], "{name}");
        assert!(info.attributes.contains(FileAttributes::HIDDEN), "{name}");
    }
    // Who opens what is there by now has only what its mode gives.
    for name in ["file", "folder"] {
        let later = rig.open_as(&bob, rig.how(name)).unwrap().file;
        assert_eq!(set(&later), Err(VfsError::AccessDenied), "{name}");
    }
}

#[test]
fn supplementary_groups_count_and_the_sticky_bit_too() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(rig.host("g"), "x").unwrap();
    chown(rig.host("g"), Some(0), Some(777)).unwrap();
    fs::set_permissions(rig.host("g"), fs::Permissions::from_mode(0o640)).unwrap();
    let mut member = (*user(12_345)).clone();
    member.groups = vec![5, 777];
    let member = std::sync::Arc::new(member);
    let read = || OpenHow { read: true, ..rig.how("g") };
    let opened = rig.open_as(&member, read()).unwrap();
    assert_eq!(opened.info.permitted, Permitted::READ, "not DELETE: another's, and sticky");
    assert_eq!(rig.open_as(&user(12_345), read()).unwrap_err(), VfsError::AccessDenied);
    let (key, path) = (opened.info.key, opened.path);
    let op = Op::Delete { root: rig.root.clone(), path, key, directory: false };
    assert_eq!(done(call(&member, op)), Err(VfsError::AccessDenied));
}

#[test]
fn a_share_behind_a_closed_directory_works() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    let above = rig.dir.parent().unwrap();
    fs::set_permissions(above, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(rig.host("f"), "x").unwrap();
    let share = ksmbd_core::config::Share::disk("s", rig.dir.to_str().unwrap());
    let alice = user(12_345);
    let Done::Opened(root) = call(&alice, Op::OpenShare(share.into())) else { panic!("refused") };
    assert!(!root.info.permitted.contains(Permitted::WRITE));
    let how = OpenHow { root: root.file, read: true, ..rig.how("f") };
    assert_eq!(rig.open_as(&alice, how).unwrap().info.kind, FileKind::File);
}

#[test]
fn threads_have_identities_of_their_own() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
    thread::scope(|scope| {
        for uid in 20_001..20_005 {
            let rig = &rig;
            scope.spawn(move || {
                let who = user(uid);
                for number in 0..50 {
                    let name = format!("{uid}-{number}");
                    let how = rig.how(&name);
                    let how = OpenHow { write: true, missing: Missing::CreateFile, ..how };
                    rig.open_as(&who, how).unwrap();
                    assert_eq!(fs::metadata(rig.host(&name)).unwrap().uid(), uid);
                }
            });
        }
    });
    assert_eq!(fs::metadata(&rig.dir).unwrap().uid(), 0);
}

#[test]
fn nobody_can_be_an_impossible_identity() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    let nobody = user(u32::MAX);
    assert_eq!(rig.open_as(&nobody, rig.how("")).unwrap_err(), VfsError::AccessDenied);
}

/// Tag, permissions and id, as the kernel keeps them in an attribute (version 2).
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

#[test]
fn an_acl_counts_where_mode_bits_do_not_tell() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    let (owner, user_tag, group, mask, other) = (0x01, 0x02, 0x04, 0x10, 0x20);
    let none = u32::MAX;
    fs::write(rig.host("f"), "x").unwrap();
    chown(rig.host("f"), Some(12_340), Some(777)).unwrap();
    let value = acl(&[
        (owner, 4, none),
        (user_tag, 6, 12_345),
        (user_tag, 0, 12_346),
        (group, 4, none),
        (mask, 6, none),
        (other, 4, none),
    ]);
    let flags = rustix::fs::XattrFlags::empty();
    let name = "system.posix_acl_access";
    if rustix::fs::setxattr(rig.host("f"), name, &value, flags).is_err() {
        println!("skipped: no ACLs here");
        return;
    }
    let how = || OpenHow { delete: false, ..rig.how("f") };
    let permitted = |uid| rig.open_as(&user(uid), how()).unwrap().info.permitted;
    assert_eq!(permitted(12_340), Permitted::READ | Permitted::OWNER, "the owner");
    assert_eq!(permitted(12_345), Permitted::READ | Permitted::WRITE, "somebody named");
    assert_eq!(permitted(12_346), Permitted::empty(), "somebody named");
    assert_eq!(permitted(12_347), Permitted::READ, "anybody else");
}

/// Whatever the mode, what is told is what the kernel says.
#[test]
fn mode_bits_are_read_as_the_kernel_reads_them() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::write(rig.host("f"), "x").unwrap();
    fs::create_dir(rig.host("d")).unwrap();
    let mut member = (*user(12_345)).clone();
    member.groups = vec![777];
    let who = [user(0), user(12_340), member.into(), user(12_346), user(65_534)];
    for name in ["f", "d"] {
        for mode in (0..0o1000).step_by(7).chain([0, 0o777, 0o600, 0o060, 0o006]) {
            for owner in [12_340, 65_534] {
                chown(rig.host(name), Some(owner), Some(777)).unwrap();
                fs::set_permissions(rig.host(name), fs::Permissions::from_mode(mode)).unwrap();
                for who in &who {
                    let told = rig.open_as(who, rig.how(name)).unwrap().info.permitted;
                    for (bit, access) in [
                        (Permitted::READ, rustix::fs::Access::READ_OK),
                        (Permitted::WRITE, rustix::fs::Access::WRITE_OK),
                        (Permitted::EXECUTE, rustix::fs::Access::EXEC_OK),
                    ] {
                        // The thread still has the identity of the open.
                        let flags = rustix::fs::AtFlags::EACCESS;
                        let path = rig.host(name);
                        let may = rustix::fs::accessat(rustix::fs::CWD, path, access, flags);
                        assert_eq!(told.contains(bit), may.is_ok(), "{mode:o} {} {bit:?}", who.uid);
                    }
                }
                // As root again.
                rig.look("").unwrap();
            }
        }
    }
}

#[test]
fn a_directory_that_may_not_be_read_tells_no_other_case() {
    if skip() {
        return;
    }
    let rig = Rig::new();
    fs::create_dir(rig.host("d")).unwrap();
    fs::set_permissions(rig.host("d"), fs::Permissions::from_mode(0o711)).unwrap();
    fs::write(rig.host("d/Secret"), "x").unwrap();
    fs::set_permissions(rig.host("d/Secret"), fs::Permissions::from_mode(0o644)).unwrap();
    // Root has the names kept in mind.
    for number in 0..5 {
        assert!(rig.look(&format!("d/none{number}")).is_err());
    }
    assert!(rig.look("d/SECRET").is_ok());
    let alice = user(12_345);
    let look = |name: &str| rig.open_as(&alice, rig.how(name)).map(|_| ());
    assert_eq!(look("d/SECRET"), Err(VfsError::NotFound));
    assert_eq!(look("d/Secret"), Ok(()));
    // As root again.
    rig.look("").unwrap();
    fs::set_permissions(rig.host("d"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(look("d/SECRET"), Ok(()));
}
