//! Names for things in the server's tables. All are plain numbers, never reused within a run.

use core::fmt;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident($int:ty);)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    )*};
}

ids! {
    /// A transport connection; the client's thread is `ksmbd/N` of this number.
    ConnId(u64);
    /// A session (MS-SMB2 3.3.1.8, SessionGlobalId and SessionId in one).
    SessionId(u64);
    /// A tree connect within its session (MS-SMB2 3.3.1.9).
    TreeId(u32);
    /// An open (MS-SMB2 3.3.1.10, DurableFileId); the persistent half of a FileId.
    OpenId(u64);
    /// A request that was answered with an interim response (MS-SMB2 2.2.1.1, AsyncId).
    AsyncId(u64);
    /// An account that is being guessed at from an address.
    GuessId(u64);
    /// A [`Call`](crate::vfs::Call) that has not completed.
    OpId(u64);
}

impl ConnId {
    /// No connection.
    pub const NONE: Self = Self(0);
}

impl SessionId {
    /// No session: of an open that is kept for a client who has lost its connection.
    pub const NONE: Self = Self(0);
}

impl TreeId {
    /// No tree connect; see [`SessionId::NONE`].
    pub const NONE: Self = Self(0);
}

/// A lease: a key that a client has chosen, and the client's own number for itself (MS-SMB2 3.3.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    /// ClientGuid of NEGOTIATE.
    pub client: [u8; 16],
    /// LeaseKey.
    pub key: [u8; 16],
}

/// Who caches: an open by its oplock, or a client by a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// One open.
    Open(OpenId),
    /// All opens under a key.
    Lease(LeaseId),
}

/// Which file, and which stream of it, an open is of, as long as it is open: device and inode number. A number may be used
/// again once the file is gone, so nothing is remembered by it beyond the last open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    /// The file system (`st_dev`).
    pub device: u64,
    /// The file in it (`st_ino`).
    pub inode: u64,
    /// The stream in it ([`StreamName::id`](crate::stream::StreamName::id)); 0 is the file
    /// itself. Last, so that all streams of a file are neighbours in a table.
    pub stream: u64,
}

impl FileKey {
    /// A file or directory itself.
    pub const fn new(device: u64, inode: u64) -> Self {
        Self { device, inode, stream: 0 }
    }

    /// The file that this is a stream of, or is.
    pub const fn base(self) -> Self {
        Self { stream: 0, ..self }
    }

    /// A stream with a name.
    pub const fn is_stream(self) -> bool {
        self.stream != 0
    }

    /// All streams of the file, itself among them.
    pub fn family(self) -> core::ops::RangeInclusive<Self> {
        self.base()..=Self { stream: u64::MAX, ..self }
    }
}
