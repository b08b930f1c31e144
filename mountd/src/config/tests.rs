use std::path::Path;
use std::time::Duration;

use ksmbd_adduser::scratch::Scratch;
use ksmbd_core::config::Encryption;
use ksmbd_core::veto::Veto;
use ksmbd_core::wire::negotiate::Dialect;

use super::*;
use crate::account::Serving;
use crate::account::tests::accounts;

mod wrong_values;

const SHARE: &str = "[a]\npath = /tmp\n";

fn read(text: &str) -> Result<Loaded, Vec<ConfProblem>> {
    let file = ConfFile::parse(text.as_bytes(), Path::new("f"))?;
    Settings::read(&file, &accounts(&["alice", "bob"], Serving::Users))
}

fn shown(problems: &[ConfProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Settings of a file that nothing is said about.
fn right(text: &str) -> Settings {
    let loaded = read(text).unwrap_or_else(|problems| panic!("{:?}", shown(&problems)));
    assert_eq!(shown(&loaded.problems), Vec::<String>::new(), "{text}");
    loaded.settings
}

/// Settings, and the one problem with the file.
fn one_problem(text: &str) -> (Settings, String) {
    let loaded = read(text).unwrap_or_else(|problems| panic!("{:?}", shown(&problems)));
    let problems = shown(&loaded.problems);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    (loaded.settings, problems[0].clone())
}

/// The one error of a file that cannot be used.
fn unusable(text: &str) -> String {
    let problems = read(text).expect_err(text);
    let errors: Vec<_> = problems.iter().filter(|problem| problem.is_error()).collect();
    assert_eq!(errors.len(), 1, "{text}: {:?}", shown(&problems));
    errors[0].to_string()
}

fn global(text: &str) -> GlobalSettings {
    right(&format!("[global]\n{text}\n")).global
}

fn share(text: &str) -> ShareSettings {
    right(text).share("A").expect("case does not count").clone()
}

#[test]
fn an_empty_file_is_ksmbds_defaults() {
    let settings = right("");
    assert_eq!(settings.global, GlobalSettings::default());
    assert_eq!(settings.global.port, 445);
    assert_eq!(settings.shares.len(), 1);
    assert!(settings.shares[0].is_ipc() && settings.shares[0].guest_ok);
}

#[test]
fn global_settings_are_read() {
    let read = global(
        "tcp port = 4450\nserver string = Box\nnetbios name = BOX\nworkgroup = HOME\n\
         server min protocol = smb3_00\nserver max protocol = SMB3_02\n\
         server signing = Mandatory\nsmb3 encryption = mandatory\nsmb2 max read = 8MB\n\
         smb2 leases = yes\ndurable handles = yes\nstate directory = /s\nsmb2 max write = 64K\nsmb2 max trans = 0x20000\nsmb2 max credits = 512\n\
         max connections = 5\nmax ip connections = 0\nmax active sessions = 7\n\
         max open files = 8\ndeadtime = 3\nfailed logons = 4\nfailed logon delay = 2\nguest account = bob\nmap to guest = Bad User\n\
         restrict anonymous = 2\nshare:fake_fscaps = 64\ninterfaces = eth0, lo\n\
         bind interfaces only = yes\nserver multi channel support = yes",
    );
    let expected = GlobalSettings {
        port: 4450,
        interfaces: vec!["eth0".to_owned(), "lo".to_owned()],
        bind_interfaces_only: true,
        server_string: "Box".to_owned(),
        netbios_name: "BOX".to_owned(),
        workgroup: "HOME".to_owned(),
        min_dialect: Dialect::SMB_3_0,
        max_dialect: Dialect::SMB_3_0_2,
        require_signing: true,
        encryption: Encryption::Mandatory,
        leases: true,
        durable_handles: true,
        state_directory: "/s".into(),
        max_read: 8 << 20,
        max_write: 64 << 10,
        max_trans: 128 << 10,
        max_credits: 512,
        max_connections: 5,
        max_ip_connections: 65_536,
        max_sessions: 7,
        max_open_files: 8,
        deadtime: Duration::from_secs(180),
        failed_logons: 4,
        failed_logon_delay: Duration::from_secs(2),
        guest_account: "bob".to_owned(),
        map_to_guest: true,
        restrict_anonymous: true,
        root_directory: String::new(),
        fake_fscaps: 64,
        multi_channel: true,
        smbtorture_hooks: false,
    };
    assert_eq!(read, expected);
    let config = read.config([1; 16]);
    assert!(config.allow_anonymous && config.require_signing);
    assert_eq!((config.limits.opens, config.limits.idle_time.as_secs()), (8, 180));
    assert_eq!((config.limits.free_guesses, config.limits.guess_delay.as_secs()), (4, 2));
    assert_eq!(config.names.netbios_computer, "BOX");
}

#[test]
fn what_guards_something_must_be_understood() {
    for (line, what) in [
        ("smb3 encryption = manditory", "write auto, mandatory, disabled or enabled"),
        ("server signing = manditory", "write auto, mandatory, disabled or enabled"),
        ("server min protocol = SMB4", "SMB2_02, SMB2_10, SMB3_00, SMB3_02, SMB3_11"),
        ("server max protocol = NT1", "SMB2_02, SMB2_10, SMB3_00, SMB3_02, SMB3_11"),
        ("server max protocol = SMB2_02", "write a `server min protocol` that is not above it"),
        ("map to guest = bad usr", "write never or bad user"),
        ("restrict anonymous = yes", "write 0, 1 or 2"),
        ("tcp port = 0", "write a number from 1 to 65535"),
        ("bind interfaces only = yes", "name some with `interfaces`"),
    ] {
        let error = unusable(&format!("[global]\n{line}\n"));
        let (key, value) = line.split_once(" = ").expect("a line");
        assert!(error.starts_with(&format!("f:2: [global] {key}: `{value}` ")), "{error}");
        assert!(error.contains(what), "{error}");
    }
    let text = "[global]\nserver max protocol = SMB2_10\nsmb3 encryption = mandatory\n";
    assert!(unusable(text).contains("SMB2 has no encryption"));
}

#[test]
fn harmless_values_are_replaced_and_it_is_said() {
    for (line, what) in [
        ("smb2 max read = 16M", "16777216 bytes cannot be used, 8388608 are"),
        ("smb2 max write = 1", "1 bytes cannot be used, 65536 are"),
        ("smb2 max trans = lots", "`lots` is not a size, the default is used"),
        ("smb2 max credits = 70000", "70000 cannot be used, the default is"),
        ("max connections = 70000", "70000 is more than can be, 65536 is used"),
        ("deadtime = soon", "`soon` is not a number, the default is used"),
        ("netbios name = ABCDEFGHIJKLMNOP", "longer than 15 bytes, `ABCDEFGHIJKLMNO` is used"),
        ("netbios name = ABCDEFGHIJKLMN OP", "longer than 15 bytes, `ABCDEFGHIJKLMN` is used"),
        ("server min protocol = SMB3", "`SMB3` means SMB3_11"),
        ("server min protocol = NT1", "there is no SMB1 in this server; SMB2_02 is used"),
        ("server max protocol = SMB2", "it is taken for SMB2_10"),
        ("map to guest = bad password", "not supported, never is used"),
    ] {
        let (_, problem) = one_problem(&format!("[global]\n{line}\n"));
        assert!(problem.starts_with("f:2: [global] "), "{problem}");
        assert!(problem.contains(what), "{problem}");
    }
    let (settings, _) = one_problem("[global]\nserver min protocol = SMB3\n");
    assert_eq!(settings.global.min_dialect, Dialect::SMB_3_1_1);
    assert_eq!(global("server max protocol = SMB3").max_dialect, Dialect::SMB_3_1_1);
}

#[test]
fn a_share_has_ksmbds_defaults() {
    let share = share(SHARE);
    assert_eq!(share, ShareSettings::new(ksmbd_core::config::Share::disk("a", "/tmp")));
    assert!(share.browseable && !share.guest_ok && !share.writable);
    assert_eq!(share.max_connections, 128);
}

#[test]
fn share_settings_are_read() {
    let settings = share(
        "[a]\npath = /tmp\ncomment = Files\nbrowseable = no\nguest ok = yes\nread only = no\n\
         create mask = 0600\ndirectory mask = 0700\nforce create mode = 0040\n\
         force directory mode = 0050\nhide dot files = no\nstore dos attributes = no\n\
         inherit owner = yes\nveto files = /*.exe/.*/\nadmin users = alice\n\
         follow symlinks = yes\ncrossmnt = no\nmax connections = 3\nforce user = alice\n\
         force group = staff\nguest account = bob\nhosts allow = 10.\nhosts deny = ALL\n\
         vfs objects = streams_xattr\nstreams_xattr = Samba\nserver smb encrypt = Required\n\
         valid users = alice @staff\ninvalid users = bob\nread list = alice\nwrite list =\n",
    );
    let share = &settings.share;
    assert_eq!((share.path.as_str(), share.comment.as_str()), ("/tmp", "Files"));
    assert_eq!((share.create_mask, share.directory_mask), (0o600, 0o700));
    assert_eq!((share.force_create_mode, share.force_directory_mode), (0o40, 0o50));
    assert!(!share.hide_dot_files && !share.store_dos_attributes);
    assert!(share.follow_symlinks && !share.cross_mounts);
    assert!(share.streams && share.streams_nul && share.encrypt);
    assert!(share.inherit_owner && share.veto == Veto::new(["*.exe", ".*"]));
    assert!(settings.admin_users.is_some());
    assert!(!settings.browseable && settings.guest_ok && settings.writable);
    assert_eq!(settings.max_connections, 3);
    assert_eq!(settings.force_user.as_deref(), Some("alice"));
    assert_eq!(settings.force_group.as_deref(), Some("staff"));
    assert_eq!(settings.guest_account.as_deref(), Some("bob"));
    assert!(settings.hosts.permit("10.1.1.1".parse().expect("an address")));
    assert!(!settings.hosts.permit("11.1.1.1".parse().expect("an address")));
    assert!(settings.valid_users.is_some() && settings.invalid_users.is_some());
    // An empty value is as if the key were not there.
    assert!(settings.read_list.is_some() && settings.write_list.is_none());
}

#[test]
fn who_says_whether_a_share_is_writable() {
    for (global, own, expected) in [
        ("", "", false),
        ("", "read only = no", true),
        ("", "read only = yes", false),
        ("", "writable = yes", true),
        ("", "writeable = yes", true),
        ("", "write ok = yes", true),
        // The first of the three counts.
        ("", "write ok = yes\nwritable = no", false),
        ("read only = no", "", true),
        ("writable = yes", "", true),
        ("read only = no", "read only = yes", false),
        // ksmbd says no here: the share's own word is not heard.
        ("read only = yes", "writable = yes", true),
        ("read only = no", "writable = no", false),
        ("writable = yes", "read only = yes", false),
    ] {
        let text = format!("[global]\n{global}\n[a]\npath = /tmp\n{own}\n");
        assert_eq!(share(&text).writable, expected, "{text}");
    }
    let (settings, problem) = one_problem(&format!("{SHARE}read only = yes\nwritable = yes\n"));
    assert!(!settings.share("a").expect("the share").writable);
    assert!(problem.starts_with("f:4: [a] writable: `read only` says the contrary"), "{problem}");
}

#[test]
fn modules_that_are_here_are_taken() {
    let text = |line: &str| format!("[a]\npath = /tmp\nvfs objects = {line}\n");
    let modules = |settings: Settings| settings.share("a").expect("a").share.acl_xattr;
    assert!(modules(right(&text("acl_xattr"))));
    let (settings, problem) = one_problem(&text("catia acl_xattr"));
    assert!(modules(settings) && problem.contains("no module `catia`"), "{problem}");
}

#[test]
fn share_keys_in_global_are_every_shares_defaults() {
    let settings = right(
        "[global]\ncomment = Ours\nvalid users = alice\nmax connections = 9\nguest ok = no\n\
         [a]\npath = /tmp\n[b]\npath = /tmp\ncomment = B\nvalid users = bob\n",
    );
    let (a, b) = (settings.share("a").expect("a"), settings.share("b").expect("b"));
    assert_eq!((a.share.comment.as_str(), b.share.comment.as_str()), ("Ours", "B"));
    assert_ne!(a.valid_users, b.valid_users);
    // In [global] it is the server's limit, not every share's.
    assert_eq!((settings.global.max_connections, a.max_connections), (9, 128));
    let ipc = settings.share("IPC$").expect("ipc$");
    assert_eq!(ipc.valid_users, a.valid_users);
    assert!(ipc.guest_ok, "[global] does not say it for IPC$");
}

#[test]
fn a_path_is_whole_and_begins_with_the_root_directory() {
    let settings = right("[global]\nroot directory = /t\n[a]\npath = mp\n");
    assert_eq!(settings.share("a").expect("a").share.path, "/tmp");
    let (settings, problem) = one_problem("[a]\npath = /nonexistent/disk\n");
    assert!(settings.share("a").is_some(), "it may be plugged in later");
    assert!(problem.contains("there is no directory `/nonexistent/disk` now"), "{problem}");
    let settings = right("[a]\npath = /tmp/%U\n");
    assert_eq!(settings.share("a").expect("a").share.path, "/tmp/%U", "as it is written");
    let (_, problem) = one_problem("[a]\npath = /nonexistent/of/%U/%S\n");
    assert!(problem.contains("there is no directory `/nonexistent/of/` now"), "{problem}");
    let scratch = Scratch::new("literal-percent");
    let literal = scratch.path().join("100%S");
    std::fs::create_dir(&literal).expect("a directory");
    let (settings, problem) = one_problem(&format!("[a]\npath = {}\n", literal.display()));
    assert!(settings.share("a").expect("a").pattern.is_none());
    assert!(problem.contains("100%S`: it is served as it is; rename it if"), "{problem}");
}

#[test]
fn an_error_in_a_share_keeps_that_share_away_and_no_other() {
    for (lines, expected) in [
        ("comment = x", "f:4: [b] the share has no path; it is not served; write `path = "),
        ("path = tmp", "f:5: [b] path: `tmp` does not begin with /; write the whole path"),
        ("path = /home/%m", "[b] path: `%m` is not known, and `/home/%m` is not there; write "),
        ("path = /tmp\nread only = maybe", "f:6: [b] read only: `maybe` is not a boolean"),
        ("path = /tmp\nforce user = eve", "f:6: [b] force user: there is no Unix user `eve`"),
        ("path = /tmp\nforce group = x", "f:6: [b] force group: there is no group `x`"),
        ("path = /tmp\nguest account = eve", "guest account: there is no Unix user `eve`"),
        ("path = /tmp\nhosts allow = server", "hosts allow: `server` cannot be used"),
        ("path = /tmp\nhosts deny = 1. EXCEPT 2. EXCEPT 3.", "hosts deny: a second EXCEPT"),
        ("path = /tmp\ninvalid users = &net", "invalid users: `&net` cannot be used"),
        ("path = /tmp\nvalid users = %U", "valid users: `%U` cannot be used"),
    ] {
        let text = format!("# \n[a]\npath = /tmp\n[b]\n{lines}\n");
        let (settings, problem) = one_problem(&text);
        assert!(settings.share("a").is_some() && settings.share("b").is_none(), "{text}");
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn an_error_that_reaches_ipc_stops_the_load_and_is_said_once() {
    let error = unusable("[global]\nhosts allow = server\n[a]\npath = /tmp\n[b]\npath = /tmp\n");
    assert!(error.starts_with("f:2: [global] hosts allow: `server` cannot be used"), "{error}");
    unusable("[ipc$]\nhosts deny = server\n");
}

#[test]
fn guests_whom_nobody_knows_are_warned_about() {
    let global = "[global]\nguest account = eve\n";
    for text in
        [format!("{global}map to guest = bad user\n"), format!("{global}{SHARE}guest ok = yes\n")]
    {
        let (_, problem) = one_problem(&text);
        let expected = "f:2: [global] guest account: there is no Unix user `eve`: guests are refused; useradd it";
        assert_eq!(problem, expected);
    }
    for text in ["", "guest ok = yes\nguest account = bob\n"] {
        let text = format!("{global}{SHARE}{text}");
        let problems = read(&text).expect("loads").problems;
        assert!(problems.is_empty(), "{text}: {problems:?}");
    }
}

#[test]
fn names_nobody_has_are_warned_about() {
    let (_, problem) = one_problem(&format!("{SHARE}valid users = alice eve\n"));
    assert_eq!(
        problem,
        "f:3: [a] valid users: there is no account `eve`; add it with ksmbd.adduser, or remove \
         it here"
    );
}

#[test]
fn the_own_section_of_ipc_is_read() {
    let settings = right("[IPC$]\ncomment = Pipes\nguest ok = no\nmax connections = 4\n");
    assert_eq!(settings.shares.len(), 1);
    let ipc = &settings.shares[0];
    assert!(ipc.is_ipc() && !ipc.guest_ok && ipc.share.path.is_empty());
    assert_eq!((ipc.share.comment.as_str(), ipc.max_connections), ("Pipes", 4));
}

#[test]
fn without_root_some_keys_have_no_effect() {
    for line in
        ["force user = alice", "force group = staff", "admin users = alice", "inherit owner = yes"]
    {
        let myself = Serving::Myself { uid: 1, gid: 1, groups: vec![] };
        let text = format!("{SHARE}{line}\n");
        let file = ConfFile::parse(text.as_bytes(), Path::new("f")).expect("right");
        let loaded = Settings::read(&file, &accounts(&["alice"], myself)).expect("loads");
        let problems = shown(&loaded.problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let (key, _) = line.split_once(" =").expect("a line");
        let start = format!("f:3: [a] {key}: it has no effect: only root can be somebody else");
        assert!(problems[0].starts_with(&start), "{problems:?}");
    }
}

#[test]
fn vetoes_are_between_slashes() {
    let (settings, problem) = one_problem(&format!("{SHARE}veto files = *.exe/x\n"));
    let share = &settings.share("a").expect("the share").share;
    assert!(share.veto.matches("a.exe") && share.veto.matches("X"));
    assert_eq!(
        problem,
        "f:3: [a] veto files: it does not begin with /, so ksmbd would drop its first letter; \
         write /*.exe/x/"
    );
    let (_, problem) = one_problem(&format!("{SHARE}veto files = //\n"));
    assert!(problem.contains("it names no file; write patterns between slashes"), "{problem}");
}

#[test]
fn a_file_of_sambas_loads_with_warnings() {
    let loaded = read(
        "[global]\n   workgroup = HOME\n   server role = standalone server\n\
         \x20  log file = /var/log/samba/log.m\n   map to guest = bad user\n\
         [homes]\n   comment = Home Directories\n   browseable = no\n\
         [printers]\n   path = /var/spool\n   printable = yes\n   create mask = 0700\n\
         [data]\n   path = /tmp\n   public = yes\n   browsable = no\n   write ok = yes\n\
         \x20  create mode = 0640\n",
    )
    .expect("loads");
    let data = loaded.settings.share("data").expect("a share");
    assert!(data.guest_ok && !data.browseable && data.writable);
    assert_eq!(data.share.create_mask, 0o640);
    assert!(loaded.settings.share("homes").is_none(), "it has no path");
    let problems = shown(&loaded.problems);
    assert!(problems.iter().any(|text| text.contains("server role: there is no such key")));
    assert!(loaded.settings.share("printers").is_none(), "{problems:?}");
}

#[test]
fn a_line_that_says_nothing_stops_the_load() {
    assert!(unusable("[a]\npath = /tmp\njunk\n").starts_with("f:3: [a] `junk` is neither"));
    let problems = Settings::load(Path::new("/nonexistent/f"), &accounts(&[], Serving::Users));
    let problem = problems.expect_err("no file")[0].to_string();
    assert!(problem.starts_with("/nonexistent/f: cannot read it: "), "{problem}");
    assert!(problem.ends_with("create the file, or name another with -C"), "{problem}");
}

/// A handle that outlives the server is a durable one first.
#[test]
fn availability_needs_durable_handles() {
    let wanted = "[a]\npath = /tmp\ncontinuous availability = yes\n";
    let settings = right(&format!("[global]\ndurable handles = yes\n{wanted}[b]\npath = /tmp\n"));
    let continuous = |name| settings.share(name).expect("served").share.continuous;
    assert!(continuous("a") && !continuous("b") && !continuous("IPC$"));
    let (settings, problem) = one_problem(wanted);
    assert!(!settings.share("a").expect("served").share.continuous);
    assert_eq!(
        problem,
        "f:3: [a] continuous availability: it has no effect without `durable handles`; write \
         `durable handles = yes` in [global]"
    );
    let (settings, problem) = one_problem(
        "[global]\ndurable handles = yes\n[a]\npath = /tmp/%U\ncontinuous availability = yes\n",
    );
    assert!(!settings.share("a").expect("served").share.continuous);
    assert_eq!(
        problem,
        "f:5: [a] continuous availability: it has no effect where `path` has variables; name one \
         directory with `path`"
    );
}
