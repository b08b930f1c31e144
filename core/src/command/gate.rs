//! The one gate (MS-SMB2 3.3.5.2): session valid → signed or encrypted as required → tree → handle →
//! granted access → share read-only. What an operation needs is in [`access`](super::access)'s
//! table, which has no default.

use super::{Cx, access};
use crate::{
    crypto::{SessionKeys, SigningAlgorithm},
    flow::{
        NO_OPEN, Refused,
        job::{Job, Link, Who},
        refuse,
    },
    id::{ConnId, OpenId, SessionId, TreeId},
    message::Element,
    state::{
        open::{Open, Stage},
        sequence::Order,
        session::{User, UserKind},
    },
    status::NtStatus,
    wire::{
        header::{Command, FileId, HeaderFlags},
        ioctl::FsctlCode,
        message::RequestBody,
        negotiate::Dialect,
    },
};
use alloc::sync::Arc;

/// Why there is no body.
pub(super) const NOT_UNDERSTOOD: &str = "3.3.5.2: malformed, unpaid or wrongly signed";

/// Lets a request through, with [`Job::who`] filled in, or says what it is refused with.
pub(super) fn pass(cx: &mut Cx<'_>, job: &mut Job, element: &Element) -> Result<(), Refused> {
    let related = element.header.flags.contains(HeaderFlags::RELATED_OPERATIONS);
    let command = element.header.command;
    if related && let Err(refused) = inherit(job) {
        // This refusal, too, is protected as the request was.
        let _ = check_session(cx, job, command);
        return Err(refused);
    }
    if !related {
        job.link.open = Err(NtStatus::INVALID_PARAMETER);
        job.link.valid = false;
    }
    if matches!(command, Command::NEGOTIATE | Command::SESSION_SETUP) {
        job.link.valid = true;
        if element.body.is_err() && element.signed {
            sign_as_first(cx, &mut job.who);
        }
        return element.body.as_ref().map(|_| ()).map_err(|status| status.at(NOT_UNDERSTOOD));
    }
    if job.who.session_id == 0 && needs_no_session(cx, element) {
        return Ok(());
    }
    check_session(cx, job, command)?;
    job.link.valid = true;
    let body = match &element.body {
        Ok(body) => body,
        Err(status) => return refuse(*status, NOT_UNDERSTOOD),
    };
    let need = access::need(body);
    if need.tree {
        check_tree(cx, job)?;
    }
    if let Some(id) = need.file_id {
        check_open(cx, job, id, related, &need)?;
        job.who.open.into_iter().for_each(|open| cx.state.heard(open));
    }
    Ok(())
}

/// What is the connection's own; one of smbtorture's requests is so, too.
fn needs_no_session(cx: &Cx<'_>, element: &Element) -> bool {
    let deafens = |body: &RequestBody| match body {
        RequestBody::Ioctl(ioctl) => ioctl.ctl_code == FsctlCode::SMBTORTURE_UNACKED,
        _ => false,
    };
    let hook = cx.state.config.smbtorture_hooks && element.body.as_ref().is_ok_and(deafens);
    hook || matches!(element.header.command, Command::ECHO | Command::CANCEL)
}

/// MS-SMB2 3.3.5.2.7.2: a related request takes session, tree and open of the one before.
fn inherit(job: &mut Job) -> Result<(), Refused> {
    let Link { session_id, tree_id, valid, .. } = job.link;
    if !valid {
        return refuse(NtStatus::INVALID_PARAMETER, "3.3.5.2.7.2: related to nothing valid");
    }
    job.who.session_id = session_id;
    job.who.tree_id = tree_id;
    Ok(())
}

