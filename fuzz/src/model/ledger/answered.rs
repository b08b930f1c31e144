//! What final answers tell.

use super::{Change, Key, Ledger, Open, contexts, instance_of};
use crate::{client::Response, world::Asked};
use ksmbd_core::{
    status::NtStatus,
    wire::{
        create::{CreateOptions, CreateRequest, CreateResponse, ShareAccess},
        create_context::{Lease, RequestContext, ResponseContext},
        fscc::{AccessMask, FileInfoClass},
        header::{FileId, HeaderFlags},
        ioctl::FsctlCode,
        message::{RequestBody, ResponseBody},
        query_info::InfoType,
        tree_connect::TreeConnectRequest,
    },
};
use std::collections::BTreeSet;

impl Ledger {
    /// A final answer has come.
    pub(in crate::model) fn answered(
        &mut self,
        asked: &Asked,
        answer: &Response,
        at: u64,
    ) -> Change {
        let change = self.settled(asked, answer, at);
        self.remember(asked, at);
        change
    }

    /// What may have ended opens of which their clients are still to be told.
    pub(super) fn remember(&mut self, asked: &Asked, at: u64) {
        match &asked.body {
            Some(RequestBody::TreeDisconnect | RequestBody::Logoff) => {
                self.torn.insert(asked.session, at);
            }
            Some(RequestBody::SessionSetup(setup)) => {
                let sessions = [asked.session, setup.previous_session_id];
                self.torn.extend(sessions.map(|session| (session, at)));
            }
            Some(RequestBody::Create(create)) => {
                self.replaced.extend(instance_of(create).map(|instance| (instance, at)));
            }
            _ => {}
        }
    }

    fn settled(&mut self, asked: &Asked, answer: &Response, at: u64) -> Change {
        let key = (asked.conn, asked.header.message_id);
        self.pending.remove(&key);
        let file = match &answer.body {
            ResponseBody::Create(create) => Some(create.file_id),
            _ => self.file_of(asked),
        };
        let made = matches!(asked.body, Some(RequestBody::Create(_)));
        let before = asked.before.filter(|_| !made);
        let before = before.and_then(|before| self.chain.get(&(asked.conn, before)).copied());
        match self.handed_on(asked, answer.status, file, before) {
            Some(file) => _ = self.chain.insert(key, file),
            None => _ = self.chain.remove(&key),
        }
        if answer.status != NtStatus::SUCCESS {
            self.opens.values_mut().for_each(|open| _ = open.enders.remove(&key));
            return Change::Nothing;
        }
        match (&asked.body, &answer.body) {
            (Some(RequestBody::Create(request)), ResponseBody::Create(create)) => {
                self.made(asked, create.file_id);
                return self.created(asked, request, create, at);
            }
            (Some(RequestBody::TreeConnect(request)), _) => {
                self.connected(asked, request, answer.header.tree_id);
            }
            (Some(RequestBody::SessionSetup(_)), _) => {
                let session = self.sessions.entry(answer.header.session_id).or_default();
                session.channels.insert(asked.conn);
            }
            (Some(RequestBody::TreeDisconnect), _) => {
                let tree = (asked.session, asked.tree);
                self.trees.remove(&tree);
                self.over(key, at, |open| (open.session, open.tree) == tree);
            }
            (Some(RequestBody::Close(_)), _) => {
                self.over(key, at, |open| Some(open.file) == file);
            }
            (Some(RequestBody::Logoff), _) => self.logged_off(asked.session, key, at),
            _ => self.done(asked.body.as_ref(), file),
        }
        Change::Nothing
    }

    /// A request that ends nothing has been carried out, or may have been.
    pub(super) fn done(&mut self, body: Option<&RequestBody>, file: Option<FileId>) {
        match body {
            Some(RequestBody::SetInfo(set)) if set.info_type == InfoType::FILE => {
                let names = [FileInfoClass::RENAME.0, FileInfoClass::LINK.0];
                self.renamed |= names.contains(&set.info_class);
            }
            Some(RequestBody::Ioctl(ioctl))
                if ioctl.ctl_code == FsctlCode::LMR_REQUEST_RESILIENCY =>
            {
                if let Some(open) = file.and_then(|file| self.opens.get_mut(&file.persistent)) {
                    open.durable = true;
                }
            }
            _ => {}
        }
    }

