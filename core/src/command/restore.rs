//! What a server before this one has promised to last (MS-SMB2 3.3.5.9.12, 3.3.7.1): its persistent
//! opens are in the tables, with their share modes, locks and leases, and wait for their clients.

use super::{Cx, promise};
use crate::{
    flow::timer::Timer,
    id::{FileKey, Holder, LeaseId, OpenId, SessionId, TreeId},
    state::{
        State,
        durable::{App, Claim, Creation, Endurance, Owner},
        file::FileState,
        lease::{Caching, Kind, Lease, grantable},
        open::{Listing, Open, Place, Stage, What},
        range_lock::RangeLock,
        sequence::{ChannelSequence, LockSequences},
        share_mode,
    },
    vfs::{Cached, FileKind, Past, Restored},
};
use alloc::{sync::Arc, vec::Vec};

/// Takes over what is left. What was written may be wrong in any way: of what excludes each other the
/// last that was written counts, and the rest is let go.
pub(crate) fn restore(cx: &mut Cx<'_>, past: Past) {
    let Past { servers, mut opens } = past;
    cx.state.follow(servers);
    opens.sort_by_key(|open| (core::cmp::Reverse(open.number), open.promise.id));
    let mut locks = Vec::new();
    for restored in opens {
        cx.state.promises.after(restored.number);
        if !fits(cx.state, &restored) {
            let Restored { promise, directory, opened, .. } = restored;
            promise::give_up(cx, &promise);
            cx.out.release(directory);
            cx.out.release(opened.file);
            continue;
        }
        let (id, key) = (restored.promise.id, restored.opened.info.key);
        let held = restored.promise.locks.clone();
        locks.extend(held.into_iter().map(|lock| (key, id, lock)));
        enter(cx, restored);
    }
    // After the leases: a lock keeps what asks for one later from getting it.
    for (key, open, crate::vfs::Lock { offset, length, exclusive }) in locks {
        let lock = RangeLock { open, offset, length, exclusive };
        if let Some(file) = cx.state.files.get_mut(&key)
            && !lock.wraps()
            && !file.locks.conflicts(&lock)
        {
            file.locks.add(lock);
        }
    }
}

/// It can be beside what is there, and within the limits.
fn fits(state: &State, restored: &Restored) -> bool {
    let Restored { promise, opened, .. } = restored;
    let (key, limits) = (opened.info.key, state.config.limits);
    let mine = (promise.granted, promise.share_access);
    let clashes = |open: &Open| share_mode::conflicts((open.granted, open.share_access), mine);
    let creation = (promise.client, promise.create);
    let full = state.opens.len() >= limits.opens
        || state.promises.len() >= limits.persistent_opens
        || state.enduring.len() >= limits.durable_opens
        || state.enduring.of(&promise.client) >= limits.durable_opens_per_client;
    state.promises.may_follow(restored.number)
        && state.was_given(promise.id)
        && opened.info.kind == FileKind::File
        && restored.share.continuous
        && !full
        && !state.opens.contains_key(&promise.id)
        && !state.creations.contains_key(&creation)
        && !state.siblings(key).any(clashes)
}

fn enter(cx: &mut Cx<'_>, restored: Restored) {
    let Restored { number, promise, share, directory, opened } = restored;
    let (id, key) = (promise.id, opened.info.key);
    let until = cx.now.mono + promise.timeout.min(cx.state.config.limits.durable_time_max);
    let place = Place {
        share: Arc::clone(&share),
        root: directory,
        path: promise.path.clone(),
        stream: promise.stream.clone(),
        directory: false,
    };
    let volatile = cx.state.new_volatile();
    let file = cx.state.files.entry(key).or_insert_with(FileState::new);
    file.opens.push(id);
    if promise.delete_pending {
        file.doom(&place, &promise.identity);
    }
    let open = Open {
        id,
        volatile,
        session: SessionId::NONE,
        tree: TreeId::NONE,
        share,
        what: What::File { key, kind: FileKind::File, place },
        handle: opened.file,
        identity: Arc::clone(&promise.identity),
        granted: promise.granted,
        share_access: promise.share_access,
        caching: Caching::None,
        delete_on_close: promise.delete_on_close,
        write_through: promise.write_through,
        modified: false,
        position: 0,
        mode: promise.mode,
        listing: Listing::default(),
        channel_sequence: ChannelSequence::new(promise.channel_sequence),
        lock_sequences: LockSequences::of(&promise.lock_sequences),
        running: 0,
        stage: Stage::Kept,
        closer: None,
        told: true,
        claim: Claim {
            client: promise.client,
            create: Some(promise.create),
            owner: Some(Owner::new(promise.owner.0.clone(), promise.owner.1)),
            endurance: Endurance::Persistent,
            timeout: promise.timeout,
            action: promise.action,
            app: promise.app.map(|(id, version)| App { id, version }),
            until: Some(until),
            written: None,
            said: number,
        },
    };
    cx.state.opens.insert(id, open);
    cx.state.creations.insert((promise.client, promise.create), Creation::Done(id));
    cx.state.enduring.add(promise.client);
    cx.state.promises.add(id);
    cx.flows.timers.set(until, Timer::Kept(id));
    if let Some(cached) = promise.cached {
        cache(cx.state, key, (id, promise.client), cached);
    }
    let claim = cx.state.opens.get_mut(&id).map(|open| &mut open.claim);
    if let Some(claim) = claim {
        claim.written = Some((number, Arc::new(promise)));
    }
}

/// As it was granted, as far as it can be beside what others have.
fn cache(state: &mut State, key: FileKey, (id, client): (OpenId, [u8; 16]), cached: Cached) {
    let (caching, holder, kind) = match cached.key {
        None => (Caching::Oplock, Holder::Open(id), Kind::Oplock),
        Some(lease) => {
            let lease = LeaseId { client, key: lease };
            let kind = cached.v2.map_or(Kind::V1, |(epoch, parent)| Kind::V2 { epoch, parent });
            (Caching::Lease(lease), Holder::Lease(lease), kind)
        }
    };
    let granted = grantable(state, key, holder, id, cached.state);
    if granted.is_empty() && kind == Kind::Oplock {
        return;
    }
    let new = || Lease {
        file: key,
        state: granted,
        kind,
        breaking: None,
        opens: Vec::new(),
        split: false,
    };
    let lease = state.leases.entry(holder).or_insert_with(new);
    if lease.file != key {
        return;
    }
    lease.opens.push(id);
    if let Some(open) = state.opens.get_mut(&id) {
        open.caching = caching;
    }
}
