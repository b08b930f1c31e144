//! SPNEGO (RFC 4178, MS-SPNG): which mechanism, and the envelope around its tokens.

use super::der::{self, Elements, context};
use crate::wire::codec::{Malformed, Parse};
use alloc::vec::Vec;

/// 1.3.6.1.5.5.2, SPNEGO itself.
const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// What a server says that has no hint to give (MS-SPNG 2.2.1).
const NO_HINT: &[u8] = b"not_defined_in_RFC4178@please_ignore";

/// The mechanisms that SMB clients offer (MS-SPNG 1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mech {
    /// NTLMSSP (MS-NLMP).
    Ntlm,
    /// Kerberos (RFC 4121).
    Kerberos,
    /// Kerberos under the number that Windows 2000 got wrong.
    MsKerberos,
    /// NEGOEX (MS-NEGOEX).
    NegoEx,
}

impl Mech {
    const ALL: [Self; 4] = [Self::Ntlm, Self::Kerberos, Self::MsKerberos, Self::NegoEx];

    /// The content of its object identifier.
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::Ntlm => &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a],
            Self::Kerberos => &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2],
            Self::MsKerberos => &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2],
            Self::NegoEx => &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x1e],
        }
    }

    /// By the content of an object identifier.
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|mech| mech.oid() == oid)
    }
}

/// How far the negotiation is (RFC 4178 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NegState {
    /// Authenticated.
    AcceptCompleted = 0,
    /// Another token is due.
    AcceptIncomplete = 1,
    /// No.
    Reject = 2,
    /// Another token is due, and the list of mechanisms has to be protected in the end.
    RequestMic = 3,
}

impl NegState {
    const fn from_content(content: &[u8]) -> Parse<Self> {
        match content {
            [0] => Ok(Self::AcceptCompleted),
            [1] => Ok(Self::AcceptIncomplete),
            [2] => Ok(Self::Reject),
            [3] => Ok(Self::RequestMic),
            _ => Err(Malformed("SPNEGO: an unknown negState")),
        }
    }
}

/// A client's first token (RFC 4178 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegTokenInit<'a> {
    /// The MechTypeList as it was received, with tag and length: what mechListMIC covers.
    pub mech_list: &'a [u8],
    /// The optimistic token of the first mechanism.
    pub token: Option<&'a [u8]>,
    /// The optional mechListMIC.
    pub mic: Option<&'a [u8]>,
}

impl<'a> NegTokenInit<'a> {
    /// The mechanisms in the client's order; `None` for those that [`Mech`] does not know.
    pub fn mechs(&self) -> impl Iterator<Item = Option<Mech>> + 'a {
        let list = der::single(self.mech_list, der::SEQUENCE).unwrap_or_default();
        let mut list = Elements::new(list);
        core::iter::from_fn(move || list.expect(der::OID).ok()).map(Mech::from_oid)
    }

    /// The token with its GSS-API frame (RFC 2743 3.1).
    pub fn encode(&self) -> Vec<u8> {
        let size = [Some(self.mech_list), self.token, self.mic].into_iter().flatten();
        frame(size.map(<[u8]>::len).sum(), |fields| {
            der::primitive(fields, context(0), self.mech_list);
            optional_octets(fields, 2, self.token);
            optional_octets(fields, 3, self.mic);
        })
    }

    fn parse(framed: &'a [u8]) -> Parse<Self> {
        let mut frame = Elements::new(framed);
        if frame.expect(der::OID)? != SPNEGO {
            return Err(Malformed("GSS-API: not SPNEGO"));
        }
        let init = der::single(frame.expect(context(0))?, der::SEQUENCE)?;
        let mut fields = Elements::new(init);
        let list = Elements::new(fields.expect(context(0))?).element()?;
        if list.tag != der::SEQUENCE {
            return Err(Malformed("SPNEGO: no list of mechanisms"));
        }
        fields.optional(context(1))?;
        let token = octets(fields.optional(context(2))?)?;
        // In NegTokenInit2 (MS-SPNG 2.2.1) negHints stands here and the MIC one further.
        let third = fields.optional(context(3))?;
        let mic = third.and_then(|third| der::single(third, der::OCTET_STRING).ok());
        Ok(Self { mech_list: list.encoded, token, mic })
    }
}

/// Every token but the first (RFC 4178 4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NegTokenResp<'a> {
    /// How far the acceptor is.
    pub state: Option<NegState>,
    /// The content of the object identifier of the mechanism that the acceptor has chosen; in its
    /// first reply only.
    pub mech: Option<&'a [u8]>,
    /// The mechanism's token.
    pub token: Option<&'a [u8]>,
    /// mechListMIC.
    pub mic: Option<&'a [u8]>,
}

impl<'a> NegTokenResp<'a> {
    /// The token.
    pub fn encode(&self) -> Vec<u8> {
        let size = [self.mech, self.token, self.mic].into_iter().flatten();
        let mut bytes = with_room(size.map(<[u8]>::len).sum());
        let state = self.state.map(|state| [state as u8]);
        der::element(&mut bytes, context(1), |bytes| {
            der::element(bytes, der::SEQUENCE, |fields| {
                optional(fields, 0, der::ENUMERATED, state.as_ref().map(|state| &state[..]));
                optional(fields, 1, der::OID, self.mech);
                optional_octets(fields, 2, self.token);
                optional_octets(fields, 3, self.mic);
            });
        });
        bytes
    }

    fn parse(content: &'a [u8]) -> Parse<Self> {
        let mut fields = Elements::new(der::single(content, der::SEQUENCE)?);
        let state = match fields.optional(context(0))? {
            Some(state) => Some(NegState::from_content(der::single(state, der::ENUMERATED)?)?),
            None => None,
        };
        let mech = match fields.optional(context(1))? {
            Some(mech) => Some(der::single(mech, der::OID)?),
            None => None,
        };
        Ok(Self {
            state,
            mech,
            token: octets(fields.optional(context(2))?)?,
            mic: octets(fields.optional(context(3))?)?,
        })
    }
}