    /// A session has ended. Some of what it had open is kept for who may come back.
    fn logged_off(&mut self, session: u64, key: Key, at: u64) {
        self.sessions.remove(&session);
        // In a chain it may have been done by now.
        let resilient = self.kept_by(self.pending.values());
        self.keep(&resilient);
        let kept = |open: &&mut Open| open.durable && open.enders.contains(&key);
        for open in self.opens.values_mut().filter(kept) {
            open.enders.remove(&key);
            open.doubtful = true;
        }
        self.ended = at;
        self.opens.retain(|_, open| !open.enders.contains(&key));
    }

    /// A tree is connected.
    fn connected(&mut self, asked: &Asked, request: &TreeConnectRequest, tree: u32) {
        let path = request.path.to_string_lossy().to_lowercase();
        let share = path.rsplit('\\').next().unwrap_or_default();
        self.trees.insert((asked.session, tree), share.into());
        // Whatever goes on with it in its chain is meant for the new tree.
        let range = (asked.conn, asked.header.message_id + 1)..(asked.conn, u64::MAX);
        let frame = |other: &&mut Asked| other.frame == asked.frame;
        let others = self.pending.range_mut(range).map(|(_, other)| other).filter(frame);
        others.take_while(|other| other.before.is_some()).for_each(|other| other.tree = tree);
    }

    /// A request has ended what it meant: in a chain that is known by now.
    fn over(&mut self, key: Key, at: u64, ends: impl Fn(&Open) -> bool) {
        self.opens.values_mut().for_each(|open| _ = open.enders.remove(&key));
        let over = self.opens.extract_if(.., |_, open| ends(open)).map(|(id, _)| id);
        self.closed.extend(over);
        self.ended = at;
    }

    fn created(
        &mut self,
        asked: &Asked,
        request: &CreateRequest,
        create: &CreateResponse,
        at: u64,
    ) -> Change {
        let id = create.file_id.persistent;
        let (inode, lease, durable) = told(create);
        let fresh = !claims(request);
        let replayed = asked.header.flags.contains(HeaderFlags::REPLAY_OPERATION);
        if fresh && self.closed.contains(&id) {
            // Its replay was answered before its chain, and what it made is closed by now.
            return Change::Late(id);
        }
        if let Some(open) = self.opens.get_mut(&id) {
            let owned = open.is_certain();
            if fresh && open.file == create.file_id {
                let late = open.replayed && !replayed;
                if late {
                    open.describe(request);
                }
                self.note_followers(asked, id);
                return if late { Change::Late(id) } else { Change::Again(id) };
            }
            if fresh {
                // It was somebody else's before its chain was answered.
                return Change::Late(id);
            }
            open.file = create.file_id;
            (open.session, open.tree) = (asked.session, asked.tree);
            (open.asked, open.since) = (asked.at, at);
            open.doubtful = false;
            open.enders.clear();
            open.lease = lease;
            open.oplock = create.oplock_level;
            open.durable = true;
            self.note_followers(asked, id);
            return Change::Taken { id, owned };
        }
        let mut open = Open {
            file: create.file_id,
            session: asked.session,
            tree: asked.tree,
            inode,
            name: request.name.to_string_lossy().to_lowercase(),
            access: AccessMask::empty(),
            exact: false,
            sharing: ShareAccess::all(),
            options: CreateOptions::empty(),
            replayed,
            asked: asked.at,
            since: at,
            enders: BTreeSet::new(),
            doubtful: false,
            durable: durable || !fresh,
            instance: instance_of(request),
            lease,
            oplock: create.oplock_level,
            client: self.client(asked.conn),
        };
        if !replayed {
            open.describe(request);
            // Of one that was there before all that is known is what this request says.
            open.exact &= fresh;
        }
        self.opens.insert(id, open);
        self.note_followers(asked, id);
        Change::Opened(id)
    }

