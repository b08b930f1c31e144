//! Users and groups of the machine.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// A user's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixUser {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
}

/// A group, and who is listed in it. Users whose primary group it is need not be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixGroup {
    /// The group.
    pub gid: u32,
    /// Names.
    pub members: Vec<String>,
}

/// Users and groups cannot be looked up now: the log says why. It is not that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupFailed;

impl fmt::Display for LookupFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("users and groups of the machine cannot be looked up")
    }
}

impl std::error::Error for LookupFailed {}

/// What a look-up comes to; `None` is for sure.
pub type Found<T> = Result<Option<T>, LookupFailed>;

/// Where users and groups are looked up. Who decides something by them has to know whether there is
/// nobody of the name, or nobody can say: a user that is kept out must not get in because the machine
/// that knows about it is down.
pub trait UnixSource: Send + Sync {
    /// The user of a name.
    ///
    /// # Errors
    ///
    /// [`LookupFailed`], here and below.
    fn user(&self, name: &str) -> Found<UnixUser>;
    /// The group of a name.
    ///
    /// # Errors
    ///
    /// See above.
    fn group(&self, name: &str) -> Found<UnixGroup>;
    /// The name of a user's number.
    ///
    /// # Errors
    ///
    /// See above.
    fn user_name(&self, uid: u32) -> Found<String>;
    /// The name of a group's number.
    ///
    /// # Errors
    ///
    /// See above.
    fn group_name(&self, gid: u32) -> Found<String>;
    /// All groups of a user, `gid` among them.
    ///
    /// # Errors
    ///
    /// See above.
    fn groups_of(&self, name: &str, gid: u32) -> Result<Vec<u32>, LookupFailed>;
}

/// Users and groups that are always at hand.
pub trait UnixNames: Send + Sync {
    /// The user of a name.
    fn user(&self, name: &str) -> Option<UnixUser>;
    /// The group of a name.
    fn group(&self, name: &str) -> Option<UnixGroup>;
    /// The name of a user's number.
    fn user_name(&self, uid: u32) -> Option<String>;
    /// The name of a group's number.
    fn group_name(&self, gid: u32) -> Option<String>;
    /// All groups of a user, `gid` among them.
    fn groups_of(&self, name: &str, gid: u32) -> Vec<u32>;
}

impl<T: UnixNames> UnixSource for T {
    fn user(&self, name: &str) -> Found<UnixUser> {
        Ok(UnixNames::user(self, name))
    }

    fn group(&self, name: &str) -> Found<UnixGroup> {
        Ok(UnixNames::group(self, name))
    }

    fn user_name(&self, uid: u32) -> Found<String> {
        Ok(UnixNames::user_name(self, uid))
    }

    fn group_name(&self, gid: u32) -> Found<String> {
        Ok(UnixNames::group_name(self, gid))
    }

    fn groups_of(&self, name: &str, gid: u32) -> Result<Vec<u32>, LookupFailed> {
        Ok(UnixNames::groups_of(self, name, gid))
    }
}

/// The machine's own users and groups.
///
/// A static binary has no name service switch: glibc would load its modules from the disk, if they
/// are there and of the right version. Small devices keep everybody in the two files.
pub fn machine() -> Box<dyn UnixSource> {
    if cfg!(target_feature = "crt-static") { Box::new(Files::etc()) } else { Box::new(NameService) }
}

/// The name service switch: files, LDAP, winbind, whatever the machine has.
#[derive(Clone, Copy, Debug)]
pub struct NameService;