/// MS-SMB2 3.3.5.2.9.
fn check_session(cx: &Cx<'_>, job: &mut Job, command: Command) -> Result<(), Refused> {
    let who = &mut job.who;
    let id = SessionId(who.session_id);
    let session = cx.state.session(who.conn, id);
    let Some((session, user)) = session.and_then(|session| Some((session, session.user.as_ref()?)))
    else {
        sign_for_others(cx, who);
        return refuse(NtStatus::USER_SESSION_DELETED, "3.3.5.2.9: no such session here");
    };
    who.session = Some(id);
    let channel = session.channels.get(&who.conn);
    protect(who, id, user, channel.and_then(|channel| channel.keys.as_ref()));
    if user.encrypt && !who.encrypted {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.2.9: the session must be encrypted");
    }
    // CANCEL changes nothing but the client's own wait.
    if user.signing_required && !who.signed && command != Command::CANCEL {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.2.4: the session must be signed");
    }
    if user.has_expired(cx.now.wall) && !is_for_the_expired(command) {
        return refuse(NtStatus::NETWORK_SESSION_EXPIRED, "3.3.5.2.9: authenticate again");
    }
    Ok(())
}

/// What a SESSION_SETUP that is refused outright was signed with.
fn sign_as_first(cx: &Cx<'_>, who: &mut Who) {
    let session = cx.state.session(who.conn, SessionId(who.session_id));
    if let Some(user) = session.and_then(|session| session.user.as_ref())
        && !who.encrypted
    {
        who.sign.clone_from(&user.keys);
    }
}

/// Who has signed rightly for a session of other connections is refused with that signature (MS-SMB2
/// 3.3.5.2.4, 3.3.4.1.1): else the client would not believe it (smb2.session.bind2). With GMAC a MessageId is
/// the nonce, and who says again here what he has overheard there would get two signatures of one nonce,
/// and so the key: no stranger is answered so.
fn sign_for_others(cx: &Cx<'_>, who: &mut Who) {
    sign_to_set_up(cx, who);
    let gmac = |keys: &Arc<SessionKeys>| keys.signing().algorithm() == SigningAlgorithm::AesGmac;
    if who.sign.as_ref().is_some_and(gmac) && !has_account(cx, who.conn) {
        who.sign = None;
    }
}

/// Somebody has shown on this connection who he is.
fn has_account(cx: &Cx<'_>, conn: ConnId) -> bool {
    let sessions = cx.state.conns.get(&conn).map(|conn| &conn.sessions);
    let mut users = sessions
        .into_iter()
        .flatten()
        .filter_map(|id| cx.state.session(conn, *id).and_then(|session| session.user.as_ref()));
    users.any(|user| user.kind == UserKind::Account)
}

/// The same for SESSION_SETUP, whatever it is signed with: so it is prescribed where a channel is bound
/// (MS-SMB2 3.3.5.5), and asked for where it is not (smb2.session.bind_negative_*).
pub(super) fn sign_to_set_up(cx: &Cx<'_>, who: &mut Who) {
    let session = cx.state.sessions.get(&SessionId(who.session_id)).filter(|s| !s.ending);
    let Some(session) = session.filter(|_| who.signed && !who.encrypted) else {
        return;
    };
    who.sign = match session.channels.get(&who.conn) {
        Some(channel) => channel.keys.clone(),
        None => session.user.as_ref().and_then(|user| user.keys.clone()),
    };
}

/// What lets things go (MS-SMB2 3.3.5.2.9), and what is of no session.
fn is_for_the_expired(command: Command) -> bool {
    let ends = matches!(command, Command::LOGOFF | Command::CLOSE | Command::LOCK);
    ends || matches!(command, Command::CANCEL | Command::ECHO)
}

/// What the answer is protected with (MS-SMB2 3.3.4.1.1, 3.3.4.1.4).
fn protect(who: &mut Who, id: SessionId, user: &User, keys: Option<&Arc<SessionKeys>>) {
    let Some(keys) = keys else { return };
    if who.encrypted {
        who.seal = Some((id, keys.clone()));
    } else if who.signed || user.signing_required {
        who.sign = Some(keys.clone());
    }
}

