//! NEGOTIATE and SESSION_SETUP, with the keys that come of them.

use super::{Client, Response, Sent, body};
use crate::daemon::password;
use ksmbd_core::{
    auth::ntlm::client::{Credentials, NtlmClient, Wrapping},
    crypto::{self, PreauthHash, SessionKeys},
    status::NtStatus,
    wire::{
        codec::Writer,
        message::{RequestBody, ResponseBody},
        negotiate::{
            Capabilities, Cipher, Dialect, HashAlgorithm, NegotiateContext, NegotiateRequest,
            SecurityMode, SigningAlgorithm,
        },
        session_setup::{SessionFlags, SessionSetupFlags, SessionSetupRequest},
        smb1,
    },
};
use std::sync::Arc;

/// What a client offers in NEGOTIATE.
#[derive(Clone, Debug)]
pub struct Offer {
    /// In the client's order.
    pub dialects: Vec<Dialect>,
    /// SecurityMode.
    pub security_mode: SecurityMode,
    /// Capabilities.
    pub capabilities: Capabilities,
    /// ClientGuid.
    pub guid: [u8; 16],
    /// Contexts, sent with 3.1.1.
    pub contexts: Vec<NegotiateContext>,
}

impl Offer {
    /// One dialect, with all ciphers and signing algorithms where there is a choice.
    pub fn only(dialect: Dialect) -> Self {
        Self::of(&[dialect])
    }

    /// Several dialects.
    pub fn of(dialects: &[Dialect]) -> Self {
        let ciphers = [Cipher::AES_128_GCM, Cipher::AES_256_GCM, Cipher::AES_128_CCM];
        let signing = [SigningAlgorithm::AES_GMAC, SigningAlgorithm::AES_CMAC];
        let capabilities = Capabilities::LARGE_MTU | Capabilities::ENCRYPTION;
        Self {
            dialects: dialects.to_vec(),
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities,
            guid: *b"a client's guid.",
            contexts: vec![
                Self::preauth(),
                NegotiateContext::Encryption { ciphers: ciphers.to_vec() },
                NegotiateContext::Signing { algorithms: signing.to_vec() },
            ],
        }
    }

    /// 3.1.1 with one cipher and one signing algorithm.
    pub fn algorithms(cipher: crypto::Cipher, signing: crypto::SigningAlgorithm) -> Self {
        let ciphers = vec![Cipher(cipher.id())];
        let algorithms = vec![SigningAlgorithm(signing.id())];
        let contexts = vec![
            Self::preauth(),
            NegotiateContext::Encryption { ciphers },
            NegotiateContext::Signing { algorithms },
        ];
        Self { contexts, ..Self::only(Dialect::SMB_3_1_1) }
    }

    /// The context that 3.1.1 cannot do without.
    pub fn preauth() -> NegotiateContext {
        let hash_algorithms = vec![HashAlgorithm::SHA_512];
        NegotiateContext::PreauthIntegrity { hash_algorithms, salt: vec![5; 32] }
    }
}

/// An authentication under way.
pub struct Logon {
    ntlm: NtlmClient,
    hash: PreauthHash,
    /// The session; 0 before the first answer.
    pub session_id: u64,
    /// PreviousSessionId.
    pub previous: u64,
    /// Flags of the request.
    pub flags: SessionSetupFlags,
    /// SecurityMode of the request.
    pub security_mode: SecurityMode,
}

