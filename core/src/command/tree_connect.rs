//! TREE_CONNECT.

use super::{Cx, Event, access, ending};
use crate::{
    acl::{Token, TokenKind},
    config::{Encryption, Share, ShareKind},
    flow::{Flow, Handled, NO_SESSION, NO_TREE, OUR_BUG, Refused, job::Who, refuse},
    state::{
        conn::Conn,
        session::{Tree, UserKind},
    },
    status::NtStatus,
    vfs::{Admission, Call, Done, File, Identity, Op, Opened, VfsError},
    wire::{
        fscc::AccessMask,
        message::ResponseBody,
        negotiate::Dialect,
        tree_connect::{
            ShareCapabilities, ShareFlags, ShareType, TreeConnectFlags, TreeConnectRequest,
            TreeConnectResponse,
        },
    },
};
use alloc::{boxed::Box, string::String, sync::Arc};

#[derive(Debug)]
pub(crate) enum Step {
    /// The daemon says whether.
    Admit(Visitor),
    /// The share's directory is opened.
    Open(Box<Admission>, Visitor),
}

/// Who is admitted: the session may be another user's by then.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    identity: Arc<Identity>,
    kind: UserKind,
}

impl Visitor {
    /// As whom files are used.
    fn identity(&self, admission: &Admission) -> Arc<Identity> {
        admission.identity.clone().unwrap_or_else(|| Arc::clone(&self.identity))
    }
}

/// What an open of a pipe, or of anything on IPC$, is granted at most.
const PIPE_ACCESS: AccessMask = AccessMask::ALL_ACCESS;

/// MS-SMB2 3.3.5.7.
pub(super) fn begin(
    cx: &mut Cx<'_>,
    who: &mut Who,
    request: &TreeConnectRequest,
) -> Handled<super::Step> {
    if request.flags.contains(TreeConnectFlags::EXTENSION_PRESENT) {
        return refuse(NtStatus::NOT_SUPPORTED, "3.3.5.7: the extension is not here");
    }
    let share = share_name(&request.path.to_string().unwrap_or_default())?;
    let id = who.session()?;
    let conn = cx.state.conns.get(&who.conn).ok_or(NO_TREE)?;
    let session = cx.state.session(who.conn, id).ok_or(NO_SESSION)?;
    let user = session.user.as_ref().ok_or(NO_SESSION)?;
    let connecting = cx.flows.running_at(|running| {
        matches!(running.step, super::Step::TreeConnect(_))
            && running.job.as_ref().is_some_and(|job| job.who.session == Some(id))
    });
    if session.trees.len() + connecting >= cx.state.config.limits.trees_per_session {
        return refuse(NtStatus::INSUFFICIENT_RESOURCES, "as many tree connects as allowed");
    }
    let account = (user.kind != UserKind::Anonymous).then(|| user.account.clone());
    let guest = user.kind == UserKind::Guest;
    let dialect = conn.dialect().ok_or(NO_SESSION)?;
    let (peer, connection) = (conn.peer.clone(), who.conn);
    let op = Op::Admit { share, account, guest, peer, connection, dialect };
    let identity = Arc::clone(&user.identity);
    let visitor = Visitor { identity: Arc::clone(&identity), kind: user.kind };
    let call = Call { identity, op };
    Ok(Flow::Call(call, super::Step::TreeConnect(Step::Admit(visitor))))
}

pub(super) fn resume(
    cx: &mut Cx<'_>,
    who: &mut Who,
    step: Step,
    event: Event,
) -> Handled<super::Step> {
    match (step, event.done()) {
        (Step::Admit(visitor), Done::Admitted(Ok(admission))) => {
            admitted(cx, who, admission, visitor)
        }
        (Step::Admit(_), Done::Admitted(Err(status))) => {
            refuse(status, "3.3.5.7: the share's rules")
        }
        (Step::Open(admission, visitor), Done::Opened(opened)) => {
            let Opened { file, info, .. } = *opened;
            let maximal = access::maximal(&info, admission.read_only);
            let mask = if admission.read_only { access::CHANGES } else { AccessMask::empty() };
            // What is below may be granted more than the share's own directory.
            let maximal = maximal | AccessMask::ALL_ACCESS.difference(mask);
            connect(cx, who, (*admission, visitor), Some(file), maximal)
        }
        (Step::Open(admission, visitor), Done::Failed(error)) => {
            let identity = visitor.identity(&admission);
            ending::leave(cx, Some(who.conn), admission.share, identity);
            let status = match error {
                VfsError::AccessDenied => NtStatus::ACCESS_DENIED,
                _ => NtStatus::BAD_NETWORK_NAME,
            };
            refuse(status, "3.3.5.7: the share's directory")
        }
        (_, Done::Failed(error)) => Err(error.into()),
        _ => Err(OUR_BUG),
    }
}

