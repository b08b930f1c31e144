//! The protocol data units of connection-oriented DCE/RPC (C706 chapter 12, MS-RPCE 2.2.2).
//!
//! What the bytes say, and how answers are spelt; what follows from them is `pipe`'s business.

use super::ndr::{Malformed, Reader, Writer};

/// The common header's length (C706 12.6.3.1); its first 16 bytes name type and length of a PDU.
pub(super) const HEADER: usize = 16;
/// The most contexts that one bind may propose, and that one pipe may hold. Windows sends three.
pub(super) const MAX_CONTEXTS: usize = 32;

/// C706 12.6.4: values of `PTYPE`.
pub(super) mod kind {
    pub(crate) const REQUEST: u8 = 0;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const FAULT: u8 = 3;
    pub(crate) const BIND: u8 = 11;
    pub(crate) const BIND_ACK: u8 = 12;
    pub(crate) const BIND_NAK: u8 = 13;
    pub(crate) const ALTER_CONTEXT: u8 = 14;
    pub(crate) const ALTER_CONTEXT_RESP: u8 = 15;
    pub(crate) const CO_CANCEL: u8 = 18;
    pub(crate) const ORPHANED: u8 = 19;
}

/// C706 12.6.3.1: values of `pfc_flags`.
pub(super) mod flag {
    pub(crate) const FIRST: u8 = 0x01;
    pub(crate) const LAST: u8 = 0x02;
    pub(crate) const WHOLE: u8 = FIRST | LAST;
    pub(crate) const DID_NOT_EXECUTE: u8 = 0x20;
    pub(crate) const OBJECT: u8 = 0x80;
}

/// Why a bind is refused as a whole (C706 12.6.3.1 `p_reject_reason_t`, MS-RPCE 2.2.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Nak {
    NotSpecified = 0,
    LocalLimitExceeded = 2,
    ProtocolVersion = 4,
    AuthenticationType = 8,
}

/// Why a call has no answer (C706 appendix E, MS-RPCE 3.1.1.5.5, MS-ERREF 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Fault {
    /// `nca_s_fault_access_denied`: the PDU carries authentication that was never agreed on.
    AccessDenied = 0x0000_0005,
    /// `RPC_X_BAD_STUB_DATA`: the arguments are not what the operation takes.
    BadStub = 0x0000_06f7,
    /// `nca_s_fault_invalid_tag`: a union's discriminant has no arm, or two differ.
    InvalidTag = 0x1c00_0006,
    /// `nca_s_fault_context_mismatch`: a context handle that is not open here.
    ContextMismatch = 0x1c00_001a,
    /// `nca_s_fault_remote_no_memory`: question or answer is longer than any that makes sense.
    NoMemory = 0x1c00_001b,
    /// `nca_op_rng_error`: the interface has no such operation.
    OpnumRange = 0x1c01_0002,
    /// `nca_unk_if`: no interface is bound under this context.
    UnknownInterface = 0x1c01_0003,
    /// `nca_proto_error`: not now, or not like this.
    ProtocolError = 0x1c01_000b,
}

impl Fault {
    /// Whether the client may be told that no code of the operation ran.
    fn flags(self) -> u8 {
        match self {
            Self::OpnumRange | Self::UnknownInterface | Self::ProtocolError => {
                flag::WHOLE | flag::DID_NOT_EXECUTE
            }
            _ => flag::WHOLE,
        }
    }
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::BadStub
    }
}

/// An interface or a transfer syntax with its version (C706 12.6.3.1 `p_syntax_id_t`); the
/// identifier is as on the wire, its first three fields little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) uuid: [u8; 16],
    pub(super) major: u16,
    pub(super) minor: u16,
}

impl Syntax {
    /// NDR32, 8a885d04-1ceb-11c9-9fe8-08002b104860 version 2 (C706 14, MS-RPCE 2.2.4.12). NDR64
    /// is not in any table here, and so it is refused as any unknown syntax is.
    pub(super) const NDR32: Self = Self {
        uuid: [
            0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10,
            0x48, 0x60,
        ],
        major: 2,
        minor: 0,
    };

    /// Twenty zero bytes that stand for "no syntax" in an answer.
    const NIL: Self = Self { uuid: [0; 16], major: 0, minor: 0 };

    /// Bind-time feature negotiation: 6cb71c2c-9812-4540 version 1, and the last eight bytes are a
    /// set of features (MS-RPCE 2.2.2.14).
    pub(super) fn asks_for_features(&self) -> bool {
        self.uuid.starts_with(&[0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45]) && self.major == 1
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { uuid: reader.array()?, major: reader.u16()?, minor: reader.u16()? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.uuid);
        writer.u16(self.major);
        writer.u16(self.minor);
    }
}

