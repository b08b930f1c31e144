use super::*;
use crate::mailbox::Next;
use crossbeam_channel::{Receiver, unbounded};

struct Rig {
    post: Post,
    letters: Receiver<Letter>,
    rpc: Receiver<Letter>,
    jobs: Receiver<Job>,
    mailbox: Arc<Mailbox>,
}

fn rig() -> Rig {
    let (daemon, letters) = unbounded();
    let (pipes, rpc) = unbounded();
    let (worker, jobs) = unbounded();
    let mailbox = Arc::new(Mailbox::new(10));
    Rig { post: Post::new(daemon, pipes, worker), letters, rpc, jobs, mailbox }
}

fn logon() -> Op {
    Op::Logon { user: "user".into(), domain: "DOMAIN".into() }
}

impl Rig {
    fn post(&self, op: Op) -> Receipt {
        match self.post.post(Some(&self.mailbox), OpId(7), op) {
            Posted::Sent(receipt) => receipt,
            _ => panic!("not sent"),
        }
    }

    fn refused(&self, op: Op) -> VfsError {
        match self.post.post(Some(&self.mailbox), OpId(7), op) {
            Posted::Refused(error) => error,
            _ => panic!("not refused"),
        }
    }

    fn next(&self) -> (Question, Answer) {
        self.letters.try_recv().unwrap().open().unwrap()
    }

    fn next_rpc(&self) -> (Question, Answer) {
        self.rpc.try_recv().unwrap().open().unwrap()
    }

    fn open_pipe(&self) -> File {
        self.post(Op::PipeOpen { name: "srvsvc".into(), account: None });
        self.next_rpc().1.send(Done::Ok);
        let Done::Pipe(pipe) = self.answer() else { panic!("no pipe") };
        pipe
    }

    fn answer(&self) -> Done {
        match self.mailbox.pop() {
            Next::Entry(Entry::Done(OpId(7), done)) => done,
            _ => panic!("no answer"),
        }
    }
}

#[test]
fn an_answer_comes_into_the_mailbox() {
    let rig = rig();
    rig.post(logon());
    let (question, answer) = rig.next();
    assert!(matches!(question, Question::Logon { user, .. } if user == "user"));
    answer.send(Done::Ok);
    assert!(matches!(rig.answer(), Done::Ok));
    assert!(rig.jobs.is_empty());
}

#[test]
fn a_dropped_letter_is_hung_up() {
    let rig = rig();
    let receipt = rig.post(logon());
    drop(rig.letters.try_recv().unwrap());
    assert!(matches!(rig.answer(), Done::Failed(VfsError::HungUp)));
    receipt.take_back();
    assert!(matches!(rig.mailbox.pop(), Next::Empty), "once");
}

#[test]
fn without_a_daemon_everything_is_hung_up() {
    let Rig { post, letters, rpc, mailbox, jobs } = rig();
    drop((letters, rpc));
    assert!(matches!(post.post(Some(&mailbox), OpId(1), logon()), Posted::Sent(_)));
    assert!(matches!(
        mailbox.pop(),
        Next::Entry(Entry::Done(OpId(1), Done::Failed(VfsError::HungUp)))
    ));
    assert!(jobs.is_empty());
}

#[test]
fn the_worker_completes_what_a_gone_client_asked() {
    let rig = rig();
    rig.post(logon());
    rig.mailbox.close();
    rig.next().1.send(Done::Ok);
    assert!(matches!(rig.jobs.try_recv().unwrap(), Job::Done(OpId(7), Done::Ok)));
}

#[test]
fn what_is_taken_back_is_hung_up_and_nobody_s_question_any_more() {
    let rig = rig();
    let pipe = rig.open_pipe();
    let data = Payload::owned(vec![0; 100]);
    let receipt = rig.post(Op::PipeWrite { pipe, data });
    receipt.take_back();
    assert!(matches!(rig.answer(), Done::Failed(VfsError::HungUp)));
    assert!(rig.rpc.try_recv().unwrap().open().is_none());
    // The pipe, which the letter was the last to hold, is closed.
    assert!(matches!(rig.next_rpc().0, Question::PipeClose { .. }));
    assert!(matches!(rig.mailbox.pop(), Next::Empty));
}

