//! Who may do what by a security descriptor (MS-DTYP 2.5.3): pure functions of descriptors and
//! tokens, for the commands and for whoever keeps the descriptors on disk. Every function is total
//! and linear in the number of ACEs, whatever a stored descriptor says.

mod change;
mod check;
mod inherit;
mod synthetic;
mod token;

pub use change::{Change, change};
pub use check::granted;
pub use inherit::{New, new_descriptor};
pub use synthetic::synthetic;
pub use token::{Token, TokenKind, gid_of_sid, sid_of_gid, sid_of_uid, uid_of_sid};

use crate::wire::security::{Ace, AceBody, Acl};
use alloc::vec::Vec;

/// An ACL with the generic bits of its masks replaced by those of files (MS-DTYP 2.5.3.4.2).
fn mapped(acl: &Acl) -> Acl {
    let aces: Vec<_> = acl.aces.iter().cloned().map(map_ace).collect();
    Acl { acl_revision: acl.acl_revision, aces }
}

fn map_ace(mut ace: Ace) -> Ace {
    if let AceBody::Sid { mask, .. } = &mut ace.body {
        *mask = mask.map_generic();
    }
    ace
}

#[cfg(test)]
mod tests;
