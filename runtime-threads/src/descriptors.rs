//! Are there descriptors enough for what the limits allow? The process's own limit is raised as far as
//! it may be; where that is not enough, less is promised, and it is said.

use ksmbd_core::config::{Config, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::Arc;

/// A connection's socket.
const CONNECTION: u64 = 1;

/// A bell of the connection of each session, and of one that is set up while its answer is awaited. A connection
/// that has logged off keeps it until it logs on again, or its time is over.
const BELL: u64 = 1;

/// An open file's: to look at it, to read, to write. A directory has one, and another while it is listed.
const OPEN: u64 = 3;

/// Trees that have one, of each session. There may be more (what a share allows, `max connections`, is
/// the bound that holds), but hardly of all sessions at once.
const TREES: u64 = 2;

/// What the server has besides: listeners, shares, directories that are looked through, the daemon's
/// files, pipes of recordings.
const OTHERS: u64 = 512;

/// The limits that can be kept to with the descriptors that there are.
pub(crate) fn provide(config: Arc<Config>) -> Arc<Config> {
    let wanted = wanted(&config.limits);
    let allowed = raise(wanted);
    if allowed >= wanted {
        return config;
    }
    let mut config = Config::clone(&config);
    share_out(&mut config.limits, allowed);
    log::warn!(
        "{allowed} descriptors are allowed, and {wanted} would be needed for `max connections`, `max active \
         sessions` and `max open files`: there will be at most {} connections and {} open files. Allow more (ulimit -n, \
         LimitNOFILE=), or lower these",
        config.limits.connections,
        config.limits.opens
    );
    Arc::new(config)
}

fn wanted(limits: &Limits) -> u64 {
    (limits.connections as u64)
        .saturating_mul(CONNECTION)
        .saturating_add((limits.opens as u64).saturating_mul(OPEN))
        .saturating_add((limits.sessions as u64).saturating_mul(BELL + TREES))
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

/// Sessions get an eighth at most of what there is; of the rest opens get what they need, up to half, and
/// connections what is left.
fn share_out(limits: &mut Limits, allowed: u64) {
    let usable = allowed.saturating_sub(OTHERS).max(allowed / 2);
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let usable = usable - (limits.sessions as u64).saturating_mul(BELL + TREES).min(usable / 8);
    let theirs = (limits.connections as u64).saturating_mul(CONNECTION);
    let opens = usable.saturating_sub(theirs).max(usable / 2);
    limits.opens = limits.opens.min(number(opens / OPEN).max(1));
    let left = usable.saturating_sub((limits.opens as u64).saturating_mul(OPEN));
    limits.connections = limits.connections.min(number(left / CONNECTION).max(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_shared() {
        let with = |connections, opens, allowed| {
            let mut limits = Limits { connections, opens, ..Limits::default() };
            share_out(&mut limits, allowed);
            (limits.connections, limits.opens)
        };
        assert_eq!(with(256, 10_000, 4096), (256, (4096 - 512 - 448 - 256) / 3));
        assert_eq!(with(10_000, 10_000, 20_000), (8526, 2842));
        assert_eq!(with(10_000, 1000, 20_000), (10_000, 1000));
        let (connections, opens) = with(256, 10_000, 256);
        assert!(connections >= 57 && opens >= 18, "{connections} {opens}");
        let limits = Limits { connections: 2, opens: 3, sessions: 4, ..Limits::default() };
        assert_eq!(wanted(&limits), 2 + 3 * 3 + 4 * 3 + OTHERS);
    }
}
