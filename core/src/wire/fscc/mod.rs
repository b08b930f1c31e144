//! Information structures of MS-FSCC.
