//! NEGOTIATE.

use super::{Cx, Step};
use crate::{
    auth::spnego::{self, Mech},
    config::{Config, Encryption},
    crypto::{self},
    flow::{Flow, Handled, job::Who, refuse},
    message::{Negotiated, Outbound},
    state::conn::Settled,
    status::NtStatus,
    wire::{
        message::ResponseBody,
        negotiate::{
            Capabilities, Cipher, Dialect, HashAlgorithm, NegotiateContext, NegotiateRequest,
            NegotiateResponse, SecurityMode, SigningAlgorithm,
        },
    },
};
use alloc::vec::Vec;

/// Bytes of one I/O where a credit is 64 KiB and there is only one (MS-SMB2 3.3.5.4).
const SINGLE_CREDIT_IO: u32 = 65536;

/// MS-SMB2 3.3.5.3, 3.3.5.4.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: NegotiateRequest,
    smb1: bool,
) -> Handled<Step> {
    if smb1 {
        return upgrade(cx, who, &request);
    }
    if request.dialects.is_empty() {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.4: DialectCount is 0");
    }
    let Some(dialect) = choose(cx.state.config_of(who.conn), &request.dialects) else {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.4: no dialect in common");
    };
    let contexts = Contexts::read(cx, &request, dialect)?;
    let chosen = negotiated(cx.state.config_of(who.conn), dialect, &contexts);
    let settled = settle(cx.state.config_of(who.conn), chosen, &request);
    if let Some(conn) = cx.state.conns.get_mut(&who.conn) {
        conn.negotiated = Some(settled);
    }
    cx.send(who.conn, Outbound::Negotiated(chosen));
    let mut response = response(cx, who, &settled);
    response.contexts = contexts.answer(cx, &chosen);
    Flow::answer(ResponseBody::Negotiate(response))
}

/// MS-SMB2 3.3.5.3.1, 3.3.5.3.2: an SMB1 NEGOTIATE that offers SMB2.
fn upgrade(cx: &mut Cx<'_>, who: &Who, request: &NegotiateRequest) -> Handled<Step> {
    let config = cx.state.config_of(who.conn);
    let allowed = |dialect: &Dialect| match *dialect {
        // A range that ends above 2.0.2.
        Dialect::SMB_2_WILDCARD => config.max_dialect > Dialect::SMB_2_0_2,
        dialect => (config.min_dialect..=config.max_dialect).contains(&dialect),
    };
    let Some(dialect) = request.dialects.iter().copied().filter(allowed).max() else {
        cx.send(who.conn, Outbound::Close("an SMB1 client that offers no dialect of ours"));
        return Ok(Flow::Silent);
    };
    let chosen = negotiated(config, dialect, &Contexts::default());
    let settled = settle(config, chosen, request);
    if dialect != Dialect::SMB_2_WILDCARD
        && let Some(conn) = cx.state.conns.get_mut(&who.conn)
    {
        conn.negotiated = Some(settled);
    }
    cx.send(who.conn, Outbound::Negotiated(chosen));
    let response = response(cx, who, &settled);
    Flow::answer(ResponseBody::Negotiate(response))
}

/// The highest dialect that both sides have.
pub(super) fn choose(config: &Config, offered: &[Dialect]) -> Option<Dialect> {
    const KNOWN: [Dialect; 5] = [
        Dialect::SMB_3_1_1,
        Dialect::SMB_3_0_2,
        Dialect::SMB_3_0,
        Dialect::SMB_2_1,
        Dialect::SMB_2_0_2,
    ];
    let range = config.min_dialect..=config.max_dialect;
    KNOWN.into_iter().find(|dialect| range.contains(dialect) && offered.contains(dialect))
}

/// What the contexts of 3.1.1 settle.
#[derive(Default)]
struct Contexts {
    preauth: bool,
    cipher: Option<crypto::Cipher>,
    /// The client sent the context at all.
    ciphers_offered: bool,
    signing: Option<crypto::SigningAlgorithm>,
}

impl Contexts {
    /// MS-SMB2 3.3.5.4: the client's order decides, and each context may come once.
    fn read(
        cx: &Cx<'_>,
        request: &NegotiateRequest,
        dialect: Dialect,
    ) -> Result<Self, crate::flow::Refused> {
        let mut found = Self::default();
        if dialect != Dialect::SMB_3_1_1 {
            return Ok(found);
        }
        let encrypts = cx.state.config.encryption != Encryption::Disabled;
        let twice = "3.3.5.4: a negotiate context twice";
        for context in &request.contexts {
            match context {
                NegotiateContext::PreauthIntegrity { hash_algorithms, .. } => {
                    if found.preauth {
                        return refuse(NtStatus::INVALID_PARAMETER, twice);
                    }
                    if !hash_algorithms.contains(&HashAlgorithm::SHA_512) {
                        let none = NtStatus(0xC05D_0000);
                        return refuse(none, "3.3.5.4: no preauth hash in common");
                    }
                    found.preauth = true;
                }
                NegotiateContext::Encryption { ciphers } => {
                    if found.ciphers_offered || ciphers.is_empty() {
                        return refuse(NtStatus::INVALID_PARAMETER, twice);
                    }
                    found.ciphers_offered = true;
                    let known = ciphers.iter().find_map(|id| crypto::Cipher::from_id(id.0));
                    found.cipher = known.filter(|_| encrypts);
                }
                NegotiateContext::Signing { algorithms } => {
                    if found.signing.is_some() || algorithms.is_empty() {
                        return refuse(NtStatus::INVALID_PARAMETER, twice);
                    }
                    let mut ids = algorithms.iter();
                    let known = ids.find_map(|id| crypto::SigningAlgorithm::from_id(id.0));
                    found.signing = known.or(Some(crypto::SigningAlgorithm::AesCmac));
                }
                // Compression and the rest are not here, so they are not answered.
                _ => {}
            }
        }
        if !found.preauth {
            return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.4: no preauth context");
        }
        Ok(found)
    }

