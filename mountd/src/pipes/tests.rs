use ksmbd_core::buffer::Payload;

use super::*;
use crate::daemon::tests::state;

fn pipes() -> Pipes {
    Pipes::new(Current::new(state("")), Rng::new([0; 32]))
}

#[test]
fn pipes_are_opened_by_name_and_bounded() {
    let mut pipes = pipes();
    let open = |pipes: &mut Pipes, id: u64, name: &str| {
        let name = name.to_owned();
        pipes.decide(&Question::PipeOpen { pipe: PipeId(id), name, account: None })
    };
    let missing = open(&mut pipes, 0, "nosuch");
    assert!(matches!(missing, Done::Failed(VfsError::NotFound)));
    for id in 0..256 {
        assert!(matches!(open(&mut pipes, id, "srvsvc"), Done::Ok), "{id}");
    }
    let many = open(&mut pipes, 256, "srvsvc");
    assert!(matches!(many, Done::Failed(VfsError::TooManyFiles)));
    let closed = pipes.decide(&Question::PipeClose { pipe: PipeId(7) });
    assert!(matches!(closed, Done::Ok));
    assert!(matches!(open(&mut pipes, 256, "SRVSVC"), Done::Ok));
}

/// C706 12.6.4.3: a bind of srvsvc 3.0 with NDR32.
fn bind() -> Vec<u8> {
    let mut pdu = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    pdu.extend_from_slice(&[0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    pdu.extend_from_slice(&[
        0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1,
        0x88, 3, 0, 0, 0,
    ]);
    pdu.extend_from_slice(&[
        0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48,
        0x60, 2, 0, 0, 0,
    ]);
    pdu
}

#[test]
fn a_pipe_answers_in_one_step_or_in_two() {
    let mut pipes = pipes();
    let pipe = PipeId(1);
    pipes.decide(&Question::PipeOpen { pipe, name: "srvsvc".to_owned(), account: None });
    let nothing = pipes.decide(&Question::PipeRead { pipe, max: 100 });
    assert!(matches!(nothing, Done::Failed(VfsError::WouldBlock)));
    let data = bind();
    let Done::PipeData { data: answer, more } =
        pipes.decide(&Question::PipeTransact { pipe, data, max: 16 })
    else {
        panic!("an answer");
    };
    assert_eq!((answer[2], answer.len(), more), (12, 16, true));
    let Done::PipeData { more: false, .. } = pipes.decide(&Question::PipeRead { pipe, max: 4096 })
    else {
        panic!("the rest");
    };

    let other = PipeId(2);
    pipes.decide(&Question::PipeOpen { pipe: other, name: "srvsvc".to_owned(), account: None });
    let data = Payload::owned(bind());
    let wrote = pipes.decide(&Question::PipeWrite { pipe: other, data });
    assert!(matches!(wrote, Done::Wrote(72)));
}

#[test]
fn a_pipe_that_is_broken_or_closed_takes_nothing() {
    let mut pipes = pipes();
    let pipe = PipeId(1);
    pipes.decide(&Question::PipeOpen { pipe, name: "srvsvc".to_owned(), account: None });
    let junk = || Payload::owned(vec![0xff; 64]);
    let wrong = pipes.decide(&Question::PipeWrite { pipe, data: junk() });
    assert!(matches!(wrong, Done::Failed(VfsError::Gone)), "{wrong:?}");
    let again = pipes.decide(&Question::PipeWrite { pipe, data: junk() });
    assert!(matches!(again, Done::Failed(VfsError::Gone)));
    let read = pipes.decide(&Question::PipeRead { pipe, max: 10 });
    assert!(matches!(read, Done::Failed(VfsError::Gone)));
    pipes.decide(&Question::PipeClose { pipe });
    let gone = pipes.decide(&Question::PipeWrite { pipe, data: junk() });
    assert!(matches!(gone, Done::Failed(VfsError::Gone)));
}
