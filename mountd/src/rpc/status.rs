//! What operations return (MS-ERREF 2.2 and 2.3): NTSTATUS from lsarpc and samr, Win32 from the rest.

/// Values of NTSTATUS.
pub(super) mod nt {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const MORE_ENTRIES: u32 = 0x0000_0105;
    pub(crate) const SOME_NOT_MAPPED: u32 = 0x0000_0107;
    pub(crate) const INVALID_INFO_CLASS: u32 = 0xc000_0003;
    pub(crate) const INVALID_HANDLE: u32 = 0xc000_0008;
    pub(crate) const INVALID_PARAMETER: u32 = 0xc000_000d;
    pub(crate) const ACCESS_DENIED: u32 = 0xc000_0022;
    pub(crate) const NO_SUCH_USER: u32 = 0xc000_0064;
    pub(crate) const NONE_MAPPED: u32 = 0xc000_0073;
    pub(crate) const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
    pub(crate) const NO_SUCH_DOMAIN: u32 = 0xc000_00df;
}

/// Values of Win32.
pub(super) mod win32 {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const ACCESS_DENIED: u32 = 5;
    pub(crate) const INVALID_PARAMETER: u32 = 87;
    pub(crate) const INVALID_LEVEL: u32 = 124;
    pub(crate) const MORE_DATA: u32 = 234;
    pub(crate) const NET_NAME_NOT_FOUND: u32 = 2310;
}