/// The last part of `\\server\share`.
fn share_name(path: &str) -> Result<String, Refused> {
    let mut parts = path.strip_prefix("\\\\").unwrap_or(path).split('\\');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(share), None) if !share.is_empty() => Ok(share.into()),
        _ => refuse(NtStatus::BAD_NETWORK_NAME, "3.3.5.7: no name of a share"),
    }
}

fn admitted(
    cx: &mut Cx<'_>,
    who: &mut Who,
    admission: Admission,
    visitor: Visitor,
) -> Handled<super::Step> {
    let identity = visitor.identity(&admission);
    if admission.share.encrypt && !can_encrypt(cx, who) {
        ending::leave(cx, Some(who.conn), admission.share, identity);
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.7: the share wants encryption");
    }
    if admission.share.kind == ShareKind::Pipe {
        return connect(cx, who, (admission, visitor), None, PIPE_ACCESS);
    }
    let op = Op::OpenShare(Arc::clone(&admission.share));
    let step = super::Step::TreeConnect(Step::Open(Box::new(admission), visitor));
    Ok(Flow::Call(Call { identity, op }, step))
}

/// Guests and anonymous sessions have no keys.
fn can_encrypt(cx: &Cx<'_>, who: &Who) -> bool {
    let conn = cx.state.conns.get(&who.conn).and_then(|conn| conn.negotiated);
    let session = who.session.and_then(|id| cx.state.session(who.conn, id));
    let user = session.and_then(|session| session.user.as_ref());
    conn.is_some_and(|settled| settled.chosen.cipher.is_some())
        && user.is_some_and(|user| user.keys.is_some())
        && cx.state.config.encryption != Encryption::Disabled
}

fn connect(
    cx: &mut Cx<'_>,
    who: &mut Who,
    (admission, visitor): (Admission, Visitor),
    root: Option<File>,
    maximal_access: AccessMask,
) -> Handled<super::Step> {
    let identity = visitor.identity(&admission);
    let Admission { share, read_only, .. } = admission;
    let id = who.session()?;
    let capabilities = capabilities(cx, who, &share);
    let Some(session) = cx.state.session_mut(who.conn, id) else {
        ending::leave(cx, Some(who.conn), share, identity);
        root.into_iter().for_each(|root| cx.out.release(root));
        return Err(NO_SESSION);
    };
    let response = TreeConnectResponse {
        share_type: if root.is_some() { ShareType::DISK } else { ShareType::PIPE },
        share_flags: share_flags(&share),
        capabilities,
        maximal_access: maximal_access.bits(),
    };
    let kind = match visitor.kind {
        UserKind::Account => TokenKind::Account,
        UserKind::Guest => TokenKind::Guest,
        UserKind::Anonymous => TokenKind::Anonymous,
    };
    let token = share.acl_xattr.then(|| Arc::new(Token::new(&identity, kind)));
    let tree = session.new_tree_id();
    let state = Tree { share, root, identity, token, read_only, maximal_access, ending: false };
    session.trees.insert(tree, state);
    who.tree = Some(tree);
    who.tree_id = tree.0;
    Flow::answer(ResponseBody::TreeConnect(response))
}

/// MS-SMB2 3.3.5.7: from 3.0 on, where opens can be had that outlive the server.
fn capabilities(cx: &Cx<'_>, who: &Who, share: &Share) -> ShareCapabilities {
    let conn = cx.state.conns.get(&who.conn).filter(|conn| conn.config.persistent_handles);
    let three = conn.and_then(Conn::dialect).is_some_and(|dialect| dialect >= Dialect::SMB_3_0);
    let mut capabilities = ShareCapabilities::empty();
    capabilities.set(ShareCapabilities::CONTINUOUS_AVAILABILITY, three && share.continuous);
    capabilities
}

/// MS-SMB2 2.2.10.
fn share_flags(share: &Share) -> ShareFlags {
    let mut flags = match share.kind {
        ShareKind::Disk => ShareFlags::empty(),
        ShareKind::Pipe => ShareFlags::NO_CACHING,
    };
    flags.set(ShareFlags::ENCRYPT_DATA, share.encrypt);
    flags.set(ShareFlags::ACCESS_BASED_DIRECTORY_ENUM, share.hide_unreadable);
    flags
}
