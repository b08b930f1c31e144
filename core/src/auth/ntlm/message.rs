//! The three messages (MS-NLMP 2.2.1).

use super::{Flags, SIGNATURE, utf16le};
use crate::time::FileTime;
use crate::wire::codec::{Malformed, Parse, Reader, Writer};
use crate::wire_enum;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

const NEGOTIATE: u32 = 1;
const CHALLENGE: u32 = 2;
const AUTHENTICATE: u32 = 3;

/// Where the payload of a CHALLENGE begins, with the version before it.
const CHALLENGE_HEADER: usize = 56;
/// Where the payload of an AUTHENTICATE begins, with version and MIC before it.
const AUTHENTICATE_HEADER: usize = 88;
/// Where the MIC stands in an AUTHENTICATE.
pub const MIC: core::ops::Range<usize> = 72..88;

/// The version to debug by (MS-NLMP 2.2.2.10): 6.1, as most servers that are not Windows say.
const VERSION: [u8; 8] = [6, 1, 0, 0, 0, 0, 0, 15];

wire_enum! {
    /// The kind of an AV_PAIR (MS-NLMP 2.2.2.1).
    pub AvId(u16) {
        /// The end of the list.
        EOL = 0,
        /// The server's NetBIOS name.
        NB_COMPUTER_NAME = 1,
        /// Its domain's NetBIOS name.
        NB_DOMAIN_NAME = 2,
        /// The server's DNS name.
        DNS_COMPUTER_NAME = 3,
        /// Its domain's DNS name.
        DNS_DOMAIN_NAME = 4,
        /// From the client: bit 1 says that there is a MIC.
        FLAGS = 6,
        /// The server's time.
        TIMESTAMP = 7,
    }
}

/// The bit in [`AvId::FLAGS`] that says that the AUTHENTICATE has a MIC.
pub const AV_FLAG_MIC: u32 = 2;

/// Goes through a list of AV_PAIRs; ends at EOL, and where a pair is cut off.
#[derive(Clone, Debug)]
pub struct AvPairs<'a>(Reader<'a>);

impl<'a> AvPairs<'a> {
    /// The pairs in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// Every pair is whole, and the last is EOL (MS-NLMP 2.2.2.1).
    pub fn are_whole(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        loop {
            let (Ok(id), Ok(length)) = (reader.u16().map(AvId), reader.u16()) else {
                return false;
            };
            if reader.skip(length.into()).is_err() {
                return false;
            }
            if id == AvId::EOL {
                return true;
            }
        }
    }
}

impl<'a> Iterator for AvPairs<'a> {
    type Item = (AvId, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.0.u16().map(AvId).ok()?;
        let length = self.0.u16().ok()?;
        let value = self.0.bytes(length.into()).ok();
        if id == AvId::EOL || value.is_none() {
            self.0.rest();
            return None;
        }
        Some((id, value?))
    }
}

/// Appends an AV_PAIR. Names are cut where their length would not fit.
pub fn push_av_pair(list: &mut Vec<u8>, id: AvId, value: &[u8]) {
    let value = value.get(..0xfffe).unwrap_or(value);
    let mut writer = Writer::new(list);
    writer.u16(id.0);
    writer.u16(u16::try_from(value.len()).unwrap_or(0xfffe));
    writer.bytes(value);
}

/// NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1); its names are of no use to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// What the client can do.
    pub flags: Flags,
}

impl Negotiate {
    /// Reads the message.
    pub fn parse(message: &[u8]) -> Parse<Self> {
        let mut reader = open(message, NEGOTIATE)?;
        let flags = Flags::from_bits_retain(reader.u32()?);
        Ok(Self { flags })
    }

    /// Writes the message, without names.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(40);
        let mut writer = start(&mut message, NEGOTIATE);
        writer.u32(self.flags.bits());
        writer.zeros(16);
        writer.bytes(&VERSION);
        message
    }
}

/// CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// What both sides can do.
    pub flags: Flags,
    /// The server's nonce.
    pub server_challenge: [u8; 8],
    /// Who the server is.
    pub target_name: &'a [u8],
    /// The server's AV_PAIRs, with EOL.
    pub target_info: &'a [u8],
}