#[test]
fn what_is_being_answered_is_not_taken_back_nor_is_a_farewell() {
    let rig = rig();
    let receipt = rig.post(logon());
    let (_, answer) = rig.next();
    receipt.take_back();
    answer.send(Done::Ok);
    assert!(matches!(rig.answer(), Done::Ok));
    let share = Arc::new(Share::ipc());
    rig.post(Op::Leave { share }).take_back();
    assert!(matches!(rig.next().0, Question::Leave { .. }));
}

#[test]
fn a_pipe_is_closed_with_its_last_clone() {
    let rig = rig();
    rig.post(Op::PipeOpen { name: "srvsvc".into(), account: None });
    let (question, answer) = rig.next_rpc();
    let Question::PipeOpen { pipe: id, .. } = question else { panic!("no open") };
    answer.send(Done::Ok);
    let Done::Pipe(pipe) = rig.answer() else { panic!("no pipe") };
    rig.post(Op::PipeRead { pipe: pipe.clone(), max: 10 });
    drop(pipe);
    let (question, answer) = rig.next_rpc();
    assert!(matches!(question, Question::PipeRead { pipe, max: 10 } if pipe == id));
    assert!(rig.rpc.is_empty(), "not closed while a read runs");
    answer.send(Done::PipeData { data: vec![1], more: false });
    assert!(matches!(rig.answer(), Done::PipeData { .. }));
    assert!(matches!(rig.next_rpc().0, Question::PipeClose { pipe } if pipe == id));
    assert!(rig.letters.is_empty(), "all of it is about pipes");
}

#[test]
fn a_pipe_that_is_refused_is_closed() {
    let rig = rig();
    rig.post(Op::PipeOpen { name: "none".into(), account: None });
    rig.next_rpc().1.send(Done::Failed(VfsError::NotFound));
    assert!(matches!(rig.answer(), Done::Failed(VfsError::NotFound)));
    assert!(matches!(rig.next_rpc().0, Question::PipeClose { .. }));
}

#[test]
fn more_than_any_request_is_not_posted() {
    let rig = rig();
    let pipe = rig.open_pipe();
    let data = |length| Payload::owned(vec![0; length]);
    rig.post(Op::PipeWrite { pipe: pipe.clone(), data: data(PIPE_WRITE) });
    let write = Op::PipeWrite { pipe: pipe.clone(), data: data(PIPE_WRITE + 1) };
    assert_eq!(rig.refused(write), VfsError::NoMemory);
    let transact = Op::PipeTransact { pipe, data: vec![0; PIPE_WRITE + 1], max: 10 };
    assert_eq!(rig.refused(transact), VfsError::NoMemory);
    assert_eq!(rig.rpc.len(), 1);
}

#[test]
fn nothing_is_begun_where_too_much_is_unopened() {
    let rig = rig();
    let pipe = rig.open_pipe();
    (0..UNOPENED).for_each(|_| _ = rig.post(logon()));
    assert_eq!(rig.refused(logon()), VfsError::NoMemory);
    // What was begun goes on, and others are not in the way of pipes.
    rig.post(Op::Leave { share: Arc::new(Share::ipc()) });
    let open = || Op::PipeOpen { name: "srvsvc".into(), account: None };
    rig.post(open());
    rig.post(Op::PipeRead { pipe, max: 10 });
    while rig.rpc.len() < UNOPENED {
        rig.post(open());
    }
    assert_eq!(rig.refused(open()), VfsError::NoMemory);
    assert_eq!(rig.rpc.len(), UNOPENED, "it was never there, and is not closed");
}

#[test]
fn the_file_system_s_calls_come_back() {
    let rig = rig();
    let op = Op::OpenShare(Arc::new(Share::ipc()));
    assert!(matches!(rig.post.post(None, OpId(1), op), Posted::NotMine(Op::OpenShare(_))));
    assert!(rig.letters.is_empty() && rig.rpc.is_empty());
}
