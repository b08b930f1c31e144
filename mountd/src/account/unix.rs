//! Users and groups of the machine.

use std::ffi::CString;
use std::fs;
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

/// Where users and groups are looked up.
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

/// The machine's own users and groups.
///
/// A static binary has no name service switch: glibc would load its modules from the disk, if they
/// are there and of the right version. Small devices keep everybody in the two files.
pub fn machine() -> Box<dyn UnixNames> {
    if cfg!(target_feature = "crt-static") { Box::new(Files::etc()) } else { Box::new(NameService) }
}

/// The name service switch: files, LDAP, winbind, whatever the machine has.
#[derive(Clone, Copy, Debug)]
pub struct NameService;

impl UnixNames for NameService {
    fn user(&self, name: &str) -> Option<UnixUser> {
        let found = User::from_name(name).unwrap_or_else(|error| {
            log::warn!("cannot look up the user `{name}`: {error}");
            None
        });
        found.map(|user| UnixUser { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    fn group(&self, name: &str) -> Option<UnixGroup> {
        let found = Group::from_name(name).unwrap_or_else(|error| {
            log::warn!("cannot look up the group `{name}`: {error}");
            None
        });
        found.map(|group| UnixGroup { gid: group.gid.as_raw(), members: group.mem })
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        let found = User::from_uid(Uid::from_raw(uid)).unwrap_or_else(|error| {
            log::warn!("cannot look up the user {uid}: {error}");
            None
        });
        found.map(|user| user.name)
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        let found = Group::from_gid(Gid::from_raw(gid)).unwrap_or_else(|error| {
            log::warn!("cannot look up the group {gid}: {error}");
            None
        });
        found.map(|group| group.name)
    }

    fn groups_of(&self, name: &str, gid: u32) -> Vec<u32> {
        let groups = CString::new(name)
            .map_err(|_| nix::Error::EINVAL)
            .and_then(|name| getgrouplist(&name, Gid::from_raw(gid)));
        match groups {
            Ok(groups) => groups.into_iter().map(Gid::as_raw).collect(),
            Err(error) => {
                log::warn!(
                    "cannot look up the groups of `{name}`: {error}; the primary one counts"
                );
                vec![gid]
            }
        }
    }
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

    fn group_lines(&self) -> Vec<(String, UnixGroup)> {
        read(&self.group).lines().filter_map(group_line).collect()
    }
}

impl UnixNames for Files {
    fn user(&self, name: &str) -> Option<UnixUser> {
        let passwd = read(&self.passwd);
        let mut users = passwd.lines().filter_map(passwd_line);
        users.find(|(user, _)| *user == name).map(|(_, user)| user)
    }

    fn group(&self, name: &str) -> Option<UnixGroup> {
        self.group_lines().into_iter().find(|(group, _)| group == name).map(|(_, group)| group)
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        let passwd = read(&self.passwd);
        let mut users = passwd.lines().filter_map(passwd_line);
        users.find(|(_, user)| user.uid == uid).map(|(name, _)| name.to_owned())
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        let mut groups = self.group_lines().into_iter();
        groups.find(|(_, group)| group.gid == gid).map(|(name, _)| name)
    }

    fn groups_of(&self, name: &str, gid: u32) -> Vec<u32> {
        let mut groups = vec![gid];
        for (_, group) in self.group_lines() {
            if group.members.iter().any(|member| member == name) && !groups.contains(&group.gid) {
                groups.push(group.gid);
            }
        }
        groups
    }
}

fn read(path: &PathBuf) -> String {
    match fs::read(path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            log::warn!("{}: cannot read it: {error}", path.display());
            String::new()
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
        assert_eq!(files.user("alice"), Some(UnixUser { uid: 1000, gid: 100 }));
        assert_eq!(files.user("bob"), None);
        assert_eq!(files.user(""), None);
        assert_eq!(files.groups_of("alice", 100), [100, 50, 10]);
        assert_eq!(files.groups_of("carol", 7), [7]);
        let staff = files.group("staff").expect("a group");
        assert_eq!((staff.gid, staff.members), (50, vec!["alice".to_owned(), "bob".to_owned()]));
        assert_eq!(files.group("bad"), None);
        assert_eq!(files.user_name(1000), Some("alice".to_owned()));
        assert_eq!(files.user_name(5), None);
        assert_eq!(files.group_name(10), Some("wheel".to_owned()));
        assert_eq!(files.group_name(11), None);
    }

    #[test]
    fn missing_files_have_nobody() {
        let files = Files::new("/nonexistent/passwd", "/nonexistent/group");
        assert_eq!(files.user("root"), None);
        assert_eq!(files.groups_of("root", 0), [0]);
    }

    #[test]
    fn both_sources_agree_about_root() {
        assert_eq!(NameService.user("root").map(|user| user.uid), Some(0));
        assert_eq!(Files::etc().user("root"), NameService.user("root"));
        assert_eq!(NameService.user_name(0), Files::etc().user_name(0));
        assert_eq!(NameService.group_name(0), Files::etc().group_name(0));
        assert!(NameService.groups_of("root", 0).contains(&0));
        assert_eq!(NameService.user("no such user, surely"), None);
    }
}
