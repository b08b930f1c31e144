//! Exchanges byte for byte: `golden.txt`. The requests are what Samba 4.17's bindings make of the
//! arguments. The answers are ours; Samba's bindings read from them what the directory has.

use std::collections::BTreeMap;

use ksmbd_mountd::rpc::Pipe;

use super::client::*;

/// A line of the file. `H` stands for a handle: in a request the one that `handle` names, in an
/// answer the one that is opened, which `opens` names.
struct Line<'a> {
    pipe: &'a str,
    operation: &'a str,
    opnum: u16,
    handle: &'a str,
    opens: &'a str,
    request: &'a str,
    answer: &'a str,
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    let lines = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter(|line| !line.is_empty()).map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [pipe, operation, opnum, handle, opens, request, answer] = fields[..] else {
            panic!("seven fields: {line}");
        };
        let opnum = opnum.parse().unwrap();
        Line { pipe, operation, opnum, handle, opens, request, answer }
    })
}

/// The pipes that have been opened, and the handles, which are named uniquely.
#[derive(Default)]
struct Session {
    pipes: BTreeMap<&'static str, Pipe>,
    handles: BTreeMap<&'static str, String>,
}

impl Session {
    fn run(&mut self, line: &Line<'static>) {
        let directory = Fixture::small();
        let pipe = self.pipes.entry(line.pipe).or_insert_with(|| bound_to(line.pipe, &directory));
        let request = match self.handles.get(line.handle) {
            Some(handle) => line.request.replace('H', handle),
            None => line.request.to_owned(),
        };
        let stub = answer(pipe, line.opnum, &hex(&request), &directory);
        let mut shown = to_hex(&stub);
        if line.opens != "-" {
            let handle = to_hex(&stub[stub.len() - 24..stub.len() - 4]);
            assert!(handle.starts_with("00000000") && !handle.ends_with("00000000"), "{handle}");
            shown = shown.replace(&handle, "H");
            self.handles.insert(line.opens, handle);
        }
        assert_eq!(shown, line.answer, "{} {}", line.pipe, line.operation);
    }
}

#[test]
fn every_exchange_is_as_written() {
    let mut session = Session::default();
    let mut count = 0;
    for line in lines() {
        session.run(&line);
        count += 1;
    }
    assert!(count > 30, "{count} exchanges");
}

/// Whatever is cut off or changed in a request, the answer is one answer or one fault, and what is
/// open stays so.
#[test]
fn requests_cut_anywhere_and_changed_anywhere_never_panic() {
    let directory = Fixture::small();
    let mut session = Session::default();
    for line in lines().filter(|line| !line.operation.ends_with("Close")) {
        session.run(&line);
        let handle = session.handles.get(line.handle).cloned().unwrap_or_default();
        let request = hex(&line.request.replace('H', &handle));
        let mut wrong: Vec<Vec<u8>> =
            (0..request.len()).map(|length| request[..length].to_vec()).collect();
        for at in 0..request.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut changed = request.clone();
                changed[at] = value;
                wrong.push(changed);
            }
        }
        for stub in wrong {
            // A new pipe for what opens something: the table of handles is bounded.
            let mut fresh;
            let pipe = if line.opens == "-" {
                session.pipes.get_mut(line.pipe).unwrap()
            } else {
                fresh = bound_to(line.pipe, &directory);
                &mut fresh
            };
            let messages = transact(pipe, &fragment(3, 0, line.opnum, &stub), &directory);
            let [message] = &messages[..] else { panic!("{}", line.operation) };
            assert!(matches!(message[2], 2 | 3), "{}", line.operation);
            assert!(pipe.broken().is_none());
        }
        // Where a whole handle is cut off or changed, there is no answer.
        if line.handle != "-" {
            for mut stub in [request[..19].to_vec(), request.clone()] {
                let code = if stub.len() == 19 { 0x6f7 } else { 0x1c00_001a };
                stub[7] ^= 1;
                let pipe = session.pipes.get_mut(line.pipe).unwrap();
                let messages = transact(pipe, &fragment(3, 0, line.opnum, &stub), &directory);
                assert_eq!(fault(&messages), code, "{}", line.operation);
            }
        }
    }
}