/// MS-SMB2 3.3.5.2.11.
fn check_tree(cx: &Cx<'_>, job: &mut Job) -> Result<(), Refused> {
    let who = &mut job.who;
    let id = TreeId(who.tree_id);
    let Some(tree) = cx.state.tree(who.session()?, id) else {
        return refuse(NtStatus::NETWORK_NAME_DELETED, "3.3.5.2.11: no such tree");
    };
    if tree.share.encrypt && !who.encrypted {
        return refuse(NtStatus::ACCESS_DENIED, "3.3.5.2.11: the share must be encrypted");
    }
    who.tree = Some(id);
    who.identity = Some(tree.identity.clone());
    Ok(())
}

/// An open of before a reconnect has the same persistent half, and another volatile one.
fn halves_agree(cx: &Cx<'_>, id: FileId) -> bool {
    cx.state.opens.get(&OpenId(id.persistent)).is_some_and(|open| open.volatile == id.volatile)
}

/// The open by both halves of its id, in this session and tree, and what it was granted.
fn check_open(
    cx: &mut Cx<'_>,
    job: &mut Job,
    id: FileId,
    related: bool,
    need: &access::Need,
) -> Result<(), Refused> {
    let from_chain = related && id == FileId::ANY;
    let id = match (from_chain, job.link.open) {
        (true, Ok(open)) => open,
        (true, Err(status)) => return refuse(status, "3.3.5.2.7.2: the chain has no open"),
        (false, _) if halves_agree(cx, id) => OpenId(id.persistent),
        (false, _) => return refuse(NtStatus::FILE_CLOSED, "3.3.5.2: no open has this FileId"),
    };
    let who = &mut job.who;
    let (session, tree) = (who.session()?, who.tree()?);
    let theirs =
        |open: &&Open| (open.session, open.tree) == (session, tree) && open.stage == Stage::Live;
    let Some(open) = cx.state.opens.get(&id).filter(theirs) else {
        return refuse(NtStatus::FILE_CLOSED, "no such open in this session and tree");
    };
    who.open = Some(id);
    who.identity = Some(open.identity.clone());
    check_sequence(cx, who, id)?;
    let open = cx.state.opens.get(&id).ok_or(NO_OPEN)?;
    if open.is_pipe() {
        return Ok(());
    }
    let any = need.any_of.is_empty() || open.granted.intersects(need.any_of);
    let granted = any && open.granted.contains(need.all_of);
    if !granted {
        return refuse(NtStatus::ACCESS_DENIED, "the open was not granted this access");
    }
    let read_only = cx.state.tree(session, tree).is_none_or(|tree| tree.read_only);
    if need.changes && read_only {
        return refuse(NtStatus::MEDIA_WRITE_PROTECTED, "the share is read-only");
    }
    Ok(())
}

/// MS-SMB2 3.3.5.2.10: who has lost a connection counts on, and what still comes from before changes
/// nothing.
fn check_sequence(cx: &mut Cx<'_>, who: &mut Who, id: OpenId) -> Result<(), Refused> {
    let dialect = cx.state.conns.get(&who.conn).and_then(|conn| conn.dialect());
    if dialect.is_none_or(|dialect| dialect < Dialect::SMB_3_0) {
        return Ok(());
    }
    let open = cx.state.opens.get_mut(&id).ok_or(NO_OPEN)?;
    match open.channel_sequence.begin(who.channel_sequence, who.replay) {
        Order::Counted => who.counted = Some(id),
        Order::Stale => {
            let changes = [Command::WRITE, Command::SET_INFO, Command::IOCTL];
            if changes.contains(&who.asked.command) {
                return refuse(NtStatus::FILE_NOT_AVAILABLE, "3.3.5.2.10: from before");
            }
        }
    }
    Ok(())
}

/// The request is answered (MS-SMB2 3.3.4.1), or nobody is there to be answered.
pub(super) fn passed(cx: &mut Cx<'_>, who: &mut Who) {
    if let Some(open) = who.counted.take().and_then(|id| cx.state.opens.get_mut(&id)) {
        open.channel_sequence.end(who.channel_sequence);
    }
}
