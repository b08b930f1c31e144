use super::{Sent, *};
use crate::{
    prelude::*,
    swarm::{Choices, Seed, Swarm},
};
use ksmbd_record::event::put;

/// A random run, recorded to its end.
fn random(seed: u64) -> Vec<u8> {
    let mut choices = Seed::new(seed);
    let mut swarm = Swarm::new(&mut choices);
    let world = swarm.world().clone();
    world.record();
    for _ in 0..100 + choices.below(300) {
        swarm.step(&mut choices);
    }
    swarm.finish();
    world.recording()
}

/// Two clients, one of them over encryption, and a file.
fn small() -> Vec<u8> {
    let world = World::new();
    world.record();
    world.put("file", b"of the share");
    let mut alice = world.logged_on("alice");
    let mut bob = world.logged_on("bob");
    alice.encrypt = true;
    for client in [&mut alice, &mut bob] {
        let file = client.create("file").ok();
        client.read(file, 0, 100).ok();
        client.close(file).ok();
    }
    alice.hang_up();
    bob.hang_up();
    world.finish();
    world.recording()
}

#[test]
fn random_runs_replay() {
    let mut frames = 0;
    for seed in 0..40 {
        let done = replay(&*random(seed), &mut ()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        frames += done.frames;
    }
    assert!(frames > 1000, "{frames}");
}

/// The events of a recording, one of them changed; what the replay says.
fn changed(recording: &[u8], change: impl Fn(&mut Event) -> bool) -> Failed {
    let mut reader = Reader::new(recording).unwrap();
    let mut player = Player::default();
    let mut done = false;
    while let Some(mut event) = reader.next_event().unwrap() {
        done = done || change(&mut event);
        if let Err(what) = player.play(event, &mut ()) {
            return Failed::Differs(player.done.events, what);
        }
    }
    panic!("it was not noticed");
}

#[test]
fn a_difference_is_named() {
    let recording = small();
    check(&recording);
    let failed = changed(&recording, |event| match event {
        Event::Complete(_, ksmbd_core::vfs::Done::Read(data), _) => {
            data.vec().push(b'!');
            true
        }
        _ => false,
    });
    let said = failed.to_string();
    assert!(said.contains("is sent Frame") && said.contains("READ"), "{said}");
    let failed = changed(&recording, |event| match event {
        Event::Complete(op, ..) => {
            op.0 += 1000;
            true
        }
        _ => false,
    });
    assert!(failed.to_string().contains("was not asked for"), "{failed}");
    let failed = changed(&recording, |event| match event {
        Event::Bytes(_, data) if data.len() > 200 => {
            *data.last_mut().unwrap() ^= 1;
            true
        }
        _ => false,
    });
    assert!(matches!(failed, Failed::Differs(..)));
}

/// What a replay shows is not encrypted, and whole.
#[test]
fn onlookers_see_what_was_said() {
    let recording = small();
    let mut capture = Vec::new();
    let mut pcap = pcap::Pcap::new(&mut capture).unwrap();
    let done = replay(&*recording, &mut pcap).unwrap();
    pcap.finish().unwrap();
    assert_eq!(done.connections, 2);
    let holds = |needle: &[u8]| capture.windows(needle.len()).filter(|w| *w == needle).count();
    assert_eq!(holds(b"of the share"), 2, "once for each client");
    assert_eq!(holds(b"\xfdSMB"), 0);
    let mut transcript = scenario::Transcript::default();
    replay(&*recording, &mut transcript).unwrap();
    let test = transcript.test("small", "small.rec");
    for line in ["/// 1 > NEGOTIATE 0\n", "/// 2 < READ ", "include_bytes!(\"small.rec\")"] {
        assert!(test.contains(line), "{line}: {test}");
    }
}

/// The same bytes in as many events, and no data in them.
#[test]
fn a_recording_without_data_replays_too() {
    let world = World::new();
    world.record();
    world.put("file", b"of the share");
    let secret = b"of nobody's business at all";
    for (encrypt, dialect) in [
        (false, Dialect::SMB_2_0_2),
        (false, Dialect::SMB_3_1_1),
        (true, Dialect::SMB_3_1_1),
        (true, Dialect::SMB_3_0_2),
    ] {
        let mut alice = world.client(dialect).logged_on("alice");
        alice.encrypt = encrypt;
        let file = alice.create("file").ok();
        alice.write(file, 0, secret).ok();
        assert_eq!(alice.read(file, 0, 100).ok().data(), secret);
        alice.close(file).ok();
    }
    world.finish();
    let recording = world.recording();
    let other = blank::blank(|| Ok(Box::new(std::io::Cursor::new(recording.clone()))), Vec::new());
    let other = other.unwrap();
    let (before, after) =
        (replay(&*recording, &mut ()).unwrap(), replay(&*other, &mut ()).unwrap());
    assert_eq!(before, after);
    let shown = |recording: &[u8]| {
        let mut capture = Vec::new();
        let mut pcap = pcap::Pcap::new(&mut capture).unwrap();
        replay(recording, &mut pcap).unwrap();
        pcap.finish().unwrap();
        capture.windows(secret.len()).filter(|window| window == secret).count()
    };
    assert_eq!((shown(&recording), shown(&other)), (8, 0));
    let holds =
        |recording: &[u8], what: &[u8]| recording.windows(what.len()).any(|window| window == what);
    assert!(holds(&recording, secret) && !holds(&other, secret), "also as it lies on the disk");
    let hash = ksmbd_core::auth::ntlm::nt_hash(&password("alice"));
    for recording in [&recording, &other] {
        assert!(!holds(recording, &hash[..]), "no password's hash, in either");
        assert!(!holds(recording, password("alice").as_bytes()));
    }
}

#[cfg(feature = "targets")]
#[test]
fn seeds_run_in_their_targets() {
    let recording = small();
    let events = corpus::events(&*recording).unwrap();
    crate::target::run("recording", &events);
    let mut rng = ksmbd_core::rng::Rng::new([5; 32]);
    for _ in 0..2000 {
        let mut events = events.clone();
        for _ in 0..1 + rng.u64() % 4 {
            let at = rng.u64() as usize % events.len();
            events[at] = rng.u64() as u8;
        }
        crate::target::run("recording", &events);
    }
    let mut seeds = corpus::Seeds::default();
    replay(&*recording, &mut seeds).unwrap();
    let folder = std::env::temp_dir().join(format!("ksmbd-corpus-{}", std::process::id()));
    let count = seeds.save(&folder, "small").unwrap();
    let mut run = Vec::new();
    for target in std::fs::read_dir(&folder).unwrap() {
        let target = target.unwrap();
        let name = target.file_name().into_string().unwrap();
        for seed in std::fs::read_dir(target.path()).unwrap() {
            crate::target::run(&name, &std::fs::read(seed.unwrap().path()).unwrap());
            run.push(name.clone());
        }
    }
    assert_eq!(run.len(), count);
    for target in ["frame", "wire", "der", "ntlm", "name", "create_context"] {
        assert!(run.iter().any(|name| name == target), "no seed of {target}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_run_without_an_end_is_had_again_until_there() {
    let recording = small();
    let cut = &recording[..recording.len() - 14];
    match replay(cut, &mut ()) {
        Err(Failed::Fault(fault, done)) => {
            assert!(fault.to_string().contains("no end") && done.frames > 10, "{fault} {done:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Nothing but what the protocol needs is taken from a hostile recording.
#[test]
fn events_out_of_order_are_refused() {
    for event in [
        Event::Handle(ConnId(1), Now::default()),
        Event::Seal(ConnId(1), Sent::Nothing),
        Event::HangUp(ConnId(1), Now::default()),
        Event::Timeout(Now::default()),
    ] {
        assert!(Player::default().play(event, &mut ()).is_err());
    }
    assert_eq!(put::timeout().len(), 1);
}
