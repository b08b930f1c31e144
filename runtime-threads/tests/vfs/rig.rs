//! A share in a fresh directory, and calls on it.

use ksmbd_core::{
    buffer::{Payload, ReplyBuf},
    config::Share,
    name::{Pattern, SharePath},
    vfs::{
        Call, Done, Existing, File, FileInfo, Identity, ListHow, Missing, Op, OpenHow, Opened,
        VfsError, WantedKind,
    },
    wire::fscc::{
        FileAttributes, FileInfoClass,
        directory::{DirectoryEntry, parse_entries},
    },
};
use ksmbd_runtime_threads::vfs;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

pub(crate) struct Rig {
    pub(crate) dir: PathBuf,
    pub(crate) who: Arc<Identity>,
    pub(crate) root: File,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.dir.parent().unwrap_or(&self.dir));
    }
}

pub(crate) fn user(uid: u32) -> Arc<Identity> {
    Arc::new(Identity { name: "test".into(), uid, gid: uid, groups: vec![uid], sid: None })
}

pub(crate) fn path(text: &str) -> SharePath {
    let utf16: Vec<u16> = text.replace('/', "\\").encode_utf16().collect();
    SharePath::parse(&utf16).unwrap()
}

pub(crate) fn call(who: &Arc<Identity>, op: Op) -> Done {
    let call = Call { identity: Arc::clone(who), op };
    vfs::run(call, &mut |length| ReplyBuf::new(Vec::new(), length))
}

/// Only root can serve as somebody else.
pub(crate) fn is_root() -> bool {
    vfs::identity::can_switch()
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Share)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // The modes that tests expect are not to depend on who runs them.
        rustix::process::umask(rustix::fs::Mode::empty());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ksmbd-vfs-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name).join("share");
        fs::create_dir_all(&dir).unwrap();
        let mut share = Share::disk("test", dir.to_str().unwrap());
        change(&mut share);
        let who = user(if is_root() { 0 } else { rustix::process::geteuid().as_raw() });
        let root = match call(&who, Op::OpenShare(Arc::new(share))) {
            Done::Opened(opened) => opened.file,
            other => panic!("{other:?}"),
        };
        Self { dir, who, root }
    }

    /// A place beside the share, where nothing may be reached.
    pub(crate) fn outside(&self) -> PathBuf {
        self.dir.parent().unwrap().join("outside")
    }

    pub(crate) fn host(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn run(&self, op: Op) -> Done {
        call(&self.who, op)
    }

    pub(crate) fn how(&self, name: &str) -> OpenHow {
        OpenHow {
            root: self.root.clone(),
            path: path(name),
            read: false,
            write: false,
            missing: Missing::Fail,
            existing: Existing::Open,
            stream: None,
            kind: WantedKind::Any,
            attributes: FileAttributes::ARCHIVE,
            allocation: 0,
            delete: true,
            eas: Vec::new(),
            no_follow: false,
            security: None,
        }
    }

    pub(crate) fn open_as(&self, who: &Arc<Identity>, how: OpenHow) -> Result<Opened, VfsError> {
        match call(who, Op::Open(Box::new(how))) {
            Done::Opened(opened) => Ok(*opened),
            Done::Failed(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn open(&self, how: OpenHow) -> Result<Opened, VfsError> {
        self.open_as(&self.who, how)
    }

    /// Opens what is there, for nothing but looking.
    pub(crate) fn look(&self, name: &str) -> Result<Opened, VfsError> {
        self.open(self.how(name))
    }

    pub(crate) fn read_write(&self, name: &str) -> Result<Opened, VfsError> {
        self.open(OpenHow { read: true, write: true, ..self.how(name) })
    }

    pub(crate) fn create(&self, name: &str) -> Result<Opened, VfsError> {
        let how = self.how(name);
        self.open(OpenHow { read: true, write: true, missing: Missing::CreateFile, ..how })
    }

    pub(crate) fn mkdir(&self, name: &str) -> Result<Opened, VfsError> {
        self.open(OpenHow { missing: Missing::CreateDirectory, ..self.how(name) })
    }

    pub(crate) fn write(&self, file: &File, offset: u64, data: &[u8]) -> Result<u32, VfsError> {
        let data = Payload::owned(data.to_vec());
        match self.run(Op::Write { file: file.clone(), offset, data, through: true }) {
            Done::Wrote(count) => Ok(count),
            Done::Failed(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn read(&self, file: &File, offset: u64, length: u32) -> Result<Vec<u8>, VfsError> {
        match self.run(Op::Read { file: file.clone(), offset, length }) {
            Done::Read(reply) => Ok(reply.data().to_vec()),
            Done::Failed(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn query(&self, file: &File) -> FileInfo {
        match self.run(Op::Query { file: file.clone() }) {
            Done::Info(info) => *info,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ok(&self, op: Op) -> Result<(), VfsError> {
        done(self.run(op))
    }

    pub(crate) fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), VfsError> {
        let how = OpenHow { no_follow: true, ..self.how(from) };
        let opened = self.open(how)?;
        self.ok(Op::Rename {
            root: self.root.clone(),
            from: opened.path,
            to: path(to),
            key: opened.info.key,
            replace,
            token: None,
        })
    }

    pub(crate) fn link(&self, file: &File, to: &str, replace: bool) -> Result<(), VfsError> {
        let (root, file) = (self.root.clone(), file.clone());
        self.ok(Op::Link { root, file, to: path(to), replace, token: None })
    }

    /// All pages of `max` bytes, and how many there were.
    pub(crate) fn list_pages(
        &self,
        directory: &File,
        pattern: &str,
        max: u32,
    ) -> (Vec<DirectoryEntry>, usize) {
        let class = FileInfoClass::ID_BOTH_DIRECTORY;
        let (mut entries, mut pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let how = ListHow {
                file: directory.clone(),
                cursor: cursor.take(),
                pattern: Pattern::parse(&pattern.encode_utf16().collect::<Vec<_>>()).unwrap(),
                class,
                max,
                single: false,
                token: None,
            };
            match self.run(Op::List(Box::new(how))) {
                Done::Listed { data, overflow, .. } if data.is_empty() => {
                    assert!(!overflow);
                    return (entries, pages);
                }
                Done::Listed { data, cursor: next, .. } => {
                    entries.extend(parse_entries(class, &data).unwrap());
                    cursor = Some(next);
                    pages += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn list(&self, name: &str, pattern: &str) -> Vec<DirectoryEntry> {
        let directory = self.look(name).unwrap().file;
        let mut entries = self.list_pages(&directory, pattern, 65_536).0;
        entries.sort_by(|a, b| a.file_name.cmp(&b.file_name));
        entries
    }

    pub(crate) fn names(&self, name: &str, pattern: &str) -> Vec<String> {
        self.list(name, pattern)
            .into_iter()
            .map(|entry| entry.file_name.to_string_lossy())
            .collect()
    }
}

pub(crate) fn done(done: Done) -> Result<(), VfsError> {
    match done {
        Done::Ok | Done::Named { .. } => Ok(()),
        Done::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}
