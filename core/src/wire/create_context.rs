//! Create contexts (MS-SMB2 2.2.13.2, 2.2.14.2).