impl Client {
    /// NEGOTIATE with [`Self::offer`].
    pub fn negotiate(&mut self) -> Negotiation<'_> {
        let Offer { dialects, security_mode, capabilities, guid, contexts } = self.offer.clone();
        let request =
            NegotiateRequest { security_mode, capabilities, client_guid: guid, dialects, contexts };
        let sent = self.request(&RequestBody::Negotiate(request));
        Negotiation { mid: sent.mid, client: sent.client }
    }

    /// SMB1's NEGOTIATE with these dialect strings (MS-SMB2 3.3.5.3).
    pub fn negotiate_smb1(&mut self, dialects: &[&str]) -> Negotiation<'_> {
        let mut message = Vec::new();
        smb1::encode_negotiate(dialects, &mut Writer::new(&mut message));
        let header =
            ksmbd_core::wire::header::Header::new(ksmbd_core::wire::header::Command::NEGOTIATE);
        let mut asked = Vec::new();
        header.encode(&mut Writer::new(&mut asked));
        self.note(&asked);
        self.next_mid = 1;
        self.credits = 0;
        self.last_sent = Vec::new();
        self.raw_frame(&message);
        Negotiation { client: self, mid: 0 }
    }

    /// Prepares an authentication; the session is a new one.
    pub fn begin(&mut self, credentials: Credentials) -> Logon {
        Logon {
            ntlm: NtlmClient::new(credentials, Wrapping::Spnego),
            hash: self.preauth.clone(),
            session_id: 0,
            previous: 0,
            flags: SessionSetupFlags::empty(),
            security_mode: SecurityMode::SIGNING_ENABLED,
        }
    }

    /// Authenticates in both steps; on success the session is the current one.
    #[track_caller]
    pub fn logon(&mut self, user: &str, password: &str) -> Response {
        let logon = self.begin(Credentials::new(user, "WORLD", password));
        logon.run(self)
    }

    /// Prepares to make this connection another channel of `other`'s session.
    pub fn begin_join(&mut self, other: &Self, credentials: Credentials) -> Logon {
        self.set_keys(other.session_id, other.first_keys());
        let flags = SessionSetupFlags::BINDING;
        Logon { session_id: other.session_id, flags, ..self.begin(credentials) }
    }

    /// Makes this connection another channel of `other`'s session, as its user `user`, and goes on
    /// where that one is; the last answer.
    #[track_caller]
    pub fn join(&mut self, other: &Self, user: &str) -> Response {
        let logon = self.begin_join(other, Credentials::new(user, "WORLD", &password(user)));
        let response = logon.run(self);
        if response.status == NtStatus::SUCCESS {
            (self.tree_id, self.encrypt) = (other.tree_id, other.encrypt);
        }
        response
    }

    /// A session of this account, and `share` connected; nothing may fail.
    #[track_caller]
    pub fn logged_on(mut self, user: &str) -> Self {
        self.logon(user, &password(user)).ok();
        self.connect_tree("share");
        self
    }

    /// From now on everything is encrypted.
    pub fn encrypted(mut self) -> Self {
        self.encrypt = true;
        self
    }
}

/// A NEGOTIATE that was sent.
#[must_use = "an answer that nobody reads fails the test"]
pub struct Negotiation<'a> {
    client: &'a mut Client,
    mid: u64,
}

impl Negotiation<'_> {
    /// A dialect is chosen.
    #[track_caller]
    pub fn ok(self) -> Response {
        let client = self.client;
        let response = client.answer(self.mid).ok();
        let ResponseBody::Negotiate(body) = &response.body else {
            panic!("{:?}", response.body);
        };
        client.preauth = PreauthHash::default();
        client.preauth.extend(&client.last_sent);
        client.preauth.extend(&response.element);
        client.dialect = body.dialect_revision;
        let before_311 = body.capabilities.contains(Capabilities::ENCRYPTION);
        client.cipher = before_311.then_some(crypto::Cipher::Aes128Ccm);
        client.signing = crypto::SigningAlgorithm::AesCmac;
        for context in &body.contexts {
            match context {
                NegotiateContext::Encryption { ciphers } => {
                    client.cipher = ciphers.first().and_then(|c| crypto::Cipher::from_id(c.0));
                }
                NegotiateContext::Signing { algorithms } => {
                    let chosen = algorithms.first();
                    let chosen = chosen.and_then(|a| crypto::SigningAlgorithm::from_id(a.0));
                    client.signing = chosen.unwrap_or_else(|| panic!("{algorithms:?}"));
                }
                _ => {}
            }
        }
        client.signing = client.signing.for_dialect(client.dialect.0);
        client.negotiated = Some(body.clone());
        response
    }

    /// It is refused.
    #[track_caller]
    pub fn is(self, status: NtStatus) -> Response {
        self.client.answer(self.mid).is(status)
    }

    /// The server drops the connection.
    #[track_caller]
    pub fn drops(self) -> ksmbd_core::error::ConnectionError {
        self.client.dropped()
    }
}

