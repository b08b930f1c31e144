//! Clients that ask more of the daemon than it can answer. It is played by the test, which answers when
//! it likes.

use crate::{rig::Rig, smb::Smb};
use crossbeam_channel::Receiver;
use ksmbd_core::{vfs::Done, wire::header::FileId};
use ksmbd_runtime_threads::{Answer, Letter, Question};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

fn next(rpc: &Receiver<Letter>) -> (Question, Answer) {
    rpc.recv_timeout(SOON).unwrap().open()
}

/// Nobody in particular, with a pipe.
fn visitor(rig: &Rig, rpc: &Receiver<Letter>) -> (Smb, FileId) {
    let mut smb = Smb::nobody(rig, "IPC$");
    smb.create("srvsvc");
    let (question, answer) = next(rpc);
    assert!(matches!(question, Question::PipeOpen { .. }));
    answer.send(Done::Ok);
    let pipe = smb.created();
    (smb, pipe)
}

fn is_served(rig: &Rig) {
    let mut smb = Smb::member(rig, "share");
    smb.create("file");
    smb.created();
}

/// Nobody answers for pipes, and others log on meanwhile.
#[test]
fn who_asks_of_pipes_is_in_nobody_s_way() {
    let (rig, rpc) = Rig::without_rpc();
    let (mut smb, pipe) = visitor(&rig, &rpc);
    (0..100).for_each(|_| smb.write(pipe, b"a letter").unwrap());
    is_served(&rig);
    for _ in 0..100 {
        let (question, answer) = next(&rpc);
        assert!(matches!(question, Question::PipeWrite { .. }));
        answer.send(Done::Wrote(8));
        smb.answer();
    }
    drop(smb);
    rig.wait_until_empty();
    rig.stop();
}
