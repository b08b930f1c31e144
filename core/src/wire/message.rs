//! Any message's body, by its command: one table each for requests and responses.

use super::body::{empty, structure_size};
use super::change_notify::{ChangeNotifyRequest, ChangeNotifyResponse};
use super::close::{CloseRequest, CloseResponse};
use super::codec::{Malformed, Parse, Writer};
use super::create::{CreateRequest, CreateResponse};
use super::error_response::ErrorResponse;
use super::flush::FlushRequest;
use super::header::Command;
use super::ioctl::{IoctlRequest, IoctlResponse};
use super::lock::LockRequest;
use super::negotiate::{NegotiateRequest, NegotiateResponse};
use super::oplock_break::{OplockBreakRequest, OplockBreakResponse};
use super::query_directory::{QueryDirectoryRequest, QueryDirectoryResponse};
use super::query_info::{QueryInfoRequest, QueryInfoResponse};
use super::read::{ReadRequest, ReadResponse};
use super::session_setup::{SessionSetupRequest, SessionSetupResponse};
use super::set_info::{SetInfoRequest, SetInfoResponse};
use super::tree_connect::{TreeConnectRequest, TreeConnectResponse};
use super::write::{WriteRequest, WriteResponse};
use crate::status::NtStatus;

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// MS-SMB2 2.2.3.
    Negotiate(NegotiateRequest),
    /// MS-SMB2 2.2.5.
    SessionSetup(SessionSetupRequest),
    /// MS-SMB2 2.2.7.
    Logoff,
    /// MS-SMB2 2.2.9.
    TreeConnect(TreeConnectRequest),
    /// MS-SMB2 2.2.11.
    TreeDisconnect,
    /// MS-SMB2 2.2.13.
    Create(CreateRequest),
    /// MS-SMB2 2.2.15.
    Close(CloseRequest),
    /// MS-SMB2 2.2.17.
    Flush(FlushRequest),
    /// MS-SMB2 2.2.19.
    Read(ReadRequest),
    /// MS-SMB2 2.2.21.
    Write(WriteRequest),
    /// MS-SMB2 2.2.26.
    Lock(LockRequest),
    /// MS-SMB2 2.2.31.
    Ioctl(IoctlRequest),
    /// MS-SMB2 2.2.30.
    Cancel,
    /// MS-SMB2 2.2.28.
    Echo,
    /// MS-SMB2 2.2.33.
    QueryDirectory(QueryDirectoryRequest),
    /// MS-SMB2 2.2.35.
    ChangeNotify(ChangeNotifyRequest),
    /// MS-SMB2 2.2.37.
    QueryInfo(QueryInfoRequest),
    /// MS-SMB2 2.2.39.
    SetInfo(SetInfoRequest),
    /// MS-SMB2 2.2.24.
    OplockBreak(OplockBreakRequest),
}

impl RequestBody {
    /// Parses the body of `element` as `command` has it.
    pub fn parse(command: Command, element: &[u8]) -> Parse<Self> {
        Ok(match command {
            Command::NEGOTIATE => Self::Negotiate(NegotiateRequest::parse(element)?),
            Command::SESSION_SETUP => Self::SessionSetup(SessionSetupRequest::parse(element)?),
            Command::LOGOFF => empty::parse(element).map(|()| Self::Logoff)?,
            Command::TREE_CONNECT => Self::TreeConnect(TreeConnectRequest::parse(element)?),
            Command::TREE_DISCONNECT => empty::parse(element).map(|()| Self::TreeDisconnect)?,
            Command::CREATE => Self::Create(CreateRequest::parse(element)?),
            Command::CLOSE => Self::Close(CloseRequest::parse(element)?),
            Command::FLUSH => Self::Flush(FlushRequest::parse(element)?),
            Command::READ => Self::Read(ReadRequest::parse(element)?),
            Command::WRITE => Self::Write(WriteRequest::parse(element)?),
            Command::LOCK => Self::Lock(LockRequest::parse(element)?),
            Command::IOCTL => Self::Ioctl(IoctlRequest::parse(element)?),
            Command::CANCEL => empty::parse(element).map(|()| Self::Cancel)?,
            Command::ECHO => empty::parse(element).map(|()| Self::Echo)?,
            Command::QUERY_DIRECTORY => {
                Self::QueryDirectory(QueryDirectoryRequest::parse(element)?)
            }
            Command::CHANGE_NOTIFY => Self::ChangeNotify(ChangeNotifyRequest::parse(element)?),
            Command::QUERY_INFO => Self::QueryInfo(QueryInfoRequest::parse(element)?),
            Command::SET_INFO => Self::SetInfo(SetInfoRequest::parse(element)?),
            Command::OPLOCK_BREAK => Self::OplockBreak(OplockBreakRequest::parse(element)?),
            _ => return Err(Malformed("unknown command")),
        })
    }

