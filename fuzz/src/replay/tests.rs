use super::{
    Sent,
    rewrite::{Without, rewrite},
    *,
};
use crate::{
    prelude::*,
    swarm::{Choices, Seed, Swarm},
};
use ksmbd_core::{
    auth::ntlm::{client::Credentials, message::Authenticate},
    vfs::{Account, Done},
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
        Event::Complete(_, Done::Read(data), _) => {
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

fn without(recording: &[u8], what: Without) -> Vec<u8> {
    let read = || Ok(Box::new(std::io::Cursor::new(recording.to_vec())) as Box<dyn Read>);
    rewrite(read, Vec::new(), what).unwrap_or_else(|e| panic!("{what:?}: {e}"))
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
    let other = without(&recording, Without::Data);
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

/// Frames that the server has not taken are told from what it has, and have data and proofs, too.
#[test]
fn what_was_cut_off_or_refused_is_left_out() {
    let secret = b"of nobody's business at all";
    let world = World::new();
    world.record();
    for cut in [true, false] {
        let mut alice = world.client(Dialect::SMB_2_0_2).logged_on("alice");
        alice.sign = false;
        let file = alice.create("file").ok();
        let (body, offset) =
            (crate::client::body::write(file, 0, secret.len()), if cut { 2 } else { 0 });
        let mut message = alice.message_with(&body, secret);
        if !cut {
            // Far out of sequence.
            message.header.message_id += 100_000;
        }
        let mut bytes = Vec::new();
        message.header.encode(&mut ksmbd_core::wire::codec::Writer::new(&mut bytes));
        bytes.extend_from_slice(&message.body);
        let length = u32::try_from(bytes.len() + offset).unwrap().to_be_bytes();
        alice.raw_bytes(&[&length[..], &bytes].concat());
        assert_eq!(alice.is_dropped(), !cut);
        alice.forget();
        alice.hang_up();
    }
    world.finish();
    let recording = world.recording();
    let holds = |recording: &[u8]| recording.windows(secret.len()).any(|window| window == secret);
    let before = replay(&*recording, &mut ()).unwrap();
    assert!(holds(&recording));
    for what in [Without::Data, Without::Keys] {
        let other = without(&recording, what);
        assert!(!holds(&other), "{what:?}");
        assert_eq!(replay(&*other, &mut ()).unwrap(), before, "{what:?}");
    }
}

/// What an onlooker with all keys of a recording sees of its frames.
#[derive(Default)]
struct Keys {
    encrypted: Vec<Vec<u8>>,
    keys: Vec<Arc<SessionKeys>>,
}

impl Watch for Keys {
    fn frame(&mut self, _: ConnId, framed: &Framed<'_>) {
        if framed.raw.starts_with(&PROTOCOL_ID) {
            self.encrypted.push(framed.raw.to_vec());
        }
        self.keys.extend(framed.keys.values().cloned());
    }
}

impl Keys {
    fn of(recording: &[u8]) -> Self {
        let mut keys = Self::default();
        replay(recording, &mut keys).unwrap();
        keys
    }

    /// How many frames of `other` these keys open.
    fn opened(&self, other: &Self) -> usize {
        let opens = |keys: &Arc<SessionKeys>, frame: &[u8]| {
            let (head, message) = frame.split_first_chunk::<TRANSFORM_LEN>().unwrap();
            let key = keys.client_to_server();
            key.is_some_and(|key| key.open(head, &mut message.to_vec()).is_ok())
        };
        let opened = |frame: &&Vec<u8>| self.keys.iter().any(|keys| opens(keys, frame));
        other.encrypted.iter().filter(opened).count()
    }
}

/// A run with every way to log on, and what is secret about it: session base keys, and proofs.
fn logons() -> (Vec<u8>, Vec<Vec<u8>>) {
    let world = World::with(|config| config.multi_channel = true);
    world.record();
    for dialect in [Dialect::SMB_2_0_2, Dialect::SMB_3_0_2, Dialect::SMB_3_1_1] {
        let mut alice = world.client(dialect);
        alice.logon("alice", "guess").is(NtStatus::LOGON_FAILURE);
        let mut alice = alice.logged_on("alice");
        alice.create("file").ok();
        alice.encrypt = dialect != Dialect::SMB_2_0_2;
        let mut again = alice.begin(Credentials::new("alice", "WORLD", &password("alice")));
        again.session_id = alice.session_id;
        again.run(&mut alice).ok();
        alice.create("file").ok();
        if dialect != Dialect::SMB_2_0_2 {
            let mut other = world.channel(&alice, "alice");
            other.create("file").ok();
            // Refused, with a signature of the first channel.
            let (own, encrypt) = (other.keys(), std::mem::take(&mut other.encrypt));
            other.set_keys(other.session_id, alice.keys());
            let mut again = other.begin(Credentials::new("alice", "WORLD", &password("alice")));
            again.session_id = other.session_id;
            assert!(again.first(&mut other).is(NtStatus::ACCESS_DENIED).signed);
            other.set_keys(other.session_id, own);
            other.encrypt = encrypt;
        }
    }
    world.finish();
    let recording = world.recording();
    let mut secrets = Vec::new();
    let mut reader = Reader::new(&*recording).unwrap();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::Complete(_, Done::Account(Account::Checked { base_key: Some(key), .. }), _) => {
                secrets.push(key.to_vec());
            }
            Event::Bytes(_, bytes) => secrets.extend(proof(&bytes)),
            _ => {}
        }
    }
    (recording, secrets)
}

/// NTProofStr of an AUTHENTICATE_MESSAGE somewhere in `bytes`, its MIC, and the response to LM's challenge.
fn proof(bytes: &[u8]) -> Vec<Vec<u8>> {
    let at = bytes.windows(12).position(|window| window == b"NTLMSSP\0\x03\0\0\0");
    let message = at.map(|at| Authenticate::parse(&bytes[at..]).unwrap());
    let proofs = message.map(|message| {
        let mic = message.mic.unwrap_or_default();
        [message.nt_response[..16].to_vec(), message.lm_response.to_vec(), mic.to_vec()]
    });
    let told = |proof: &Vec<u8>| proof.iter().any(|byte| *byte != 0);
    proofs.into_iter().flatten().filter(told).collect()
}

/// Whoever has it and a capture of the same connections can read nothing of that, nor look for the
/// passwords.
#[test]
fn a_recording_without_keys_replays_too() {
    let (recording, secrets) = logons();
    let other = without(&recording, Without::Keys);
    let (before, after) =
        (replay(&*recording, &mut ()).unwrap(), replay(&*other, &mut ()).unwrap());
    assert_eq!(before, after);
    let holds =
        |recording: &[u8], what: &[u8]| recording.windows(what.len()).any(|window| window == what);
    // Of each dialect a guess (2), a logon (3) and another one (1, and 2 more where it is not encrypted), and of
    // two of them a channel (3).
    assert_eq!(secrets.len(), 3 * (2 + 3 + 1) + 2 + 2 * 3);
    for secret in &secrets {
        assert!(holds(&recording, secret) && !holds(&other, secret), "{secret:02x?}");
    }
    let (keys, others) = (Keys::of(&recording), Keys::of(&other));
    assert!(keys.encrypted.len() > 4);
    assert_eq!(keys.opened(&keys), keys.encrypted.len());
    assert_eq!(others.opened(&others), keys.encrypted.len());
    assert_eq!((others.opened(&keys), keys.opened(&others)), (0, 0));
}

#[test]
fn random_runs_replay_without_this_and_that() {
    for seed in 0..30 {
        let recording = random(seed);
        let before = replay(&*recording, &mut ()).unwrap();
        for what in [Without::Data, Without::Keys] {
            let other = without(&recording, what);
            let after = replay(&*other, &mut ()).unwrap_or_else(|e| panic!("{what:?} {seed}: {e}"));
            assert_eq!(before, after, "{what:?} {seed}");
        }
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
