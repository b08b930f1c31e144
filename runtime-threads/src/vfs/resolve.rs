//! From a share-relative path to a descriptor. The kernel resolves below the share's directory
//! (`openat2`, RESOLVE_BENEATH), so neither `..`, nor an absolute or magic link, nor somebody who
//! swaps a directory for a link at the wrong moment leads out.

use super::{Outcome, failed, handle::Root, info};
use ksmbd_core::{
    name::{SharePath, same_name},
    vfs::VfsError,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, Dir, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use std::sync::atomic::{AtomicBool, Ordering};

/// The kernel has no `openat2` (before 5.6, or behind an old seccomp filter).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// A rename somewhere in the tree can make `openat2` give up; that is worth another try.
const TRIES: usize = 64;

/// Where a path leads.
pub(super) enum Place {
    /// Something is there: an O_PATH descriptor, and the path in the case that is on the disk.
    Here(OwnedFd, SharePath),
    /// Only the last component is missing: its directory (O_PATH) and its path.
    Missing(OwnedFd, SharePath),
}

/// What becomes of a symbolic link at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// The way the share is set.
    AsShare,
    /// The link itself.
    Link,
}

impl Last {
    fn flags(self, root: &Root) -> OFlags {
        // Where links are not followed, a link is still a thing that can be shown and removed.
        if self == Self::Link || !root.share.follow_symlinks {
            OFlags::PATH | OFlags::NOFOLLOW
        } else {
            OFlags::PATH
        }
    }
}

/// Finds `path`: exactly if it is there, else ignoring case, component by component. What the share
/// vetoes is not there, under the client's name for it and under the disk's.
pub(super) fn find(root: &Root, path: &SharePath, last: Last) -> Outcome<Place> {
    not_vetoed(root, path)?;
    let place = find_any(root, path, last)?;
    if let Place::Here(_, real) = &place {
        not_vetoed(root, real)?;
    }
    Ok(place)
}

/// `veto files`.
fn not_vetoed(root: &Root, path: &SharePath) -> Outcome<()> {
    let veto = &root.share.veto;
    match veto.is_empty() {
        false if veto.matches_path(&path.parent()) => Err(VfsError::PathNotFound),
        false if veto.matches(path.file_name()) => Err(VfsError::NotFound),
        _ => Ok(()),
    }
}

fn find_any(root: &Root, path: &SharePath, last: Last) -> Outcome<Place> {
    let flags = last.flags(root);
    match beneath(root, path.as_str(), flags) {
        Ok(fd) => return Ok(Place::Here(fd, path.clone())),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(on_the_way(errno)),
    }
    let (parent, real) = find_directory(root, &path.parent())?;
    let wanted = path.file_name();
    for name in [Some(wanted.to_owned()), look_for(parent.as_fd(), wanted)?].into_iter().flatten() {
        let real = real.join_host(&name);
        match beneath(root, real.as_str(), flags) {
            Ok(fd) => return Ok(Place::Here(fd, real)),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(on_the_way(errno)),
        }
    }
    Ok(Place::Missing(parent, real.join_host(wanted)))
}

/// Finds a directory on the way to something: an O_PATH descriptor and its path on the disk.
pub(super) fn find_directory(root: &Root, path: &SharePath) -> Outcome<(OwnedFd, SharePath)> {
    if root.share.veto.matches_path(path) {
        return Err(VfsError::PathNotFound);
    }
    match directory(root, path) {
        Ok(fd) => return Ok((fd, path.clone())),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(on_the_way(errno)),
    }
    let mut real = SharePath::root();
    let mut fd = directory(root, &real).map_err(on_the_way)?;
    for wanted in path.as_str().split('/') {
        let exact = real.join_host(wanted);
        match directory(root, &exact) {
            Ok(next) => (fd, real) = (next, exact),
            Err(Errno::NOENT) => {
                let name = look_for(fd.as_fd(), wanted)?.ok_or(VfsError::PathNotFound)?;
                real = real.join_host(&name);
                fd = directory(root, &real).map_err(on_the_way)?;
            }
            Err(errno) => return Err(on_the_way(errno)),
        }
    }
    Ok((fd, real))
}

fn directory(root: &Root, path: &SharePath) -> Result<OwnedFd, Errno> {
    beneath(root, path.as_str(), OFlags::PATH | OFlags::DIRECTORY)
}

/// An error before the last component is reached.
fn on_the_way(errno: Errno) -> VfsError {
    match errno {
        Errno::NOENT | Errno::NOTDIR => VfsError::PathNotFound,
        // openat2: the path leaves the share, or enters a file system that may not be entered.
        Errno::XDEV => VfsError::AccessDenied,
        errno => failed(errno),
    }
}