/// A security blob of SESSION_SETUP, told apart by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// The client's first.
    Init(NegTokenInit<'a>),
    /// One that follows.
    Response(NegTokenResp<'a>),
    /// An NTLM message without an envelope, as the Linux kernel and some libraries send it.
    Ntlm(&'a [u8]),
}

impl<'a> Token<'a> {
    /// Reads a security blob.
    pub fn parse(blob: &'a [u8]) -> Parse<Self> {
        if blob.starts_with(super::ntlm::SIGNATURE) {
            return Ok(Self::Ntlm(blob));
        }
        let element = Elements::new(blob).element()?;
        match element.tag {
            der::APPLICATION_0 => NegTokenInit::parse(element.content).map(Self::Init),
            tag if tag == context(1) => NegTokenResp::parse(element.content).map(Self::Response),
            _ => Err(Malformed("neither SPNEGO nor NTLM")),
        }
    }
}

/// The MechTypeList of these mechanisms, with tag and length.
pub fn mech_list(mechs: &[Mech]) -> Vec<u8> {
    let mut bytes = with_room(0);
    push_mech_list(&mut bytes, mechs);
    bytes
}

/// The NegTokenInit2 that the server sends with its NEGOTIATE response (MS-SPNG 2.2.1, 3.2.5.2): the
/// mechanisms it has, the preferred one first.
pub fn hint(mechs: &[Mech]) -> Vec<u8> {
    frame(NO_HINT.len(), |fields| {
        der::element(fields, context(0), |list| push_mech_list(list, mechs));
        der::element(fields, context(3), |hints| {
            der::element(hints, der::SEQUENCE, |hints| {
                optional(hints, 0, der::GENERAL_STRING, Some(NO_HINT));
            });
        });
    })
}

/// A vector for a token with so many bytes inside, tags and lengths not counted.
fn with_room(inside: usize) -> Vec<u8> {
    Vec::with_capacity(inside.saturating_add(64))
}

fn push_mech_list(bytes: &mut Vec<u8>, mechs: &[Mech]) {
    der::element(bytes, der::SEQUENCE, |list| {
        mechs.iter().for_each(|mech| der::primitive(list, der::OID, mech.oid()));
    });
}

/// A NegTokenInit with these fields, in its GSS-API frame.
fn frame(size: usize, fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = with_room(size);
    der::element(&mut bytes, der::APPLICATION_0, |bytes| {
        der::primitive(bytes, der::OID, SPNEGO);
        der::element(bytes, context(0), |init| der::element(init, der::SEQUENCE, fields));
    });
    bytes
}

fn optional_octets(fields: &mut Vec<u8>, number: u8, octets: Option<&[u8]>) {
    optional(fields, number, der::OCTET_STRING, octets);
}

fn optional(fields: &mut Vec<u8>, number: u8, tag: u8, content: Option<&[u8]>) {
    if let Some(content) = content {
        der::element(fields, context(number), |field| der::primitive(field, tag, content));
    }
}

fn octets(field: Option<&[u8]>) -> Parse<Option<&[u8]>> {
    match field {
        Some(field) => der::single(field, der::OCTET_STRING).map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::hex;

    /// The first tokens in the SESSION_SETUPs of Microsoft's "The anatomy of signing and
    /// cryptographic keys".
    #[test]
    fn the_tokens_of_windows() {
        let bytes =
            hex("604806062B0601050502A03E303CA00E300C060A2B06010401823702020AA22A04284E544C4D5353\
             500001000000978208E200000000000000000000000000000000060380250000000F");
        let Ok(Token::Init(init)) = Token::parse(&bytes) else { panic!() };
        assert_eq!(init.mech_list, hex("300C060A2B06010401823702020A"));
        assert_eq!(init.mech_list, mech_list(&[Mech::Ntlm]));
        assert!(init.mechs().eq([Some(Mech::Ntlm)]));
        assert_eq!(init.token.map(<[u8]>::len), Some(40));
        assert_eq!(init.encode(), bytes);

        let bytes = hex("A11B3019A0030A0100A3120410010000003B453CDC3524164200000000");
        let Ok(Token::Response(response)) = Token::parse(&bytes) else { panic!() };
        assert_eq!(response.state, Some(NegState::AcceptCompleted));
        assert_eq!((response.mech, response.token), (None, None));
        assert_eq!(response.mic.map(<[u8]>::len), Some(16));
        assert_eq!(response.encode(), bytes);
    }

    #[test]
    fn the_hint_reads_as_a_token() {
        let hint = hint(&[Mech::MsKerberos, Mech::Kerberos, Mech::Ntlm]);
        let Ok(Token::Init(init)) = Token::parse(&hint) else { panic!() };
        let mechs = [Mech::MsKerberos, Mech::Kerberos, Mech::Ntlm];
        assert!(init.mechs().eq(mechs.map(Some)));
        assert_eq!((init.token, init.mic), (None, None));
        assert!(hint.ends_with(NO_HINT));
    }

    #[test]
    fn every_cut_and_every_flip_is_survived() {
        let whole = NegTokenInit {
            mech_list: &mech_list(&[Mech::NegoEx, Mech::Ntlm]),
            token: Some(b"token"),
            mic: Some(b"mic"),
        }
        .encode();
        for length in 0..whole.len() {
            assert!(Token::parse(&whole[..length]).is_err());
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                if let Ok(Token::Init(init)) = Token::parse(&bytes) {
                    assert!(init.mechs().count() <= 2);
                }
            }
        }
    }
}