impl Logon {
    /// The first message: the server's challenge is asked for.
    pub fn first<'a>(&mut self, client: &'a mut Client) -> Sent<'a> {
        let blob = self.ntlm.start();
        self.send(client, blob)
    }

    /// The second message: the proof.
    #[track_caller]
    pub fn second<'a>(&mut self, client: &'a mut Client, first: &Response) -> Sent<'a> {
        let ResponseBody::SessionSetup(body) = &first.body else {
            panic!("{:?} with {:?}", first.status, first.body);
        };
        self.hash.extend(&first.element);
        self.session_id = first.header.session_id;
        let blob = self.ntlm.answer(&body.security_buffer, &mut client.rng);
        let blob = blob.unwrap_or_else(|why| panic!("{why}"));
        self.send(client, blob)
    }

    /// Takes the last answer: checks it, and keeps the keys.
    #[track_caller]
    pub fn finish(&mut self, client: &mut Client, last: &Response) {
        let ResponseBody::SessionSetup(body) = &last.body else {
            return;
        };
        let nobody = SessionFlags::IS_GUEST | SessionFlags::IS_NULL;
        client.session_id = last.header.session_id;
        if body.session_flags.intersects(nobody) {
            assert!(!last.signed, "guests have no keys");
            client.encrypt = false;
            return;
        }
        self.ntlm.finish(&body.security_buffer).unwrap_or_else(|why| panic!("{why}"));
        let keys = match client.keys() {
            Some(keys) if self.flags.contains(SessionSetupFlags::BINDING) => {
                client.first_keys.insert(client.session_id, Arc::clone(&keys));
                Arc::new(self.derive_channel(client, &keys))
            }
            Some(keys) => keys,
            None => Arc::new(self.derive(client)),
        };
        let genuine = last.encrypted || keys.signing().verify_message(&last.element);
        assert!(genuine && (last.encrypted || last.signed), "the last answer is not signed");
        client.set_keys(client.session_id, Some(keys));
        client.encrypt |= body.session_flags.contains(SessionFlags::ENCRYPT_DATA);
    }

    /// All of it; the last answer.
    #[track_caller]
    pub fn run(mut self, client: &mut Client) -> Response {
        let first = self.first(client).answer();
        if first.status != NtStatus::MORE_PROCESSING_REQUIRED {
            return first;
        }
        let last = self.second(client, &first).answer();
        self.take(client, last)
    }

    /// The same at an account that is being guessed at, where the last answer may take its time. `None`:
    /// the connection did not live to see it.
    #[track_caller]
    pub fn run_patiently(mut self, client: &mut Client) -> Option<Response> {
        let first = self.first(client).answer();
        if first.status != NtStatus::MORE_PROCESSING_REQUIRED {
            return Some(first);
        }
        self.second_patiently(client, &first)
    }

    /// The second message's part of that.
    #[track_caller]
    pub fn second_patiently(&mut self, client: &mut Client, first: &Response) -> Option<Response> {
        let mid = self.second(client, first).later();
        if !client.has_answers() {
            client.world.advance(client.world.config().limits.guess_delay);
        }
        if client.is_dropped() {
            return None;
        }
        let last = client.answer(mid);
        Some(self.take(client, last))
    }

    #[track_caller]
    fn take(&mut self, client: &mut Client, last: Response) -> Response {
        if last.status == NtStatus::SUCCESS {
            self.finish(client, &last);
        }
        last
    }

    fn send<'a>(&mut self, client: &'a mut Client, security_buffer: Vec<u8>) -> Sent<'a> {
        let request = SessionSetupRequest {
            flags: self.flags,
            security_mode: self.security_mode,
            capabilities: Capabilities::empty(),
            previous_session_id: self.previous,
            security_buffer,
        };
        let mut message = client.message(&RequestBody::SessionSetup(request));
        message.header.session_id = self.session_id;
        message.header.tree_id = 0;
        let mid = message.header.message_id;
        client.send_chain(&[message]);
        self.hash.extend(&client.last_sent);
        Sent { client, mid }
    }

    fn derive_channel(&self, client: &Client, keys: &Arc<SessionKeys>) -> SessionKeys {
        let Some(key) = self.ntlm.session_key() else { panic!("no session key") };
        let signing = crypto::SigningKey::derive(client.dialect.0, key, client.signing, &self.hash);
        let number = u32::try_from(client.conn().0).unwrap_or(u32::MAX);
        keys.on_channel(signing, number)
    }

    fn derive(&self, client: &Client) -> SessionKeys {
        let Some(key) = self.ntlm.session_key() else { panic!("no session key") };
        let (signing, cipher) = (client.signing, client.cipher);
        SessionKeys::derive(client.dialect.0, key, &key[..], signing, cipher, &self.hash)
    }
}

impl Client {
    /// Connects a share and makes it the current tree.
    #[track_caller]
    pub fn connect_tree(&mut self, share: &str) -> u32 {
        let response = self.request(&body::tree_connect(share)).ok();
        self.tree_id = response.header.tree_id;
        self.tree_id
    }
}
