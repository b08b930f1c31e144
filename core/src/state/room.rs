//! Who may have one more of what all share? A table that one client could fill would be the others'
//! denial of service.

/// What nobody is refused for having.
const FEW: usize = 4;

/// One more fits, and whoever asks has not more than what is left for all others: alone he gets half
/// of the table, `n` of his kind leave the `n + 1`th part of it.
pub(crate) fn has_room(limit: usize, used: usize, own: usize) -> bool {
    let left = limit.saturating_sub(used);
    left > 0 && own <= left.max(FEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greed_leaves_something() {
        let (limit, mut used) = (1000, 0);
        // More than that would share what nobody is refused for.
        for greedy in 1..=8 {
            let mut own = 0;
            while has_room(limit, used, own) {
                own += 1;
                used += 1;
            }
            assert!(own > 0 && has_room(limit, used, 0), "after {greedy}");
        }
        assert!(!has_room(1000, 1000, 0));
    }

    #[test]
    fn small_tables_can_be_filled() {
        assert!(has_room(1, 0, 0) && has_room(5, 4, 4) && !has_room(5, 5, 5));
    }
}
