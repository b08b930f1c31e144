//! Watched directories: who is told of which change, and what was not fetched yet (MS-FSA 2.1.1.8,
//! 2.1.4.1). A watch belongs to an open and is as its first CHANGE_NOTIFY asked for it; later ones
//! only fetch.

use super::open::{Open, Stage};
use crate::{
    id::{FileKey, OpenId},
    name::mapping,
    vfs::File,
    wire::{
        change_notify::CompletionFilter,
        fscc::notify::{FileAction, NotifyInformation, NotifyPacker},
        utf16::Utf16,
    },
};
use alloc::{
    collections::{BTreeMap, btree_map::Entry},
    vec::Vec,
};

/// Bytes that one watch keeps at most, whatever its client's buffer holds: what Windows' own clients
/// can ask for over a network.
const MAX_BUFFER: usize = 64 * 1024;

/// One watched directory.
#[derive(Debug)]
pub(crate) struct Watch {
    filter: CompletionFilter,
    /// What is below its subdirectories counts too.
    tree: bool,
    /// Bytes of changes that are kept: as many as the first request had room for.
    capacity: usize,
    kept: NotifyPacker,
    last: Option<NotifyInformation>,
    /// A change was not kept: the client has to look for itself.
    overflown: bool,
    /// Changes made outside SMB are told.
    outside: bool,
    /// What makes the runtime tell them.
    pub(crate) source: Option<File>,
}

/// What there is to fetch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing yet.
    Nothing,
    /// These changes.
    Changes(Vec<u8>),
    /// More than fits, or than was kept.
    TooMuch,
}

/// One change (MS-FSA 2.1.4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) action: FileAction,
    /// Watches are told that ask for one of these ...
    pub(crate) filter: CompletionFilter,
    /// ... and for none of these: they were told the same in another way.
    pub(crate) unless: CompletionFilter,
    pub(crate) at: At<'a>,
    /// The named stream of the file that is meant.
    pub(crate) stream: Option<&'a str>,
}

/// Where something changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    /// By SMB: the share's directory and what is below it, in one path.
    Path(&'a str),
    /// Outside SMB: below the directory of this key.
    Below(FileKey, &'a str),
}

/// All watches.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_open: BTreeMap<OpenId, Watch>,
    /// Bytes that are kept in all of them together.
    kept: usize,
}

impl Watch {
    pub(crate) fn new(filter: CompletionFilter, tree: bool, room: u32, outside: bool) -> Self {
        let capacity = usize::try_from(room).unwrap_or(MAX_BUFFER).min(MAX_BUFFER);
        let kept = NotifyPacker::new(capacity);
        let (last, overflown, source) = (None, false, None);
        Self { filter, tree, capacity, kept, last, overflown, outside, source }
    }

    /// Forgets what was kept.
    fn clear(&mut self) -> NotifyPacker {
        self.overflown = false;
        self.last = None;
        core::mem::replace(&mut self.kept, NotifyPacker::new(self.capacity))
    }

    fn overflow(&mut self) {
        self.clear();
        self.overflown = true;
    }

    /// Keeps a change. One that repeats the one before says nothing new.
    fn keep(&mut self, action: FileAction, file_name: Utf16) {
        let change = NotifyInformation { action, file_name };
        if self.overflown || self.last.as_ref() == Some(&change) {
            return;
        }
        if self.kept.push(&change) {
            self.last = Some(change);
        } else {
            self.overflow();
        }
    }

    /// The name that `event` has for this watch, if it is told of it.
    fn sees<'a>(&self, open: &Open, event: &Event<'a>) -> Option<&'a str> {
        let asked = self.filter.intersects(event.filter) && !self.filter.intersects(event.unless);
        if !asked || open.stage != Stage::Live {
            return None;
        }
        let name = match event.at {
            At::Path(path) => {
                let below_share = below(open.share.path.trim_end_matches('/'), path)?;
                below(open.place()?.path.as_str(), below_share)?
            }
            At::Below(key, name) => {
                Some(name).filter(|_| self.outside && open.key() == Some(key))?
            }
        };
        // The directory itself is not in itself.
        let inside = !name.is_empty() && (self.tree || !name.contains('/'));
        let vetoed = || name.split('/').any(|part| open.share.veto.matches(part));
        (inside && !vetoed()).then_some(name)
    }
}

impl Watches {
    pub(crate) fn len(&self) -> usize {
        self.by_open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_open.is_empty()
    }

