//! Settings of a share that decide about names and owners.

use crate::rig::{Rig, call, is_root, user};
use ksmbd_core::{
    veto::Veto,
    vfs::{Done, Missing, Op, OpenHow, VfsError},
    wire::fscc::ea::FullEaInformation,
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
};

fn vetoing(patterns: &[&str]) -> Rig {
    Rig::with(|share| {
        share.veto = Veto::new(patterns.iter().copied());
        share.follow_symlinks = true;
    })
}

#[test]
fn what_is_vetoed_is_neither_shown_nor_opened() {
    let rig = vetoing(&["*.exe", "secret*"]);
    fs::create_dir_all(rig.host("Secrets/in")).unwrap();
    for name in ["a.EXE", "b.txt", "Secrets/in/c"] {
        fs::write(rig.host(name), "x").unwrap();
    }
    symlink("b.txt", rig.host("link.exe")).unwrap();
    assert_eq!(rig.names("", "*"), [".", "..", "b.txt"]);
    assert_eq!(rig.names("", "a.exe"), Vec::<String>::new());
    for name in ["a.EXE", "A.exe", "Secrets", "SECRETS", "link.exe", "nosuch.exe"] {
        assert_eq!(rig.look(name).unwrap_err(), VfsError::NotFound, "{name}");
    }
    for name in ["Secrets/in", "secrets/in/c", "Secrets/no"] {
        assert_eq!(rig.look(name).unwrap_err(), VfsError::PathNotFound, "{name}");
    }
    assert!(rig.look("b.txt").is_ok() && rig.look("").is_ok());
}

#[test]
fn what_is_vetoed_is_not_made() {
    let rig = vetoing(&["*.exe", "secret"]);
    fs::create_dir(rig.host("secret")).unwrap();
    fs::write(rig.host("b"), "x").unwrap();
    assert_eq!(rig.create("new.exe").unwrap_err(), VfsError::AccessDenied);
    assert_eq!(rig.mkdir("SECRET").unwrap_err(), VfsError::AccessDenied);
    assert_eq!(rig.create("secret/f").unwrap_err(), VfsError::PathNotFound);
    assert_eq!(rig.rename("b", "b.exe", false), Err(VfsError::AccessDenied));
    assert_eq!(rig.rename("b", "secret/b", false), Err(VfsError::PathNotFound));
    assert!(rig.host("b").exists() && !rig.host("new.exe").exists());
    assert_eq!(fs::read_dir(rig.host("secret")).unwrap().count(), 0);
}

#[test]
fn what_is_new_belongs_to_its_directorys_owner() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    for (inherit, owner) in [(false, 12_345), (true, 777)] {
        let rig = Rig::with(|share| share.inherit_owner = inherit);
        fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
        chown(&rig.dir, Some(777), Some(777)).unwrap();
        let alice = user(12_345);
        for (name, missing) in [("file", Missing::CreateFile), ("folder", Missing::CreateDirectory)]
        {
            let made = rig.open_as(&alice, OpenHow { missing, ..rig.how(name) }).unwrap();
            assert_eq!(made.info.uid, owner, "{name}");
            // The group is the maker's: ksmbd and Samba leave it alone.
            let meta = fs::metadata(rig.host(name)).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (owner, 12_345), "{name}");
        }
        // The thread is alice's again; for the next line it has to be root's.
        rig.look("").unwrap();
        fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o700)).unwrap();
        let how = OpenHow { missing: Missing::CreateFile, ..rig.how("late") };
        assert_eq!(rig.open_as(&alice, how).unwrap_err(), VfsError::AccessDenied);
    }
}

/// It gets them while it still is its maker's.
#[test]
fn what_is_given_away_has_the_attributes_it_was_made_with() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let rig = Rig::with(|share| share.inherit_owner = true);
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o777)).unwrap();
    chown(&rig.dir, Some(777), Some(777)).unwrap();
    let bob = user(12_346);
    for (name, missing) in [("file", Missing::CreateFile), ("folder", Missing::CreateDirectory)] {
        let ea =
            FullEaInformation { flags: 0, ea_name: b"COLOUR".to_vec(), ea_value: b"blue".to_vec() };
        let how = OpenHow { missing, eas: vec![ea.clone()], ..rig.how(name) };
        let made = rig.open_as(&bob, how).unwrap();
        assert_eq!(made.info.uid, 777, "{name}");
        let query = Op::QueryEa { file: made.file, names: None, max: 1000 };
        let Done::Eas(eas) = call(&bob, query) else { panic!("{name}") };
        assert_eq!(eas, [ea], "{name}");
    }
}

/// The group that a directory hands down; mkdir() does not take that bit.
#[test]
fn the_forced_mode_of_a_directory_is_its_mode() {
    for keeps_acls in [false, true] {
        let rig = Rig::with(|share| {
            share.force_directory_mode = 0o2775;
            share.acl_xattr = keeps_acls;
        });
        let made = rig.mkdir("folder").unwrap();
        assert_eq!(made.info.mode, 0o2775);
        assert_eq!(fs::metadata(rig.host("folder")).unwrap().mode() & 0o7777, 0o2775);
        rig.mkdir("folder/below").unwrap();
        assert_eq!(fs::metadata(rig.host("folder/below")).unwrap().mode() & 0o7777, 0o2775);
    }
    if !is_root() {
        return;
    }
    // Of a group that its maker is not in.
    let rig = Rig::with(|share| {
        share.force_directory_mode = 0o2070;
        share.inherit_owner = true;
    });
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o2777)).unwrap();
    chown(&rig.dir, Some(777), Some(778)).unwrap();
    fs::set_permissions(&rig.dir, fs::Permissions::from_mode(0o2777)).unwrap();
    let how = OpenHow { missing: Missing::CreateDirectory, ..rig.how("folder") };
    rig.open_as(&user(12_346), how).unwrap();
    let meta = fs::metadata(rig.host("folder")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7070), (777, 778, 0o2070));
}