impl<'a> Challenge<'a> {
    /// Reads the message.
    pub fn parse(message: &'a [u8]) -> Parse<Self> {
        let mut reader = open(message, CHALLENGE)?;
        let target_name = field(&mut reader)?;
        let flags = Flags::from_bits_retain(reader.u32()?);
        let server_challenge = reader.array()?;
        reader.skip(8)?;
        let target_info = field(&mut reader)?;
        Ok(Self { flags, server_challenge, target_name, target_info })
    }

    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(256);
        let mut writer = start(&mut message, CHALLENGE);
        let mut payload = Payload::at(CHALLENGE_HEADER);
        payload.field(&mut writer, self.target_name);
        writer.u32(self.flags.bits());
        writer.bytes(&self.server_challenge);
        writer.zeros(8);
        payload.field(&mut writer, self.target_info);
        writer.bytes(&VERSION);
        payload.finish(&mut writer);
        message
    }

    /// The server's answer to what a client can do (MS-NLMP 3.2.5.1.1): as Windows, everything that
    /// both know, and always a TargetInfo. `None` if they have no character set in common.
    pub fn answer(client: Flags) -> Option<Flags> {
        let echoed = Flags::REQUEST_TARGET
            | Flags::SIGN
            | Flags::SEAL
            | Flags::ALWAYS_SIGN
            | Flags::EXTENDED_SESSIONSECURITY
            | Flags::VERSION
            | Flags::KEY_128
            | Flags::KEY_EXCH
            | Flags::KEY_56;
        let charset = if client.contains(Flags::UNICODE) {
            Flags::UNICODE
        } else if client.contains(Flags::OEM) {
            Flags::OEM
        } else {
            return None;
        };
        let target = if client.contains(Flags::REQUEST_TARGET) {
            Flags::TARGET_TYPE_SERVER
        } else {
            Flags::empty()
        };
        let own = Flags::NTLM.union(Flags::TARGET_INFO);
        Some(client.intersection(echoed).union(charset).union(target).union(own))
    }
}

/// The names that a server gives itself in a TargetInfo, and its time (MS-NLMP 2.2.2.1), in
/// Windows' order.
pub fn target_info(names: &crate::auth::ServerNames, now: FileTime) -> Vec<u8> {
    let mut list = Vec::with_capacity(192);
    for (id, name) in [
        (AvId::NB_DOMAIN_NAME, &names.netbios_domain),
        (AvId::NB_COMPUTER_NAME, &names.netbios_computer),
        (AvId::DNS_DOMAIN_NAME, &names.dns_domain),
        (AvId::DNS_COMPUTER_NAME, &names.dns_computer),
    ] {
        push_av_pair(&mut list, id, &utf16le(name));
    }
    push_av_pair(&mut list, AvId::TIMESTAMP, &now.0.to_le_bytes());
    push_av_pair(&mut list, AvId::EOL, &[]);
    list
}

/// AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticate<'a> {
    /// Of no use since NTLMv2.
    pub lm_response: &'a [u8],
    /// NTLMv2_RESPONSE (MS-NLMP 2.2.2.8).
    pub nt_response: &'a [u8],
    /// In the character set of the flags, as the other names.
    pub domain: &'a [u8],
    /// The account.
    pub user: &'a [u8],
    /// The client's name.
    pub workstation: &'a [u8],
    /// The encrypted session key, with [`Flags::KEY_EXCH`].
    pub session_key: &'a [u8],
    /// What both sides agreed on.
    pub flags: Flags,
    /// The MIC, if the message is long enough; [`AvId::FLAGS`] tells whether it is one.
    pub mic: Option<[u8; 16]>,
}

impl<'a> Authenticate<'a> {
    /// Reads the message.
    pub fn parse(message: &'a [u8]) -> Parse<Self> {
        let mut reader = open(message, AUTHENTICATE)?;
        Ok(Self {
            lm_response: field(&mut reader)?,
            nt_response: field(&mut reader)?,
            domain: field(&mut reader)?,
            user: field(&mut reader)?,
            workstation: field(&mut reader)?,
            session_key: field(&mut reader)?,
            flags: Flags::from_bits_retain(reader.u32()?),
            mic: reader.skip(8).and_then(|()| reader.array()).ok(),
        })
    }

    /// Writes the message, with room for the MIC even if there is none.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(512);
        let mut writer = start(&mut message, AUTHENTICATE);
        let mut payload = Payload::at(AUTHENTICATE_HEADER);
        for value in [
            self.lm_response,
            self.nt_response,
            self.domain,
            self.user,
            self.workstation,
            self.session_key,
        ] {
            payload.field(&mut writer, value);
        }
        writer.u32(self.flags.bits());
        writer.bytes(&VERSION);
        writer.bytes(&self.mic.unwrap_or_default());
        payload.finish(&mut writer);
        message
    }

    /// One of the names in UTF-16LE, as NTOWFv2 takes it.
    pub fn wide<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        if self.flags.contains(Flags::UNICODE) {
            return name.into();
        }
        name.iter().flat_map(|byte| [*byte, 0]).collect()
    }

    /// One of the names for people and tables.
    pub fn text(&self, name: &[u8]) -> String {
        let wide = self.wide(name);
        let units = wide.chunks_exact(2).map(|pair| match pair {
            [low, high] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        });
        let mut text = String::with_capacity(wide.len() / 2);
        let chars = char::decode_utf16(units);
        text.extend(chars.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
        text
    }

    /// Whether the client asks to be nobody (MS-NLMP 3.2.5.1.2).
    pub fn is_anonymous(&self) -> bool {
        self.user.is_empty() && self.nt_response.is_empty() && matches!(self.lm_response, [] | [0])
    }
}

