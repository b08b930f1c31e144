//! What calls come to. A handle is written down as nothing but that it is there: the core never looks
//! into one, and whatever stands in for it does as well.

use crate::codec::{Value, fields};
use ksmbd_core::{
    buffer::ReplyBuf,
    vfs::{
        Account, Admission, Cursor, Done, File, FileInfo, FileObject, Opened, Past, Restored,
        VolumeInfo,
    },
    wire::codec::{Malformed, Parse, Reader},
};
use std::{any::Any, sync::Arc};
use zeroize::Zeroizing;

/// Stands for an open file, a pipe or a watched directory of the recorded run.
#[derive(Debug)]
pub struct Handle;

impl FileObject for Handle {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Value for File {
    fn put(&self, _: &mut Vec<u8>) {}
    fn get(_: &mut Reader<'_>) -> Parse<Self> {
        Ok(Self(Arc::new(Handle)))
    }
}

/// Nor is there anything to see in a place in a directory.
impl Value for Cursor {
    fn put(&self, _: &mut Vec<u8>) {}
    fn get(_: &mut Reader<'_>) -> Parse<Self> {
        Ok(Self(Box::new(())))
    }
}

fields! {
    Opened { file, path, stream, info, created, file_created }
    FileInfo {
        key, kind, size, allocation, links, attributes, ea_size, creation_time, last_access_time,
        last_write_time, change_time, mode, uid, gid, permitted, security,
    }
    VolumeInfo { serial, creation_time, unit, total, available, free }
    Admission { share, read_only, identity }
    Restored { number, promise, share, directory, opened }
    Past { servers, opens }
}

impl Value for Zeroizing<[u8; 16]> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&**self);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        from.array().map(Self::new)
    }
}

/// The hash of a password is never written down: see
/// [`Server::checked`](ksmbd_core::server::Server::checked).
impl Value for Account {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Found { nt_hash: _, identity, expires } => {
                put_checked(None, identity, *expires, out);
            }
            Self::Checked { base_key, identity, expires } => {
                put_checked(base_key.as_ref(), identity, *expires, out);
            }
            Self::Unknown { guest } => {
                out.push(0);
                guest.put(out);
            }
        }
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok(match from.u8()? {
            0 => Self::Unknown { guest: Value::get(from)? },
            1 => Self::Checked {
                base_key: Value::get(from)?,
                identity: Value::get(from)?,
                expires: Value::get(from)?,
            },
            _ => return Err(Malformed("no Account")),
        })
    }
}

fn put_checked(
    base_key: Option<&Zeroizing<[u8; 16]>>,
    identity: &Arc<ksmbd_core::vfs::Identity>,
    expires: Option<ksmbd_core::time::FileTime>,
    out: &mut Vec<u8>,
) {
    out.push(1);
    base_key.is_some().put(out);
    if let Some(key) = base_key {
        key.put(out);
    }
    identity.put(out);
    expires.put(out);
}

impl Value for ReplyBuf {
    fn put(&self, out: &mut Vec<u8>) {
        crate::codec::bytes(self.data(), out);
    }
    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        let length = usize::get(from)?;
        let data = from.bytes(length)?;
        let mut buffer = Self::new(Vec::new(), length);
        buffer.vec().extend_from_slice(data);
        Ok(buffer)
    }
}

impl Value for Done {
    fn put(&self, out: &mut Vec<u8>) {
        let mut tagged = |tag: u8, value: &dyn Fn(&mut Vec<u8>)| {
            out.push(tag);
            value(out);
        };
        match self {
            Self::Ok => tagged(0, &|_| ()),
            Self::Opened(opened) => tagged(1, &|out| opened.put(out)),
            Self::Read(data) => tagged(2, &|out| data.put(out)),
            Self::Wrote(count) => tagged(3, &|out| count.put(out)),
            Self::Info(info) => tagged(4, &|out| info.put(out)),
            Self::Listed { data, overflow, cursor } => tagged(5, &|out| {
                data.put(out);
                overflow.put(out);
                cursor.put(out);
            }),
            Self::Streams(streams) => tagged(6, &|out| streams.put(out)),
            Self::Eas(eas) => tagged(7, &|out| eas.put(out)),
            Self::Named { to, replaced } => tagged(8, &|out| {
                to.put(out);
                replaced.put(out);
            }),
            Self::Watching(file) => tagged(9, &|out| file.put(out)),
            Self::Volume(volume) => tagged(10, &|out| volume.put(out)),
            Self::Interfaces(interfaces) => tagged(11, &|out| interfaces.put(out)),
            Self::Account(account) => tagged(12, &|out| account.put(out)),
            Self::Admitted(admission) => tagged(13, &|out| admission.put(out)),
            Self::Pipe(file) => tagged(14, &|out| file.put(out)),
            Self::PipeData { data, more } => tagged(15, &|out| {
                data.put(out);
                more.put(out);
            }),
            Self::Failed(error) => tagged(16, &|out| error.put(out)),
        }
    }

    fn get(from: &mut Reader<'_>) -> Parse<Self> {
        Ok(match from.u8()? {
            0 => Self::Ok,
            1 => Self::Opened(Value::get(from)?),
            2 => Self::Read(Value::get(from)?),
            3 => Self::Wrote(Value::get(from)?),
            4 => Self::Info(Value::get(from)?),
            5 => Self::Listed {
                data: Value::get(from)?,
                overflow: Value::get(from)?,
                cursor: Value::get(from)?,
            },
            6 => Self::Streams(Value::get(from)?),
            7 => Self::Eas(Value::get(from)?),
            8 => Self::Named { to: Value::get(from)?, replaced: Value::get(from)? },
            9 => Self::Watching(Value::get(from)?),
            10 => Self::Volume(Value::get(from)?),
            11 => Self::Interfaces(Value::get(from)?),
            12 => Self::Account(Value::get(from)?),
            13 => Self::Admitted(Value::get(from)?),
            14 => Self::Pipe(Value::get(from)?),
            15 => Self::PipeData { data: Value::get(from)?, more: Value::get(from)? },
            16 => Self::Failed(Value::get(from)?),
            _ => return Err(Malformed("no Done")),
        })
    }
}
