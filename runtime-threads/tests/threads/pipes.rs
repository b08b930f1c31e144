//! Clients that ask more of the daemon than it can answer. It is played by the test, which answers when
//! it likes.

use crate::{rig::Rig, smb::Smb};
use crossbeam_channel::Receiver;
use ksmbd_core::{vfs::Done, wire::header::FileId};
use ksmbd_runtime_threads::{Answer, Letter, Question};
use std::{
    thread,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(10);

fn next(rpc: &Receiver<Letter>) -> (Question, Answer) {
    rpc.recv_timeout(SOON).unwrap().open().unwrap()
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

/// Waits until so many letters are unopened.
fn wait_for_letters(rpc: &Receiver<Letter>, count: usize) {
    let deadline = Instant::now() + SOON;
    while rpc.len() != count {
        assert!(Instant::now() < deadline, "{} letters", rpc.len());
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_served(rig: &Rig) {
    let mut smb = Smb::member(rig, "share");
    smb.create("file");
    smb.created();
}

/// Of what he writes into a pipe no more is taken than is answered, and others log on meanwhile.
#[test]
fn who_floods_a_pipe_stalls_himself_alone() {
    let (rig, rpc) = Rig::without_rpc();
    let (mut smb, pipe) = visitor(&rig, &rpc);
    smb.socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let data = vec![0; 64 * 1024];
    // More than any socket takes.
    let taken = (0..4000).take_while(|_| smb.write(pipe, &data).is_ok()).count();
    assert!(taken < 4000, "{} letters are unopened", rpc.len());
    assert!((1..=8).contains(&rpc.len()), "{} letters", rpc.len());
    is_served(&rig);
    // What was taken is answered, and what was not is taken then.
    for _ in 0..taken.min(20) {
        let (question, answer) = next(&rpc);
        let Question::PipeWrite { data, .. } = question else { panic!("{question:?}") };
        assert_eq!(data.len(), 64 * 1024);
        answer.send(Done::Wrote(64 * 1024));
        smb.answer();
    }
    drop(smb);
    // All that is still in the socket is read before its end.
    let server = thread::spawn(move || {
        for (_, answer) in rpc.into_iter().filter_map(Letter::open) {
            answer.send(Done::Wrote(64 * 1024));
        }
    });
    rig.wait_until_empty();
    rig.stop();
    server.join().unwrap();
}

/// Questions are not kept for clients that are gone, though nobody has opened them.
#[test]
fn who_hangs_up_takes_his_questions_back() {
    let (rig, rpc) = Rig::without_rpc();
    for _ in 0..3 {
        let (mut smb, pipe) = visitor(&rig, &rpc);
        (0..4).for_each(|_| smb.write(pipe, b"a letter").unwrap());
        wait_for_letters(&rpc, 4);
        drop(smb);
        rig.wait_until_empty();
        // The pipe's file is closed when nobody looks any more.
        let mut left = std::iter::from_fn(|| rpc.recv_timeout(SOON).ok()).filter_map(Letter::open);
        let (question, _) = left.next().unwrap();
        assert!(matches!(question, Question::PipeClose { .. }), "{question:?}");
    }
    rig.stop();
}

/// The server stops though nobody answers.
#[test]
fn stopped_with_questions_unanswered() {
    let (rig, rpc) = Rig::without_rpc();
    let (mut smb, pipe) = visitor(&rig, &rpc);
    (0..20).for_each(|_| smb.write(pipe, b"a letter").unwrap());
    wait_for_letters(&rpc, 8);
    rig.stop();
    assert!(rpc.iter().filter_map(Letter::open).count() <= 1);
}
