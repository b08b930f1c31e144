//! Are there descriptors enough for what the limits allow? The process's own limit is raised as far as
//! it may be; where that is not enough, less is promised, and it is said.

use ksmbd_core::config::{Config, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;

/// A connection's socket, and its bell. Those without a session have none, mostly: see [`crate::room`].
const CONNECTION: u64 = 2;

/// An open file's: to look at it, to read, to write. A directory has one, and another while it is listed.
const OPEN: u64 = 3;

/// Trees that have one, of each session. There may be more (what a share allows, `max connections`, is
/// the bound that holds), but hardly of all sessions at once.
const TREES: u64 = 2;

/// What the server has besides: listeners, shares, directories that are looked through, the daemon's
/// files, pipes of recordings.
const OTHERS: u64 = 512;

/// The limits that can be kept to with the descriptors that there are, and how many of those are for
/// connections and their bells.
pub(crate) fn provide(config: Arc<Config>) -> (Arc<Config>, usize) {
    let wanted = wanted(&config.limits);
    let allowed = raise(wanted);
    if allowed >= wanted {
        return (config, usize::MAX);
    }
    let mut config = Config::clone(&config);
    let room = share_out(&mut config.limits, allowed);
    log::warn!(
        "{allowed} descriptors are allowed, and {wanted} would be needed for `max connections`, `max active \
         sessions` and `max open files`: there will be at most {} connections, {} with sessions, and {} open files. \
         Allow more (ulimit -n, LimitNOFILE=), or lower these",
        config.limits.connections,
        config.limits.connections.min(room / 2),
        config.limits.opens
    );
    (Arc::new(config), room)
}

fn wanted(limits: &Limits) -> u64 {
    (limits.connections as u64)
        .saturating_mul(CONNECTION)
        .saturating_add((limits.opens as u64).saturating_mul(OPEN))
        .saturating_add((limits.sessions as u64).saturating_mul(TREES))
        .saturating_add(OTHERS)
}

/// For files of a server before this one, which are opened before anything else.
pub(crate) fn provide_for(opens: usize) {
    raise((opens as u64).saturating_mul(OPEN + 1).saturating_add(OTHERS));
}

/// Raises the limit, if that is needed, as far as it may be. How many there are in the end.
fn raise(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return wanted;
    }
    let within = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    // Who is allowed to raises the upper one, too.
    let beyond =
        Rlimit { current: Some(wanted), maximum: Some(maximum.unwrap_or(wanted).max(wanted)) };
    if within < wanted && setrlimit(Resource::Nofile, beyond).is_ok() {
        return wanted;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(within), maximum }) {
        Ok(()) => within,
        Err(_) => current.unwrap_or(within),
    }
}

/// Trees get an eighth at most of what there is; of the rest opens get what they need, up to half, and
/// connections what is left, which is returned. All may be there at once of which few have a session.
fn share_out(limits: &mut Limits, allowed: u64) -> usize {
    let usable = allowed.saturating_sub(OTHERS).max(allowed / 2);
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let usable = usable - (limits.sessions as u64).saturating_mul(TREES).min(usable / 8);
    let theirs = (limits.connections as u64).saturating_mul(CONNECTION);
    let opens = usable.saturating_sub(theirs).max(usable / 2);
    limits.opens = limits.opens.min(number(opens / OPEN).max(1));
    let left = usable.saturating_sub((limits.opens as u64).saturating_mul(OPEN));
    let room = number(left.max(CONNECTION));
    limits.connections = limits.connections.min(room);
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_shared() {
        let with = |connections, opens, allowed| {
            let mut limits = Limits { connections, opens, ..Limits::default() };
            let room = share_out(&mut limits, allowed);
            (limits.connections, limits.opens, room)
        };
        let opens = (4096 - 512 - 448 - 512) / 3;
        assert_eq!(with(256, 10_000, 4096), (256, opens, 4096 - 512 - 448 - opens * 3));
        assert_eq!(with(10_000, 10_000, 20_000), (8722, 2906, 8722));
        assert_eq!(with(10_000, 1000, 20_000), (10_000, 1000, 14_440));
        let (connections, opens, room) = with(256, 10_000, 256);
        assert!(connections >= 57 && opens >= 18, "{connections} {opens}");
        assert_eq!(room, connections);
        let limits = Limits { connections: 2, opens: 3, sessions: 4, ..Limits::default() };
        assert_eq!(wanted(&limits), 2 * 2 + 3 * 3 + 4 * 2 + OTHERS);
    }
}