    /// Bytes of changes that nobody has fetched.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    pub(crate) fn contains(&self, id: OpenId) -> bool {
        self.by_open.contains_key(&id)
    }

    /// The opens that watch.
    pub(crate) fn opens(&self) -> impl Iterator<Item = OpenId> {
        self.by_open.keys().copied()
    }

    pub(crate) fn get_mut(&mut self, id: OpenId) -> Option<&mut Watch> {
        self.by_open.get_mut(&id)
    }

    /// The first watch of an open stays.
    pub(crate) fn insert(&mut self, id: OpenId, watch: Watch) {
        if let Entry::Vacant(vacant) = self.by_open.entry(id) {
            vacant.insert(watch);
        }
    }

    /// The open is gone; the source has to be released.
    pub(crate) fn remove(&mut self, id: OpenId) -> Option<File> {
        let watch = self.by_open.remove(&id)?;
        self.kept -= watch.kept.len();
        watch.source
    }

    /// What a request with room for `max` bytes gets (MS-FSA 2.1.5.11.1). What does not fit is
    /// forgotten: the client will look for itself.
    pub(crate) fn take(&mut self, id: OpenId, max: u32) -> Kept {
        let Some(watch) = self.by_open.get_mut(&id) else {
            return Kept::Nothing;
        };
        if !watch.overflown && watch.kept.is_empty() {
            return Kept::Nothing;
        }
        let length = watch.kept.len();
        self.kept -= length;
        let fits = !watch.overflown && usize::try_from(max).is_ok_and(|max| length <= max);
        let kept = watch.clear();
        if fits { Kept::Changes(kept.finish()) } else { Kept::TooMuch }
    }

    /// Tells the watches of a change; says which have something to fetch now. All together keep no
    /// more than `limit` bytes.
    pub(crate) fn report(
        &mut self,
        opens: &BTreeMap<OpenId, Open>,
        event: &Event<'_>,
        limit: usize,
    ) -> Vec<OpenId> {
        let mut told = Vec::new();
        for (id, watch) in &mut self.by_open {
            let Some(name) = opens.get(id).and_then(|open| watch.sees(open, event)) else {
                continue;
            };
            self.kept -= watch.kept.len();
            watch.keep(event.action, to_windows(name, event.stream));
            if self.kept + watch.kept.len() > limit {
                watch.overflow();
            }
            self.kept += watch.kept.len();
            told.push(*id);
        }
        told
    }

    /// Changes made outside SMB were lost: everybody who was to be told of them has to look.
    pub(crate) fn lost(&mut self) -> Vec<OpenId> {
        let mut told = Vec::new();
        for (id, watch) in self.by_open.iter_mut().filter(|(_, watch)| watch.outside) {
            self.kept -= watch.kept.len();
            watch.overflow();
            told.push(*id);
        }
        told
    }
}

/// `path` from `directory` on; the directory itself is empty.
fn below<'a>(directory: &str, path: &'a str) -> Option<&'a str> {
    if directory.is_empty() {
        return Some(path.trim_start_matches('/'));
    }
    let rest = path.strip_prefix(directory)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn to_windows(name: &str, stream: Option<&str>) -> Utf16 {
    let separate = |unit| if unit == u16::from(b'/') { u16::from(b'\\') } else { unit };
    let mut name: Vec<u16> = mapping::units(name).map(separate).collect();
    if let Some(stream) = stream {
        name.push(u16::from(b':'));
        name.extend(stream.encode_utf16());
    }
    Utf16(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_a_directory_on() {
        assert_eq!(below("", "/a/b"), Some("a/b"));
        assert_eq!(below("/srv", "/srv/a/b"), Some("a/b"));
        assert_eq!(below("a", "a"), Some(""));
        assert_eq!((below("a", "ab"), below("a/b", "a"), below("a", "b/a")), (None, None, None));
    }

    #[test]
    fn what_is_kept_is_bounded_and_told_once() {
        let mut watch = Watch::new(CompletionFilter::SIZE, false, 40, false);
        for name in ["a", "a", "b", "b"] {
            watch.keep(FileAction::MODIFIED, name.into());
        }
        assert_eq!(watch.kept.len(), 16 + 14);
        watch.keep(FileAction::MODIFIED, "c".into());
        assert!(watch.overflown && watch.kept.is_empty());
        watch.keep(FileAction::MODIFIED, "d".into());
        assert!(watch.kept.is_empty(), "who has to look needs no details");
    }
}
