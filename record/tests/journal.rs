//! What outlives the server is read as it was written, whatever has happened to it meanwhile.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ksmbd_core::{
    id::{FileKey, OpenId},
    name::SharePath,
    rng::Rng,
    stream::StreamName,
    vfs::{Cached, Identity, Lock, Promise},
    wire::{
        create::{CreateAction, ShareAccess},
        create_context::LeaseState,
        fscc::AccessMask,
    },
};
use ksmbd_record::journal::{Anchor, Ledger, MAGIC, Said, block, read};
use std::{sync::Arc, time::Duration};

fn promise(id: u64) -> Box<Promise> {
    let identity = Identity { name: "a".into(), uid: 1, gid: 2, groups: vec![3], sid: None };
    Box::new(Promise {
        id: OpenId(id),
        share: "share".into(),
        root: "/srv".into(),
        path: SharePath::root().join_host("d").join_host("ä"),
        stream: Some(StreamName::new("s").unwrap()),
        key: FileKey { device: 1, inode: u64::MAX, stream: 3 },
        owner: ("a".into(), 1),
        identity: Arc::new(identity),
        client: [1; 16],
        create: [2; 16],
        app: Some(([3; 16], Some((4, u64::MAX)))),
        timeout: Duration::from_millis(180_001),
        action: CreateAction::OVERWRITTEN,
        granted: AccessMask::from_bits_retain(0x1f01ff),
        share_access: ShareAccess::READ | ShareAccess::DELETE,
        delete_on_close: true,
        delete_pending: true,
        write_through: true,
        mode: 2,
        cached: Some(Cached {
            state: LeaseState::READ_CACHING | LeaseState::HANDLE_CACHING,
            key: Some([5; 16]),
            v2: Some((u16::MAX, Some([6; 16]))),
        }),
        locks: vec![Lock { offset: u64::MAX, length: 1, exclusive: true }],
        lock_sequences: vec![(64, 15)],
        channel_sequence: 7,
    })
}

fn anchor(inode: u64) -> Anchor {
    Anchor { device: 1, inode, birth: Some((2, 3)) }
}

fn kept(number: u64, id: u64) -> Said {
    Said::Kept(number, promise(id), anchor(id))
}

fn journal(blocks: &[&[Said]]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    blocks.iter().for_each(|said| bytes.extend(block(said)));
    bytes
}

fn ids(ledger: &Ledger) -> Vec<u64> {
    ledger.opens().map(|(_, promise, _)| promise.id.0).collect()
}

#[test]
fn what_was_said_last_counts() {
    let later = Promise { locks: vec![], ..*promise(1) };
    let said: [&[Said]; 4] = [
        &[Said::Servers(3), kept(2, 1), kept(2, 2)],
        &[Said::Kept(4, Box::new(later.clone()), anchor(1)), Said::Gone(4, OpenId(2))],
        // These come late.
        &[kept(3, 1), kept(3, 2), Said::Gone(1, OpenId(1)), Said::Servers(2)],
        &[kept(5, 9)],
    ];
    let (ledger, fault) = read(&journal(&said)).unwrap();
    assert!(fault.is_none());
    assert_eq!((ledger.servers(), ids(&ledger), ledger.len()), (3, vec![1, 9], 2));
    let all: Vec<_> = ledger.opens().collect();
    assert_eq!(all[0], (4, &later, &anchor(1)));
    assert_eq!(all[1], (5, &*promise(9), &anchor(9)));
    // Written anew it says the same.
    let (again, fault) = read(&ledger.journal()).unwrap();
    assert!(fault.is_none() && again.opens().eq(ledger.opens()) && again.servers() == 3);
}

