use super::*;
use ksmbd_core::wire::security::{AceBody, Sid};

/// Written by Samba 4.17 for a file and a directory of uid and gid 1000, both of mode 0774 with an
/// ACL that Samba had made of the descriptor, which says `D:P(A;;FA;;;S-1-22-1-1000)(A;;FR;;;WD)`.
const FILE: &str = "0400040000000200040002000100f19bca182437ab39c55a0fdedba74a17a543f693d9b98db81143d89489e6a65a\
     0000000000000000000000000000000000000000000000000000000000000000706f7369785f61636c00\
     0a468146de7add01ccc905858e10e24bcb428360a7d9113f3edbe57bc4a279933345f92ad3e74166\
     0000000000000000000000000000000000000000000000000000000000000000\
     01000490b4000000c400000000000000d4000000010200000000001601000000e8030000\
     010200000000001602000000e8030000040034000200000000001800ff010000010200000000001601000000\
     e80300000000140089001200010100000000000100000000";

const DIRECTORY_HASH: &str = "923db6da5b7d6c0f3707ad4ec1831766eb53d8f5c600608680fa40ca59d3bbea";

const ACL: &str = "0200000001000700ffffffff02000700e803000004000400ffffffff08000400e8030000\
     10000700ffffffff20000400ffffffff";

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn posix(mode: u32) -> Posix {
    Posix { uid: 1000, gid: 1000, mode, access: Some(bytes(ACL)), default: None }
}

#[test]
fn sambas_value_is_read() {
    let value = parse(&bytes(FILE)).unwrap();
    assert_eq!(value.hash, Some(posix(0o100_774).hash()));
    assert_eq!(value.hash, Some(posix(0o100_774).kernel_hash()));
    assert_ne!(value.hash, Some(posix(0o100_775).hash()));
    assert_eq!(value.descriptor.owner.unwrap().to_string(), "S-1-22-1-1000");
    let aces = value.descriptor.dacl.unwrap().aces;
    assert_eq!(aces.len(), 2);
    let AceBody::Sid { mask, sid, .. } = &aces[1].body else { panic!("{aces:?}") };
    assert_eq!((mask.bits(), *sid), (0x0012_0089, Sid::EVERYONE));
}

#[test]
fn default_acls_are_hashed_as_samba_does() {
    let directory = Posix { default: Some(bytes(ACL)), ..posix(0o40774) };
    assert_eq!(directory.hash().to_vec(), bytes(DIRECTORY_HASH));
    let plain = Posix { access: None, ..posix(0o100_644) };
    assert_ne!(plain.hash(), plain.kernel_hash());
}

/// Samba 4.17 took descriptors with these hashes for its own: of a file and of a directory of uid and
/// gid 65534, without any ACL.
#[test]
fn modes_without_acls_are_hashed_as_samba_does() {
    for (mode, hash) in [
        (0o100_644, "310a5ff444cab809d5eb0173162e8db91ee08f7a05cac794a8a2f5d305d3797d"),
        (0o040_755, "254fb5313eeacb407eeb7e9cfcd3bc7899c50a08409c065537628813d15317bc"),
    ] {
        let posix = Posix { uid: 65534, gid: 65534, mode, access: None, default: None };
        assert_eq!(posix.hash().to_vec(), bytes(hash), "{mode:o}");
    }
}

#[test]
fn what_is_written_is_sambas_to_the_byte() {
    let golden = bytes(FILE);
    let time = FileTime(u64::from_le_bytes(*golden[88..].first_chunk().unwrap()));
    let descriptor = parse(&golden).unwrap().descriptor;
    let mut value = encode(&descriptor, posix(0o100_774).hash(), time).unwrap();
    assert_eq!(parse(&value).unwrap().descriptor, descriptor);
    // The other hash is of a descriptor that Samba makes of the mode.
    value[14..46].copy_from_slice(&golden[14..46]);
    assert_eq!(value, golden);
}

#[test]
fn older_versions_are_read_where_they_can_be_trusted() {
    let golden = bytes(FILE);
    let descriptor = &golden[160..];
    let moved = |base| {
        let mut bytes = descriptor.to_vec();
        rebase(&mut bytes, |offset| Ok(offset - 160 + base)).unwrap();
        bytes
    };
    let one = [&[1, 0, 1, 0, 0, 0, 2, 0][..], &moved(8)].concat();
    assert_eq!(parse(&one).unwrap().hash, None);
    let three = |kind: u8| {
        let head = [3, 0, 3, 0, 0, 0, 2, 0, 4, 0, 2, 0, kind, 0];
        [&head[..], &[0; 64], &[0; 2], &moved(80)].concat()
    };
    assert_eq!(parse(&three(0)).unwrap().hash, None);
    assert!(parse(&three(1)).is_err());
}

#[test]
fn hostile_values_are_refused() {
    let golden = bytes(FILE);
    for length in 0..golden.len() {
        assert!(parse(&golden[..length]).is_err(), "{length}");
    }
    for (at, value) in [(0, 2), (0, 5), (2, 3), (6, 0), (12, 2)] {
        let mut lie = golden.clone();
        lie[at] = value;
        assert!(parse(&lie).is_err(), "{at} {value}");
    }
    let mut endless = golden.clone();
    endless[78..].fill(b'x');
    assert!(parse(&endless).is_err());
    let mut state = 1_u32;
    for _ in 0..20_000 {
        let mut value = golden.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (state >> 16) as usize % value.len();
            value[at] = (state >> 8) as u8;
        }
        if let Ok(Value { descriptor, .. }) = parse(&value) {
            let mut again = Vec::new();
            let _ = descriptor.encode(&mut again);
        }
    }
    for value in [&[][..], &[1; 40], &[0xff; 200]] {
        let hostile = Posix { access: Some(value.to_vec()), ..posix(0o100_644) };
        let _ = hostile.hash();
    }
}