impl UnixSource for NameService {
    fn user(&self, name: &str) -> Found<UnixUser> {
        let found = known(User::from_name(name), format_args!("user `{name}`"))?;
        Ok(found.map(|user| UnixUser { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    fn group(&self, name: &str) -> Found<UnixGroup> {
        let found = known(Group::from_name(name), format_args!("group `{name}`"))?;
        Ok(found.map(|group| UnixGroup { gid: group.gid.as_raw(), members: group.mem }))
    }

    fn user_name(&self, uid: u32) -> Found<String> {
        let found = known(User::from_uid(Uid::from_raw(uid)), format_args!("user {uid}"))?;
        Ok(found.map(|user| user.name))
    }

    fn group_name(&self, gid: u32) -> Found<String> {
        let found = known(Group::from_gid(Gid::from_raw(gid)), format_args!("group {gid}"))?;
        Ok(found.map(|group| group.name))
    }

    fn groups_of(&self, name: &str, gid: u32) -> Result<Vec<u32>, LookupFailed> {
        let groups = CString::new(name)
            .map_err(|_| nix::Error::EINVAL)
            .and_then(|name| getgrouplist(&name, Gid::from_raw(gid)))
            .map_err(|error| failed(format_args!("groups of `{name}`"), error))?;
        Ok(groups.into_iter().map(Gid::as_raw).collect())
    }
}

/// Some name services say by an error that there is nobody (getpwnam(3) lists which).
fn known<T>(found: nix::Result<Option<T>>, what: fmt::Arguments<'_>) -> Found<T> {
    use nix::errno::Errno::{EBADF, ENOENT, EPERM, ESRCH};
    match found {
        Ok(found) => Ok(found),
        Err(ENOENT | ESRCH | EBADF | EPERM) => Ok(None),
        Err(error) => Err(failed(what, error)),
    }
}

fn failed(what: fmt::Arguments<'_>, error: nix::Error) -> LookupFailed {
    log::warn!("cannot look up the {what}: {error}");
    LookupFailed
}

/// `passwd` and `group`, read anew at each question: they are small, and never stale.
#[derive(Clone, Debug)]
pub struct Files {
    passwd: PathBuf,
    group: PathBuf,
}

impl Files {
    /// `/etc/passwd` and `/etc/group`.
    pub fn etc() -> Self {
        Self::new("/etc/passwd", "/etc/group")
    }

    /// Two files of that form.
    pub fn new(passwd: impl Into<PathBuf>, group: impl Into<PathBuf>) -> Self {
        Self { passwd: passwd.into(), group: group.into() }
    }

    fn group_lines(&self) -> Result<Vec<(String, UnixGroup)>, LookupFailed> {
        Ok(read(&self.group)?.lines().filter_map(group_line).collect())
    }
}

impl UnixSource for Files {
    fn user(&self, name: &str) -> Found<UnixUser> {
        let passwd = read(&self.passwd)?;
        let mut users = passwd.lines().filter_map(passwd_line);
        Ok(users.find(|(user, _)| *user == name).map(|(_, user)| user))
    }

    fn group(&self, name: &str) -> Found<UnixGroup> {
        let mut groups = self.group_lines()?.into_iter();
        Ok(groups.find(|(group, _)| group == name).map(|(_, group)| group))
    }

    fn user_name(&self, uid: u32) -> Found<String> {
        let passwd = read(&self.passwd)?;
        let mut users = passwd.lines().filter_map(passwd_line);
        Ok(users.find(|(_, user)| user.uid == uid).map(|(name, _)| name.to_owned()))
    }

    fn group_name(&self, gid: u32) -> Found<String> {
        let mut groups = self.group_lines()?.into_iter();
        Ok(groups.find(|(_, group)| group.gid == gid).map(|(name, _)| name))
    }

    fn groups_of(&self, name: &str, gid: u32) -> Result<Vec<u32>, LookupFailed> {
        let mut groups = vec![gid];
        for (_, group) in self.group_lines()? {
            if group.members.iter().any(|member| member == name) && !groups.contains(&group.gid) {
                groups.push(group.gid);
            }
        }
        Ok(groups)
    }
}

/// A file that is not there has nobody in it.
fn read(path: &PathBuf) -> Result<String, LookupFailed> {
    match fs::read(path) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) => {
            log::warn!("{}: cannot read it: {error}", path.display());
            if error.kind() == io::ErrorKind::NotFound {
                Ok(String::new())
            } else {
                Err(LookupFailed)
            }
        }
    }
}

/// `name:password:uid:gid:…` (passwd(5)).
fn passwd_line(line: &str) -> Option<(&str, UnixUser)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((name, UnixUser { uid, gid }))
}

/// `name:password:gid:member,member` (group(5)).
fn group_line(line: &str) -> Option<(String, UnixGroup)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = fields.nth(1)?.parse().ok()?;
    let members = fields.next().unwrap_or_default().split(',');
    let members = members.filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Some((name.to_owned(), UnixGroup { gid, members }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ksmbd_adduser::scratch::Scratch;

    fn files(scratch: &Scratch) -> Files {
        let passwd = scratch.file(
            "passwd",
            "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100:A:/home/alice:/bin/sh\n\
             junk\n:x:5:5::/:/\nbob:x:nine:100::/:/\n",
        );
        let group = scratch.file(
            "group",
            "root:x:0:\nusers:x:100:\nstaff:x:50:alice,bob\nwheel:x:10:alice\nbad:x:y:alice\n",
        );
        Files::new(passwd, group)
    }

    #[test]
    fn files_are_read_line_by_line_and_wrong_lines_are_nobody() {
        let scratch = Scratch::new("unix-files");
        let files = files(&scratch);
        assert_eq!(files.user("alice"), Ok(Some(UnixUser { uid: 1000, gid: 100 })));
        assert_eq!(files.user("bob"), Ok(None));
        assert_eq!(files.user(""), Ok(None));
        assert_eq!(files.groups_of("alice", 100), Ok(vec![100, 50, 10]));
        assert_eq!(files.groups_of("carol", 7), Ok(vec![7]));
        let staff = files.group("staff").expect("looked up").expect("a group");
        assert_eq!((staff.gid, staff.members), (50, vec!["alice".to_owned(), "bob".to_owned()]));
        assert_eq!(files.group("bad"), Ok(None));
        assert_eq!(files.user_name(1000), Ok(Some("alice".to_owned())));
        assert_eq!(files.user_name(5), Ok(None));
        assert_eq!(files.group_name(10), Ok(Some("wheel".to_owned())));
        assert_eq!(files.group_name(11), Ok(None));
    }

    #[test]
    fn missing_files_have_nobody() {
        let files = Files::new("/nonexistent/passwd", "/nonexistent/group");
        assert_eq!(files.user("root"), Ok(None));
        assert_eq!(files.groups_of("root", 0), Ok(vec![0]));
    }

    #[test]
    fn files_that_cannot_be_read_are_not_empty() {
        let scratch = Scratch::new("unix-unreadable");
        // A directory cannot, whoever reads it.
        let files = Files::new(scratch.path(), scratch.path());
        assert_eq!(files.user("root"), Err(LookupFailed));
        assert_eq!(files.group("root"), Err(LookupFailed));
        assert_eq!(files.user_name(0), Err(LookupFailed));
        assert_eq!(files.group_name(0), Err(LookupFailed));
        assert_eq!(files.groups_of("root", 0), Err(LookupFailed));
    }

    #[test]
    fn some_errors_say_that_there_is_nobody() {
        let look = |error| known::<()>(Err(error), format_args!("user"));
        assert_eq!(look(nix::Error::ENOENT), Ok(None));
        assert_eq!(look(nix::Error::ESRCH), Ok(None));
        assert_eq!(look(nix::Error::ECONNREFUSED), Err(LookupFailed));
        assert_eq!(look(nix::Error::EMFILE), Err(LookupFailed));
    }

    #[test]
    fn both_sources_agree_about_root() {
        let root = NameService.user("root").expect("looked up").expect("root");
        assert_eq!(root.uid, 0);
        assert_eq!(Files::etc().user("root"), Ok(Some(root)));
        assert_eq!(NameService.user_name(0), Files::etc().user_name(0));
        assert_eq!(NameService.group_name(0), Files::etc().group_name(0));
        assert!(NameService.groups_of("root", 0).expect("looked up").contains(&0));
        assert_eq!(NameService.user("no such user, surely"), Ok(None));
    }
}
