//! The journal of persistent opens: the file itself, and what may be said in an intact one. A server that
//! begins with it has neither more nor other opens than can be beside each other, and forgets them all.

use super::choice;
use crate::{daemon::password, world::World};
use ksmbd_core::wire::negotiate::Dialect;
use ksmbd_record::{
    event::digest,
    journal::{Ledger, MAGIC, read},
};

/// Opens of a journal; more of them show nothing new.
const OPENS: usize = 32;

/// The first byte says whether the rest is the file, or what is in its one block.
pub(super) fn run(data: &[u8]) {
    let (kind, rest) = choice(data);
    let ledger = match kind % 2 {
        0 => read(rest),
        _ => read(&intact(rest)),
    };
    let Ok((ledger, _)) = ledger else {
        return;
    };
    written_again(&ledger);
    if ledger.len() <= OPENS {
        restored(ledger);
    }
}

/// A journal with one block, and nothing wrong with that.
fn intact(inside: &[u8]) -> Vec<u8> {
    let length = u32::try_from(inside.len()).unwrap_or(u32::MAX);
    [&MAGIC[..], &length.to_le_bytes(), &digest(inside).to_le_bytes(), inside].concat()
}

/// As a journal that has become long is.
fn written_again(ledger: &Ledger) {
    let written = ledger.journal();
    let (again, fault) = read(&written).unwrap_or_else(|fault| panic!("{fault:?}"));
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(again.servers(), ledger.servers());
    assert!(again.opens().eq(ledger.opens()));
}

/// Some of its files are there. Somebody uses them while the opens wait for their clients, who never come.
fn restored(ledger: Ledger) {
    let world = World::with(|config| config.persistent_handles = true);
    ["x", "y"].into_iter().for_each(|name| world.put(name, b"some bytes"));
    world.restart_with(ledger);
    let mut client = world.client(Dialect::SMB_3_1_1);
    client.lenient = true;
    client.logon("alice", &password("alice")).ok();
    client.connect_tree("lasting");
    for name in ["x", "y"] {
        let _ = client.create(name).send().later();
    }
    world.advance(core::time::Duration::from_secs(3600));
    client.forget();
    client.hang_up();
    world.finish();
}
