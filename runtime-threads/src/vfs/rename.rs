//! Renaming within a share, and second names.

use super::{
    Outcome,
    acl::{self, Store},
    again,
    delete::still_there,
    entries, failed,
    handle::{Handle, Root, proc_fd, proc_name},
    identity::{self, Who},
    info,
    outside::own::{self, Kind},
    resolve::{self, find_directory},
};
use ksmbd_core::{
    acl::Token,
    id::FileKey,
    name::{SharePath, mapping},
    vfs::{Done, File, FileKind, VfsError},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, RenameFlags, Statx},
    io::Errno,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// One end of a rename: a directory and a name in it. The directory's case is the disk's, a new name's
/// the client's.
struct End {
    directory: OwnedFd,
    stat: Statx,
    name: String,
}

impl End {
    fn new(directory: OwnedFd, path: &SharePath) -> Outcome<Self> {
        let stat = info::stat_fd(&directory).map_err(failed)?;
        Ok(Self { directory, stat, name: path.file_name().to_owned() })
    }

    /// Another name in the same directory.
    fn called(&self, name: String) -> Outcome<Self> {
        let directory = self.directory.try_clone().map_err(|_| VfsError::TooManyFiles)?;
        Ok(Self { directory, stat: self.stat, name })
    }
}

/// [`Op::Rename`](ksmbd_core::vfs::Op::Rename).
pub(super) fn rename(
    root: &File,
    [from, to]: [&SharePath; 2],
    (key, replace): (FileKey, bool),
    token: Option<&Token>,
    who: Who,
) -> Outcome<Done> {
    let root = &Handle::of(root)?.root;
    if to.is_root() || root.share.veto.matches(to.file_name()) {
        return Err(VfsError::AccessDenied);
    }
    let (directory, from, _) = still_there(root, from, key, who)?;
    let from = End::new(directory, &from)?;
    let (directory, parent) = find_directory(root, &to.parent(), who)?;
    let now = parent.join_host(to.file_name());
    let to = End::new(directory, to)?;
    if let Some(token) = token.filter(|_| root.acl != Store::Off) {
        admit(root, &from, &to, token)?;
    }
    let replaced = replace_or_move(root, [&from, &to], (key, replace), token, who)?;
    Ok(Done::Named { to: now, replaced })
}

/// Whether something was replaced.
fn replace_or_move(
    root: &Root,
    [from, to]: [&End; 2],
    (key, replace): (FileKey, bool),
    token: Option<&Token>,
    who: Who,
) -> Outcome<bool> {
    // From here on nobody makes the new name in another case.
    let _turn = entries::turn(&to.stat, &to.name);
    let Some((there, stat)) = occupant(root, to, who)? else {
        return move_to(from, to, false).map(|()| false);
    };
    if there == from.name && are_one_directory(from, to) {
        // Only the case changes, or nothing.
        return move_to(from, to, true).map(|()| false);
    }
    if is_one_entry(root, [from, to], (&there, &stat), who)? {
        return move_aside(from, to).map(|()| false);
    }
    if !replace {
        return Err(VfsError::Exists);
    }
    if info::kind(&stat) == FileKind::Directory {
        return Err(VfsError::AccessDenied);
    }
    may_replace(root, to, &there, token)?;
    if info::key(&stat) == key {
        // Two names of one file: rename() would do nothing, and the client wants one name less.
        let name = mapping::host(&from.name);
        let names = [(info::key(&from.stat), &*name, Kind::Vanishes)];
        let unlink = || again(|| fs::unlinkat(&from.directory, &*name, AtFlags::empty()));
        return own::change(&names, unlink, Result::is_ok).map(|()| true);
    }
    move_over(from, to, there).map(|()| true)
}

fn are_one_directory(from: &End, to: &End) -> bool {
    info::key(&from.stat) == info::key(&to.stat)
}

/// Whether the entry that is renamed is the one that is `there`: a file system that does not tell cases
/// apart finds it by both names, and so does one that knows a short name for each long one. Without one
/// of them there is no file.
fn is_one_entry(
    root: &Root,
    [from, to]: [&End; 2],
    (there, stat): (&str, &Statx),
    who: Who,
) -> Outcome<bool> {
    let own = info::stat_entry(&from.directory, &mapping::host(&from.name)).map_err(failed)?;
    let one_directory = are_one_directory(from, to);
    match info::kind(stat) {
        _ if info::key(&own) != info::key(stat) => return Ok(false),
        FileKind::Directory => return Ok(one_directory),
        _ if stat.stx_nlink <= 1 => return Ok(true),
        _ if !one_directory => return Ok(false),
        _ => {}
    }
    let place = entries::Place { root, fd: from.directory.as_fd(), stat: &from.stat, who };
    // Who may rename something here may not always see what else there is.
    let listed = || Ok((place.read(|_| true, &from.name)?, place.read(|_| true, there)?));
    let (old, new) = identity::as_server(listed)?;
    Ok(old.is_none() || new.is_none() || old == new)
}

/// Gives an entry a name by which it is found already. The kernel takes that for nothing to do, so it
/// has another one in between.
fn move_aside(from: &End, to: &End) -> Outcome<()> {
    let spare = spare(from, |spare| {
        match info::stat_entry(&spare.directory, &mapping::host(&spare.name)) {
            Ok(_) => Err(VfsError::Exists),
            Err(_) => move_to(from, spare, false),
        }
    })?;
    move_to(&spare, to, false).inspect_err(|_| {
        if let Err(error) = move_to(&spare, from, false) {
            let (name, why) = (&from.name, error.reason());
            log::error!("{name} is called {} now and cannot be renamed: {why}", spare.name);
        }
    })
}

