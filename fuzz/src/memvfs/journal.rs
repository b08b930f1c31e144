//! What outlives the server, in memory: written as the runtime writes it, lost as a disk loses what
//! nobody has waited for.

use super::{DEVICE, Handle, MemVfs, Outcome};
use ksmbd_core::{
    config::Share,
    vfs::{Done, Existing, Memo, Missing, OpenHow, Past, Promise, Restored, VfsError, WantedKind},
    wire::fscc::{AccessMask, FileAttributes},
};
use ksmbd_record::journal::{Anchor, Ledger, Said};
use std::sync::Arc;

/// A journal.
#[derive(Default)]
pub(super) struct Journal {
    /// What a server that began now would read.
    written: Ledger,
    /// What it would read after the power has failed.
    synced: Ledger,
}

impl MemVfs {
    /// [`Op::Remember`](ksmbd_core::vfs::Op::Remember).
    pub(super) fn remember(&mut self, memo: Memo) -> Outcome<Done> {
        let Memo { number, kept, gone } = memo;
        let sync = !kept.is_empty();
        let mut said: Vec<_> = gone.into_iter().map(|id| Said::Gone(number, id)).collect();
        for (promise, file) in kept {
            let inode = Handle::of(&file)?.inode;
            let anchor = Anchor { device: DEVICE, inode, birth: None };
            said.push(Said::Kept(number, Box::new((*promise).clone()), anchor));
        }
        said.into_iter().for_each(|said| self.journal.written.take(said));
        if sync {
            self.journal.synced = self.journal.written.clone();
        }
        Ok(Done::Ok)
    }

    /// The opens that a server that began now would read of.
    pub fn promised(&self) -> Vec<Promise> {
        self.journal.written.opens().map(|(_, promise, _)| promise.clone()).collect()
    }

    /// Something else is on the disk.
    pub(crate) fn replace_journal(&mut self, ledger: Ledger) {
        self.journal = Journal { written: ledger.clone(), synced: ledger };
    }

    /// What is on the disk.
    pub fn journal(&self) -> Vec<u8> {
        self.journal.written.journal()
    }

    /// A server begins: what is left to it. With `power_failed` nothing counts that was not synced.
    pub(crate) fn past(
        &mut self,
        power_failed: bool,
        share: impl Fn(&str) -> Option<Arc<Share>>,
    ) -> Past {
        if power_failed {
            self.journal.written = self.journal.synced.clone();
        }
        let ledger = self.journal.written.clone();
        let servers = ledger.servers().saturating_add(1);
        self.journal.written.take(Said::Servers(servers));
        self.journal.synced = self.journal.written.clone();
        let restored = |(number, promise, anchor): (u64, &Promise, &Anchor)| {
            let share = share(&promise.share)?;
            self.restored(number, promise, *anchor, share).ok()
        };
        Past { servers, opens: ledger.opens().filter_map(restored).collect() }
    }

    fn restored(
        &mut self,
        number: u64,
        promise: &Promise,
        anchor: Anchor,
        share: Arc<Share>,
    ) -> Outcome<Restored> {
        let who = &*promise.identity;
        let directory = self.open_share(Arc::clone(&share), who)?.file;
        let how = OpenHow {
            root: directory.clone(),
            path: promise.path.clone(),
            stream: promise.stream.clone(),
            read: promise.granted.intersects(AccessMask::FILE_READ_DATA),
            write: promise.granted.intersects(AccessMask::FILE_WRITE_DATA),
            missing: Missing::Fail,
            existing: Existing::Open,
            kind: WantedKind::File,
            attributes: FileAttributes::empty(),
            allocation: 0,
            delete: false,
            eas: Vec::new(),
            no_follow: false,
            security: None,
        };
        let opened = self.open(&how, who)?;
        if opened.info.key.inode != anchor.inode {
            return Err(VfsError::Gone);
        }
        let promise = promise.clone();
        Ok(Restored { number, promise, share, directory, opened })
    }
}