/// The reader behind a message's signature and type.
fn open(message: &[u8], kind: u32) -> Parse<Reader<'_>> {
    let mut reader = Reader::new(message);
    if reader.bytes(SIGNATURE.len())? != SIGNATURE {
        return Err(Malformed("NTLM: no signature"));
    }
    if reader.u32()? != kind {
        return Err(Malformed("NTLM: another message was due"));
    }
    Ok(reader)
}

fn start(message: &mut Vec<u8>, kind: u32) -> Writer<'_> {
    let mut writer = Writer::new(message);
    writer.bytes(SIGNATURE);
    writer.u32(kind);
    writer
}

/// A length, a maximum, an offset; where the length is 0 the offset means nothing.
fn field<'a>(reader: &mut Reader<'a>) -> Parse<&'a [u8]> {
    let length = reader.u16()?;
    reader.skip(2)?;
    let offset = reader.u32()?;
    if length == 0 {
        return Ok(&[]);
    }
    let offset = usize::try_from(offset).map_err(|_| Malformed("NTLM: offset too large"))?;
    reader.at(offset, length.into())
}

/// Collects what the fields of a header point to.
struct Payload<'a> {
    offset: usize,
    values: Vec<&'a [u8]>,
}

impl<'a> Payload<'a> {
    fn at(offset: usize) -> Self {
        // As many as AUTHENTICATE has.
        Self { offset, values: Vec::with_capacity(6) }
    }

    fn field(&mut self, writer: &mut Writer<'_>, value: &'a [u8]) {
        let value = value.get(..0xfffe).unwrap_or(value);
        let length = u16::try_from(value.len()).unwrap_or(0xfffe);
        writer.u16(length);
        writer.u16(length);
        writer.u32(u32::try_from(self.offset).unwrap_or(u32::MAX));
        self.offset = self.offset.saturating_add(value.len());
        self.values.push(value);
    }

    fn finish(self, writer: &mut Writer<'_>) {
        for value in self.values {
            writer.bytes(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ServerNames;

    fn full() -> Authenticate<'static> {
        Authenticate {
            lm_response: &[0; 24],
            nt_response: &[7; 50],
            domain: b"d\0",
            user: b"u\0s\0",
            workstation: b"",
            session_key: &[9; 16],
            flags: Flags::UNICODE,
            mic: Some([3; 16]),
        }
    }

    #[test]
    fn messages_round_trip() {
        let negotiate = Negotiate { flags: Flags::from_bits_retain(0xe208_8297) };
        assert_eq!(Negotiate::parse(&negotiate.encode()), Ok(negotiate));
        let challenge = Challenge {
            flags: Challenge::answer(negotiate.flags).unwrap(),
            server_challenge: [8; 8],
            target_name: b"t\0",
            target_info: &[0; 4],
        };
        assert_eq!(Challenge::parse(&challenge.encode()), Ok(challenge));
        assert_eq!(Authenticate::parse(&full().encode()), Ok(full()));
        assert_eq!(full().text(full().user), "us");
        let oem = Authenticate { flags: Flags::OEM, user: b"us", ..full() };
        assert_eq!(oem.text(oem.user), "us");
        assert_eq!(oem.wide(oem.user), full().user);
    }

    /// What Windows answered in Microsoft's "The anatomy of signing and cryptographic keys".
    #[test]
    fn flags_are_answered_as_by_windows() {
        let answer = |bits| Challenge::answer(Flags::from_bits_retain(bits));
        assert_eq!(answer(0xe208_8297).map(|f| f.bits()), Some(0xe28a_8215));
        assert_eq!(answer(0xe208_8296).map(|f| f.bits()), Some(0xe28a_8216));
        assert_eq!(answer(0xe208_8294), None);
    }

    #[test]
    fn a_cut_message_is_refused_or_read_without_what_is_missing() {
        let whole = full().encode();
        for length in 0..whole.len() {
            assert!(Authenticate::parse(&whole[..length]).is_err());
        }
        let bare = Authenticate {
            lm_response: &[],
            nt_response: &[],
            domain: &[],
            user: &[],
            session_key: &[],
            ..full()
        };
        assert!(bare.is_anonymous());
        assert_eq!(Authenticate::parse(&bare.encode()[..87]).unwrap().mic, None);
        assert!(Authenticate::parse(&bare.encode()[..64]).is_ok());
        assert!(Authenticate::parse(&bare.encode()[..63]).is_err());
    }

    #[test]
    fn a_list_of_pairs_ends_where_it_is_cut() {
        let names = ServerNames { netbios_computer: "NAS".into(), ..ServerNames::default() };
        let list = target_info(&names, FileTime(5));
        assert_eq!(AvPairs::new(&list).count(), 5);
        assert_eq!(AvPairs::new(&list).last(), Some((AvId::TIMESTAMP, &5u64.to_le_bytes()[..])));
        for length in 0..list.len() {
            assert!(AvPairs::new(&list[..length]).count() <= 5);
        }
        let mut ended = list;
        ended.extend_from_slice(&[1, 0, 0, 0]);
        assert_eq!(AvPairs::new(&ended).count(), 5);
    }
}
