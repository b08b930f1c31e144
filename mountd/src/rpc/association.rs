//! What client and server have agreed on: fragment sizes and presentation contexts.

use std::collections::BTreeMap;

use ksmbd_core::rng::Rng;

use super::Interface;
use super::handle::Handles;
use super::pdu::{self, Bind, BindAck, Outcome, Proposal, Syntax};

/// The longest fragment we say that we take, and the longest we send. Windows' size for pipes.
const MAX_FRAGMENT: u16 = 4280;
/// C706 12.6.3.1 `MustRecvFragSize`: whatever a client says, it takes fragments this long.
const MIN_FRAGMENT: u16 = 1432;

/// An association: what a bind began.
pub(super) struct Association {
    /// The longest fragment for the client.
    pub(super) max_xmit: u16,
    max_recv: u16,
    group: u32,
    pub(super) contexts: BTreeMap<u16, &'static Interface>,
    pub(super) handles: Handles,
}

impl Association {
    pub(super) fn new(bind: &Bind, rng: Rng) -> Self {
        // A client in no group starts one. Groups carry context handles from one association to
        // another, which no client of these services asks for, so any number but zero does.
        let group = if bind.group == 0 { 0x53f0 } else { bind.group };
        Self {
            max_xmit: bind.max_recv.clamp(MIN_FRAGMENT, MAX_FRAGMENT),
            max_recv: bind.max_xmit.clamp(MIN_FRAGMENT, MAX_FRAGMENT),
            group,
            contexts: BTreeMap::new(),
            handles: Handles::new(rng),
        }
    }

    /// Binds one proposed context if that can be (C706 12.6.3.1 `p_cont_def_result_t`).
    pub(super) fn propose(&mut self, pipe: &str, proposal: &Proposal) -> Outcome {
        let Some(interface) = super::interface(pipe, &proposal.interface) else {
            return Outcome::AbstractSyntaxNotSupported;
        };
        if !proposal.transfer.contains(&Syntax::NDR32) {
            return Outcome::TransferSyntaxesNotSupported;
        }
        if let Some(bound) = self.contexts.get(&proposal.context) {
            // A context keeps its interface for as long as the association lives.
            let same = std::ptr::eq(*bound, interface);
            return if same { Outcome::Accepted } else { Outcome::NotSpecified };
        }
        if self.contexts.len() >= pdu::MAX_CONTEXTS {
            return Outcome::LocalLimitExceeded;
        }
        self.contexts.insert(proposal.context, interface);
        Outcome::Accepted
    }

    pub(super) fn ack<'a>(
        &self,
        kind: u8,
        pipe: Option<&'a str>,
        outcomes: &'a [Outcome],
    ) -> BindAck<'a> {
        BindAck {
            kind,
            max_xmit: self.max_xmit,
            max_recv: self.max_recv,
            group: self.group,
            pipe,
            outcomes,
        }
    }
}
