//! Clients' extended attributes: `user.<NAME>`, except for the names that are how something else is
//! kept. Names are compared without regard to case, and keep the case they were first given.

use super::{
    Outcome,
    handle::{Handle, proc_path},
    streams::exclusively,
    xattr::{self, At},
};
use ksmbd_core::{
    ea::{MAX_SIZE, is_reserved},
    vfs::{File, FileKind, VfsError},
    wire::fscc::ea::FullEaInformation,
};
use rustix::fs::XattrFlags;

/// An attribute that is there, and the bytes of its value.
struct Stored {
    name: String,
    size: usize,
}

impl Stored {
    fn is(&self, name: &[u8]) -> bool {
        self.name.as_bytes().eq_ignore_ascii_case(name)
    }

    /// What it adds to EaSize (MS-FSCC 2.4.13).
    fn ea_size(&self) -> u32 {
        u32::try_from(self.name.len() + self.size + 5).unwrap_or(u32::MAX)
    }
}

/// What clients may see. A value longer than the wire can say is not shown.
fn stored(at: At<'_>) -> Outcome<Vec<Stored>> {
    let mut found = Vec::new();
    for name in xattr::user_names(at)? {
        if name.is_empty() || is_reserved(name.as_bytes()) {
            continue;
        }
        if let Some(size) = xattr::size(at, &full(&name))?
            && u16::try_from(size).is_ok()
        {
            found.push(Stored { name, size });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn full(name: &str) -> String {
    format!("user.{name}")
}

fn has_attributes(kind: FileKind) -> bool {
    matches!(kind, FileKind::File | FileKind::Directory)
}

/// EaSize; who may not look is told that there are none.
pub(super) fn total(at: At<'_>, kind: FileKind) -> u32 {
    if !has_attributes(kind) {
        return 0;
    }
    let stored = stored(at).unwrap_or_default();
    stored.iter().fold(0, |sum, ea| sum.saturating_add(ea.ea_size()))
}

/// [`Op::QueryEa`](ksmbd_core::vfs::Op::QueryEa).
pub(super) fn query(
    file: &File,
    names: Option<Vec<Vec<u8>>>,
    max: u32,
) -> Outcome<Vec<FullEaInformation>> {
    let handle = Handle::of(file)?;
    if !has_attributes(handle.kind) {
        return Ok(Vec::new());
    }
    let path = proc_path(&handle.fd);
    let stored = stored(At::Descriptor(&path))?;
    let known = |name: Vec<u8>| {
        let found = stored.iter().find(|ea| ea.is(&name)).map(|ea| ea.name.clone());
        (name, found)
    };
    let wanted: Vec<_> = match names {
        Some(names) => names.into_iter().map(known).collect(),
        None => stored.iter().map(|ea| (Vec::new(), Some(ea.name.clone()))).collect(),
    };
    let (mut eas, mut bytes) = (Vec::new(), 0_u32);
    for (name, found) in wanted {
        let value = match &found {
            Some(found) => xattr::value(&path, &full(found))?.unwrap_or_default(),
            // MS-FSA 2.1.5.12.10: a name that was asked for and is not there has an empty value.
            None => Vec::new(),
        };
        let ea_name = found.map_or(name, String::into_bytes);
        let ea = FullEaInformation { flags: 0, ea_name, ea_value: value };
        bytes = bytes.saturating_add(ea.size());
        eas.push(ea);
        // One too many shows that there are more than fit.
        if bytes > max {
            break;
        }
    }
    Ok(eas)
}

/// [`Op::SetEa`](ksmbd_core::vfs::Op::SetEa).
pub(super) fn set(file: &File, eas: &[FullEaInformation]) -> Outcome<()> {
    set_on(Handle::of(file)?, eas)
}

/// Sets attributes in order; all or, where the file cannot have as many, none.
pub(super) fn set_on(handle: &Handle, eas: &[FullEaInformation]) -> Outcome<()> {
    if eas.is_empty() {
        return Ok(());
    }
    if !has_attributes(handle.kind) {
        return Err(VfsError::NotSupported);
    }
    let path = proc_path(&handle.fd);
    exclusively(handle.key, || {
        let mut stored = stored(At::Descriptor(&path))?;
        let mut plan = Vec::new();
        for ea in eas {
            let given = std::str::from_utf8(&ea.ea_name).map_err(|_| VfsError::Invalid)?;
            let at = stored.iter().position(|stored| stored.is(&ea.ea_name));
            let name = at.map_or_else(|| given.to_owned(), |at| stored.swap_remove(at).name);
            if !ea.ea_value.is_empty() {
                stored.push(Stored { name: name.clone(), size: ea.ea_value.len() });
            }
            plan.push((full(&name), &ea.ea_value));
        }
        let total = stored.iter().fold(0_u32, |sum, ea| sum.saturating_add(ea.ea_size()));
        if total > MAX_SIZE {
            return Err(VfsError::EaTooLarge);
        }
        for (name, value) in plan {
            if value.is_empty() {
                xattr::remove(&path, &name)?;
                continue;
            }
            match xattr::set(&path, &name, value, XattrFlags::empty()) {
                Err(VfsError::NoSpace) => return Err(VfsError::EaTooLarge),
                result => result?,
            }
        }
        Ok(())
    })
}
