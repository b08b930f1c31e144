//! What an identity may do with a file. Mode bits decide where they can, without a call; where a group
//! or an ACL could, the kernel is asked.

use super::{
    acl,
    handle::{Root, proc_fd, proc_name},
    identity::{self, Who},
    info,
};
use ksmbd_core::vfs::{FileKind, Permitted};
use rustix::{
    fd::BorrowedFd,
    fs::{self, Access, AtFlags, CWD, FileType, StatVfsMountFlags, Statx, StatxAttributes},
    thread::{CapabilitySet, capabilities},
};
use std::sync::OnceLock;

/// What the kernel shows for owners that a user namespace does not know, and who `nobody` is: an
/// owner of this number may be anybody.
const OVERFLOW_UID: u32 = 65_534;

/// What the process's capabilities say about mode bits. Identities other than its own have none.
struct Trust {
    /// Root passes by them.
    root_may_all: bool,
    /// Who is not root does not.
    modes_count: bool,
}

fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(|| {
        let over = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
        let all = over | CapabilitySet::FOWNER;
        // The permitted ones: what is effective changes with the identity of the thread.
        let has = capabilities(None).map(|sets| sets.permitted);
        let switches = identity::can_switch();
        Trust {
            root_may_all: has.is_ok_and(|has| has.contains(all)),
            modes_count: switches || has.is_ok_and(|has| !has.intersects(over)),
        }
    })
}

/// Who could do what, as mode bits have it.
enum Verdict {
    /// These of the bits and no others.
    Exactly(u32),
    /// At most these of them: a group or an ACL decides.
    AtMost(u32),
}

fn by_mode(root: &Root, stat: &Statx, who: Who, wanted: u32) -> Verdict {
    let (mode, trust) = (u32::from(stat.stx_mode), trust());
    let guarded = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
    let guarded = stat.stx_attributes.intersects(guarded)
        || root.read_only
        || info::device(stat) != root.key.device;
    if guarded && wanted & WRITE != 0 || !trust.modes_count && who.uid != 0 {
        return Verdict::AtMost(wanted);
    }
    if who.uid == 0 {
        if !trust.root_may_all {
            return Verdict::AtMost(wanted);
        }
        let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
        let execute = if directory || mode & 0o111 != 0 { EXECUTE } else { 0 };
        return Verdict::Exactly(wanted & (READ | WRITE | execute));
    }
    if who.uid == stat.stx_uid && who.uid != OVERFLOW_UID {
        return Verdict::Exactly(wanted & (mode >> 6));
    }
    // With an ACL the group's bits are its mask: nobody but the owner has more than these.
    let most =
        if who.uid == OVERFLOW_UID { mode >> 6 | mode >> 3 | mode } else { mode >> 3 | mode };
    match wanted & most {
        0 => Verdict::Exactly(0),
        some => Verdict::AtMost(some),
    }
}

/// As mode bits have them.
const READ: u32 = 4;
const WRITE: u32 = 2;
const EXECUTE: u32 = 1;

/// Which of the `wanted` bits the identity has for the file of `fd`.
fn bits(root: &Root, fd: BorrowedFd<'_>, stat: &Statx, who: Who, wanted: u32) -> u32 {
    match by_mode(root, stat, who, wanted) {
        Verdict::Exactly(bits) => bits,
        Verdict::AtMost(bits) if asked(root, fd, stat, who, bits) => bits,
        Verdict::AtMost(bits) if bits.is_power_of_two() => 0,
        Verdict::AtMost(bits) => [READ, WRITE, EXECUTE]
            .into_iter()
            .filter(|bit| bits & bit != 0 && asked(root, fd, stat, who, *bit))
            .sum(),
    }
}

/// The kernel knows groups, ACLs and mounts. Where it only answers for the process's own user it is asked for
/// what the answer depends on.
fn asked(root: &Root, fd: BorrowedFd<'_>, stat: &Statx, who: Who, bits: u32) -> bool {
    if asks_by_file_ids() {
        access(fd, bits, AtFlags::EACCESS)
    } else if !identity::can_switch() {
        access(fd, bits, AtFlags::empty())
    } else {
        by_acl(root, fd, stat, who, bits)
    }
}

/// Is there faccessat2(2)? It came with Linux 5.8, and some containers forbid it. What is asked here has no
/// counterpart in the older call, by which others would be answered as if they were the server.
fn asks_by_file_ids() -> bool {
    static ASKS: OnceLock<bool> = OnceLock::new();
    let flags = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW;
    *ASKS.get_or_init(|| fs::accessat(CWD, c"/", Access::EXISTS, flags).is_ok())
}

fn access(fd: BorrowedFd<'_>, bits: u32, flags: AtFlags) -> bool {
    let mut access = Access::empty();
    access.set(Access::READ_OK, bits & READ != 0);
    access.set(Access::WRITE_OK, bits & WRITE != 0);
    access.set(Access::EXEC_OK, bits & EXECUTE != 0);
    proc_fd().is_ok_and(|proc| fs::accessat(proc, proc_name(fd), access, flags).is_ok())
}

