use bitflags::bitflags;

bitflags! {
    /// What an open may do (MS-SMB2 2.2.13.1). The low bits mean one thing for files and pipes and
    /// another for directories; both names are here.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AccessMask: u32 {
        /// Read the data.
        const FILE_READ_DATA = 0x0000_0001;
        /// List the directory.
        const FILE_LIST_DIRECTORY = 0x0000_0001;
        /// Write the data.
        const FILE_WRITE_DATA = 0x0000_0002;
        /// Create files in the directory.
        const FILE_ADD_FILE = 0x0000_0002;
        /// Append to the data.
        const FILE_APPEND_DATA = 0x0000_0004;
        /// Create directories in the directory.
        const FILE_ADD_SUBDIRECTORY = 0x0000_0004;
        /// Read extended attributes.
        const FILE_READ_EA = 0x0000_0008;
        /// Write extended attributes.
        const FILE_WRITE_EA = 0x0000_0010;
        /// Execute the file.
        const FILE_EXECUTE = 0x0000_0020;
        /// Pass through the directory.
        const FILE_TRAVERSE = 0x0000_0020;
        /// Delete whatever is in the directory.
        const FILE_DELETE_CHILD = 0x0000_0040;
        /// Read attributes.
        const FILE_READ_ATTRIBUTES = 0x0000_0080;
        /// Write attributes.
        const FILE_WRITE_ATTRIBUTES = 0x0000_0100;
        /// Delete or rename.
        const DELETE = 0x0001_0000;
        /// Read owner, group and DACL.
        const READ_CONTROL = 0x0002_0000;
        /// Write the DACL.
        const WRITE_DAC = 0x0004_0000;
        /// Write owner and group.
        const WRITE_OWNER = 0x0008_0000;
        /// Wait on the handle; servers ignore it.
        const SYNCHRONIZE = 0x0010_0000;
        /// Read and write the SACL.
        const ACCESS_SYSTEM_SECURITY = 0x0100_0000;
        /// All that the user may have.
        const MAXIMUM_ALLOWED = 0x0200_0000;
        /// See [`AccessMask::ALL_ACCESS`].
        const GENERIC_ALL = 0x1000_0000;
        /// See [`AccessMask::FILE_GENERIC_EXECUTE`].
        const GENERIC_EXECUTE = 0x2000_0000;
        /// See [`AccessMask::FILE_GENERIC_WRITE`].
        const GENERIC_WRITE = 0x4000_0000;
        /// See [`AccessMask::FILE_GENERIC_READ`].
        const GENERIC_READ = 0x8000_0000;
        const _ = !0;
    }
}

impl AccessMask {
    /// What GENERIC_READ stands for (MS-SMB2 2.2.13.1, MS-FSA 2.1.5.1).
    pub const FILE_GENERIC_READ: Self = Self::from_bits_retain(0x0012_0089);
    /// What GENERIC_WRITE stands for.
    pub const FILE_GENERIC_WRITE: Self = Self::from_bits_retain(0x0012_0116);
    /// What GENERIC_EXECUTE stands for.
    pub const FILE_GENERIC_EXECUTE: Self = Self::from_bits_retain(0x0012_00a0);
    /// What GENERIC_ALL stands for: every right that a file has. `all()` also has unknown bits.
    pub const ALL_ACCESS: Self = Self::from_bits_retain(0x001f_01ff);

    /// The mask with each generic bit replaced by the specific ones that it stands for.
    pub fn map_generic(self) -> Self {
        let mapping = [
            (Self::GENERIC_READ, Self::FILE_GENERIC_READ),
            (Self::GENERIC_WRITE, Self::FILE_GENERIC_WRITE),
            (Self::GENERIC_EXECUTE, Self::FILE_GENERIC_EXECUTE),
            (Self::GENERIC_ALL, Self::ALL_ACCESS),
        ];
        let mut mask = self;
        for (generic, specific) in mapping {
            if mask.intersects(generic) {
                mask = mask.difference(generic).union(specific);
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_bits_become_specific_ones() {
        assert_eq!(AccessMask::GENERIC_READ.map_generic().bits(), 0x0012_0089);
        assert_eq!(AccessMask::GENERIC_ALL.map_generic().bits(), 0x001f_01ff);
        let mask = AccessMask::GENERIC_WRITE | AccessMask::MAXIMUM_ALLOWED;
        assert_eq!(mask.map_generic().bits(), 0x0212_0116);
        assert_eq!(AccessMask::DELETE.map_generic(), AccessMask::DELETE);
        assert_eq!(AccessMask::from_bits_retain(0x0080_0000).map_generic().bits(), 0x0080_0000);
    }
}