    /// The command whose body this is.
    pub const fn command(&self) -> Command {
        match self {
            Self::Negotiate(_) => Command::NEGOTIATE,
            Self::SessionSetup(_) => Command::SESSION_SETUP,
            Self::Logoff => Command::LOGOFF,
            Self::TreeConnect(_) => Command::TREE_CONNECT,
            Self::TreeDisconnect => Command::TREE_DISCONNECT,
            Self::Create(_) => Command::CREATE,
            Self::Close(_) => Command::CLOSE,
            Self::Flush(_) => Command::FLUSH,
            Self::Read(_) => Command::READ,
            Self::Write(_) => Command::WRITE,
            Self::Lock(_) => Command::LOCK,
            Self::Ioctl(_) => Command::IOCTL,
            Self::Cancel => Command::CANCEL,
            Self::Echo => Command::ECHO,
            Self::QueryDirectory(_) => Command::QUERY_DIRECTORY,
            Self::ChangeNotify(_) => Command::CHANGE_NOTIFY,
            Self::QueryInfo(_) => Command::QUERY_INFO,
            Self::SetInfo(_) => Command::SET_INFO,
            Self::OplockBreak(_) => Command::OPLOCK_BREAK,
        }
    }

    /// Writes the body. The data of a WRITE is the caller's: see [`WriteRequest::encode_fixed`].
    pub fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Negotiate(body) => body.encode(writer),
            Self::SessionSetup(body) => body.encode(writer),
            Self::TreeConnect(body) => body.encode(writer),
            Self::Create(body) => body.encode(writer),
            Self::Close(body) => body.encode(writer),
            Self::Flush(body) => body.encode(writer),
            Self::Read(body) => body.encode(writer),
            Self::Write(body) => body.encode_fixed(writer),
            Self::Lock(body) => body.encode(writer),
            Self::Ioctl(body) => body.encode(writer),
            Self::Logoff | Self::TreeDisconnect | Self::Cancel | Self::Echo => {
                empty::encode(writer);
            }
            Self::QueryDirectory(body) => body.encode(writer),
            Self::ChangeNotify(body) => body.encode(writer),
            Self::QueryInfo(body) => body.encode(writer),
            Self::SetInfo(body) => body.encode(writer),
            Self::OplockBreak(body) => body.encode(writer),
        }
    }
}

/// The body of a response or of a break notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// MS-SMB2 2.2.2: an error, or the interim response of an asynchronous request.
    Error(ErrorResponse),
    /// MS-SMB2 2.2.4.
    Negotiate(NegotiateResponse),
    /// MS-SMB2 2.2.6.
    SessionSetup(SessionSetupResponse),
    /// MS-SMB2 2.2.8.
    Logoff,
    /// MS-SMB2 2.2.10.
    TreeConnect(TreeConnectResponse),
    /// MS-SMB2 2.2.12.
    TreeDisconnect,
    /// MS-SMB2 2.2.14.
    Create(CreateResponse),
    /// MS-SMB2 2.2.16.
    Close(CloseResponse),
    /// MS-SMB2 2.2.18.
    Flush,
    /// MS-SMB2 2.2.20.
    Read(ReadResponse),
    /// MS-SMB2 2.2.22.
    Write(WriteResponse),
    /// MS-SMB2 2.2.27.
    Lock,
    /// MS-SMB2 2.2.32.
    Ioctl(IoctlResponse),
    /// MS-SMB2 2.2.29.
    Echo,
    /// MS-SMB2 2.2.34.
    QueryDirectory(QueryDirectoryResponse),
    /// MS-SMB2 2.2.36.
    ChangeNotify(ChangeNotifyResponse),
    /// MS-SMB2 2.2.38.
    QueryInfo(QueryInfoResponse),
    /// MS-SMB2 2.2.40.
    SetInfo,
    /// MS-SMB2 2.2.23, 2.2.25.
    OplockBreak(OplockBreakResponse),
}

