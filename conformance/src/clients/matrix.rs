//! smbclient: every sensible pair of dialect and protection, every cipher and signing algorithm.

use std::fs;
use std::path::Path;
use std::thread;

use super::files::{TREE_FILES, make_big, make_tree, same_file, same_tree};
use super::tap::{Seen, Tap};
use super::{Check, Checked, Context, Problem, Smbclient, wrong};
use crate::server::empty;

/// The size of the big file.
const BIG: u64 = 256 << 20;

/// Eight clients at once: how many, and the size of each one's file.
const CROWD: usize = 8;
const CROWD_FILE: u64 = 16 << 20;

const DIALECTS: [(&str, u16); 5] = [
    ("SMB2_02", 0x0202),
    ("SMB2_10", 0x0210),
    ("SMB3_00", 0x0300),
    ("SMB3_02", 0x0302),
    ("SMB3_11", 0x0311),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    Off,
    Sign,
    Encrypt,
}

impl Protection {
    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Sign => "sign",
            Self::Encrypt => "encrypt",
        }
    }

    /// Wants the messages after the session's setup to be protected in this way, both ways.
    fn check(self, seen: &Seen) -> Checked {
        let none = [0, 0];
        let all = |count: [u64; 2]| count[0] > 0 && count[1] > 0;
        let right = match self {
            Self::Off => seen.encrypted == none && all(seen.plain),
            Self::Sign => seen.encrypted == none && seen.plain == none && all(seen.signed),
            Self::Encrypt => all(seen.encrypted) && seen.plain == none && seen.signed == none,
        };
        if right { Ok(()) } else { wrong(format!("not {self:?}: {seen:?}")) }
    }
}

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for (dialect, number) in DIALECTS {
        for protection in [Protection::Off, Protection::Sign, Protection::Encrypt] {
            if protection == Protection::Encrypt && number < 0x0300 {
                continue;
            }
            let pair = Pair { dialect, number, protection };
            let name =
                |what: &str| format!("clients.smbclient.{dialect}.{}.{what}", protection.word());
            checks.push(Check::new(name("big"), move |context| pair.big(context)));
            checks.push(Check::new(name("tree"), move |context| pair.tree(context)));
            checks.push(Check::new(name("names"), move |context| pair.names(context)));
        }
    }
    let ciphers = [("AES-128-CCM", 1), ("AES-128-GCM", 2), ("AES-256-CCM", 3), ("AES-256-GCM", 4)];
    for (name, number) in ciphers {
        let check = move |context: &Context<'_>| {
            let option = format!("--option=client smb3 encryption algorithms={name}");
            algorithm(context, Protection::Encrypt, &option, |seen| seen.cipher == Some(number))
        };
        checks.push(Check::new(format!("clients.smbclient.cipher.{name}"), check));
    }
    let signing = [("HMAC-SHA256", 0), ("AES-128-CMAC", 1), ("AES-128-GMAC", 2)];
    for (name, number) in signing {
        let check = move |context: &Context<'_>| {
            let option = format!("--option=client smb3 signing algorithms={name}");
            algorithm(context, Protection::Sign, &option, |seen| seen.signing == Some(number))
        };
        checks.push(Check::new(format!("clients.smbclient.signing.{name}"), check));
    }
    checks.push(Check::new("clients.smbclient.eight-at-once", eight_at_once));
    checks.push(Check::new("clients.smbclient.multi-protocol", multi_protocol));
    checks
}

#[derive(Clone, Copy)]
struct Pair {
    dialect: &'static str,
    number: u16,
    protection: Protection,
}

impl Pair {
    /// Runs smbclient through a tap, and wants dialect and protection as asked.
    fn run(&self, context: &Context<'_>, work: &Path, commands: &[&str]) -> Checked<Vec<String>> {
        let tap = Tap::open(context.server.port)?;
        let client = Smbclient::new(tap.port, "files")
            .option(format!("--max-protocol={}", self.dialect))
            .option(format!("--client-protection={}", self.protection.word()));
        let mut said = Vec::new();
        for commands in commands {
            said.push(client.run(work, commands)?.all());
        }
        let seen = tap.seen();
        if seen.dialects.iter().any(|dialect| *dialect != self.number) || seen.smb1 {
            return wrong(format!("not {} alone: {seen:?}", self.dialect));
        }
        self.protection.check(&seen)?;
        Ok(said)
    }

    fn big(&self, context: &Context<'_>) -> Checked {
        let work = context.env.work(context.name)?;
        let share = context.server.share_dir("files");
        empty(&share)?;
        make_big(&work.join("big"), BIG, u64::from(self.number))?;
        self.run(context, &work, &["put big; get big back"])?;
        same_file(&work.join("big"), &share.join("big"))?;
        same_file(&work.join("big"), &work.join("back"))?;
        fs::remove_dir_all(&work)?;
        Ok(empty(&share)?)
    }

