//! The commands, one file per section of MS-SMB2 3.3.5, and the table that finds them.
#![allow(clippy::needless_pass_by_ref_mut, reason = "handlers have one signature")]

mod access;
mod cancel;
mod change_notify;
mod close;
mod contend;
mod create;
mod durable;
mod ea;
mod echo;
mod ending;
mod flush;
mod gate;
mod interfaces;
mod ioctl;
mod lock;
mod logoff;
mod negotiate;
mod notice;
mod oplock_break;
mod pipe;
mod promise;
mod query_directory;
mod query_info;
mod read;
mod restore;
mod run;
mod security;
mod session_setup;
mod set_info;
mod smbtorture;
mod stream;
mod tree_connect;
mod tree_disconnect;
mod write;

pub(crate) use durable::{expire, expire_all};
pub(crate) use ending::end_connection;
pub(crate) use notice::outside;
pub(crate) use restore::restore;
pub(crate) use run::{begin, completed, run_ready};

use crate::{
    flow::{self, Flow, Handled, Refused, job::Who, park::Wake},
    id::OpenId,
    message::Element,
    state::promise::Pending,
    status::NtStatus,
    vfs::Done,
    wire::{ioctl::FsctlCode, message::RequestBody},
};

/// What a handler works with.
pub(crate) type Cx<'a> = flow::Cx<'a, Step>;

/// Where a request goes on after a call or a wait.
#[derive(Debug)]
pub(crate) enum Step {
    SessionSetup(session_setup::Step),
    TreeConnect(tree_connect::Step),
    Create(create::Step),
    Close(close::Step),
    Read(read::Step),
    Write(write::Step),
    Lock(lock::Step),
    QueryDirectory(query_directory::Step),
    QueryInfo(query_info::Step),
    ChangeNotify(change_notify::Step),
    SetInfo(set_info::Step),
    Pipe(pipe::Step),
    Interfaces(interfaces::Step),
    /// A test's IOCTL that takes its time.
    Sleep(FsctlCode),
    /// FLUSH's call is all there is.
    Flush,
    /// LOGOFF and TREE_DISCONNECT wait until the opens are gone.
    Logoff,
    /// See [`Step::Logoff`].
    TreeDisconnect,
    /// The last open of a file that is to be deleted: its call is the delete.
    DeleteOnClose(OpenId),
    /// What is closed does not outlive the server.
    Forgotten(Pending),
    /// Nobody waits, nothing follows.
    Nothing,
}

/// What a step is resumed with.
#[derive(Debug)]
pub(crate) enum Event {
    /// Its call is back.
    Done(Done),
    /// Its wait is over.
    Wake(Wake),
}

impl Event {
    /// The call's result; a wake is no result of a call.
    pub(crate) fn done(self) -> Done {
        match self {
            Self::Done(done) => done,
            Self::Wake(_) => Done::Failed(crate::vfs::VfsError::HungUp),
        }
    }
}

/// The dispatch table: from a request that has passed the gate to its command.
fn dispatch(cx: &mut Cx<'_>, who: &mut Who, element: Element) -> Handled<Step> {
    let smb1 = element.smb1;
    match element.body.map_err(|status| status.at(gate::NOT_UNDERSTOOD))? {
        RequestBody::Negotiate(request) => negotiate::begin(cx, who, request, smb1),
        RequestBody::SessionSetup(request) => session_setup::begin(cx, who, request),
        RequestBody::Logoff => logoff::begin(cx, who),
        RequestBody::TreeConnect(request) => tree_connect::begin(cx, who, &request),
        RequestBody::TreeDisconnect => tree_disconnect::begin(cx, who),
        RequestBody::Create(request) => create::begin(cx, who, request),
        RequestBody::Close(request) => close::begin(cx, who, &request),
        RequestBody::Flush(_) => flush::begin(cx, who),
        RequestBody::Read(request) => read::begin(cx, who, &request),
        RequestBody::Write(request) => write::begin(cx, who, &request),
        RequestBody::Lock(request) => lock::begin(cx, who, request),
        RequestBody::Ioctl(request) => ioctl::begin(cx, who, request),
        RequestBody::Cancel => cancel::begin(cx, who),
        RequestBody::Echo => echo::begin(),
        RequestBody::QueryDirectory(request) => query_directory::begin(cx, who, &request),
        RequestBody::QueryInfo(request) => query_info::begin(cx, who, &request),
        RequestBody::SetInfo(request) => set_info::begin(cx, who, &request),
        RequestBody::ChangeNotify(request) => change_notify::begin(cx, who, &request),
        RequestBody::OplockBreak(request) => oplock_break::begin(cx, who, &request),
    }
}

/// A name in a request that no file can have.
fn bad_name(status: NtStatus) -> Refused {
    status.at("MS-FSCC 2.1.5: the name")
}

/// Goes on where a request stopped.
fn resume(cx: &mut Cx<'_>, who: &mut Who, step: Step, event: Event) -> Handled<Step> {
    match step {
        Step::SessionSetup(step) => session_setup::resume(cx, who, step, event),
        Step::TreeConnect(step) => tree_connect::resume(cx, who, step, event),
        Step::Create(step) => create::resume(cx, who, step, event),
        Step::Close(step) => close::resume(cx, who, step, event),
        Step::Read(step) => read::resume(cx, who, step, event),
        Step::Write(step) => write::resume(cx, who, step, event),
        Step::Lock(step) => lock::resume(cx, who, step, event),
        Step::QueryDirectory(step) => query_directory::resume(cx, who, step, event),
        Step::QueryInfo(step) => query_info::resume(cx, who, step, event),
        Step::ChangeNotify(step) => change_notify::resume(cx, who, step, event),
        Step::SetInfo(step) => set_info::resume(cx, who, step, event),
        Step::Pipe(step) => pipe::resume(cx, who, step, event),
        Step::Interfaces(step) => interfaces::resume(&step, event),
        Step::Sleep(code) => smbtorture::awake(cx, who, code, &event),
        Step::Flush => flush::resume(event),
        Step::Logoff => logoff::resume(cx, who),
        Step::TreeDisconnect => tree_disconnect::resume(cx, who),
        Step::DeleteOnClose(_) | Step::Forgotten(_) | Step::Nothing => Ok(Flow::Silent),
    }
}