    /// Requests under way that may end what a CREATE has made: those that are meant for its whole session or
    /// tree, and those of chains of which nobody knows whom they are about.
    fn ending(&self, asked: &Asked) -> impl Iterator<Item = (&Key, &Asked)> {
        let (session, tree) = (asked.session, asked.tree);
        self.pending.iter().filter(move |(_, other)| match other.body {
            Some(RequestBody::TreeDisconnect) => (other.session, other.tree) == (session, tree),
            Some(RequestBody::Logoff) => other.session == session,
            Some(RequestBody::Close(_)) => self.is_adrift(other),
            _ => false,
        })
    }

    /// Behind a CREATE in its chain there may be what ends it.
    fn note_followers(&mut self, asked: &Asked, id: u64) {
        let file = self.opens.get(&id).map(|open| open.file);
        let ends = |other: &Asked| match &other.body {
            Some(RequestBody::Close(close)) => {
                close.file_id == FileId::ANY || Some(close.file_id) == file
            }
            Some(RequestBody::TreeDisconnect) => other.tree == asked.tree,
            Some(RequestBody::Logoff) => true,
            _ => false,
        };
        let followers = self.followers(asked).filter(|(_, other)| ends(other));
        let keys: Vec<Key> = followers.map(|(key, _)| *key).collect();
        let earlier = self.ending(asked).any(|(_, other)| other.at < asked.at);
        let others = self.ending(asked).filter(|(_, other)| other.at >= asked.at);
        let keys: BTreeSet<Key> = others.map(|(key, _)| *key).chain(keys).collect();
        let doubtful = self.pending.values().any(|other| {
            matches!(&other.body, Some(RequestBody::SessionSetup(setup))
                if [setup.previous_session_id, other.session].contains(&asked.session))
                || matches!(&other.body, Some(RequestBody::Create(create))
                    if instance_of(create).is_some())
        });
        // Or it has come meanwhile, and the rest of the chain was answered after that.
        let meanwhile = |at: Option<&u64>| at.is_some_and(|at| *at >= asked.at);
        let instance = self.opens.get(&id).and_then(|open| open.instance);
        let torn = meanwhile(self.torn.get(&asked.session))
            || self.swept >= asked.at
            || meanwhile(instance.and_then(|instance| self.replaced.get(&instance)));
        let alive = self.sessions.get(&asked.session).is_some_and(|s| !s.channels.is_empty());
        // What made it may not be answered, nor what may end it behind that.
        let replayed = self.opens.get(&id).is_some_and(|open| open.replayed);
        let made = |other: &Asked| matches!(other.body, Some(RequestBody::Create(_)));
        let early = replayed && self.pending.values().any(made);
        if let Some(open) = self.opens.get_mut(&id) {
            open.enders.extend(keys);
            open.doubtful |= doubtful || earlier || torn || early || !alive;
        }
    }
}

/// What an answer tells of its open: the file on the disk, its lease, that it outlives its connection.
fn told(create: &CreateResponse) -> (Option<u64>, Option<Lease>, bool) {
    let contexts = contexts_of(create);
    let inode = contexts.iter().find_map(|context| match context {
        ResponseContext::QFid { disk_file_id, .. } => Some(*disk_file_id),
        _ => None,
    });
    let lease = contexts.iter().find_map(|context| match context {
        ResponseContext::RqLs(lease) => Some(*lease),
        _ => None,
    });
    let durable = contexts
        .iter()
        .any(|context| matches!(context, ResponseContext::DHnQ | ResponseContext::DH2Q { .. }));
    (inode, lease, durable)
}

/// It wants an open back.
pub(super) fn claims(request: &CreateRequest) -> bool {
    contexts(request)
        .any(|context| matches!(context, RequestContext::DHnC { .. } | RequestContext::DH2C { .. }))
}

/// What else a CREATE was answered with.
pub fn contexts_of(create: &CreateResponse) -> Vec<ResponseContext> {
    let parsed = |raw: &ksmbd_core::wire::create::RawContext| {
        ResponseContext::parse(&raw.name, &raw.data).unwrap_or_else(|why| panic!("{why:?}"))
    };
    create.contexts.iter().map(parsed).collect()
}