/// The entry of `directory` that is `wanted` in another case. A directory that may be searched and
/// not read has no such entry.
pub(super) fn look_for(directory: BorrowedFd<'_>, wanted: &str) -> Outcome<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = match fs::openat(directory, c".", flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::ACCESS | Errno::PERM) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let mut other_case = None;
    for entry in Dir::new(fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name == wanted {
            // It appeared while we looked: the exact name is the right one.
            return Ok(Some(name.to_owned()));
        }
        if other_case.is_none() && same(name, wanted) {
            other_case = Some(name.to_owned());
        }
    }
    Ok(other_case)
}

/// [`same_name`], fast for what most names are.
fn same(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { same_name(a, b) }
}

/// Opens `path` below the share; the empty path is the share. Creates nothing.
fn beneath(root: &Root, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    let flags = flags | OFlags::CLOEXEC;
    if NO_OPENAT2.load(Ordering::Relaxed) {
        return step_by_step(root, path, flags);
    }
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    resolve.set(ResolveFlags::NO_SYMLINKS, !root.share.follow_symlinks);
    resolve.set(ResolveFlags::NO_XDEV, !root.share.cross_mounts);
    for _ in 0..TRIES {
        match fs::openat2(&root.directory, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// Is there an `openat2`? Asked with each share that is opened, before anything is resolved in it.
pub(super) fn probe(directory: BorrowedFd<'_>) {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH;
    // EPERM is how some containers say that there is none.
    if let Err(Errno::NOSYS | Errno::PERM) =
        fs::openat2(directory, ".", flags, Mode::empty(), resolve)
        && !NO_OPENAT2.swap(true, Ordering::Relaxed)
    {
        log::warn!("this kernel has no openat2: symbolic links are not followed");
    }
}

/// What `openat2` does, for old kernels: no link is followed, whatever the share's setting.
fn step_by_step(root: &Root, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let way = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = None;
    let mut components = path.split('/').peekable();
    while let Some(component) = components.next() {
        let flags = if components.peek().is_some() { way } else { flags | OFlags::NOFOLLOW };
        let from = at.as_ref().unwrap_or(&root.directory);
        let next = fs::openat(from, component, flags, Mode::empty())?;
        if !root.share.cross_mounts && info::device(&info::stat_fd(&next)?) != root.key.device {
            return Err(Errno::XDEV);
        }
        at = Some(next);
    }
    at.ok_or(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_clients_compare_them() {
        assert!(same("README.txt", "readme.TXT") && same("Äpfel", "äPFEL"));
        assert!(!same("a", "b") && !same("a", "ab"));
    }

    #[test]
    fn without_openat2_no_link_is_followed() {
        use ksmbd_core::config::Share;
        use std::{fs, os::unix::fs::symlink};
        let dir = std::env::temp_dir().join(format!("ksmbd-steps-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/b/f"), "x").unwrap();
        symlink("/", dir.join("out")).unwrap();
        symlink("b", dir.join("a/in")).unwrap();
        let share = Share::disk("s", dir.to_str().unwrap());
        let directory: OwnedFd = fs::File::open(&dir).unwrap().into();
        let key = info::key(&info::stat_fd(&directory).unwrap());
        let acl = crate::vfs::acl::Store::Off;
        let root = Root { share: std::sync::Arc::new(share), directory, key, acl };
        let open = |path| step_by_step(&root, path, OFlags::PATH | OFlags::CLOEXEC);
        assert!(open(".").is_ok() && open("a/b/f").is_ok());
        assert_eq!(open("a/c").unwrap_err(), Errno::NOENT);
        assert_eq!(open("a/b/f/g").unwrap_err(), Errno::NOTDIR);
        assert_eq!(open("out/etc").unwrap_err(), Errno::NOTDIR);
        assert_eq!(open("a/in/f").unwrap_err(), Errno::NOTDIR);
        let link = info::stat_fd(open("out").unwrap()).unwrap();
        assert_eq!(info::kind(&link), ksmbd_core::vfs::FileKind::Symlink);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_escape_is_not_a_device_error() {
        assert_eq!(on_the_way(Errno::XDEV), VfsError::AccessDenied);
        assert_eq!(failed(Errno::XDEV), VfsError::CrossDevice);
        assert_eq!(on_the_way(Errno::NOTDIR), VfsError::PathNotFound);
    }
}