/// Cut off anywhere, what is whole before counts, and nothing else.
#[test]
fn a_torn_end() {
    let (first, second) = (block(&[Said::Servers(1), kept(1, 1)]), block(&[kept(2, 2)]));
    let whole = [&MAGIC[..], &first, &second].concat();
    let (one, two) = (MAGIC.len() + first.len(), whole.len());
    for length in MAGIC.len()..=two {
        let (ledger, fault) = read(&whole[..length]).unwrap();
        let expected: &[u64] = match length {
            _ if length == two => &[1, 2],
            _ if length >= one => &[1],
            _ => &[],
        };
        assert_eq!(ids(&ledger), expected, "{length}");
        assert_eq!(fault.is_none(), [MAGIC.len(), one, two].contains(&length), "{length}");
    }
    // What a file system puts where nothing was written.
    let zeros = [&whole[..], &[0; 4096]].concat();
    let (ledger, fault) = read(&zeros).unwrap();
    assert_eq!((ids(&ledger), fault.unwrap().offset), (vec![1, 2], two as u64));
}

/// A flipped bit costs its block and what comes after, never what comes before.
#[test]
fn flipped_bits() {
    let first = block(&[kept(1, 1)]);
    let whole = [&MAGIC[..], &first, &block(&[kept(2, 2)]), &block(&[kept(3, 3)])].concat();
    for at in MAGIC.len()..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let (ledger, fault) = read(&bytes).unwrap();
            let intact = usize::from(at >= MAGIC.len() + first.len());
            assert!(ledger.len() < 3 && ledger.len() >= intact, "{at}.{bit}: {:?}", ids(&ledger));
            assert!(fault.is_some() && ids(&ledger).is_sorted(), "{at}.{bit}");
        }
    }
}

#[test]
fn what_is_none() {
    for bytes in [&b""[..], b"ksmbd", b"ksmbdpst", b"ksmbdrec\x01", b"root:x:0:0:root:/root:/bin"] {
        assert_eq!(read(bytes).unwrap_err().what, "this is no journal");
    }
    let error = read(b"ksmbdpst\x02anything").unwrap_err();
    assert_eq!(error.what, "format 2; this program reads 1");
}

/// Blocks that are right in themselves, with anything in them.
#[test]
fn nonsense_with_the_right_digest() {
    let mut rng = Rng::new([3; 32]);
    let good = block(&[kept(1, 1), Said::Gone(2, OpenId(2)), Said::Servers(7)]);
    for round in 0..20_000_usize {
        let mut inside = good[12..].to_vec();
        match round % 3 {
            0 => inside.truncate(round % inside.len()),
            1 => {
                for _ in 0..=round % 5 {
                    let at = rng.u32() as usize % inside.len();
                    inside[at] = rng.u32() as u8;
                }
            }
            _ => inside = (0..round % 99).map(|_| rng.u32() as u8).collect(),
        }
        let sum = ksmbd_record::event::digest(&inside);
        let length = u32::try_from(inside.len()).unwrap();
        let head = [&length.to_le_bytes()[..], &sum.to_le_bytes()].concat();
        let bytes = [&MAGIC[..], &head, &inside, &block(&[kept(5, 5)])].concat();
        let (ledger, fault) = read(&bytes).unwrap();
        assert_eq!(fault.is_none(), ids(&ledger).contains(&5), "{round}");
    }
}

/// Nobody is led out of a share by what was written.
#[test]
fn paths_that_lead_elsewhere() {
    for path in ["..", "d/../x", ".", "/etc", "d//x", "", "x\0"] {
        let mut wrong = promise(1);
        wrong.path = SharePath::root().join_host(path);
        let bytes = journal(&[&[kept(1, 2)], &[Said::Kept(2, wrong, anchor(1))]]);
        let (ledger, fault) = read(&bytes).unwrap();
        assert!(ids(&ledger) == [2] && fault.is_some(), "{path}");
    }
}

/// A file is known by its number and the time of its birth; a device may have another number by then.
#[test]
fn which_file() {
    let known = anchor(5);
    assert!(known.is(&known) && known.is(&Anchor { device: 9, ..known }));
    assert!(!known.is(&Anchor { inode: 6, ..known }));
    assert!(!known.is(&Anchor { birth: Some((2, 4)), ..known }));
    let unknown = Anchor { birth: None, ..known };
    assert!(unknown.is(&unknown) && !unknown.is(&Anchor { device: 9, ..unknown }));
    assert!(!unknown.is(&known));
}
