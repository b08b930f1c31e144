//! What is open, and whose it is, as far as requests and answers tell. An open is *certain* from its
//! answer until somebody asks for something that may end it; it is *possible* from its request until
//! it must have ended. What no answer tells (a connection is lost, an open outlives it) is doubtful.

use crate::{client::Response, world::Asked};
use ksmbd_core::{
    id::ConnId,
    status::NtStatus,
    wire::{
        create::{CreateOptions, CreateRequest, CreateResponse, OplockLevel, ShareAccess},
        create_context::{Lease, RequestContext, ResponseContext},
        fscc::{AccessMask, FileInfoClass},
        header::{FileId, HeaderFlags},
        ioctl::FsctlCode,
        message::{RequestBody, ResponseBody},
        query_info::InfoType,
        tree_connect::TreeConnectRequest,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A request: who asked, and its MessageId.
pub type Key = (ConnId, u64);

/// One open.
#[derive(Clone, Debug)]
pub struct Open {
    /// As its owner names it.
    pub file: FileId,
    /// The session that owns it.
    pub session: u64,
    /// The tree that it was made in.
    pub tree: u32,
    /// The file on the disk; `None` for what has none.
    pub inode: Option<u64>,
    /// The name that it was opened by, in lower case.
    pub name: String,
    /// What was granted at least.
    pub access: AccessMask,
    /// That is all that was granted.
    pub exact: bool,
    /// What others may do beside it.
    pub sharing: ShareAccess,
    /// How it was opened.
    pub options: CreateOptions,
    /// When it was asked for.
    pub asked: u64,
    /// When it was answered.
    pub since: u64,
    /// Requests that may end it.
    pub enders: BTreeSet<Key>,
    /// It may have ended without a word.
    pub doubtful: bool,
    /// It may outlive its connection.
    pub durable: bool,
    /// AppInstanceId: another one may end it.
    pub instance: Option<[u8; 16]>,
    /// The lease that it belongs to.
    pub lease: Option<Lease>,
    /// Nobody has said yet how it was opened but who asked for it again.
    pub replayed: bool,
    /// The oplock that it was granted.
    pub oplock: OplockLevel,
    /// Who the client says it is.
    pub client: [u8; 16],
}

impl Open {
    /// This request made it.
    fn describe(&mut self, request: &CreateRequest) {
        let wanted = AccessMask::from_bits_retain(request.desired_access);
        self.access = mapped(wanted);
        self.exact = !wanted.contains(AccessMask::MAXIMUM_ALLOWED);
        self.sharing = request.share_access;
        self.options = request.create_options;
        self.replayed = false;
    }

    /// It is there, whatever is under way.
    pub fn is_certain(&self) -> bool {
        self.enders.is_empty() && !self.doubtful
    }
}

/// A session as its channels tell.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its account, if that is known.
    pub user: Option<String>,
    /// More than one account has proved to be who uses it.
    pub mixed: bool,
    /// The connections that it is used over.
    pub channels: BTreeSet<ConnId>,
}

/// What an answer has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No open.
    Nothing,
    /// This is new.
    Opened(u64),
    /// This was kept, and has an owner again.
    Taken {
        /// The persistent half of its number.
        id: u64,
        /// It certainly had one.
        owned: bool,
    },
    /// The same answer again.
    Again(u64),
    /// The answer to the request that made it, which came in a chain and after that to its replay.
    Late(u64),
}

/// Everything that answers have told.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Opens by the persistent half of their number.
    pub opens: BTreeMap<u64, Open>,
    /// Sessions.
    pub sessions: BTreeMap<u64, Session>,
    /// The shares of trees.
    pub trees: BTreeMap<(u64, u32), String>,
    /// Requests without a final answer.
    pub pending: BTreeMap<Key, Asked>,
    /// Files have had other names than those that they were opened by.
    pub renamed: bool,
    /// When an open was last known to have ended.
    pub ended: u64,
    /// The file that an element of a chain leaves to the next one.
    chain: BTreeMap<Key, FileId>,
    /// It could not be told which one that is.
    astray: bool,
    /// What a session may have open that was never told, for its channel was lost, and another was left.
    unheard: BTreeSet<String>,
    /// What was being opened when its connection ended, until nothing is under way.
    leaving: BTreeSet<String>,
    /// ClientGuids, as NEGOTIATE said.
    clients: BTreeMap<ConnId, [u8; 16]>,
}

impl Session {
    /// An account has proved to be who uses it.
    pub(super) fn is_of(&mut self, user: String) {
        self.mixed |= self.user.as_ref().is_some_and(|old| *old != user);
        self.user = Some(user).filter(|_| !self.mixed);
    }
}