/// The common header (C706 12.6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: (u8, u8),
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// Whether integers are little endian, characters ASCII and floats IEEE (C706 14.1). The
    /// header's own numbers are understood in either order, so that a refusal names the call.
    pub(super) ours: bool,
    pub(super) frag_length: usize,
    pub(super) auth_length: u16,
    pub(super) call_id: u32,
}

impl Header {
    /// Reads the first 16 bytes of a PDU.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let version = (reader.u8()?, reader.u8()?);
        let kind = reader.u8()?;
        let flags = reader.u8()?;
        let [integers, floats, _, _] = reader.array()?;
        let mut frag_length = reader.u16()?;
        let mut auth_length = reader.u16()?;
        let mut call_id = reader.u32()?;
        if integers & 0xf0 == 0 {
            frag_length = frag_length.swap_bytes();
            auth_length = auth_length.swap_bytes();
            call_id = call_id.swap_bytes();
        }
        Ok(Self {
            version,
            kind,
            flags,
            ours: integers == 0x10 && floats == 0,
            frag_length: frag_length.into(),
            auth_length,
            call_id,
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// A `bind` or an `alter_context` (C706 12.6.4.3, 12.6.4.1).
pub(super) struct Bind {
    pub(super) max_xmit: u16,
    pub(super) max_recv: u16,
    pub(super) group: u32,
    pub(super) proposals: Vec<Proposal>,
}

/// One presentation context that a client proposes (C706 12.6.3.1 `p_cont_elem_t`).
pub(super) struct Proposal {
    pub(super) context: u16,
    pub(super) interface: Syntax,
    pub(super) transfer: Vec<Syntax>,
}

impl Bind {
    /// Reads a whole PDU.
    pub(super) fn read(pdu: &[u8]) -> Result<Self, Nak> {
        let bind = Self::parse(pdu).map_err(|Malformed| Nak::NotSpecified)?;
        match bind.proposals.len() {
            0 => Err(Nak::NotSpecified),
            1..=MAX_CONTEXTS => Ok(bind),
            _ => Err(Nak::LocalLimitExceeded),
        }
    }

    fn parse(pdu: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(pdu);
        reader.array::<HEADER>()?;
        let (max_xmit, max_recv, group) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let contexts = reader.u8()?;
        let mut proposals = Vec::new();
        for _ in 0..contexts {
            reader.align(4)?;
            let context = reader.u16()?;
            let syntaxes = reader.u8()?;
            reader.align(4)?;
            let interface = Syntax::read(&mut reader)?;
            let transfer =
                (0..syntaxes).map(|_| Syntax::read(&mut reader)).collect::<Result<_, _>>()?;
            proposals.push(Proposal { context, interface, transfer });
        }
        Ok(Self { max_xmit, max_recv, group, proposals })
    }
}

/// A `request`, or one fragment of it (C706 12.6.4.9).
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) context: u16,
    pub(super) opnum: u16,
    pub(super) stub: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads a whole PDU without authentication. The allocation hint is a claim and stays unused;
    /// no interface here has objects.
    pub(super) fn read(header: &Header, pdu: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(pdu);
        reader.array::<HEADER>()?;
        reader.u32()?;
        let (context, opnum) = (reader.u16()?, reader.u16()?);
        if header.has(flag::OBJECT) {
            reader.array::<16>()?;
        }
        Ok(Self { context, opnum, stub: reader.rest() })
    }
}

/// What becomes of one proposed context (C706 12.6.3.1 `p_result_t`, MS-RPCE 2.2.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    /// `negotiate_ack` with the features that both sides know: we have none.
    Negotiated,
    NotSpecified,
    AbstractSyntaxNotSupported,
    TransferSyntaxesNotSupported,
    LocalLimitExceeded,
}

impl Outcome {
    fn write(self, writer: &mut Writer) {
        let (result, reason) = match self {
            Self::Accepted => (0, 0),
            Self::Negotiated => (3, 0),
            Self::NotSpecified => (2, 0),
            Self::AbstractSyntaxNotSupported => (2, 1),
            Self::TransferSyntaxesNotSupported => (2, 2),
            Self::LocalLimitExceeded => (2, 3),
        };
        writer.u16(result);
        writer.u16(reason);
        let syntax = if self == Self::Accepted { Syntax::NDR32 } else { Syntax::NIL };
        syntax.write(writer);
    }
}

/// The answer to a bind or an alter_context, `kind` says which (C706 12.6.4.4, 12.6.4.2).
pub(super) struct BindAck<'a> {
    pub(super) kind: u8,
    pub(super) max_xmit: u16,
    pub(super) max_recv: u16,
    pub(super) group: u32,
    /// The pipe's name; an alter_context's answer has none.
    pub(super) pipe: Option<&'a str>,
    pub(super) outcomes: &'a [Outcome],
}

