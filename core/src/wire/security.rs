//! SIDs, ACLs and security descriptors (MS-DTYP 2.4).
