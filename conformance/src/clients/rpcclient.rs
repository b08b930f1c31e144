//! Samba's `rpcclient` asks the pipes: srvsvc, wkssvc, lsarpc, samr.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{Check, Checked, Context, wrong};
use crate::config::USERS;
use crate::process::{Output, run};

const LIMIT: Duration = Duration::from_secs(30);
/// The default `netbios name`, which is the name of the accounts' domain.
const DOMAIN: &str = "KSMBD SERVER";

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("clients.rpcclient.srvsvc", srvsvc),
        Check::new("clients.rpcclient.wkssvc", wkssvc),
        Check::new("clients.rpcclient.policy", policy),
        Check::new("clients.rpcclient.names", names),
        Check::new("clients.rpcclient.accounts", accounts),
        Check::new("clients.rpcclient.account", account),
        Check::new("clients.rpcclient.anonymous", anonymous),
    ]
}

/// For a server with `map to guest = bad user`.
pub(crate) fn guest_checks() -> Vec<Check> {
    vec![Check::new("clients.guest.names", guest)]
}

/// Runs one command, whatever comes of it. None is the first user.
fn attempt(context: &Context<'_>, login: Option<&str>, command: &str) -> Checked<Output> {
    let user = login.map_or_else(|| format!("{}%{}", USERS[0].0, USERS[0].1), str::to_owned);
    let mut rpcclient = Command::new("rpcclient");
    rpcclient
        .args(["-s", "/dev/null", "-p", &context.server.port.to_string()])
        .args(["-U", &user, "127.0.0.1", "-c", command])
        .env("LC_ALL", "C.UTF-8");
    if login.is_some() {
        // Who has proved nothing has no key.
        rpcclient.arg("--option=client ipc signing = off");
    }
    Ok(run(&mut rpcclient, b"", LIMIT)?)
}

/// Runs one command, which must succeed and say all of `wanted`.
fn ask(context: &Context<'_>, command: &str, wanted: &[&str]) -> Checked<String> {
    let output = attempt(context, None, command)?;
    let all = output.all();
    if !output.success() || all.contains("NT_STATUS_") || all.contains("result was") {
        return wrong(format!("rpcclient -c {command:?}: {}: {}", output.ending(), output.tail()));
    }
    match wanted.iter().find(|wanted| !all.contains(**wanted)) {
        Some(missing) => wrong(format!("{command:?} does not say {missing:?}: {}", output.tail())),
        None => Ok(output.stdout),
    }
}

/// What stands behind `label` in an answer.
fn field<'a>(answer: &'a str, label: &str) -> Checked<&'a str> {
    match answer.split_once(label) {
        Some((_, rest)) => Ok(rest.split_whitespace().next().unwrap_or_default()),
        None => wrong(format!("no {label:?} in {answer:?}")),
    }
}

fn srvsvc(context: &Context<'_>) -> Checked {
    ask(context, "srvinfo", &[DOMAIN, "SMB SERVER", "platform_id     :\t500"])?;
    for level in ["1", "2", "502"] {
        let list = ask(
            context,
            &format!("netshareenumall {level}"),
            &["netname: IPC$", "netname: files", "netname: restricted"],
        )?;
        if list.contains("hidden") {
            return wrong(format!("level {level} lists what is hidden"));
        }
    }
    ask(context, "netshareenumall 1", &["remark:\tFiles of all users"])?;
    ask(context, "netsharegetinfo files", &["netname: files", "type:\t0x0"])?;
    ask(context, "netsharegetinfo hidden 1", &["netname: hidden"])?;
    let output = attempt(context, None, "netsharegetinfo nosuch")?;
    if !output.all().contains("NETNAMENOTFOUND") {
        return wrong(format!("a share that is not there: {}", output.tail()));
    }
    Ok(())
}

fn wkssvc(context: &Context<'_>) -> Checked {
    for level in ["100", "101", "102"] {
        ask(context, &format!("wkssvc_wkstagetinfo {level}"), &[])?;
    }
    ask(context, "wkssvc_getjoininformation", &["WORKGROUP (2)"])?;
    Ok(())
}

/// Which machine this is: the SID is what `ksmbd.subauth` beside the configuration has.
fn policy(context: &Context<'_>) -> Checked {
    let subauth = fs::read_to_string(context.server.dir.join("ksmbd.subauth"))?;
    let machine = format!("S-1-5-21-{}", subauth.trim().replace(':', "-"));
    ask(context, "lsaquery", &["Domain Name: WORKGROUP", "(NULL SID)"])?;
    let account = format!("Domain Sid: {machine}\n");
    ask(context, "lsaquery 5", &[&format!("Domain Name: {DOMAIN}"), &account])?;
    ask(context, "lsaquery 12", &["Domain NetBios Name: WORKGROUP"])?;
    ask(context, "dsroledominfo", &["Machine Role = [2]"])?;
    ask(context, "getusername", &[&format!("Account Name: {}", USERS[0].0), DOMAIN])?;
    ask(context, "enumdomains", &[DOMAIN, "BUILTIN"])?;
    ask(context, "lookupdomain BUILTIN", &["S-1-5-32"])?;
    ask(context, "querydominfo", &["Domain:\t\tKSMBD SERVER", "Total Users:\t2"])?;
    Ok(())
}

