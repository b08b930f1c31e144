#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::*;
use ksmbd_core::{
    id::{FileKey, OpenId},
    name::SharePath,
    vfs::{Call, Lock, Op, OpenHow},
    wire::{
        create::{CreateAction, ShareAccess},
        fscc::{AccessMask, FileAttributes},
    },
};
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

struct Rig {
    directory: PathBuf,
    share: Arc<Share>,
    who: Arc<Identity>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Rig {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = format!("ksmbd-journal-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(directory.join("share")).unwrap();
        let root = directory.join("share").to_str().unwrap().to_owned();
        let share = Arc::new(Share { continuous: true, ..Share::disk("share", &root) });
        let uid = rustix::process::geteuid().as_raw();
        let who = Identity { name: "a".into(), uid, gid: uid, groups: vec![], sid: None };
        Self { directory, share, who: Arc::new(who) }
    }

    fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    fn call(&self, op: Op) -> ksmbd_core::vfs::Opened {
        let call = Call { identity: Arc::clone(&self.who), op };
        match vfs::run(call, &mut |_| unreachable!()) {
            Done::Opened(opened) => *opened,
            other => panic!("{other:?}"),
        }
    }

    fn open(&self, name: &str) -> ksmbd_core::vfs::File {
        let root = self.call(Op::OpenShare(Arc::clone(&self.share))).file;
        fs::write(self.directory.join("share").join(name), b"data").unwrap();
        self.call(Op::Open(Box::new(OpenHow {
            root,
            path: SharePath::root().join_host(name),
            read: true,
            write: false,
            missing: ksmbd_core::vfs::Missing::Fail,
            existing: ksmbd_core::vfs::Existing::Open,
            stream: None,
            kind: ksmbd_core::vfs::WantedKind::Any,
            attributes: FileAttributes::empty(),
            allocation: 0,
            delete: false,
            eas: vec![],
            no_follow: false,
            security: None,
        })))
        .file
    }

    fn promise(&self, id: u64, name: &str) -> Promise {
        Promise {
            id: OpenId(id),
            share: "share".into(),
            root: self.share.path.clone(),
            path: SharePath::root().join_host(name),
            stream: None,
            key: FileKey::new(1, id),
            owner: ("a".into(), self.who.uid),
            identity: Arc::clone(&self.who),
            client: [1; 16],
            create: [2; 16],
            app: None,
            timeout: Duration::from_secs(1),
            action: CreateAction::CREATED,
            granted: AccessMask::FILE_READ_DATA,
            share_access: ShareAccess::READ,
            delete_on_close: false,
            delete_pending: false,
            write_through: false,
            mode: 0,
            cached: None,
            locks: vec![],
            lock_sequences: vec![],
            channel_sequence: 0,
        }
    }

    fn kept(&self, number: u64, id: u64, name: &str) -> Memo {
        let promise = Arc::new(self.promise(id, name));
        Memo { number, kept: vec![(promise, self.open(name))], gone: vec![] }
    }

    /// The opens that the next server is told of.
    fn past(&self, journal: &Journal) -> Vec<u64> {
        let resolve = |_: &Promise| Some((Arc::clone(&self.share), Arc::clone(&self.who)));
        journal.past(&resolve).opens.iter().map(|open| open.promise.id.0).collect()
    }
}

fn gone(number: u64, id: u64) -> Memo {
    Memo { number, kept: vec![], gone: vec![OpenId(id)] }
}

#[track_caller]
fn ok(done: &Done) {
    assert!(matches!(done, Done::Ok), "{done:?}");
}

#[test]
fn what_was_kept_is_there() {
    let rig = Rig::new();
    let journal = Journal::open(&rig.state()).unwrap();
    assert_eq!(journal.past(&|_| None).servers, 1);
    assert!(matches!(Journal::open(&rig.state()), Err(JournalError::InUse(_))));
    ok(&journal.remember(rig.kept(1, 1, "x")));
    ok(&journal.remember(rig.kept(2, 2, "y")));
    ok(&journal.remember(gone(3, 1)));
    // It comes late.
    ok(&journal.remember(rig.kept(1, 1, "x")));
    drop(journal);
    let journal = Journal::open(&rig.state()).unwrap();
    assert_eq!(rig.past(&journal), [2]);
    assert_eq!(journal.past(&|_| None).servers, 2);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(rig.state()), mode(rig.state().join(NAME))), (0o700, 0o600));
}

