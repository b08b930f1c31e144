//! The pre-authentication integrity hash (MS-SMB2 3.3.5.4, 3.3.5.5).

use core::fmt;
use sha2::{Digest, Sha512};

/// A running SHA-512 over whole messages, each hashed behind the value before it. Kept once a
/// connection for NEGOTIATE and once a session being set up.
#[derive(Clone, PartialEq, Eq)]
pub struct PreauthHash(pub [u8; 64]);

impl PreauthHash {
    /// Takes in the next message, from its SMB2 header to its end.
    pub fn extend(&mut self, message: &[u8]) {
        #[cfg(feature = "null-crypto")]
        {
            let sum = super::null::sum(&[&self.0[..16], message]);
            self.0[..16].copy_from_slice(&sum);
        }
        #[cfg(not(feature = "null-crypto"))]
        self.hash(message);
    }

    #[cfg_attr(feature = "null-crypto", expect(dead_code, reason = "a sum stands for it"))]
    fn hash(&mut self, message: &[u8]) {
        let mut hash = Sha512::new();
        hash.update(self.0);
        hash.update(message);
        self.0 = hash.finalize().into();
    }
}

impl Default for PreauthHash {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl fmt::Debug for PreauthHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreauthHash(")?;
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::hex;

    /// The NEGOTIATE request of Microsoft's "SMB 3.1.1 pre-authentication integrity" walk-through.
    #[test]
    fn a_negotiate_request() {
        let mut hash = PreauthHash::default();
        hash.extend(&hex(
            "FE534D4240000100000000000000800000000000000000000100000000000000FFFE000000000000\
             00000000000000000000000000000000000000000000000024000500000000003F000000ECD86F32\
             6276024F9F7752B89BB33F3A70000000020000000202100200030203110300000100260000000000\
             010020000100FA49E6578F1F3A9F4CD3E9CC14A67AA884B3D05844E0E5A118225C15887F32FF0000\
             0200060000000000020002000100",
        ));
        assert_eq!(
            hash.0[..],
            hex("DD94EFC5321BB618A2E208BA8920D2F422992526947A409B5037DE1E0FE8C7362B8C47122594CDE0\
                 CE26AA9DFC8BCDBDE0621957672623351A7540F1E54A0426")
        );
    }
}