    /// MS-SMB2 2.2.4.1: an answer to each context that was sent and understood.
    fn answer(&self, cx: &mut Cx<'_>, chosen: &Negotiated) -> Vec<NegotiateContext> {
        let mut answer = Vec::new();
        if self.preauth {
            let hash_algorithms = alloc::vec![HashAlgorithm::SHA_512];
            let salt = cx.state.rng.array::<32>().to_vec();
            answer.push(NegotiateContext::PreauthIntegrity { hash_algorithms, salt });
        }
        if self.ciphers_offered {
            let cipher = Cipher(self.cipher.map_or(0, crypto::Cipher::id));
            answer.push(NegotiateContext::Encryption { ciphers: alloc::vec![cipher] });
        }
        if self.signing.is_some() {
            let algorithms = alloc::vec![SigningAlgorithm(chosen.signing.id())];
            answer.push(NegotiateContext::Signing { algorithms });
        }
        answer
    }
}

fn negotiated(config: &Config, dialect: Dialect, contexts: &Contexts) -> Negotiated {
    let before_311 = Dialect::SMB_3_0 <= dialect && dialect < Dialect::SMB_3_1_1;
    let ccm = before_311 && config.encryption != Encryption::Disabled;
    let signing = contexts.signing.unwrap_or(crypto::SigningAlgorithm::AesCmac);
    Negotiated {
        dialect,
        signing: signing.for_dialect(dialect.0),
        cipher: if ccm { Some(crypto::Cipher::Aes128Ccm) } else { contexts.cipher },
        max_io: config.max_read.max(config.max_write).max(config.max_trans),
    }
}

fn settle(config: &Config, chosen: Negotiated, request: &NegotiateRequest) -> Settled {
    let mut server_capabilities = Capabilities::empty();
    server_capabilities.set(Capabilities::LARGE_MTU, chosen.dialect > Dialect::SMB_2_0_2);
    // MS-SMB2 3.3.5.4: leases came with 2.1, those of directories with 3.0.
    let leases = config.leases && chosen.dialect >= Dialect::SMB_2_1;
    server_capabilities.set(Capabilities::LEASING, leases);
    let directories = leases && chosen.dialect >= Dialect::SMB_3_0;
    server_capabilities.set(Capabilities::DIRECTORY_LEASING, directories);
    // MS-SMB2 2.2.4: 3.1.1 says it by context, and 2.x cannot.
    let by_capability = chosen.dialect == Dialect::SMB_3_0 || chosen.dialect == Dialect::SMB_3_0_2;
    let both = request.capabilities.contains(Capabilities::ENCRYPTION) && chosen.cipher.is_some();
    server_capabilities.set(Capabilities::ENCRYPTION, by_capability && both);
    // MS-SMB2 3.3.5.4: to who says to know it, from 3.0 on.
    let channels = config.multi_channel
        && chosen.dialect >= Dialect::SMB_3_0
        && request.capabilities.contains(Capabilities::MULTI_CHANNEL);
    server_capabilities.set(Capabilities::MULTI_CHANNEL, channels);
    // MS-SMB2 3.3.5.4: the same, where there is a share for them and a place to write them down.
    let persistent = config.persistent_handles
        && chosen.dialect >= Dialect::SMB_3_0
        && request.capabilities.contains(Capabilities::PERSISTENT_HANDLES);
    server_capabilities.set(Capabilities::PERSISTENT_HANDLES, persistent);
    let mut server_security_mode = SecurityMode::SIGNING_ENABLED;
    server_security_mode.set(SecurityMode::SIGNING_REQUIRED, config.require_signing);
    let cipher = chosen.cipher.filter(|_| both || !by_capability);
    Settled {
        chosen: Negotiated { cipher, ..chosen },
        client_guid: request.client_guid,
        client_capabilities: request.capabilities,
        client_security_mode: request.security_mode,
        server_capabilities,
        server_security_mode,
    }
}

fn response(cx: &Cx<'_>, who: &Who, settled: &Settled) -> NegotiateResponse {
    let config = cx.state.config_of(who.conn);
    let many = settled.chosen.dialect > Dialect::SMB_2_0_2;
    let bound = |size: u32| {
        if many { size } else { size.min(SINGLE_CREDIT_IO) }
    };
    NegotiateResponse {
        security_mode: settled.server_security_mode,
        dialect_revision: settled.chosen.dialect,
        server_guid: config.server_guid,
        capabilities: settled.server_capabilities,
        max_transact_size: bound(config.max_trans),
        max_read_size: bound(config.max_read),
        max_write_size: bound(config.max_write),
        system_time: cx.now.wall,
        server_start_time: Default::default(),
        security_buffer: spnego::hint(&[Mech::Ntlm]),
        contexts: Vec::new(),
    }
}