/// Another file of that name is not what was promised; nor is one of a share that is another one now.
#[test]
fn what_is_another_is_let_go() {
    let rig = Rig::new();
    let journal = Journal::open(&rig.state()).unwrap();
    for (id, name) in [(1, "x"), (2, "y"), (3, "z")] {
        ok(&journal.remember(rig.kept(id, id, name)));
    }
    drop(journal);
    let share = rig.directory.join("share");
    fs::remove_file(share.join("x")).unwrap();
    fs::write(share.join("new"), b"").unwrap();
    fs::rename(share.join("new"), share.join("y")).unwrap();
    let journal = Journal::open(&rig.state()).unwrap();
    assert_eq!(rig.past(&journal), [3]);
    assert_eq!(journal.past(&|_| None).opens.len(), 0);
    // They are given up for good.
    assert_eq!(rig.past(&journal), Vec::<u64>::new());
}

/// Files are opened again as their users, and not by the thread that starts all others.
#[test]
fn whoever_restores_stays_who_he_is() {
    let mut rig = Rig::new();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for directory in [rig.directory.clone(), rig.directory.join("share")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let journal = Journal::open(&rig.state()).unwrap();
    ok(&journal.remember(rig.kept(1, 1, "x")));
    drop(journal);
    let (uid, gid) = (12345, 12345);
    rig.who = Arc::new(Identity { name: "a".into(), uid, gid, groups: vec![], sid: None });
    let journal = Journal::open(&rig.state()).unwrap();
    assert_eq!(rig.past(&journal), [1]);
    let secret = rig.directory.join("secret");
    fs::write(&secret, b"root's").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&secret).unwrap(), b"root's");
    assert_eq!(fs::metadata(&secret).unwrap().uid(), 0);
}

/// A journal that has become long is written anew, and says the same.
#[test]
fn it_does_not_grow_for_ever() {
    let rig = Rig::new();
    let journal = Journal::open(&rig.state()).unwrap();
    let file = rig.open("x");
    let lock = |offset| Lock { offset, length: 1, exclusive: true };
    for number in 1..=200 {
        let locks = (0..1000).map(|n| lock(n << 32 | number)).collect();
        let promise = Arc::new(Promise { locks, ..rig.promise(1, "x") });
        let kept = vec![(promise, file.clone())];
        ok(&journal.remember(Memo { number, kept, gone: vec![] }));
        assert!(fs::metadata(rig.state().join(NAME)).unwrap().len() < 2 * LONG);
    }
    drop(journal);
    let journal = Journal::open(&rig.state()).unwrap();
    let locks = |promise: &Promise| promise.locks[0].offset;
    let ledger = journal.lock().ledger.clone();
    assert_eq!(ledger.opens().map(|(_, promise, _)| locks(promise)).collect::<Vec<_>>(), [200]);
}

/// Half a block, or a damaged one, costs what comes from there on; a copy stays beside.
#[test]
fn damage_costs_what_is_behind_it() {
    let rig = Rig::new();
    let journal = Journal::open(&rig.state()).unwrap();
    ok(&journal.remember(rig.kept(1, 1, "x")));
    ok(&journal.remember(rig.kept(2, 2, "y")));
    drop(journal);
    let path = rig.state().join(NAME);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let journal = Journal::open(&rig.state()).unwrap();
    assert_eq!(rig.past(&journal), [1]);
    assert_eq!(fs::read(path.with_extension("damaged")).unwrap().len(), whole.len() - 3);
    drop(journal);
    // What another program has written is not thrown away.
    let mut other = whole;
    other[8] += 1;
    fs::write(&path, &other).unwrap();
    let error = Journal::open(&rig.state()).unwrap_err().to_string();
    assert!(error.ends_with("format 2; this program reads 1"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), other);
}

/// Threads that promise at the same time, each under a user's identity.
#[test]
fn several_at_once() {
    let rig = Rig::new();
    let journal = Journal::open(&rig.state()).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (rig, journal) = (&rig, &journal);
            scope.spawn(move || {
                for n in 0..10 {
                    let id = thread * 100 + n + 1;
                    let memo = rig.kept(id, id, &format!("f{id}"));
                    ok(&journal.remember(memo));
                    let read = read(&fs::read(rig.state().join(NAME)).unwrap()).unwrap().0;
                    assert!(read.opens().any(|(_, promise, _)| promise.id.0 == id));
                }
            });
        }
    });
    drop(journal);
    assert_eq!(rig.past(&Journal::open(&rig.state()).unwrap()).len(), 40);
}

#[test]
fn a_directory_that_cannot_be_had() {
    let error = Journal::open(Path::new("/proc/ksmbd")).unwrap_err();
    assert!(matches!(error, JournalError::Io(..)), "{error}");
}
