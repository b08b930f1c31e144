//! Does everything work that is advertised? Each bit of NEGOTIATE and TREE_CONNECT is used, for each
//! dialect; a bit that nothing here uses must not be set. What is not advertised is not granted.

use crate::{
    client::{Client, Offer, body, caching::granted_state},
    daemon::password,
    world::World,
};
use ksmbd_core::{
    config::{Config, Limits},
    status::NtStatus,
    wire::{
        create::OplockLevel,
        header::FileId,
        message::ResponseBody,
        negotiate::{Capabilities, Dialect},
        tree_connect::{ShareCapabilities, ShareFlags},
    },
};

const DIALECTS: [Dialect; 5] = [
    Dialect::SMB_2_0_2,
    Dialect::SMB_2_1,
    Dialect::SMB_3_0,
    Dialect::SMB_3_0_2,
    Dialect::SMB_3_1_1,
];

/// Uses what a server of this configuration advertises. Its limits are the usual ones.
#[track_caller]
pub fn exercise(config: &Config) {
    let Config { limits, .. } = Config::default();
    let limits = Limits { guess_delay: core::time::Duration::ZERO, ..limits };
    let world = World::with(|own| *own = Config { limits, ..config.clone() });
    for dialect in DIALECTS {
        let mut client = world.connect();
        client.offer = Offer::only(dialect);
        client.offer.capabilities = Capabilities::all();
        client.offer.guid = [dialect.0.to_le_bytes()[0] ^ dialect.0.to_le_bytes()[1]; 16];
        client.negotiate().ok();
        let Some(negotiated) = client.negotiated.clone() else {
            continue;
        };
        if client.logon("alice", &password("alice")).status != NtStatus::SUCCESS {
            // It is refused who cannot encrypt.
            client.forget();
            client.hang_up();
            continue;
        }
        client.connect_tree("share");
        capabilities(&world, &mut client, negotiated.capabilities);
        shares(&world, &mut client);
        client.forget();
        client.hang_up();
    }
    world.finish();
}

fn capabilities(world: &World, client: &mut Client, bits: Capabilities) {
    let used = Capabilities::LEASING
        | Capabilities::LARGE_MTU
        | Capabilities::MULTI_CHANNEL
        | Capabilities::DIRECTORY_LEASING
        | Capabilities::ENCRYPTION
        | Capabilities::PERSISTENT_HANDLES;
    let others = bits.difference(used);
    assert!(others.is_empty(), "{others:?} is advertised, and nobody knows that it works");
    let opened = client.create("leased").lease(1, "RWH").opened();
    let lease = granted_state(&opened);
    assert_eq!(lease == "RWH", bits.contains(Capabilities::LEASING), "a lease: {lease}");
    large(client, opened.file_id, bits.contains(Capabilities::LARGE_MTU));
    client.close(opened.file_id).ok();
    let directories = bits.contains(Capabilities::DIRECTORY_LEASING);
    let opened = client.create("directory").directory().lease_v2(2, "RH", 0, None).opened();
    let lease = granted_state(&opened);
    assert_eq!(lease == "RH", directories, "a directory's lease: {lease}");
    client.close(opened.file_id).ok();
    if bits.contains(Capabilities::ENCRYPTION) {
        let encrypt = std::mem::replace(&mut client.encrypt, true);
        assert!(client.echo().ok().encrypted, "encryption is advertised");
        client.encrypt = encrypt;
    }
    joins(world, client, bits.contains(Capabilities::MULTI_CHANNEL));
}

/// More than 64 KiB at once.
fn large(client: &mut Client, file: FileId, works: bool) {
    if !works {
        return;
    }
    client.ask = 64;
    client.echo().ok();
    let data = vec![3; 100_000];
    client.write(file, 0, &data).ok();
    assert_eq!(client.read(file, 0, 100_000).ok().data(), data, "more than 64 KiB");
}

/// A second connection joins the session.
fn joins(world: &World, client: &Client, works: bool) {
    let mut other = world.connect();
    other.offer = client.offer.clone();
    other.negotiate().ok();
    let joined = other.join(client, "alice").status == NtStatus::SUCCESS;
    assert_eq!(joined, works, "a second channel");
    if joined {
        other.echo().ok();
    }
    other.forget();
    other.hang_up();
}

fn shares(world: &World, client: &mut Client) {
    let known =
        ShareFlags::ENCRYPT_DATA | ShareFlags::ACCESS_BASED_DIRECTORY_ENUM | ShareFlags::NO_CACHING;
    for share in ["share", "readonly", "crypt", "quiet"] {
        let answer = client.request(&body::tree_connect(share)).answer();
        let ResponseBody::TreeConnect(tree) = &answer.body else {
            continue;
        };
        let others = tree.share_flags.difference(known);
        assert!(others.is_empty(), "{others:?} of {share}");
        let others = tree.capabilities.difference(ShareCapabilities::CONTINUOUS_AVAILABILITY);
        assert!(others.is_empty(), "{others:?} of {share}");
        let encrypt = client.encrypt;
        let before = std::mem::replace(&mut client.tree_id, answer.header.tree_id);
        if tree.share_flags.contains(ShareFlags::ENCRYPT_DATA) && client.cipher().is_some() {
            client.encrypt = false;
            client.create("plain").is(NtStatus::ACCESS_DENIED);
            client.encrypt = true;
            let file = client.create("directory").directory().ok();
            client.close(file).ok();
        }
        if share == "readonly" {
            client.create("new").level(OplockLevel::NONE).fresh().is(NtStatus::ACCESS_DENIED);
        }
        client.tree_disconnect().ok();
        (client.tree_id, client.encrypt) = (before, encrypt);
    }
    assert!(!world.exists("new"), "made on a share that is only read");
}