impl Ledger {
    /// A request is about files, not about pipes.
    pub fn is_about_files(&self, asked: &Asked) -> bool {
        self.trees.get(&(asked.session, asked.tree)).is_none_or(|share| share != "ipc$")
    }

    /// Who the client of a connection says it is.
    pub fn client(&self, conn: ConnId) -> [u8; 16] {
        self.clients.get(&conn).copied().unwrap_or_default()
    }

    /// The file that a request is about.
    pub fn file_of(&self, asked: &Asked) -> Option<FileId> {
        let named = named(asked.body.as_ref()?)?;
        match asked.before {
            Some(before) if named == FileId::ANY => self.chain.get(&(asked.conn, before)).copied(),
            _ => Some(named),
        }
    }

    /// The open that a request is about, if its number is right.
    pub fn open_of(&self, asked: &Asked) -> Option<&Open> {
        let file = self.file_of(asked)?;
        self.opens.get(&file.persistent).filter(|open| open.file == file)
    }

    /// A file is open of which nobody knows which it is, or was used of which nobody knows.
    pub fn is_blind(&self) -> bool {
        let unknown = self.opens.values().any(|open| {
            let share = self.trees.get(&(open.session, open.tree));
            open.inode.is_none() && share.is_none_or(|share| share != "ipc$")
        });
        self.astray || unknown
    }

    /// A chain has used a file, and nobody knows which.
    pub fn is_astray(&self) -> bool {
        self.astray
    }

    /// Somebody may have this file open who was never told: until the session ends, or what is under
    /// way.
    pub fn is_unheard(&self, name: &str) -> bool {
        self.unheard.contains(name) || self.leaving.contains(name)
    }

    /// Opens of a file that are certain.
    pub fn certain(&self, inode: u64) -> impl Iterator<Item = &Open> {
        self.opens.values().filter(move |open| open.inode == Some(inode) && open.is_certain())
    }

    /// Its chain goes on with a file that it names, if that is found, and with the last one if not: nobody
    /// knows which of them this request is about.
    pub fn is_undecided(&self, asked: &Asked) -> bool {
        let before = asked.before.and_then(|before| self.pending.get(&(asked.conn, before)));
        before.is_some_and(|before| {
            match before.body.as_ref().and_then(named).filter(|named| *named != FileId::ANY) {
                Some(_) => before.before.is_some(),
                None => self.is_undecided(before),
            }
        })
    }

    /// A request of this frame is unanswered, and may be about what another one of it makes.
    pub fn followers(&self, asked: &Asked) -> impl Iterator<Item = (&Key, &Asked)> {
        let range = (asked.conn, asked.header.message_id + 1)..(asked.conn, u64::MAX);
        let frame = asked.frame;
        self.pending.range(range).filter(move |(_, other)| other.frame == frame)
    }

    /// A request is sent.
    pub(super) fn asked(&mut self, asked: &Asked) {
        let key = (asked.conn, asked.header.message_id);
        let inherited =
            asked.before.filter(|_| !matches!(asked.body, Some(RequestBody::Create(_))));
        let inherited = inherited.and_then(|before| self.chain.get(&(asked.conn, before)).copied());
        if let Some(file) = self.file_of(asked).or(inherited) {
            self.chain.insert(key, file);
        }
        match &asked.body {
            Some(RequestBody::Negotiate(negotiate)) => {
                self.clients.insert(asked.conn, negotiate.client_guid);
            }
            Some(RequestBody::Close(_)) => {
                let file = self.file_of(asked);
                self.may_end(key, |open| Some(open.file) == file);
            }
            Some(RequestBody::TreeDisconnect) => {
                let (session, tree) = (asked.session, asked.tree);
                self.may_end(key, |open| (open.session, open.tree) == (session, tree));
            }
            Some(RequestBody::Logoff) => {
                let session = asked.session;
                self.may_end(key, |open| open.session == session);
            }
            Some(RequestBody::SessionSetup(setup)) => {
                // Whether the last leg succeeds, and what becomes of the session if not, is nobody's
                // word.
                let sessions = [setup.previous_session_id, asked.session];
                self.doubt(|open| sessions.contains(&open.session));
            }
            Some(RequestBody::Create(create)) => {
                if let Some(instance) = instance_of(create) {
                    self.doubt(|open| open.instance == Some(instance));
                }
            }
            _ => {}
        }
        self.pending.insert(key, asked.clone());
    }

