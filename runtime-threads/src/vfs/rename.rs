//! Renaming within a share.

use super::{
    Outcome,
    acl::{self, Store},
    again,
    delete::still_there,
    failed,
    handle::{Handle, Root},
    info,
    resolve::{find_directory, look_for},
};
use ksmbd_core::{
    acl::Token,
    id::FileKey,
    name::SharePath,
    vfs::{File, FileKind, VfsError},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, Mode, OFlags, RenameFlags, Statx},
    io::Errno,
};

/// One end of a rename: a directory and a name in it.
struct End {
    directory: OwnedFd,
    name: String,
}

/// [`Op::Rename`](ksmbd_core::vfs::Op::Rename).
pub(super) fn rename(
    root: &File,
    [from, to]: [&SharePath; 2],
    key: FileKey,
    replace: bool,
    token: Option<&Token>,
) -> Outcome<()> {
    let root = &Handle::of(root)?.root;
    if to.is_root() || root.share.veto.matches(to.file_name()) {
        return Err(VfsError::AccessDenied);
    }
    let (directory, from) = still_there(root, from, key)?;
    let from = End { directory, name: from.file_name().to_owned() };
    let to = destination(root, to)?;
    if let Some(token) = token.filter(|_| root.acl != Store::Off) {
        admit(root, &from, &to, token)?;
    }
    let Some((there, stat)) = occupant(&to)? else {
        return move_to(&from, &to, false);
    };
    let same_place = there == from.name && same_directory(&from, &to)?;
    if same_place {
        // Only the case changes, or nothing.
        return move_to(&from, &to, true);
    }
    if !replace {
        return Err(VfsError::Exists);
    }
    if info::kind(&stat) == FileKind::Directory {
        return Err(VfsError::AccessDenied);
    }
    if let Some(token) = token.filter(|_| root.acl != Store::Off)
        && !acl::may_replace(root, to.directory.as_fd(), to.open(&there)?.as_fd(), token)?
    {
        return Err(VfsError::AccessDenied);
    }
    if info::key(&stat) == key {
        // Two names of one file: rename() would do nothing, and the client wants one name less.
        return again(|| fs::unlinkat(&from.directory, from.name.as_str(), AtFlags::empty()));
    }
    if there != to.name {
        // A name in another case is replaced: it goes with the move, then the case is put right.
        let other = End { directory: duplicate(&to.directory)?, name: there };
        move_to(&from, &other, true)?;
        return move_to(&other, &to, false);
    }
    move_to(&from, &to, true)
}

impl End {
    /// A name in the directory, for nothing but looking.
    fn open(&self, name: &str) -> Outcome<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.directory, name, flags, Mode::empty()).map_err(failed)
    }
}

/// MS-FSA 2.1.5.15.12: what comes into another directory is added to it.
fn admit(root: &Root, from: &End, to: &End, token: &Token) -> Outcome<()> {
    if same_directory(from, to)? {
        return Ok(());
    }
    let stat = info::stat_entry(&from.directory, &from.name).map_err(failed)?;
    let directory = info::kind(&stat) == FileKind::Directory;
    acl::may_add(root, to.directory.as_fd(), token, directory).map(|_| ())
}

fn duplicate(fd: &OwnedFd) -> Outcome<OwnedFd> {
    fd.try_clone().map_err(|_| VfsError::TooManyFiles)
}

/// The new name's directory must exist; its case is the disk's, the name's case the client's.
fn destination(root: &Root, to: &SharePath) -> Outcome<End> {
    let (directory, _) = find_directory(root, &to.parent())?;
    Ok(End { directory, name: to.file_name().to_owned() })
}

/// What is at `end`, in whatever case.
fn occupant(end: &End) -> Outcome<Option<(String, Statx)>> {
    let exact = Some(end.name.clone());
    for name in [exact, look_for(end.directory.as_fd(), &end.name)?].into_iter().flatten() {
        match info::stat_entry(&end.directory, &name) {
            Ok(stat) => return Ok(Some((name, stat))),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(None)
}

fn same_directory(a: &End, b: &End) -> Outcome<bool> {
    let key = |end: &End| info::stat_fd(&end.directory).map(|stat| info::key(&stat));
    Ok(key(a).map_err(failed)? == key(b).map_err(failed)?)
}

fn move_to(from: &End, to: &End, replace: bool) -> Outcome<()> {
    let (old, new) = (from.name.as_str(), to.name.as_str());
    if !replace {
        let flags = RenameFlags::NOREPLACE;
        match fs::renameat_with(&from.directory, old, &to.directory, new, flags) {
            // The file system cannot refuse by itself; that nothing is there was just seen.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            result => return result.map_err(refused),
        }
    }
    fs::renameat(&from.directory, old, &to.directory, new).map_err(refused)
}

/// A directory cannot become its own descendant.
fn refused(errno: Errno) -> VfsError {
    match errno {
        Errno::INVAL => VfsError::AccessDenied,
        errno => failed(errno),
    }
}
