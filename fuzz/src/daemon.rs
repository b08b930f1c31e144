//! The daemon's side in memory: accounts, shares, pipes.

use crate::memvfs::{Live, file};
use ksmbd_core::{
    auth::ntlm::client::Credentials,
    config::{Share, ShareKind},
    status::NtStatus,
    time::FileTime,
    vfs::{Account, Admission, Call, Done, File, FileObject, Identity, Op, VfsError},
    wire::network_interface::NetworkInterfaceInfo,
};
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest message a pipe takes.
const MESSAGE: usize = 1 << 20;

/// The accounts, with their numbers.
pub const ACCOUNTS: [(&str, u32); 3] = [("alice", 1000), ("bob", 1001), (READER, 1002)];

/// The account that may only read, whatever the share.
pub const READER: &str = "reader";

/// Accounts and shares.
pub struct Daemon {
    accounts: BTreeMap<String, (String, Arc<Identity>)>,
    /// `map to guest = bad user`.
    pub guest: Option<Arc<Identity>>,
    /// Until when a logon counts.
    pub expires: Option<FileTime>,
    /// What the server listens on.
    pub interfaces: Vec<NetworkInterfaceInfo>,
    shares: BTreeMap<String, Rules>,
    /// Admissions that were not taken back.
    admitted: usize,
    live: Live,
}

/// One share and who may use it.
#[derive(Clone)]
pub struct Rules {
    /// What it is.
    pub share: Arc<Share>,
    /// For everybody.
    pub read_only: bool,
    /// What everybody is refused with.
    pub refused: Option<NtStatus>,
}

impl Daemon {
    /// Nobody and nothing.
    pub(crate) fn new() -> Self {
        let (accounts, shares) = (BTreeMap::new(), BTreeMap::new());
        Self {
            accounts,
            guest: None,
            expires: None,
            interfaces: Vec::new(),
            shares,
            admitted: 0,
            live: Live::default(),
        }
    }

    /// Pipes that are open.
    pub fn live(&self) -> usize {
        self.live.count()
    }

    /// Adds an account; its password is [`password`].
    pub fn account(&mut self, name: &str, uid: u32) {
        let identity = Identity { name: name.into(), uid, gid: uid, groups: Vec::new(), sid: None };
        self.accounts.insert(name.to_lowercase(), (password(name), Arc::new(identity)));
    }

    /// Adds a share, or replaces it.
    pub fn share(&mut self, rules: Rules) {
        self.shares.insert(rules.share.name.to_lowercase(), rules);
    }

    /// Admissions that were not taken back.
    pub fn admitted(&self) -> usize {
        self.admitted
    }

    /// A share of files, by its name.
    pub(crate) fn disk(&self, name: &str) -> Option<Arc<Share>> {
        let rules = self.shares.get(&name.to_lowercase())?;
        (rules.share.kind == ShareKind::Disk).then(|| Arc::clone(&rules.share))
    }

    /// The server was killed: no tree leaves any more.
    pub(crate) fn restart(&mut self) {
        self.admitted = 0;
    }

    /// Carries out one call; gives it back when it is the file system's.
    #[allow(clippy::result_large_err, reason = "what is given back is what came")]
    pub(crate) fn run(&mut self, call: Call) -> Result<Done, Call> {
        Ok(match call.op {
            Op::Logon { user, .. } => Done::Account(self.logon(&user)),
            Op::Interfaces => Done::Interfaces(self.interfaces.clone()),
            Op::Admit { share, account, .. } => self.admit(&share, account.as_deref()),
            Op::Leave { .. } => {
                assert!(self.admitted > 0, "a tree left that was never admitted");
                self.admitted -= 1;
                Done::Ok
            }
            Op::PipeOpen { name, .. } => self.pipe_open(&name),
            Op::PipeWrite { pipe, data } => Pipe::of(&pipe).write(data.bytes()),
            Op::PipeRead { pipe, max } => Pipe::of(&pipe).read(max),
            Op::PipeTransact { pipe, data, max } => match Pipe::of(&pipe).write(&data) {
                Done::Wrote(_) => Pipe::of(&pipe).read(max),
                failed => failed,
            },
            _ => return Err(call),
        })
    }

    fn logon(&self, user: &str) -> Account {
        match self.accounts.get(&user.to_lowercase()) {
            Some((password, identity)) => Account::Found {
                nt_hash: Credentials::new(user, "", password).nt_hash,
                identity: Arc::clone(identity),
                expires: self.expires,
            },
            None => Account::Unknown { guest: self.guest.clone() },
        }
    }

    fn admit(&mut self, share: &str, account: Option<&str>) -> Done {
        let Some(rules) = self.shares.get(&share.to_lowercase()) else {
            return Done::Admitted(Err(NtStatus::BAD_NETWORK_NAME));
        };
        let anonymous = account.is_none() && rules.share.kind == ShareKind::Disk;
        let denied = anonymous.then_some(NtStatus::ACCESS_DENIED);
        if let Some(status) = rules.refused.or(denied) {
            return Done::Admitted(Err(status));
        }
        self.admitted += 1;
        let Rules { share, read_only, .. } = rules.clone();
        let read_only = read_only || account == Some(READER);
        Done::Admitted(Ok(Admission { share, read_only, identity: None }))
    }

    fn pipe_open(&self, name: &str) -> Done {
        if name != "echo" {
            return Done::Failed(VfsError::NotFound);
        }
        Done::Pipe(file(Pipe { messages: Mutex::default(), _live: self.live.clone() }))
    }
}

/// The password of an account.
pub fn password(name: &str) -> String {
    format!("{}'s secret", name.to_lowercase())
}

/// A pipe that says what it is told.
struct Pipe {
    messages: Mutex<VecDeque<Vec<u8>>>,
    _live: Live,
}

impl FileObject for Pipe {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Pipe {
    fn of(file: &File) -> &Self {
        let pipe = file.0.as_any().downcast_ref();
        pipe.unwrap_or_else(|| panic!("a pipe's call with a file"))
    }

    fn write(&self, data: &[u8]) -> Done {
        if data.len() > MESSAGE {
            return Done::Failed(VfsError::TooLarge);
        }
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() >= 64 {
            return Done::Failed(VfsError::Busy);
        }
        messages.push_back(data.to_vec());
        Done::Wrote(u32::try_from(data.len()).unwrap_or(u32::MAX))
    }

    fn read(&self, max: u32) -> Done {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut message) = messages.pop_front() else {
            return Done::Failed(VfsError::WouldBlock);
        };
        let rest = message.split_off(message.len().min(max as usize));
        let more = !rest.is_empty();
        if more {
            messages.push_front(rest);
        }
        Done::PipeData { data: message, more }
    }
}
