//! What is open, and whose it is, as far as requests and answers tell. An open is *certain* from its
//! answer until somebody asks for something that may end it; it is *possible* from its request until
//! it must have ended. What no answer tells (a connection is lost, an open outlives it) is doubtful.

mod answered;
mod chain;
mod open;

pub use answered::contexts_of;
pub use open::{Open, Session, mapped};

use crate::world::Asked;
use ksmbd_core::{
    id::ConnId,
    wire::{
        create::CreateRequest, create_context::RequestContext, header::FileId, ioctl::FsctlCode,
        message::RequestBody,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A request: who asked, and its MessageId.
pub type Key = (ConnId, u64);

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
    /// Opens that were closed, by the persistent half of their number.
    closed: BTreeSet<u64>,
    /// When a tree of a session was last disconnected, or somebody set the session up, or one in its place.
    torn: BTreeMap<u64, u64>,
    /// When a CLOSE was last lost of which nobody knows what it was about.
    swept: u64,
    /// When the open of an AppInstanceId was last asked for.
    replaced: BTreeMap<[u8; 16], u64>,
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

impl Ledger {
    /// A request is about files, not about pipes.
    pub fn is_about_files(&self, asked: &Asked) -> bool {
        self.trees.get(&(asked.session, asked.tree)).is_none_or(|share| share != "ipc$")
    }

    /// Who the client of a connection says it is.
    pub fn client(&self, conn: ConnId) -> [u8; 16] {
        self.clients.get(&conn).copied().unwrap_or_default()
    }

    /// A file is open of which nobody knows which it is, or was used of which nobody knows.
    pub fn is_blind(&self) -> bool {
        let unknown = self.opens.values().any(|open| {
            let share = self.trees.get(&(open.session, open.tree));
            open.inode.is_none() && share.is_none_or(|share| share != "ipc$")
        });
        self.astray || unknown
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
                let about = self.candidates(asked);
                self.may_end(key, |open| about.contains(&open.file.persistent));
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

    /// A connection has ended.
    pub(super) fn gone(&mut self, conn: ConnId, at: u64) {
        let lost = || self.pending.values().filter(|asked| asked.conn == conn);
        let unheard: Vec<_> = lost().filter_map(|asked| self.left_by(asked)).collect();
        let leaving: Vec<_> = lost().filter_map(name_of).collect();
        if lost().any(|asked| self.is_sweeping(asked)) {
            self.swept = at;
        }
        let kept = self.kept_by(lost());
        self.keep(&kept);
        self.unheard.extend(unheard);
        self.leaving.extend(leaving);
        let lost: Vec<_> =
            self.pending.extract_if((conn, 0)..=(conn, u64::MAX), |_, _| true).collect();
        for (_, asked) in lost {
            let file = self.file_of(&asked);
            self.done(asked.body.as_ref(), file);
            self.remember(&asked, at);
        }
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
        let kept = self.followers(asked).any(|(_, other)| makes_resilient(other));
        let stays = kept || lives && (again || self.followers(asked).next().is_some());
        name_of(asked).filter(|_| stays)
    }

    /// A CLOSE, and nobody knows what it is about.
    fn is_sweeping(&self, asked: &Asked) -> bool {
        let unknown = asked.before.is_some() && self.file_of(asked).is_none();
        matches!(asked.body, Some(RequestBody::Close(_))) && (unknown || self.is_adrift(asked))
    }

    /// The opens that these requests may have made to outlive their connections.
    fn kept_by<'a>(&self, requests: impl Iterator<Item = &'a Asked>) -> BTreeSet<u64> {
        let requests = requests.filter(|asked| makes_resilient(asked));
        requests.flat_map(|asked| self.candidates(asked)).collect()
    }

    fn keep(&mut self, opens: &BTreeSet<u64>) {
        let opens = self.opens.iter_mut().filter(|(id, _)| opens.contains(id));
        opens.for_each(|(_, open)| open.durable = true);
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

fn contexts(request: &CreateRequest) -> impl Iterator<Item = RequestContext> {
    request.contexts.iter().filter_map(|raw| RequestContext::parse(&raw.name, &raw.data).ok())
}

/// What a CREATE is about, in lower case.
fn name_of(asked: &Asked) -> Option<String> {
    match asked.body.as_ref()? {
        RequestBody::Create(create) => Some(create.name.to_string_lossy().to_lowercase()),
        _ => None,
    }
}

fn makes_resilient(asked: &Asked) -> bool {
    matches!(&asked.body, Some(RequestBody::Ioctl(ioctl))
        if ioctl.ctl_code == FsctlCode::LMR_REQUEST_RESILIENCY)
}

fn instance_of(request: &CreateRequest) -> Option<[u8; 16]> {
    contexts(request).find_map(|context| match context {
        RequestContext::AppInstanceId(instance) => Some(instance),
        _ => None,
    })
}
