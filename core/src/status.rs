//! NTSTATUS values (MS-ERREF 2.3.1), one table.

use core::fmt;

/// An NTSTATUS. Values without a name survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtStatus(pub u32);

impl NtStatus {
    /// Severity "error": a chain of related requests inherits it.
    pub const fn is_error(self) -> bool {
        self.0 >> 30 == 3
    }

    /// The name without its `STATUS_` prefix, where the table has one.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(status, _)| *status == self).map(|(_, name)| *name)
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "NTSTATUS {:#010x}", self.0),
        }
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

macro_rules! statuses {
    ($($name:ident = $value:literal,)*) => {
        #[allow(missing_docs, reason = "the names are MS-ERREF's")]
        impl NtStatus {
            $(pub const $name: Self = Self($value);)*
        }
        const NAMES: &[(NtStatus, &str)] = &[$((NtStatus::$name, stringify!($name)),)*];
    };
}

statuses! {
    SUCCESS = 0x0000_0000,
    PENDING = 0x0000_0103,
    NOTIFY_CLEANUP = 0x0000_010b,
    NOTIFY_ENUM_DIR = 0x0000_010c,
    BUFFER_OVERFLOW = 0x8000_0005,
    NO_MORE_FILES = 0x8000_0006,
    INVALID_EA_NAME = 0x8000_0013,
    EA_LIST_INCONSISTENT = 0x8000_0014,
    STOPPED_ON_SYMLINK = 0x8000_002d,
    UNSUCCESSFUL = 0xc000_0001,
    NOT_IMPLEMENTED = 0xc000_0002,
    INVALID_INFO_CLASS = 0xc000_0003,
    INFO_LENGTH_MISMATCH = 0xc000_0004,
    INVALID_HANDLE = 0xc000_0008,
    INVALID_PARAMETER = 0xc000_000d,
    NO_SUCH_DEVICE = 0xc000_000e,
    NO_SUCH_FILE = 0xc000_000f,
    INVALID_DEVICE_REQUEST = 0xc000_0010,
    END_OF_FILE = 0xc000_0011,
    MORE_PROCESSING_REQUIRED = 0xc000_0016,
    NO_MEMORY = 0xc000_0017,
    ACCESS_DENIED = 0xc000_0022,
    BUFFER_TOO_SMALL = 0xc000_0023,
    OBJECT_NAME_INVALID = 0xc000_0033,
    OBJECT_NAME_NOT_FOUND = 0xc000_0034,
    OBJECT_NAME_COLLISION = 0xc000_0035,
    OBJECT_PATH_INVALID = 0xc000_0039,
    OBJECT_PATH_NOT_FOUND = 0xc000_003a,
    OBJECT_PATH_SYNTAX_BAD = 0xc000_003b,
    DATA_ERROR = 0xc000_003e,
    SHARING_VIOLATION = 0xc000_0043,
    EAS_NOT_SUPPORTED = 0xc000_004f,
    EA_TOO_LARGE = 0xc000_0050,
    NONEXISTENT_EA_ENTRY = 0xc000_0051,
    NO_EAS_ON_FILE = 0xc000_0052,
    FILE_LOCK_CONFLICT = 0xc000_0054,
    LOCK_NOT_GRANTED = 0xc000_0055,
    DELETE_PENDING = 0xc000_0056,
    NO_SUCH_LOGON_SESSION = 0xc000_005f,
    INVALID_OWNER = 0xc000_005a,
    INVALID_PRIMARY_GROUP = 0xc000_005b,
    PRIVILEGE_NOT_HELD = 0xc000_0061,
    INVALID_SECURITY_DESCR = 0xc000_0079,
    NO_SUCH_USER = 0xc000_0064,
    WRONG_PASSWORD = 0xc000_006a,
    LOGON_FAILURE = 0xc000_006d,
    ACCOUNT_RESTRICTION = 0xc000_006e,
    ACCOUNT_DISABLED = 0xc000_0072,
    RANGE_NOT_LOCKED = 0xc000_007e,
    DISK_FULL = 0xc000_007f,
    INSUFFICIENT_RESOURCES = 0xc000_009a,
    MEDIA_WRITE_PROTECTED = 0xc000_00a2,
    BAD_IMPERSONATION_LEVEL = 0xc000_00a5,
    PIPE_NOT_AVAILABLE = 0xc000_00ac,
    PIPE_BUSY = 0xc000_00ae,
    ILLEGAL_FUNCTION = 0xc000_00af,
    PIPE_DISCONNECTED = 0xc000_00b0,
    PIPE_CLOSING = 0xc000_00b1,
    PIPE_LISTENING = 0xc000_00b3,
    IO_TIMEOUT = 0xc000_00b5,
    FILE_FORCED_CLOSED = 0xc000_00b6,
    FILE_IS_A_DIRECTORY = 0xc000_00ba,
    NOT_SUPPORTED = 0xc000_00bb,
    INVALID_NETWORK_RESPONSE = 0xc000_00c3,
    NETWORK_NAME_DELETED = 0xc000_00c9,
    NETWORK_ACCESS_DENIED = 0xc000_00ca,
    BAD_NETWORK_NAME = 0xc000_00cc,
    TOO_MANY_SESSIONS = 0xc000_00ce,
    REQUEST_NOT_ACCEPTED = 0xc000_00d0,
    NOT_SAME_DEVICE = 0xc000_00d4,
    FILE_RENAMED = 0xc000_00d5,
    INVALID_OPLOCK_PROTOCOL = 0xc000_00e3,
    INTERNAL_ERROR = 0xc000_00e5,
    UNEXPECTED_IO_ERROR = 0xc000_00e9,
    DIRECTORY_NOT_EMPTY = 0xc000_0101,
    NOT_A_DIRECTORY = 0xc000_0103,
    NAME_TOO_LONG = 0xc000_0106,
    TOO_MANY_OPENED_FILES = 0xc000_011f,
    CANCELLED = 0xc000_0120,
    CANNOT_DELETE = 0xc000_0121,
    FILE_DELETED = 0xc000_0123,
    FILE_CLOSED = 0xc000_0128,
    INVALID_LEVEL = 0xc000_0148,
    PIPE_BROKEN = 0xc000_014b,
    INVALID_DEVICE_STATE = 0xc000_0184,
    IO_DEVICE_ERROR = 0xc000_0185,
    INVALID_LOCK_RANGE = 0xc000_01a1,
    USER_SESSION_DELETED = 0xc000_0203,
    INSUFF_SERVER_RESOURCES = 0xc000_0205,
    NOT_FOUND = 0xc000_0225,
    DUPLICATE_OBJECTID = 0xc000_022a,
    CONNECTION_REFUSED = 0xc000_0236,
    TOO_MANY_LINKS = 0xc000_0265,
    NOT_A_REPARSE_POINT = 0xc000_0275,
    IO_REPARSE_TAG_NOT_HANDLED = 0xc000_0279,
    NETWORK_SESSION_EXPIRED = 0xc000_035c,
    REQUEST_OUT_OF_SEQUENCE = 0xc000_042a,
    SERVER_UNAVAILABLE = 0xc000_0466,
    FILE_NOT_AVAILABLE = 0xc000_0467,
    HASH_NOT_PRESENT = 0xc000_a100,
}
