//! Who may open a file beside whom (MS-FSA 2.1.5.1.2.2).

use crate::wire::{create::ShareAccess, fscc::AccessMask};

const READS: AccessMask = AccessMask::FILE_READ_DATA.union(AccessMask::FILE_EXECUTE);
const WRITES: AccessMask = AccessMask::FILE_WRITE_DATA.union(AccessMask::FILE_APPEND_DATA);
const DELETES: AccessMask = AccessMask::DELETE;

/// An open that does not touch data keeps nobody out and is kept out by nobody.
fn takes_part(access: AccessMask) -> bool {
    access.intersects(READS | WRITES | DELETES)
}

/// `access` asks for what `sharing` does not allow others.
fn kept_out(access: AccessMask, sharing: ShareAccess) -> bool {
    access.intersects(READS) && !sharing.contains(ShareAccess::READ)
        || access.intersects(WRITES) && !sharing.contains(ShareAccess::WRITE)
        || access.intersects(DELETES) && !sharing.contains(ShareAccess::DELETE)
}

/// Two opens of one file, as access and sharing, cannot be at the same time.
pub(crate) fn conflicts(a: (AccessMask, ShareAccess), b: (AccessMask, ShareAccess)) -> bool {
    takes_part(a.0) && takes_part(b.0) && (kept_out(a.0, b.1) || kept_out(b.0, a.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of accesses and sharings, against the rule said another way.
    #[test]
    fn all_pairs() {
        let accesses =
            [AccessMask::FILE_READ_DATA, AccessMask::FILE_WRITE_DATA, AccessMask::DELETE];
        let pick = |bits: u32| {
            let chosen = (0..3).filter(|i| bits >> i & 1 == 1);
            chosen.fold(AccessMask::FILE_READ_ATTRIBUTES, |sum, i| sum | accesses[i])
        };
        for (a, sa, b, sb) in (0..8u32 * 8 * 8 * 8).map(|n| (n & 7, n >> 3 & 7, n >> 6 & 7, n >> 9))
        {
            let expected = a != 0 && b != 0 && (a & !sb != 0 || b & !sa != 0);
            let share = ShareAccess::from_bits_retain;
            let found = conflicts((pick(a), share(sa)), (pick(b), share(sb)));
            assert_eq!(found, expected, "{a} {sa} {b} {sb}");
        }
    }
}
