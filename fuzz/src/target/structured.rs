//! Whole sessions as values: clients that have logged on do what `arbitrary` makes of the bytes. Unlike
//! `session`, which draws likely requests, it says every field of a few of them, so that a mutation
//! changes one field of one request of an otherwise valid run.

mod operation;

use crate::{Client, Offer, client::body, daemon::password, world::World};
use arbitrary::{Arbitrary, Unstructured};
use core::time::Duration;
use ksmbd_core::{
    status::NtStatus,
    vfs::VfsError,
    wire::{
        header::FileId,
        message::{RequestBody, ResponseBody},
        negotiate::Dialect,
        oplock_break::OplockBreakRequest,
    },
};
use operation::{Operation, Step};

/// Steps of one run; more mean nothing.
const STEPS: usize = 120;

/// Clients of one run.
const CLIENTS: usize = 3;

/// How the run begins.
#[derive(Arbitrary, Debug)]
struct Shape {
    dialects: [u8; CLIENTS],
    encrypt: [bool; CLIENTS],
    /// The last of them may be another user, and be the same client as the first.
    other_user: bool,
    same_guid: bool,
    share: u8,
}

/// One client, what it has open, and which breaks it was told of.
struct Actor {
    client: Client,
    files: Vec<FileId>,
    breaks: Vec<OplockBreakRequest>,
}

/// A run.
pub(super) fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(shape) = Shape::arbitrary(&mut input) else {
        return;
    };
    let world = World::with(|config| {
        config.multi_channel = true;
        config.max_read = 256 << 10;
        config.max_write = 256 << 10;
        config.max_trans = 64 << 10;
    });
    let mut actors: Vec<Actor> = (0..CLIENTS).map(|at| join(&world, &shape, at)).collect();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let Ok(Step { client, operation }) = Step::arbitrary(&mut input) else {
            break;
        };
        let at = usize::from(client) % CLIENTS;
        step(&world, &mut actors[at], operation);
        actors.iter_mut().for_each(read);
    }
    finish(&world, actors);
}

fn join(world: &World, shape: &Shape, at: usize) -> Actor {
    const DIALECTS: [Dialect; 5] = [
        Dialect::SMB_3_1_1,
        Dialect::SMB_2_0_2,
        Dialect::SMB_2_1,
        Dialect::SMB_3_0,
        Dialect::SMB_3_0_2,
    ];
    const SHARES: [&str; 4] = ["share", "streams", "readonly", "inside"];
    let mut client = world.connect();
    client.lenient = true;
    client.offer = Offer::only(DIALECTS[usize::from(shape.dialects[at]) % DIALECTS.len()]);
    client.offer.guid = [if shape.same_guid { 9 } else { at as u8 + 1 }; 16];
    client.negotiate().ok();
    let user = if shape.other_user && at == CLIENTS - 1 { "bob" } else { "alice" };
    client.logon(user, &password(user)).ok();
    client.encrypt = client.cipher().is_some() && shape.encrypt[at];
    client.connect_tree(SHARES[usize::from(shape.share) % SHARES.len()]);
    Actor { client, files: Vec::new(), breaks: Vec::new() }
}

fn step(world: &World, actor: &mut Actor, operation: Operation) {
    match operation {
        Operation::Hold => world.hold_calls(),
        Operation::Release => world.release_calls(),
        Operation::Complete(index) => {
            let held = world.held().len();
            if held > 0 {
                world.complete(usize::from(index) % held);
            }
        }
        Operation::Fail(index) => {
            let held = world.held();
            let index = usize::from(index) % held.len().max(1);
            // The daemon must hear that a tree is gone.
            if held.get(index).is_some_and(|op| *op != "leave") {
                world.fail(index, VfsError::Io);
            }
        }
        Operation::Wait(seconds) => world.advance(Duration::from_secs(seconds.into())),
        Operation::Outside(file) => world.put_outside(if file { "o1" } else { "o2" }, b"outside"),
        Operation::Cancel(which) => {
            let waiting = actor.client.unanswered();
            if let Some(mid) = waiting.get(usize::from(which) % waiting.len().max(1)) {
                actor.client.cancel_message(*mid);
            }
        }
        Operation::Chain(first, second, related) => {
            let first = request(actor, *first);
            let second = request(actor, *second);
            send(actor, [Some(first), Some(second)].into_iter().flatten().collect(), related);
        }
        Operation::Request(kind) => {
            let request = request(actor, kind);
            send(actor, vec![request], false);
        }
    }
}

fn request(actor: &mut Actor, kind: operation::Request) -> (RequestBody, Vec<u8>) {
    let breaks = &mut actor.breaks;
    let files = &actor.files;
    let file = |which: u8| match which.checked_sub(1) {
        None => FileId::ANY,
        Some(which) => {
            // Young ones are more likely to be open.
            let at = files.len().checked_sub(1 + usize::from(which) % files.len().max(1));
            at.and_then(|at| files.get(at)).copied().unwrap_or(FileId::ANY)
        }
    };
    kind.body(file, || breaks.pop())
}

/// Sends what the client has credits for.
fn send(actor: &mut Actor, requests: Vec<(RequestBody, Vec<u8>)>, related: bool) {
    let client = &mut actor.client;
    if client.credits <= 8 || client.encrypt && client.keys().is_none() {
        return;
    }
    let mut chain = Vec::new();
    for (body, data) in requests {
        let message = client.message_with(&body, &data);
        chain.push(if related && !chain.is_empty() { message.related() } else { message });
    }
    client.send_chain(&chain);
}

/// Reads what there is.
fn read(actor: &mut Actor) {
    while let Some(response) = actor.client.try_receive() {
        if response.is_notification() {
            actor.breaks.extend(response.acknowledgment());
            continue;
        }
        match &response.body {
            ResponseBody::Create(create) => actor.files.push(create.file_id),
            ResponseBody::TreeConnect(_) if response.status == NtStatus::SUCCESS => {
                actor.client.tree_id = response.header.tree_id;
            }
            _ => {}
        }
    }
}

/// Everything that is under way ends, each request has had its one answer, and nothing is left.
fn finish(world: &World, mut actors: Vec<Actor>) {
    world.release_calls();
    actors.iter_mut().for_each(read);
    for actor in &mut actors {
        for mid in actor.client.unanswered() {
            actor.client.cancel_message(mid);
        }
    }
    world.advance(Duration::from_secs(60));
    actors.iter_mut().for_each(read);
    for Actor { mut client, .. } in actors {
        if !client.is_dropped() {
            let left = client.unanswered();
            assert!(left.is_empty(), "{left:?} of {:?} never answered", client.conn());
        }
        client.forget();
        client.hang_up();
    }
    world.finish();
}

/// A name of few, so that requests meet.
fn name(which: u8) -> &'static str {
    const NAMES: [&str; 12] =
        ["", "a", "b", "A", "d", "d\\x", "d\\y", "e", "a:s", "a:s:$DATA", "o1", "d\\.."];
    NAMES[usize::from(which) % NAMES.len()]
}

/// CREATE of one of those names.
fn create(which: u8) -> ksmbd_core::wire::create::CreateRequest {
    body::create(name(which))
}