    fn may_end(&mut self, key: Key, ends: impl Fn(&Open) -> bool) {
        let opens = self.opens.values_mut().filter(|open| ends(open));
        opens.for_each(|open| _ = open.enders.insert(key));
    }

    fn doubt(&mut self, whom: impl Fn(&Open) -> bool) {
        self.opens.values_mut().filter(|open| whom(open)).for_each(|open| open.doubtful = true);
    }

    /// A final answer has come.
    pub(super) fn answered(&mut self, asked: &Asked, answer: &Response, at: u64) -> Change {
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
            (Some(RequestBody::Logoff), _) => {
                self.sessions.remove(&asked.session);
                // Some are kept for who may come back.
                let kept = |open: &&mut Open| open.durable && open.enders.contains(&key);
                for open in self.opens.values_mut().filter(kept) {
                    open.enders.remove(&key);
                    open.doubtful = true;
                }
                self.end(key, at);
            }
            (Some(RequestBody::SetInfo(set)), _)
                if set.info_type == InfoType::FILE
                    && [FileInfoClass::RENAME.0, FileInfoClass::LINK.0]
                        .contains(&set.info_class) =>
            {
                self.renamed = true;
            }
            (Some(RequestBody::Ioctl(ioctl)), _)
                if ioctl.ctl_code == FsctlCode::LMR_REQUEST_RESILIENCY =>
            {
                if let Some(open) = file.and_then(|file| self.opens.get_mut(&file.persistent)) {
                    open.durable = true;
                }
            }
            _ => {}
        }
        Change::Nothing
    }

    /// From now on it is known what the rest of its chain is about.
    fn made(&mut self, asked: &Asked, file: FileId) {
        let mut last = asked.header.message_id;
        let goes_on = |(key, other): (&Key, &Asked)| {
            let body = other.body.as_ref()?;
            let named = named(body).is_some_and(|named| named != FileId::ANY);
            let another = named || matches!(body, RequestBody::Create(_));
            (other.before == Some(last) && !another).then(|| {
                last = key.1;
                *key
            })
        };
        let rest: Vec<Key> = self.followers(asked).map_while(goes_on).collect();
        self.chain.extend(rest.into_iter().map(|key| (key, file)));
    }

    /// What an element of a chain leaves to the next one. What was not found is not handed on; what is
    /// gone on the disk was found, and is answered in the same way.
    fn handed_on(
        &mut self,
        asked: &Asked,
        status: NtStatus,
        file: Option<FileId>,
        before: Option<FileId>,
    ) -> Option<FileId> {
        let named = file.filter(|file| status == NtStatus::FILE_CLOSED && Some(*file) != before);
        let Some(named) = named else {
            return file.or(before);
        };
        let open = self.opens.get(&named.persistent).filter(|open| open.file == named);
        let open = open.filter(|open| (open.session, open.tree) == (asked.session, asked.tree));
        // What follows in the chain has not been done yet.
        let follows = |key: &Key| {
            key.0 == asked.conn && self.pending.get(key).is_some_and(|o| o.frame == asked.frame)
        };
        let certain = |open: &Open| !open.doubtful && open.enders.iter().all(follows);
        match open.map(certain) {
            None => before,
            Some(true) => file,
            Some(false) => {
                if self.followers(asked).any(|(_, other)| other.before.is_some()) {
                    self.astray = true;
                    self.doubt(|open| [file, before].contains(&Some(open.file)));
                }
                None
            }
        }
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
        self.opens.retain(|_, open| !ends(open));
        self.ended = at;
    }

    fn end(&mut self, key: Key, at: u64) {
        self.ended = at;
        self.opens.retain(|_, open| !open.enders.contains(&key));
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
        if let Some(open) = self.opens.get_mut(&id) {
            let owned = open.is_certain();
            if fresh && open.file == create.file_id {
                if open.replayed && !replayed {
                    open.describe(request);
                    return Change::Late(id);
                }
                return Change::Again(id);
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
        // What was asked over another connection may be meant for the whole session: it comes before
        // this, or after it.
        let others = || {
            self.pending.iter().filter(|(_, other)| {
                other.session == asked.session
                    && match other.body {
                        Some(RequestBody::TreeDisconnect) => other.tree == asked.tree,
                        Some(RequestBody::Logoff) => true,
                        _ => false,
                    }
            })
        };
        let earlier = others().any(|(_, other)| other.at < asked.at);
        let others = others().filter(|(_, other)| other.at >= asked.at);
        let keys: BTreeSet<Key> = others.map(|(key, _)| *key).chain(keys).collect();
        let doubtful = self.pending.values().any(|other| {
            matches!(&other.body, Some(RequestBody::SessionSetup(setup))
                if [setup.previous_session_id, other.session].contains(&asked.session))
                || matches!(&other.body, Some(RequestBody::Create(create))
                    if instance_of(create).is_some())
        });
        let alive = self.sessions.get(&asked.session).is_some_and(|s| !s.channels.is_empty());
        if let Some(open) = self.opens.get_mut(&id) {
            open.enders = keys;
            open.doubtful |= doubtful || earlier || !alive;
        }
    }

    /// A connection has ended.
    pub(super) fn gone(&mut self, conn: ConnId) {
        let lost = || self.pending.values().filter(|asked| asked.conn == conn);
        let unheard: Vec<_> = lost().filter_map(|asked| self.left_by(asked)).collect();
        let leaving: Vec<_> = lost().filter_map(name_of).collect();
        self.unheard.extend(unheard);
        self.leaving.extend(leaving);
        self.pending.retain(|key, _| key.0 != conn);
        for open in self.opens.values_mut() {
            // Whether they were heard is not known.
            let heard = open.enders.extract_if(.., |key| key.0 == conn).count();
            open.doubtful |= heard > 0;
        }
        let mut ended = Vec::new();
        for (id, session) in &mut self.sessions {
            if session.channels.remove(&conn) && session.channels.is_empty() {
                ended.push(*id);
            }
        }
        self.doubt(|open| ended.contains(&open.session));
        for id in ended {
            self.sessions.remove(&id);
        }
    }

    /// What a request whose connection has ended may leave open: what can be asked for again over another
    /// channel, and what was made before the rest of its chain.
    fn left_by(&self, asked: &Asked) -> Option<String> {
        let RequestBody::Create(create) = asked.body.as_ref()? else {
            return None;
        };
        let session = self.sessions.get(&asked.session)?;
        let lives = session.channels.iter().any(|other| *other != asked.conn);
        let again = contexts(create).any(|context| matches!(context, RequestContext::DH2Q { .. }));
        let stays = lives && (again || self.followers(asked).next().is_some());
        name_of(asked).filter(|_| stays)
    }

    /// Nothing is under way: what was to end with its connection has ended.
    pub(super) fn quiet(&mut self) {
        self.leaving.clear();
        let sessions = &self.sessions;
        self.opens.retain(|_, open| open.durable || sessions.contains_key(&open.session));
        let wanted = self.pending.values().filter_map(|asked| Some((asked.conn, asked.before?)));
        let wanted: BTreeSet<Key> = wanted.collect();
        self.chain.retain(|key, _| wanted.contains(key));
    }
}

/// The rights that a desired access stands for (MS-SMB2 2.2.13.1.1).
pub fn mapped(wanted: AccessMask) -> AccessMask {
    let mut bits = wanted.bits() & 0x01ff_ffff;
    for (generic, rights) in [
        (0x8000_0000, 0x0012_0089),
        (0x4000_0000, 0x0012_0116),
        (0x2000_0000, 0x0012_00a0),
        (0x1000_0000, 0x001f_01ff),
    ] {
        if wanted.bits() & generic != 0 {
            bits |= rights;
        }
    }
    AccessMask::from_bits_retain(bits)
}

/// The file that a request names.
fn named(body: &RequestBody) -> Option<FileId> {
    Some(match body {
        RequestBody::Close(r) => r.file_id,
        RequestBody::Flush(r) => r.file_id,
        RequestBody::Read(r) => r.file_id,
        RequestBody::Write(r) => r.file_id,
        RequestBody::Lock(r) => r.file_id,
        RequestBody::Ioctl(r) => r.file_id,
        RequestBody::QueryDirectory(r) => r.file_id,
        RequestBody::ChangeNotify(r) => r.file_id,
        RequestBody::QueryInfo(r) => r.file_id,
        RequestBody::SetInfo(r) => r.file_id,
        _ => return None,
    })
}

fn contexts(request: &CreateRequest) -> impl Iterator<Item = RequestContext> {
    request.contexts.iter().filter_map(|raw| RequestContext::parse(&raw.name, &raw.data).ok())
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

/// What a CREATE is about, in lower case.
fn name_of(asked: &Asked) -> Option<String> {
    match asked.body.as_ref()? {
        RequestBody::Create(create) => Some(create.name.to_string_lossy().to_lowercase()),
        _ => None,
    }
}

fn instance_of(request: &CreateRequest) -> Option<[u8; 16]> {
    contexts(request).find_map(|context| match context {
        RequestContext::AppInstanceId(instance) => Some(instance),
        _ => None,
    })
}

/// It wants an open back.
fn claims(request: &CreateRequest) -> bool {
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
