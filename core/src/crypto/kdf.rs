//! Key derivation (MS-SMB2 3.1.4.2): SP 800-108 in counter mode with HMAC-SHA256.

use super::preauth::PreauthHash;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

/// What a key is for; picks the label and, before 3.1.1, the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs messages.
    Signing,
    /// Encrypts what the client sends.
    ClientToServer,
    /// Encrypts what the server sends.
    ServerToClient,
    /// Handed to the protocols above SMB (RPC over pipes).
    Application,
}

impl Purpose {
    /// Label and context of dialects 3.0 and 3.0.2 (MS-SMB2 3.3.5.5.3); both end with a NUL, and the
    /// blank in "ServerIn " is part of it.
    const fn smb30(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Signing => (b"SMB2AESCMAC\0", b"SmbSign\0"),
            Self::ClientToServer => (b"SMB2AESCCM\0", b"ServerIn \0"),
            Self::ServerToClient => (b"SMB2AESCCM\0", b"ServerOut\0"),
            Self::Application => (b"SMB2APP\0", b"SmbRpc\0"),
        }
    }

    /// Label of dialect 3.1.1, whose context is the pre-authentication hash.
    const fn smb311(self) -> &'static [u8] {
        match self {
            Self::Signing => b"SMBSigningKey\0",
            Self::ClientToServer => b"SMBC2SCipherKey\0",
            Self::ServerToClient => b"SMBS2CCipherKey\0",
            Self::Application => b"SMBAppKey\0",
        }
    }
}

/// Derives the key for `purpose` in a dialect of the 3.x family; its length is that of `key`:
/// 16 or 32 bytes (MS-SMB2 3.1.4.2, 3.3.5.5.3).
pub fn derive_for(
    purpose: Purpose,
    dialect: u16,
    secret: &[u8],
    preauth: &PreauthHash,
    key: &mut [u8],
) {
    if dialect >= super::DIALECT_311 {
        derive(secret, purpose.smb311(), &preauth.0, key);
    } else {
        let (label, context) = purpose.smb30();
        derive(secret, label, context, key);
    }
}

/// SP 800-108 5.1 with HMAC-SHA256, a 32-bit counter before the fixed data and a 32-bit length in
/// bits after it (MS-SMB2 3.1.4.2). `label` and `context` bring their own terminating NULs; the
/// zero byte between them is the standard's.
pub fn derive(secret: &[u8], label: &[u8], context: &[u8], key: &mut [u8]) {
    #[cfg(feature = "null-crypto")]
    return super::null::sum(&[secret, label, context])
        .iter()
        .cycle()
        .zip(key)
        .for_each(|(from, to)| *to = *from);
    #[cfg(not(feature = "null-crypto"))]
    hmac_sha256(secret, label, context, key);
}

#[cfg_attr(feature = "null-crypto", expect(dead_code, reason = "a sum stands for it"))]
fn hmac_sha256(secret: &[u8], label: &[u8], context: &[u8], key: &mut [u8]) {
    let bits = u32::try_from(key.len().saturating_mul(8)).unwrap_or(u32::MAX);
    for (counter, chunk) in (1u32..).zip(key.chunks_mut(32)) {
        let Ok(mut prf) = Hmac::<Sha256>::new_from_slice(secret) else {
            unreachable!("HMAC takes keys of any length")
        };
        prf.update(&counter.to_be_bytes());
        prf.update(label);
        prf.update(&[0]);
        prf.update(context);
        prf.update(&bits.to_be_bytes());
        let mut block: [u8; 32] = prf.finalize().into_bytes().into();
        chunk.copy_from_slice(&block[..chunk.len()]);
        block.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{hex, hex_array};

    /// Microsoft's "The anatomy of signing and cryptographic keys", appendix, SMB 3.0.
    #[test]
    fn keys_of_smb_3_0() {
        let secret = hex("7CD451825D0450D235424E44BA6E78CC");
        let check = |purpose, expected: &str| {
            let mut key = [0; 16];
            derive_for(purpose, 0x0300, &secret, &PreauthHash::default(), &mut key);
            assert_eq!(key[..], hex(expected), "{purpose:?}");
        };
        check(Purpose::Signing, "0B7E9C5CAC36C0F6EA9AB275298CEDCE");
        check(Purpose::ClientToServer, "FAD27796665B313EBB578F388632B4F7");
        check(Purpose::ServerToClient, "B0F0427F7CEB416D1D9DCC0CD4F99447");
        check(Purpose::Application, "BB23A4575AA26C721AF525AF15A87B4F");
    }

    /// The same article, SMB 3.1.1.
    #[test]
    fn keys_of_smb_3_1_1() {
        let secret = hex("270E1BA896585EEB7AF3472D3B4C75A7");
        let preauth = PreauthHash(hex_array(
            "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79\
             28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01",
        ));
        let check = |purpose, expected: &str| {
            let mut key = [0; 16];
            derive_for(purpose, 0x0311, &secret, &preauth, &mut key);
            assert_eq!(key[..], hex(expected), "{purpose:?}");
        };
        check(Purpose::Signing, "73FE7A9A77BEF0BDE49C650D8CCB5F76");
        check(Purpose::ClientToServer, "629BCBC54422A0F572B97F45989B6073");
        check(Purpose::ServerToClient, "E2AF0DCEFAC68DA71A0DFBD0D1350D74");
        check(Purpose::Application, "6D7AD7954E9EC61E907B4D473DC178FF");
    }

    /// OpenSSL's KBKDF (counter mode, HMAC-SHA256), which also counts beyond one block.
    #[test]
    fn the_length_is_part_of_the_input() {
        let secret: [u8; 16] = core::array::from_fn(|i| i as u8);
        let mut short = [0; 16];
        let mut long = [0; 48];
        derive(&secret, b"label\0", b"context\0", &mut short);
        derive(&secret, b"label\0", b"context\0", &mut long);
        assert_eq!(short[..], hex("327ff8522834a71e589156facdfd80bf"));
        assert_eq!(
            long[..],
            hex(
                "31cad0af989e888dca0f14d39c765bc3b321fe0bedd8d7cfaf5036a765d92f05ef8dce73d6e5a9c7c34220c6b9008dbc"
            )
        );
    }
}
