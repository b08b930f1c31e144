//! What the services may ask of the daemon: the seam between RPC and everything else.

/// One share, as far as the services show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareInfo {
    /// The name that clients connect to.
    pub name: String,
    /// The remark beside the name; may be empty.
    pub comment: String,
    /// Whether lists of shares contain it. Asked for by name, it is shown in any case.
    pub browseable: bool,
    /// Whether it is `IPC$`, which holds pipes and no files. It is always listed.
    pub ipc: bool,
}

/// What the services may ask of the daemon.
pub trait Directory {
    /// All shares, hidden ones too, in an order that stays the same from call to call: an
    /// enumeration that comes in several parts resumes by position.
    fn shares(&self) -> Vec<ShareInfo>;

    /// The server's NetBIOS name, without backslashes. It is the name of the machine's domain too.
    fn server_name(&self) -> &str;

    /// The server's description; may be empty.
    fn server_comment(&self) -> &str;

    /// The workgroup that the server belongs to.
    fn workgroup(&self) -> &str;

    /// The machine's SID is S-1-5-21 and these.
    fn machine(&self) -> [u32; 3];

    /// Who there is.
    fn people(&self) -> &dyn People;

    /// The share of this name; share names do not tell upper from lower case.
    fn share(&self, name: &str) -> Option<ShareInfo> {
        let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let wanted = folded(name);
        self.shares().into_iter().find(|share| folded(&share.name) == wanted)
    }
}

/// An account: somebody who may log on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name to log on with.
    pub name: String,
    /// Its number in the machine's domain: the Unix user's where there is one.
    pub rid: u32,
    /// The primary Unix group.
    pub gid: u32,
}

/// Accounts, and the Unix users and groups that files belong to. Names are compared exactly.
pub trait People {
    /// The accounts' names, in an order that stays the same from call to call.
    fn accounts(&self) -> Vec<String>;

    /// The account of a name.
    fn account(&self, name: &str) -> Option<User>;

    /// The account of a number in the machine's domain.
    fn account_of(&self, rid: u32) -> Option<User>;

    /// All Unix groups of an account, the primary one among them.
    fn groups_of(&self, user: &User) -> Vec<u32>;

    /// The Unix user of a name.
    fn unix_user(&self, name: &str) -> Option<u32>;

    /// The name of a Unix user.
    fn unix_user_name(&self, uid: u32) -> Option<String>;

    /// The Unix group of a name.
    fn unix_group(&self, name: &str) -> Option<u32>;

    /// The name of a Unix group.
    fn unix_group_name(&self, gid: u32) -> Option<String>;
}
