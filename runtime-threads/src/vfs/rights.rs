//! What an identity may do with a file. Mode bits decide where they can, without a call; where a group
//! or an ACL could, the kernel is asked.

use super::{
    handle::{Root, proc_fd, proc_name},
    identity::{self, Who},
    info,
};
use ksmbd_core::vfs::Permitted;
use rustix::{
    fd::BorrowedFd,
    fs::{self, Access, AtFlags, CWD, FileType, Statx, StatxAttributes},
    io::Errno,
    system::uname,
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
        Verdict::AtMost(bits) if asked(fd, bits) => bits,
        Verdict::AtMost(bits) if bits.is_power_of_two() => 0,
        Verdict::AtMost(bits) => [READ, WRITE, EXECUTE]
            .into_iter()
            .filter(|bit| bits & bit != 0 && asked(fd, *bit))
            .sum(),
    }
}

/// The kernel knows groups, ACLs and mounts.
fn asked(fd: BorrowedFd<'_>, bits: u32) -> bool {
    match asks_by_file_ids() {
        true => access(fd, bits, AtFlags::EACCESS),
        false => identity::as_real(|| access(fd, bits, AtFlags::empty())).unwrap_or_default(),
    }
}

/// Is there faccessat2(2)? It came with Linux 5.8, and some containers forbid it. The older call asks by the real
/// user, which is the server's.
fn asks_by_file_ids() -> bool {
    static ASKS: OnceLock<bool> = OnceLock::new();
    *ASKS.get_or_init(|| {
        let name = uname();
        let release = name.release().to_string_lossy();
        let mut numbers = release.split(['.', '-']).map_while(|word| word.parse().ok());
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let allowed = fs::accessat(CWD, c"/", Access::EXISTS, AtFlags::EACCESS);
        version >= (5, 8) && allowed != Err(Errno::PERM)
    })
}

fn access(fd: BorrowedFd<'_>, bits: u32, flags: AtFlags) -> bool {
    let mut access = Access::empty();
    access.set(Access::READ_OK, bits & READ != 0);
    access.set(Access::WRITE_OK, bits & WRITE != 0);
    access.set(Access::EXEC_OK, bits & EXECUTE != 0);
    proc_fd().is_ok_and(|proc| fs::accessat(proc, proc_name(fd), access, flags).is_ok())
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
    use ksmbd_core::vfs::Identity;
    use rustix::fd::AsFd;
    use std::{fs::File, os::unix::fs::PermissionsExt, sync::Arc};

    /// Both ways of asking are told the same, whoever asks.
    #[test]
    fn an_older_kernel_says_the_same() {
        if !identity::can_switch() || !asks_by_file_ids() {
            return;
        }
        let path = std::env::temp_dir().join(format!("ksmbd-rights-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        let who = |uid, gid, groups| Identity { name: "a".into(), uid, gid, groups, sid: None };
        let people = [who(0, 0, vec![]), who(1, 2, vec![]), who(3, 4, vec![2]), who(5, 6, vec![7])];
        for mode in [0o000, 0o700, 0o640, 0o664, 0o071, 0o004, 0o777] {
            for person in &people {
                identity::as_server(|| {
                    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
                    std::os::unix::fs::chown(&path, Some(1), Some(2)).unwrap();
                    Ok(())
                })
                .unwrap();
                identity::assume(&Arc::new(person.clone())).unwrap();
                for bits in 1..8 {
                    let new = access(file.as_fd(), bits, AtFlags::EACCESS);
                    let old = identity::as_real(|| access(file.as_fd(), bits, AtFlags::empty()));
                    assert_eq!(old, Ok(new), "{mode:o} {bits} {person:?}");
                }
                // It is who it was.
                let mine = identity::as_server(|| Ok(()))
                    .and_then(|()| identity::assume(&Arc::new(person.clone())));
                assert_eq!(mine.map(|who| who.uid), Ok(person.uid));
            }
        }
        identity::as_server(|| {
            std::fs::remove_file(&path).map_err(|_| ksmbd_core::vfs::VfsError::Io)
        })
        .unwrap();
    }
}
