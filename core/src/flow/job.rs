//! One frame's chain of requests on its way (MS-SMB2 3.3.5.2.7). The chain is what waits, not the
//! request; its answers are collected and leave together.

use super::{Answer, NO_OPEN, NO_SESSION, NO_TREE, Refused};
use crate::{
    buffer::Payload,
    crypto::{PreauthHash, SessionKeys},
    id::{AsyncId, ConnId, OpenId, SessionId, TreeId},
    message::{Arrived, Asked, Element, Outbound, Reply, ReplyBody, ReplyElement, Request},
    state::durable::CreateKey,
    status::NtStatus,
    vfs::Identity,
    wire::{
        error_response::ErrorResponse,
        header::{Command, Header, HeaderFlags},
        message::ResponseBody,
    },
};
use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};

/// A chain under way. Large, and handed on often: in a box.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) conn: ConnId,
    pub(crate) arrived: Arrived,
    rest: VecDeque<Element>,
    /// Who asks the request that is being worked on.
    pub(crate) who: Who,
    /// What related requests inherit.
    pub(crate) link: Link,
    replies: Vec<ReplyElement>,
}

/// One request, as handlers see it.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) conn: ConnId,
    pub(crate) asked: Asked,
    /// AsyncId of the request itself (CANCEL).
    pub(crate) names: Option<AsyncId>,
    /// ChannelSequence of the request, and SMB2_FLAGS_REPLAY_OPERATION.
    pub(crate) channel_sequence: u16,
    pub(crate) replay: bool,
    /// The open whose channel sequence counts this request until its answer.
    pub(crate) counted: Option<OpenId>,
    /// SessionId and TreeId for the answer's header.
    pub(crate) session_id: u64,
    pub(crate) tree_id: u32,
    /// What the gate found.
    pub(crate) session: Option<SessionId>,
    pub(crate) tree: Option<TreeId>,
    pub(crate) open: Option<OpenId>,
    pub(crate) identity: Option<Arc<Identity>>,
    /// The request was signed or encrypted, rightly.
    pub(crate) signed: bool,
    pub(crate) encrypted: bool,
    /// What protects the answer.
    pub(crate) sign: Option<Arc<SessionKeys>>,
    pub(crate) seal: Option<(SessionId, Arc<SessionKeys>)>,
    /// An interim answer was sent under this id.
    pub(crate) async_id: Option<AsyncId>,
    /// The element's bytes.
    pub(crate) bytes: Payload,
    pub(crate) preauth: Option<PreauthHash>,
    /// No request follows in the chain.
    pub(crate) last: bool,
    /// A CREATE that would be known when it came again, while it is under way.
    pub(crate) creating: Option<CreateKey>,
}

/// What a related request takes from the one before (MS-SMB2 3.3.5.2.7.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) session_id: u64,
    pub(crate) tree_id: u32,
    /// The open it used or made, or why there is none.
    pub(crate) open: Result<OpenId, NtStatus>,
    /// The request before was one of a session, so that related ones know whose they are.
    pub(crate) valid: bool,
}

impl Who {
    /// The session, which the gate has seen to.
    pub(crate) fn session(&self) -> Result<SessionId, Refused> {
        self.session.ok_or(NO_SESSION)
    }

    /// The tree, which the gate has seen to.
    pub(crate) fn tree(&self) -> Result<TreeId, Refused> {
        self.tree.ok_or(NO_TREE)
    }

    /// The open, which the gate has seen to.
    pub(crate) fn open(&self) -> Result<OpenId, Refused> {
        self.open.ok_or(NO_OPEN)
    }

    fn new(conn: ConnId, element: &Element, last: bool) -> Self {
        let Header { session_id, tree_id, async_id, .. } = element.header;
        Self {
            conn,
            asked: Asked::of(&element.header),
            names: async_id.map(AsyncId),
            channel_sequence: element.header.channel_sequence(),
            replay: element.header.flags.contains(HeaderFlags::REPLAY_OPERATION),
            counted: None,
            session_id,
            tree_id,
            session: None,
            tree: None,
            open: None,
            identity: None,
            signed: element.signed,
            encrypted: false,
            sign: None,
            seal: None,
            async_id: None,
            bytes: element.bytes.clone(),
            preauth: element.preauth.clone(),
            last,
            creating: None,
        }
    }
}

impl Job {
    /// `None` for a chain without requests.
    pub(crate) fn new(request: Request) -> Option<Box<Self>> {
        let rest = VecDeque::from(request.elements);
        let who = Who::new(request.conn, rest.front()?, rest.len() == 1);
        let link = Link {
            session_id: 0,
            tree_id: 0,
            open: Err(NtStatus::INVALID_PARAMETER),
            valid: false,
        };
        let replies = Vec::with_capacity(rest.len());
        let Request { conn, arrived, .. } = request;
        Some(Box::new(Self { conn, arrived, rest, who, link, replies }))
    }

    /// The next request, with [`Self::who`] set to who asks it.
    pub(crate) fn next(&mut self) -> Option<Element> {
        let element = self.rest.pop_front()?;
        // An encrypted chain is of one session, and its answers of one frame: also that this session
        // has ended on the way is said to nobody else.
        let seal = self.who.seal.take();
        self.who = Who::new(self.conn, &element, self.rest.is_empty());
        self.who.encrypted = matches!(self.arrived, Arrived::Encrypted(_));
        self.who.seal = seal;
        Some(element)
    }

    /// Bytes that it keeps from being used again as long as it waits.
    pub(crate) fn held(&self) -> usize {
        self.who.bytes.held()
    }

    /// Collects the answer to the request that is being worked on.
    pub(crate) fn answer(&mut self, answer: Answer) {
        let makes = self.who.asked.command == Command::CREATE;
        if answer.status.is_error() && (makes || self.link.open.is_err()) {
            // What a related request would have used was not made: it fails in the same way, and
            // is not done to the file of an earlier one.
            self.link.open = Err(answer.status);
        }
        self.finish_link();
        let element = self.reply(answer.status, answer.body);
        self.replies.push(element);
    }

    /// This request gets no answer.
    pub(crate) fn finish_link(&mut self) {
        self.link.session_id = self.who.session_id;
        self.link.tree_id = self.who.tree_id;
    }

    fn reply(&self, status: NtStatus, body: ReplyBody) -> ReplyElement {
        let who = &self.who;
        ReplyElement {
            to: who.asked,
            tree_id: who.tree_id,
            session_id: who.session_id,
            async_id: who.async_id,
            status,
            sign: who.sign.clone(),
            body,
        }
    }

    /// What has been collected, as one frame.
    pub(crate) fn take_replies(&mut self) -> Option<Outbound> {
        let elements = core::mem::take(&mut self.replies);
        let seal = self.who.seal.clone();
        (!elements.is_empty()).then_some(Outbound::Reply(Reply { elements, seal }))
    }

    /// The interim answer (MS-SMB2 3.3.4.2): never signed.
    pub(crate) fn interim(&mut self, id: AsyncId) -> Outbound {
        self.who.async_id = Some(id);
        let body = ReplyBody::Wire(ResponseBody::Error(ErrorResponse::default()));
        let element = ReplyElement { sign: None, ..self.reply(NtStatus::PENDING, body) };
        Outbound::Reply(Reply { elements: alloc::vec![element], seal: self.who.seal.clone() })
    }
}