/// Names to SIDs and back, as a tab of permissions does it.
fn names(context: &Context<'_>) -> Checked {
    for (name, sid, back) in [
        ("Everyone", "S-1-1-0", "\\Everyone (5)"),
        ("SYSTEM", "S-1-5-18", "NT AUTHORITY\\SYSTEM (5)"),
        ("Administrators", "S-1-5-32-544", "BUILTIN\\Administrators (4)"),
        ("root", "S-1-22-1-0", "Unix User\\root (1)"),
        ("'Unix Group\\root'", "S-1-22-2-0", "Unix Group\\root (2)"),
    ] {
        ask(context, &format!("lookupnames {name}"), &[sid])?;
        ask(context, &format!("lookupsids {sid}"), &[&format!("{sid} {back}")])?;
    }
    let user = USERS[1].0;
    let answer = ask(context, &format!("lookupnames {user}"), &["(User: 1)"])?;
    let sid = field(&answer, &format!("{user} "))?;
    ask(context, &format!("lookupsids {sid}"), &[&format!("{DOMAIN}\\{user} (1)")])?;
    ask(context, "lookupnames_level 1 Everyone", &["S-1-1-0"])?;
    // What one of several has, the others need not have.
    let answer = ask(context, "lookupnames root nosuch", &["S-1-22-1-0"])?;
    if !answer.contains("UNKNOWN") {
        return wrong(format!("a name that nobody has: {answer}"));
    }
    let output = attempt(context, None, "lookupsids S-1-5-21-1-2-3-4")?;
    if !output.all().contains("*unknown*\\*unknown* (8)") {
        return wrong(format!("a SID that nobody has: {}", output.tail()));
    }
    Ok(())
}

fn accounts(context: &Context<'_>) -> Checked {
    let users: Vec<String> = USERS.iter().map(|(user, _)| format!("user:[{user}]")).collect();
    ask(context, "enumdomusers", &[&users[0], &users[1]])?;
    ask(context, "querydispinfo", &[&format!("Account: {}", USERS[0].0)])?;
    ask(context, "enumalsgroups builtin", &["group:[Users] rid:[0x221]"])?;
    ask(context, "enumdomgroups", &[])?;
    ask(context, "samlookupnames builtin Guests", &["0x222"])?;
    ask(context, "getdompwinfo", &["min_password_length: 0"])?;
    Ok(())
}

/// One account by its name and by its number: both are the same.
fn account(context: &Context<'_>) -> Checked {
    let user = USERS[1].0;
    let by_name = ask(context, &format!("queryuser {user}"), &[&format!("User Name   :\t{user}")])?;
    let number = field(&by_name, "user_rid :")?;
    let by_number = ask(context, &format!("queryuser {number}"), &[])?;
    if by_name != by_number {
        return wrong(format!("by number: {by_number}, by name: {by_name}"));
    }
    ask(context, &format!("samlookuprids domain {number}"), &[&format!("{user} (1)")])?;
    ask(context, &format!("queryusergroups {number}"), &["group rid:"])?;
    ask(context, &format!("getusrdompwinfo {number}"), &["min_password_length"])?;
    let output = attempt(context, None, "queryuser nosuch")?;
    if !output.all().contains("NT_STATUS_NONE_MAPPED") {
        return wrong(format!("an account that is not there: {}", output.tail()));
    }
    Ok(())
}

/// Without a name one sees the shares, and not who there is.
fn anonymous(context: &Context<'_>) -> Checked {
    for command in ["srvinfo", "netshareenumall 1", "wkssvc_wkstagetinfo 100"] {
        let output = attempt(context, Some("%"), command)?;
        if !output.success() {
            return wrong(format!("{command}: {}", output.tail()));
        }
    }
    learns_no_names(context, "%")
}

/// A guest has a name and no password: he has not logged on as anybody.
fn guest(context: &Context<'_>) -> Checked {
    let output = attempt(context, Some("nosuch%any"), "srvinfo")?;
    if !output.success() {
        return wrong(format!("srvinfo: {}", output.tail()));
    }
    learns_no_names(context, "nosuch%any")
}

fn learns_no_names(context: &Context<'_>, login: &str) -> Checked {
    for command in ["lsaquery", "lookupnames root", "enumdomusers", "queryuser 1", "enumdomains"] {
        let output = attempt(context, Some(login), command)?;
        if !output.all().contains("NT_STATUS_ACCESS_DENIED") {
            return wrong(format!("{command}: {}", output.tail()));
        }
    }
    Ok(())
}
