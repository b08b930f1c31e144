//! From a share-relative path to a descriptor. The kernel resolves below the share's directory
//! (`openat2`, RESOLVE_BENEATH), so neither `..`, nor an absolute or magic link, nor somebody who
//! swaps a directory for a link at the wrong moment leads out.

use super::{Outcome, entries, failed, handle::Root, identity::Who, info, turns::Turn};
use ksmbd_core::{
    id::FileKey,
    name::{SharePath, mapping},
    vfs::VfsError,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{self, Mode, OFlags, ResolveFlags, Statx},
    io::Errno,
};
use std::sync::atomic::{AtomicBool, Ordering};

/// The kernel has no `openat2` (before 5.6, or behind an old seccomp filter).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// A rename somewhere in the tree can make `openat2` give up; that is worth another try.
const TRIES: usize = 64;

/// Bytes of one component that the kernel takes.
const MAX_COMPONENT: usize = 255;

/// Where a path leads.
pub(super) enum Place {
    /// Something is there: an O_PATH descriptor, and the path in the case that is on the disk.
    Here(OwnedFd, SharePath),
    /// Only the last component is missing.
    Missing(Box<Vacancy>),
}

/// A name that nothing has.
pub(super) struct Vacancy {
    /// Its directory (O_PATH), which the calling identity can look in.
    pub(super) parent: OwnedFd,
    pub(super) parent_stat: Statx,
    /// The directory in the case that is on the disk, the name in the client's.
    pub(super) path: SharePath,
    /// Nobody else makes it in another case meanwhile. Only when it is looked for to be made.
    _turn: Option<Turn<entries::Naming>>,
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
/// vetoes is not there, under the client's name for it and under the disk's. `makes` when what is
/// missing is going to be made.
pub(super) fn find(
    root: &Root,
    path: &SharePath,
    last: Last,
    makes: bool,
    who: Who,
) -> Outcome<Place> {
    not_vetoed(root, path)?;
    let place = find_any(root, path, last, makes, who)?;
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

fn find_any(root: &Root, path: &SharePath, last: Last, makes: bool, who: Who) -> Outcome<Place> {
    let flags = last.flags(root);
    let wanted = path.file_name();
    let open = |path: &SharePath| match beneath(root, path, flags) {
        Ok(fd) => Ok(Some(fd)),
        Err(errno) if is_absent(errno, path) => Ok(None),
        Err(errno) => Err(on_the_way(errno)),
    };
    if let Some(fd) = open(path)? {
        return Ok(Place::Here(fd, path.clone()));
    }
    let above = path.parent();
    let (parent, real_parent) = find_directory(root, &above, who)?;
    let exact = real_parent.join_host(wanted);
    if real_parent != above
        && let Some(fd) = open(&exact)?
    {
        return Ok(Place::Here(fd, exact));
    }
    let parent_stat = info::stat_fd(&parent).map_err(failed)?;
    let turn = makes.then(|| entries::turn(&parent_stat, wanted));
    let place = entries::Place { root, fd: parent.as_fd(), stat: &parent_stat, who };
    if let Some(name) = place.look_for(wanted)? {
        let real = real_parent.join_host(&name);
        if let Some(fd) = open(&real)? {
            return Ok(Place::Here(fd, real));
        }
    }
    let vacancy = Vacancy { parent, parent_stat, path: exact, _turn: turn };
    Ok(Place::Missing(Box::new(vacancy)))
}

/// Finds a directory on the way to something: an O_PATH descriptor and its path on the disk.
pub(super) fn find_directory(
    root: &Root,
    path: &SharePath,
    who: Who,
) -> Outcome<(OwnedFd, SharePath)> {
    if root.share.veto.matches_path(path) {
        return Err(VfsError::PathNotFound);
    }
    let open = |path: &SharePath| match beneath(root, path, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(fd) => Ok(Some(fd)),
        Err(errno) if is_absent(errno, path) => Ok(None),
        Err(errno) => Err(on_the_way(errno)),
    };
    if let Some(fd) = open(path)? {
        return Ok((fd, path.clone()));
    }
    let mut real = SharePath::root();
    let mut fd = open(&real)?.ok_or(VfsError::PathNotFound)?;
    for wanted in path.as_str().split('/') {
        let exact = real.join_host(wanted);
        if let Some(next) = open(&exact)? {
            (fd, real) = (next, exact);
            continue;
        }
        let stat = info::stat_fd(&fd).map_err(failed)?;
        let place = entries::Place { root, fd: fd.as_fd(), stat: &stat, who };
        let name = place.look_for(wanted)?.ok_or(VfsError::PathNotFound)?;
        real = real.join_host(&name);
        fd = open(&real)?.ok_or(VfsError::PathNotFound)?;
    }
    Ok((fd, real))
}

/// Nothing has this name. A component that is too long for the kernel could still be there in another
/// case, and to clients it is not wrong, but missing.
fn is_absent(errno: Errno, path: &SharePath) -> bool {
    let too_long = |component: &str| {
        component.len() > MAX_COMPONENT && mapping::host(component).len() > MAX_COMPONENT
    };
    errno == Errno::NOENT || errno == Errno::NAMETOOLONG && path.as_str().split('/').any(too_long)
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

/// Opens `path` below the share; the empty path is the share. Creates nothing.
fn beneath(root: &Root, path: &SharePath, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = path.host();
    let path = if path.is_empty() { b"." } else { &*path };
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

/// Which directory `path` is in; the share's own is in none.
pub(super) fn directory_of(root: &Root, path: &SharePath, who: Who) -> Option<FileKey> {
    if path.is_root() {
        return None;
    }
    let (directory, _) = find_directory(root, &path.parent(), who).ok()?;
    Some(info::key(&info::stat_fd(directory).ok()?))
}

/// An entry of a directory (its name on the disk), for nothing but looking; a link is not followed.
pub(super) fn entry(directory: impl AsFd, name: &[u8]) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name, flags, Mode::empty()).ok()
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
fn step_by_step(root: &Root, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let way = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: Option<OwnedFd> = None;
    let mut components = path.split(|&byte| byte == b'/').peekable();
    while let Some(component) = components.next() {
        let flags = if components.peek().is_some() { way } else { flags | OFlags::NOFOLLOW };
        let from = at.as_ref().unwrap_or(&*root.directory);
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
        let share = std::sync::Arc::new(share);
        let directory = std::sync::Arc::new(directory);
        let root = Root { share, directory, key, acl, read_only: false };
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let open = |path: &str| step_by_step(&root, path.as_bytes(), flags);
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
        assert_eq!(on_the_way(Errno::LOOP), VfsError::PathNotFound, "as without openat2");
    }
}
