//! The Linux file system behind the core's [`Op`]s. Every path is resolved once, relative to the
//! share's directory ([`resolve`]); what it found is then used by descriptor, never by string again.

mod acl;
mod data;
mod delete;
mod directory;
mod dos_attrib;
mod ea;
mod entries;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
pub mod identity;
mod info;
mod inotify;
mod make;
mod making;
mod ntacl;
mod open;
mod open_stream;
pub mod outside;
mod past;
mod rename;
mod resolve;
mod rights;
mod streams;
mod times;
mod turns;
mod volume;
mod xattr;

pub(crate) use past::{anchor, reopen};

use handle::Handle;
use identity::Who;
use ksmbd_core::{
    buffer::ReplyBuf,
    id::FileKey,
    vfs::{Call, Done, FileInfo, Missing, Op, VfsError},
};
use rustix::io::Errno;

/// What a step of a call comes to.
type Outcome<T> = Result<T, VfsError>;

/// Carries out one file-system call on the calling thread, under the call's identity. `reply_buf`
/// gives the buffer for [`Op::Read`]. Calls for the daemon are not file-system calls and fail.
pub fn run(call: Call, reply_buf: &mut dyn FnMut(usize) -> ReplyBuf) -> Done {
    dispatch(call, reply_buf).unwrap_or_else(Done::Failed)
}

fn dispatch(call: Call, reply_buf: &mut dyn FnMut(usize) -> ReplyBuf) -> Outcome<Done> {
    let Call { identity, op } = call;
    if let Op::OpenShare(share) = op {
        return Ok(opened(open::open_share(share, &identity)?));
    }
    let who = identity::assume(&identity)?;
    let _touch = touched(&op, who).map(|(above, name)| outside::own::Touch::new(above, name));
    Ok(match op {
        Op::Open(how) => opened(open::open(&how, who)?),
        Op::Overwrite { file, attributes, eas } => told(data::overwrite(&file, attributes, &eas)?),
        Op::Read { file, offset, length } => {
            Done::Read(data::read(&file, offset, length, reply_buf)?)
        }
        Op::Write { file, offset, data, through } => {
            Done::Wrote(data::write(&file, offset, &data, through)?)
        }
        Op::Flush { file } => done(data::flush(&file)),
        Op::Query { file } => told(info::query(&file)?),
        Op::SetBasic { file, set } => done(info::set_basic(&file, &set)),
        Op::SetEndOfFile { file, size } => done(data::set_end_of_file(&file, size)),
        Op::SetAllocation { file, size } => done(data::set_allocation(&file, size)),
        Op::SetSecurity { file, change } => done(acl::set(&file, &change)),
        Op::Rename { root, from, to, key, replace, token } => {
            rename::rename(&root, [&from, &to], (key, replace), token.as_deref(), who)?
        }
        Op::Link { root, file, to, replace, token } => {
            rename::link(&root, &file, &to, replace, token.as_deref(), who)?
        }
        Op::Delete { root, path, key, directory } => {
            done(delete::delete(&root, &path, key, directory, who))
        }
        Op::RenameStream { file, to, replace } => done(streams::rename(&file, to, replace)),
        Op::DeleteStream { file } => done(streams::delete(&file)),
        Op::ListStreams { file } => Done::Streams(streams::list(&file)?),
        Op::QueryEa { file, names, max } => Done::Eas(ea::query(&file, names, max)?),
        Op::SetEa { file, eas } => done(ea::set(&file, &eas)),
        Op::CheckEmpty { file } => done(delete::check_empty(&file)),
        Op::List(how) => directory::list(*how, who)?,
        Op::Volume { file } => Done::Volume(Box::new(volume::query(&file)?)),
        _ => Done::Failed(VfsError::NotSupported),
    })
}

/// The directory and the name of the file whose data or metadata the call changes, when somebody
/// watches. What is made is told by its name.
fn touched(op: &Op, who: Who) -> Option<(FileKey, &str)> {
    let file = match op {
        _ if !outside::is_active() => return None,
        Op::Open(how) if how.stream.is_some() && how.missing != Missing::Fail => {
            let root = &Handle::of(&how.root).ok()?.root;
            return Some((resolve::directory_of(root, &how.path, who)?, how.path.file_name()));
        }
        Op::Overwrite { file, .. }
        | Op::Write { file, .. }
        | Op::SetBasic { file, .. }
        | Op::SetEndOfFile { file, .. }
        | Op::SetAllocation { file, .. }
        | Op::SetSecurity { file, .. }
        | Op::RenameStream { file, .. }
        | Op::DeleteStream { file }
        | Op::SetEa { file, .. } => file,
        _ => return None,
    };
    let handle = Handle::of(file).ok()?;
    Some((handle.above(who)?, handle.path.file_name()))
}

fn opened(opened: ksmbd_core::vfs::Opened) -> Done {
    Done::Opened(Box::new(opened))
}

fn told(info: FileInfo) -> Done {
    Done::Info(Box::new(info))
}

fn done(outcome: Outcome<()>) -> Done {
    match outcome {
        Ok(()) => Done::Ok,
        Err(error) => Done::Failed(error),
    }
}

/// What the kernel's error is to the core. The one mapping; `openat2`'s own meaning of EXDEV is in
/// [`resolve`].
fn failed(errno: Errno) -> VfsError {
    match errno {
        Errno::NOENT => VfsError::NotFound,
        Errno::EXIST => VfsError::Exists,
        Errno::ACCESS | Errno::PERM | Errno::BADF => VfsError::AccessDenied,
        Errno::ROFS => VfsError::ReadOnly,
        Errno::NOSPC | Errno::DQUOT => VfsError::NoSpace,
        Errno::ISDIR => VfsError::IsDirectory,
        Errno::NOTDIR => VfsError::NotDirectory,
        Errno::NOTEMPTY => VfsError::NotEmpty,
        Errno::MFILE | Errno::NFILE => VfsError::TooManyFiles,
        Errno::NAMETOOLONG => VfsError::NameTooLong,
        Errno::BUSY | Errno::TXTBSY | Errno::AGAIN => VfsError::Busy,
        Errno::XDEV => VfsError::CrossDevice,
        Errno::MLINK => VfsError::TooManyLinks,
        // A link on the way that is not followed is no directory. The status for it has to say where
        // the link leads, for the client to go there: it does not, and is not told.
        Errno::LOOP => VfsError::PathNotFound,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY => VfsError::NotSupported,
        Errno::INVAL | Errno::OVERFLOW => VfsError::Invalid,
        Errno::FBIG => VfsError::TooLarge,
        Errno::STALE => VfsError::Gone,
        Errno::NOMEM | Errno::NOBUFS => VfsError::NoMemory,
        Errno::TIMEDOUT => VfsError::TimedOut,
        // A device or socket without anybody behind it: such things are shown, not used.
        Errno::NXIO | Errno::NODEV => VfsError::AccessDenied,
        _ => {
            log::debug!("vfs: {errno} is told as an I/O error");
            VfsError::Io
        }
    }
}

/// Repeats a call that a signal interrupted.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Outcome<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(failed),
        }
    }
}