    fn tree(&self, context: &Context<'_>) -> Checked {
        let work = context.env.work(context.name)?;
        let share = context.server.share_dir("files");
        empty(&share)?;
        make_tree(&work.join("there"))?;
        fs::create_dir_all(work.join("back"))?;
        let commands = [
            "mkdir tree; cd tree; recurse; prompt; lcd there; mput *",
            "cd tree; recurse; prompt; lcd back; mget *",
            "cd tree; recurse; ls",
            "deltree tree; ls",
        ];
        let said = self.run(context, &work, &commands)?;
        same_tree(&work.join("there"), &work.join("back"))?;
        let listed = said[2].matches("small-").count();
        if listed != TREE_FILES {
            return wrong(format!("{listed} files listed instead of {TREE_FILES}"));
        }
        if share.join("tree").exists() {
            return wrong("deltree left the tree");
        }
        fs::remove_dir_all(&work)?;
        Ok(())
    }

    fn names(&self, context: &Context<'_>) -> Checked {
        let work = context.env.work(context.name)?;
        let share = context.server.share_dir("files");
        empty(&share)?;
        fs::write(work.join("one"), b"content")?;
        let put = "put one; mkdir place; rename one \"place/zw\u{f6}lf drei\"; ls; cd place; ls";
        let said = self.run(context, &work, &[put])?;
        let listing = said.concat();
        if !listing.contains("zw\u{f6}lf drei") || listing.contains("  one ") {
            return wrong(format!("after the rename: {listing}"));
        }
        if fs::read(share.join("place/zw\u{f6}lf drei"))? != b"content" {
            return wrong("the renamed file has other bytes");
        }
        let commands = ["cd place; del \"zw\u{f6}lf drei\"; cd ..; rmdir place; ls"];
        let said = self.run(context, &work, &commands)?;
        if said.concat().contains("place") || share.join("place").exists() {
            return wrong("the directory is still there");
        }
        Ok(())
    }
}

/// One algorithm of 3.1.1: it is agreed on, and used both ways.
fn algorithm(
    context: &Context<'_>,
    protection: Protection,
    option: &str,
    agreed: impl Fn(&Seen) -> bool,
) -> Checked {
    let work = context.env.work(context.name)?;
    make_big(&work.join("data"), 4 << 20, 5)?;
    let tap = Tap::open(context.server.port)?;
    let client = Smbclient::new(tap.port, "files")
        .option("--max-protocol=SMB3_11")
        .option(format!("--client-protection={}", protection.word()))
        .option(option);
    client.run(&work, "put data; get data back; del data")?;
    same_file(&work.join("data"), &work.join("back"))?;
    let seen = tap.seen();
    if !agreed(&seen) {
        return wrong(format!("another algorithm was agreed on: {seen:?}"));
    }
    protection.check(&seen)
}

fn eight_at_once(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let share = context.server.share_dir("files");
    empty(&share)?;
    let port = context.server.port;
    let one = |index: usize| -> Checked {
        let own = work.join(index.to_string());
        fs::create_dir_all(own.join("there"))?;
        fs::create_dir_all(own.join("back"))?;
        make_big(&own.join("there/big"), CROWD_FILE, index as u64 + 11)?;
        for file in 0..50 {
            fs::write(own.join(format!("there/{file}")), format!("{index} {file}"))?;
        }
        let protection = ["off", "sign", "encrypt"][index % 3];
        let client =
            Smbclient::new(port, "files").option(format!("--client-protection={protection}"));
        let place = format!("mkdir c{index}; cd c{index}; prompt; lcd there; mput *");
        client.run(&own, &place)?;
        client.run(&own, &format!("cd c{index}; prompt; lcd back; mget *; ls"))?;
        same_tree(&own.join("there"), &own.join("back"))
    };
    let results: Vec<Checked> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CROWD).map(|index| scope.spawn(move || one(index))).collect();
        let ended = |client: thread::ScopedJoinHandle<'_, Checked>| {
            client.join().unwrap_or_else(|_| wrong("a client's thread panicked"))
        };
        clients.into_iter().map(ended).collect()
    });
    empty(&share)?;
    let errors: Vec<String> =
        results.into_iter().filter_map(Result::err).map(|e: Problem| e.to_string()).collect();
    if errors.is_empty() { Ok(()) } else { wrong(errors.join("; ")) }
}

/// SMB1's NEGOTIATE is answered with 0x02FF, and then a dialect is chosen by SMB2's.
fn multi_protocol(context: &Context<'_>) -> Checked {
    let work = context.env.work(context.name)?;
    let tap = Tap::open(context.server.port)?;
    let client = Smbclient::new(tap.port, "files").option("--option=client min protocol=NT1");
    client.run(&work, "ls")?;
    let seen = tap.seen();
    if seen.smb1 && seen.dialects == [0x02ff, 0x0311] {
        return Ok(());
    }
    wrong(format!("wanted SMB1, then 0x02ff and 0x0311: {seen:?}"))
}