impl BindAck<'_> {
    pub(super) fn encode(&self, call_id: u32) -> Vec<u8> {
        let mut body = Writer::default();
        body.u16(self.max_xmit);
        body.u16(self.max_recv);
        body.u32(self.group);
        let address = self.pipe.map(|pipe| format!("\\PIPE\\{pipe}\0")).unwrap_or_default();
        body.u16(u16::try_from(address.len()).unwrap_or_default());
        body.bytes(address.as_bytes());
        body.align(4);
        body.u8(u8::try_from(self.outcomes.len()).unwrap_or_default());
        body.align(4);
        for outcome in self.outcomes {
            outcome.write(&mut body);
        }
        pdu(self.kind, flag::WHOLE, call_id, &body.finish())
    }
}

/// C706 12.6.4.5: the refusal of a bind names the one version there is, 5.0.
pub(super) fn bind_nak(call_id: u32, reason: Nak) -> Vec<u8> {
    let mut body = Writer::default();
    body.u16(reason as u16);
    body.bytes(&[1, 5, 0]);
    body.align(4);
    pdu(kind::BIND_NAK, flag::WHOLE, call_id, &body.finish())
}

/// C706 12.6.4.7.
pub(super) fn fault(call_id: u32, context: u16, fault: Fault) -> Vec<u8> {
    let mut body = Writer::default();
    body.u32(0);
    body.u16(context);
    body.u16(0);
    body.u32(fault as u32);
    body.u32(0);
    pdu(kind::FAULT, fault.flags(), call_id, &body.finish())
}

/// The answer to a call in as many fragments as the client's `max_fragment` asks for (C706
/// 12.6.4.10). All but the last carry a multiple of eight bytes, so that alignment survives.
pub(super) fn response(call_id: u32, context: u16, stub: &[u8], max_fragment: u16) -> Vec<Vec<u8>> {
    const RESPONSE_HEADER: usize = 24;
    let room = (usize::from(max_fragment).saturating_sub(RESPONSE_HEADER) & !7).max(8);
    let mut fragments = Vec::new();
    let mut rest = stub;
    let mut flags = flag::FIRST;
    loop {
        let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
        if later.is_empty() {
            flags |= flag::LAST;
        }
        let mut body = Writer::default();
        body.count(rest.len());
        body.u16(context);
        body.u16(0);
        body.bytes(now);
        fragments.push(pdu(kind::RESPONSE, flags, call_id, &body.finish()));
        if later.is_empty() {
            return fragments;
        }
        flags = 0;
        rest = later;
    }
}

/// Puts the common header before `body`, which is shorter than 64 KiB.
fn pdu(kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(&[5, 0, kind, flags, 0x10, 0, 0, 0]);
    writer.u16(u16::try_from(HEADER.saturating_add(body.len())).unwrap_or(u16::MAX));
    writer.u16(0);
    writer.u32(call_id);
    writer.bytes(body);
    writer.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    fn responses_are_cut_at_multiples_of_eight() {
        let stub: Vec<u8> = (0..100).collect();
        let fragments = response(7, 1, &stub, 24 + 47);
        assert_eq!(fragments.len(), 3);
        let flags: Vec<u8> = fragments.iter().map(|fragment| fragment[3]).collect();
        assert_eq!(flags, [flag::FIRST, 0, flag::LAST]);
        let hints: Vec<u8> = fragments.iter().map(|fragment| fragment[16]).collect();
        assert_eq!(hints, [100, 60, 20]);
        let joined: Vec<u8> =
            fragments.iter().flat_map(|fragment| fragment[24..].to_vec()).collect();
        assert_eq!(joined, stub);
        for fragment in &fragments {
            assert_eq!(Header::read(fragment).unwrap().frag_length, fragment.len());
        }
    }

    #[test]
    fn an_answer_without_bytes_is_one_fragment() {
        let fragments = response(7, 1, &[], 0);
        assert_eq!(fragments.len(), 1);
        assert_eq!(fragments[0].len(), 24);
        assert_eq!(fragments[0][3], flag::WHOLE);
        assert_eq!(response(7, 1, &[0; 40], 64).len(), 1, "exactly one fragment");
        assert_eq!(response(7, 1, &[0; 41], 64).len(), 2);
    }

    #[test]
    fn a_big_endian_header_is_understood_to_be_refused() {
        let bytes = [5, 0, 11, 3, 0, 0, 0, 0, 0, 72, 0, 1, 0, 0, 0, 9];
        let header = Header::read(&bytes).unwrap();
        assert!(!header.ours);
        assert_eq!((header.frag_length, header.auth_length, header.call_id), (72, 1, 9));
    }
}
