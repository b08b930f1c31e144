use super::*;
use crate::wire::header::FileId;
use crate::wire::negotiate::{Capabilities, SecurityMode};
use crate::wire::session_setup::SessionSetupFlags;
use crate::wire::testing::{damage, element};
use alloc::vec;
use alloc::vec::Vec;

fn requests() -> Vec<RequestBody> {
    let file_id = FileId::ANY;
    vec![
        RequestBody::SessionSetup(SessionSetupRequest {
            flags: SessionSetupFlags::empty(),
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::DFS,
            previous_session_id: 0,
            security_buffer: vec![1, 2, 3],
        }),
        RequestBody::Logoff,
        RequestBody::TreeDisconnect,
        RequestBody::Flush(FlushRequest { file_id }),
        RequestBody::Write(WriteRequest::new(file_id, 9, 0)),
        RequestBody::Cancel,
        RequestBody::Echo,
    ]
}

fn responses() -> Vec<(Command, NtStatus, ResponseBody)> {
    let ok = NtStatus::SUCCESS;
    let error = || ResponseBody::Error(ErrorResponse::default());
    let token =
        || SessionSetupResponse { security_buffer: vec![1], ..SessionSetupResponse::default() };
    let list = || QueryInfoResponse { buffer: vec![1; 8] };
    let write = WriteResponse { count: 1 };
    vec![
        (Command::LOGOFF, ok, ResponseBody::Logoff),
        (Command::TREE_DISCONNECT, ok, ResponseBody::TreeDisconnect),
        (Command::FLUSH, ok, ResponseBody::Flush),
        (Command::LOCK, ok, ResponseBody::Lock),
        (Command::ECHO, ok, ResponseBody::Echo),
        (Command::SET_INFO, ok, ResponseBody::SetInfo),
        (Command::WRITE, ok, ResponseBody::Write(write)),
        (Command::WRITE, NtStatus::DISK_FULL, error()),
        (Command::CREATE, NtStatus::PENDING, error()),
        (
            Command::SESSION_SETUP,
            NtStatus::MORE_PROCESSING_REQUIRED,
            ResponseBody::SessionSetup(token()),
        ),
        (Command::SESSION_SETUP, NtStatus::LOGON_FAILURE, error()),
        (Command::QUERY_INFO, NtStatus::BUFFER_OVERFLOW, ResponseBody::QueryInfo(list())),
        (Command::QUERY_DIRECTORY, NtStatus::NO_MORE_FILES, error()),
        (
            Command::CHANGE_NOTIFY,
            NtStatus::NOTIFY_ENUM_DIR,
            ResponseBody::ChangeNotify(ChangeNotifyResponse::default()),
        ),
        (Command::CHANGE_NOTIFY, NtStatus::CANCELLED, error()),
    ]
}

#[test]
fn requests_by_command() {
    for request in requests() {
        let bytes = element(|writer| request.encode(writer));
        let command = request.command();
        assert_eq!(RequestBody::parse(command, &bytes), Ok(request));
    }
}

#[test]
fn responses_by_command_and_status() {
    for (command, status, response) in responses() {
        let bytes = element(|writer| response.encode(writer));
        let parsed = ResponseBody::parse(command, status, &bytes);
        assert_eq!(parsed, Ok(response), "{command:?} {status:?}");
    }
}

#[test]
fn an_invalid_parameter_of_copychunk_has_a_body() {
    let response = ResponseBody::Ioctl(IoctlResponse {
        ctl_code: crate::wire::fsctl::FsctlCode::SRV_COPYCHUNK,
        file_id: FileId::ANY,
        input: vec![],
        padding: 0,
        output: vec![0; 12],
    });
    let bytes = element(|writer| response.encode(writer));
    let status = NtStatus::INVALID_PARAMETER;
    let parsed = ResponseBody::parse(Command::IOCTL, status, &bytes);
    assert_eq!(parsed, Ok(response));
}

#[test]
fn any_bytes_as_any_command() {
    let mut samples: Vec<Vec<u8>> =
        requests().iter().map(|request| element(|writer| request.encode(writer))).collect();
    samples.push(vec![0xff; 300]);
    samples.push(vec![0; 300]);
    for sample in samples {
        for command in 0..=0x14 {
            let command = Command(command);
            damage(&sample, |bytes| RequestBody::parse(command, bytes));
            damage(&sample, |bytes| ResponseBody::parse(command, NtStatus::SUCCESS, bytes));
        }
    }
    assert!(RequestBody::parse(Command(0x13), &[0; 100]).is_err());
}