impl ResponseBody {
    /// Parses the body of `element` as `command` and `status` have it.
    pub fn parse(command: Command, status: NtStatus, element: &[u8]) -> Parse<Self> {
        if is_error_body(command, status, structure_size(element)?) {
            return ErrorResponse::parse(element).map(Self::Error);
        }
        Ok(match command {
            Command::NEGOTIATE => Self::Negotiate(NegotiateResponse::parse(element)?),
            Command::SESSION_SETUP => Self::SessionSetup(SessionSetupResponse::parse(element)?),
            Command::LOGOFF => empty::parse(element).map(|()| Self::Logoff)?,
            Command::TREE_CONNECT => Self::TreeConnect(TreeConnectResponse::parse(element)?),
            Command::TREE_DISCONNECT => empty::parse(element).map(|()| Self::TreeDisconnect)?,
            Command::CREATE => Self::Create(CreateResponse::parse(element)?),
            Command::CLOSE => Self::Close(CloseResponse::parse(element)?),
            Command::FLUSH => empty::parse(element).map(|()| Self::Flush)?,
            Command::READ => Self::Read(ReadResponse::parse(element)?),
            Command::WRITE => Self::Write(WriteResponse::parse(element)?),
            Command::LOCK => empty::parse(element).map(|()| Self::Lock)?,
            Command::IOCTL => Self::Ioctl(IoctlResponse::parse(element)?),
            Command::ECHO => empty::parse(element).map(|()| Self::Echo)?,
            Command::QUERY_DIRECTORY => {
                Self::QueryDirectory(QueryDirectoryResponse::parse(element)?)
            }
            Command::CHANGE_NOTIFY => Self::ChangeNotify(ChangeNotifyResponse::parse(element)?),
            Command::QUERY_INFO => Self::QueryInfo(QueryInfoResponse::parse(element)?),
            Command::SET_INFO => SetInfoResponse::parse(element).map(|_| Self::SetInfo)?,
            Command::OPLOCK_BREAK => Self::OplockBreak(OplockBreakResponse::parse(element)?),
            _ => return Err(Malformed("unknown command")),
        })
    }

    /// Writes the body. The data of a READ is the caller's: see [`ReadResponse::encode`].
    pub fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Error(body) => body.encode(writer),
            Self::Negotiate(body) => body.encode(writer),
            Self::SessionSetup(body) => body.encode(writer),
            Self::TreeConnect(body) => body.encode(writer),
            Self::Create(body) => body.encode(writer),
            Self::Close(body) => body.encode(writer),
            Self::Read(body) => body.encode(writer),
            Self::Write(body) => body.encode(writer),
            Self::Ioctl(body) => body.encode(writer),
            Self::Logoff | Self::TreeDisconnect | Self::Flush | Self::Lock | Self::Echo => {
                empty::encode(writer);
            }
            Self::QueryDirectory(body) => body.encode(writer),
            Self::ChangeNotify(body) => body.encode(writer),
            Self::QueryInfo(body) => body.encode(writer),
            Self::SetInfo => SetInfoResponse.encode(writer),
            Self::OplockBreak(body) => body.encode(writer),
        }
    }
}

/// Is this an ERROR response? A StructureSize of 9 says so, except with the four commands whose
/// own response has it too: there the status decides (MS-SMB2 3.3.4.4).
fn is_error_body(command: Command, status: NtStatus, structure_size: u16) -> bool {
    if structure_size != 9 {
        return false;
    }
    let own: &[NtStatus] = match command {
        Command::SESSION_SETUP => &[NtStatus::SUCCESS, NtStatus::MORE_PROCESSING_REQUIRED],
        Command::CHANGE_NOTIFY => &[NtStatus::SUCCESS, NtStatus::NOTIFY_ENUM_DIR],
        Command::QUERY_INFO | Command::QUERY_DIRECTORY => {
            &[NtStatus::SUCCESS, NtStatus::BUFFER_OVERFLOW]
        }
        _ => &[],
    };
    !own.contains(&status)
}

#[cfg(test)]
mod tests;