/// What acl(5) says, and capabilities(7) of root.
fn by_acl(root: &Root, fd: BorrowedFd<'_>, stat: &Statx, who: Who, bits: u32) -> bool {
    let guarded = stat.stx_attributes.contains(StatxAttributes::IMMUTABLE) || root.read_only;
    let elsewhere = info::device(stat) != root.key.device;
    let fixed = || fs::fstatvfs(fd).is_ok_and(|at| at.f_flag.contains(StatVfsMountFlags::RDONLY));
    if bits & WRITE != 0 && (guarded || elsewhere && fixed()) {
        return false;
    }
    if who.uid == 0 && trust().root_may_all {
        let directory = info::kind(stat) == FileKind::Directory;
        return bits & EXECUTE == 0 || directory || stat.stx_mode & 0o111 != 0;
    }
    acl::posix(fd, stat).grants(who.uid, identity::is_member, bits)
}

/// What the calling identity may do with the file of `fd` itself.
pub(super) fn permitted(root: &Root, fd: BorrowedFd<'_>, stat: &Statx, who: Who) -> Permitted {
    let bits = bits(root, fd, stat, who, READ | WRITE | EXECUTE);
    let mut permitted = Permitted::empty();
    permitted.set(Permitted::READ, bits & READ != 0);
    permitted.set(Permitted::WRITE, bits & WRITE != 0);
    permitted.set(Permitted::EXECUTE, bits & EXECUTE != 0);
    permitted.set(Permitted::OWNER, who.uid == 0 || who.uid == stat.stx_uid);
    permitted
}

/// It is root and passes by all mode bits.
pub(super) fn may_all(root: &Root, who: Who) -> bool {
    who.uid == 0 && trust().root_may_all && !root.read_only
}

/// May the calling identity see what is in a directory?
pub(super) fn may_list(root: &Root, directory: BorrowedFd<'_>, stat: &Statx, who: Who) -> bool {
    bits(root, directory, stat, who, READ) == READ
}

/// Could the calling identity remove the file of `stat` from `parent`? In a directory with the sticky
/// bit, names belong to their owners.
pub(super) fn may_remove(
    root: &Root,
    (parent, parent_stat): (BorrowedFd<'_>, &Statx),
    stat: &Statx,
    who: Who,
) -> bool {
    const STICKY: u16 = 0o1000;
    let sticky = parent_stat.stx_mode & STICKY != 0;
    let owns = [0, stat.stx_uid, parent_stat.stx_uid].contains(&who.uid);
    (owns || !sticky) && bits(root, parent, parent_stat, who, WRITE | EXECUTE) == WRITE | EXECUTE
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_core::vfs::{Identity, VfsError};
    use rustix::{
        fd::AsFd,
        fs::{XattrFlags, removexattr, setxattr},
    };
    use std::{
        fs::File,
        os::unix::fs::{PermissionsExt, chown},
        sync::Arc,
    };

    /// The kernel's form: version 2, and entries of tag, permissions and id.
    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    /// What is worked out here is what the kernel says, whoever asks.
    #[test]
    fn an_older_kernel_says_the_same() {
        if !identity::can_switch() || !asks_by_file_ids() {
            return;
        }
        let path = std::env::temp_dir().join(format!("ksmbd-rights-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let who = |uid, gid, groups| Identity { name: "a".into(), uid, gid, groups, sid: None };
        let people =
            [who(1, 2, vec![]), who(3, 4, vec![2]), who(5, 6, vec![7]), who(8, 9, vec![10, 7])];
        let none = u32::MAX;
        let lists = [
            None,
            Some(acl(&[(1, 6, none), (4, 4, none), (0x20, 0, none)])),
            Some(acl(&[
                (1, 6, none),
                (2, 7, 5),
                (4, 2, none),
                (8, 4, 7),
                (8, 2, 10),
                (0x10, 6, none),
                (0x20, 1, none),
            ])),
            Some(acl(&[(1, 0, none), (2, 0, 8), (4, 7, none), (0x10, 5, none), (0x20, 7, none)])),
        ];
        for mode in [0o000, 0o700, 0o640, 0o664, 0o071, 0o004, 0o777] {
            for list in &lists {
                identity::as_server(|| {
                    chown(&path, Some(1), Some(2)).unwrap();
                    let _ = removexattr(&path, "system.posix_acl_access");
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
                    let set = |list: &Vec<u8>| {
                        setxattr(&path, "system.posix_acl_access", list, XattrFlags::empty())
                    };
                    // Not every file system keeps them.
                    list.as_ref().map(set).transpose().map(drop).or(Ok(()))
                })
                .unwrap();
                let stat = info::stat_fd(&file).unwrap();
                let posix = acl::posix(file.as_fd(), &stat);
                for person in &people {
                    identity::assume(&Arc::new(person.clone())).unwrap();
                    for bits in 1..8 {
                        let kernel = access(file.as_fd(), bits, AtFlags::EACCESS);
                        let ours = posix.grants(person.uid, identity::is_member, bits);
                        assert_eq!(ours, kernel, "{mode:o} {list:?} {bits} {person:?}");
                    }
                }
            }
        }
        let removed = identity::as_server(|| std::fs::remove_file(&path).map_err(|_| VfsError::Io));
        removed.unwrap();
    }
}