/// What descriptors say about replacing the entry `there`.
fn may_replace(root: &Root, to: &End, there: &str, token: Option<&Token>) -> Outcome<()> {
    if let Some(token) = token.filter(|_| root.acl != Store::Off)
        && let Some(target) = resolve::entry(&to.directory, &mapping::host(there))
        && !acl::may_replace(root, to.directory.as_fd(), target.as_fd(), token)?
    {
        return Err(VfsError::AccessDenied);
    }
    Ok(())
}

/// Replaces the entry `there`, which is `to` in whatever case.
fn move_over(from: &End, to: &End, there: String) -> Outcome<()> {
    if there != to.name {
        // A name in another case is replaced: it goes with the move, then the case is put right.
        let other = to.called(there)?;
        move_to(from, &other, true)?;
        return move_to(&other, to, false);
    }
    move_to(from, to, true)
}

/// [`Op::Link`](ksmbd_core::vfs::Op::Link). What gets the name is what is open, whatever it is called
/// by now.
pub(super) fn link(
    root: &File,
    file: &File,
    to: &SharePath,
    replace: bool,
    token: Option<&Token>,
    who: Who,
) -> Outcome<Done> {
    let (root, handle) = (&Handle::of(root)?.root, Handle::of(file)?);
    if handle.kind == FileKind::Directory {
        return Err(VfsError::IsDirectory);
    }
    if to.is_root() || root.share.veto.matches(to.file_name()) {
        return Err(VfsError::AccessDenied);
    }
    let (directory, parent) = find_directory(root, &to.parent(), who)?;
    let now = parent.join_host(to.file_name());
    let named = |replaced| Done::Named { to: now, replaced };
    let to = End::new(directory, to)?;
    if let Some(token) = token.filter(|_| root.acl != Store::Off) {
        acl::may_add(root, to.directory.as_fd(), token, false)?;
    }
    let _turn = entries::turn(&to.stat, &to.name);
    let Some((there, stat)) = occupant(root, &to, who)? else {
        return give(handle, &to).map(|()| named(false));
    };
    if !replace {
        return Err(VfsError::Exists);
    }
    if info::key(&stat) == handle.key {
        // It has the name; in this case now.
        return move_to(&to.called(there)?, &to, true).map(|()| named(false));
    }
    if info::kind(&stat) == FileKind::Directory {
        return Err(VfsError::AccessDenied);
    }
    may_replace(root, &to, &there, token)?;
    // By another name first: where there can be no link, nothing is replaced.
    let spare = spare(&to, |spare| give(handle, spare))?;
    let moved = move_over(&spare, &to, there).inspect_err(|_| {
        let names = [(info::key(&spare.stat), spare.name.as_bytes(), Kind::Vanishes)];
        let unlink = || fs::unlinkat(&spare.directory, spare.name.as_str(), AtFlags::empty());
        let _ = own::change(&names, unlink, Result::is_ok);
    });
    moved.map(|()| named(true))
}

/// Gives what is open the name, which nothing has.
fn give(handle: &Handle, to: &End) -> Outcome<()> {
    let (old, new) = (proc_name(&handle.fd), mapping::host(&to.name));
    let proc = proc_fd()?;
    let names = [(info::key(&to.stat), &*new, Kind::Appears)];
    let link = || fs::linkat(proc, old, &to.directory, &*new, AtFlags::SYMLINK_FOLLOW);
    match own::change(&names, link, Result::is_ok) {
        // Its last name is gone.
        Err(Errno::NOENT) => Err(VfsError::Gone),
        result => result.map_err(failed),
    }
}

/// Gives something a name that nobody asked for, until it is moved to where it belongs.
fn spare(beside: &End, give: impl Fn(&End) -> Outcome<()>) -> Outcome<End> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let end = beside.called(format!(".ksmbd-name-{}-{number}", std::process::id()))?;
        match give(&end) {
            Err(VfsError::Exists) => {}
            given => return given.map(|()| end),
        }
    }
}

/// MS-FSA 2.1.5.15.12: what comes into another directory is added to it.
fn admit(root: &Root, from: &End, to: &End, token: &Token) -> Outcome<()> {
    if are_one_directory(from, to) {
        return Ok(());
    }
    let stat = info::stat_entry(&from.directory, &mapping::host(&from.name)).map_err(failed)?;
    let directory = info::kind(&stat) == FileKind::Directory;
    acl::may_add(root, to.directory.as_fd(), token, directory).map(|_| ())
}

/// What is at `end`, in whatever case.
fn occupant(root: &Root, end: &End, who: Who) -> Outcome<Option<(String, Statx)>> {
    let look = |name: &str| match info::stat_entry(&end.directory, &mapping::host(name)) {
        Ok(stat) => Ok(Some((name.to_owned(), stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed(errno)),
    };
    if let Some(exact) = look(&end.name)? {
        return Ok(Some(exact));
    }
    let place = entries::Place { root, fd: end.directory.as_fd(), stat: &end.stat, who };
    place.look_for(&end.name)?.map_or(Ok(None), |name| look(&name))
}

fn move_to(from: &End, to: &End, replace: bool) -> Outcome<()> {
    let (old, new) = (mapping::host(&from.name), mapping::host(&to.name));
    let names = [
        (info::key(&from.stat), &*old, Kind::Vanishes),
        (info::key(&to.stat), &*new, Kind::Appears),
    ];
    own::change(&names, || move_names(from, to, [&old, &new], replace), Result::is_ok)
}

fn move_names(from: &End, to: &End, [old, new]: [&[u8]; 2], replace: bool) -> Outcome<()> {
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
