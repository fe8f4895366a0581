//! `--user` and `--group-add`: who a process is, by the container's own /etc/passwd and /etc/group.

use std::collections::BTreeSet;

use crate::sys::userns;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// User ID.
    pub(crate) uid: u32,
    /// Group ID.
    pub(crate) gid: u32,
    /// All groups, the primary one among them: a process whose list lacked it could give it up to get around a
    /// permission that the group is denied (CVE-2022-2989).
    pub(crate) groups: Vec<u32>,
    /// Home directory by /etc/passwd, else `/`.
    pub(crate) home: String,
}

impl User {
    /// Fits it to a user namespace with these maps of IDs: leaves out groups that are not there, or all of them where a process may not
    /// have several (`user_namespaces(7)`, `setgroups`).
    ///
    /// # Errors
    /// The text for the user when its own IDs are not there.
    pub(crate) fn fit(&mut self, users: &str, groups: &str, may_set_groups: bool) -> Result<(), String> {
        for (id, map, what, file) in [(self.uid, users, "user", "subuid"), (self.gid, groups, "group", "subgid")] {
            if !userns::has_id(map, id) {
                return Err(format!(
                    "{what} ID {id} cannot be had without root: /etc/{file} gives this user no such ID, or newuidmap (package \
                     uidmap) is missing; use another --user, or run as root"
                ));
            }
        }
        self.groups.retain(|&id| may_set_groups && userns::has_id(groups, id));
        Ok(())
    }
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Finds who `user` (`name|uid[:group|gid]`, empty for root) is, with `additional` groups.
///
/// A number is a user ID, never the name of a user that is called so, and needs no entry in /etc/passwd.
///
/// # Errors
/// The text for the user when a name is unknown or a number too large.
pub(crate) fn resolve(user: &str, additional: &[String], passwd: &str, group: &str) -> Result<User, String> {
    let (who, of) = match user.split_once(':') {
        Some((who, of)) => (who, Some(of).filter(|of| !of.is_empty())),
        None => (user, None),
    };
    let accounts = || passwd.lines().filter_map(account);
    let groups = || group.lines().filter_map(entry);
    let found = match number(who)? {
        Some(uid) => {
            accounts().find(|account| account.uid == uid).or(Some(Account { name: "", uid, gid: 0, home: "/" }))
        }
        None if who.is_empty() => {
            accounts().find(|account| account.uid == 0).or(Some(Account { name: "root", uid: 0, gid: 0, home: "/" }))
        }
        None => accounts().find(|account| account.name == who),
    };
    let account = found.ok_or_else(|| format!("unable to find user {who}: no matching entries in passwd file"))?;
    let find_group = |text: &str| -> Result<u32, String> {
        match number(text)? {
            Some(gid) => Ok(gid),
            None => groups()
                .find(|group| group.name == text)
                .map(|group| group.gid)
                .ok_or_else(|| format!("unable to find group {text}: no matching entries in group file")),
        }
    };
    let mut all = BTreeSet::new();
    let gid = if let Some(text) = of {
        find_group(text)?
    } else {
        if !account.name.is_empty() {
            let member = |group: &Group<'_>| group.members.split(',').any(|name| name.trim() == account.name);
            all.extend(groups().filter(member).map(|group| group.gid));
        }
        account.gid
    };
    for text in additional {
        all.insert(find_group(text)?);
    }
    all.remove(&gid);
    let groups = std::iter::once(gid).chain(all).collect();
    let home = if account.home.is_empty() { "/" } else { account.home };
    Ok(User { uid: account.uid, gid, groups, home: home.to_owned() })
}

/// The owner that `--chown=user[:group]` names; without a group, the group that is called as the user is.
///
/// # Errors
/// The text for the user when a name is unknown or a number too large.
pub(crate) fn owner(text: &str, passwd: &str, group: &str) -> Result<(u32, u32), String> {
    let (user, of) = text.split_once(':').unwrap_or((text, text));
    let uid = match number(user)? {
        Some(uid) => Some(uid),
        None => passwd.lines().filter_map(account).find(|account| account.name == user).map(|account| account.uid),
    };
    let gid = match number(of)? {
        Some(gid) => Some(gid),
        None => group.lines().filter_map(entry).find(|group| group.name == of).map(|group| group.gid),
    };
    let uid = uid.ok_or_else(|| format!("can't find uid for user {user}: no such user: {user}"))?;
    Ok((uid, gid.ok_or_else(|| format!("can't find gid for group {of}: no such group: {of}"))?))
}

/// A user or group ID, or nothing where `text` is a name.
fn number(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if i32::try_from(id).is_ok() => Ok(Some(id)),
        _ => Err(format!("uids and gids must be in range 0-{}: {text}", i32::MAX)),
    }
}

fn account(line: &str) -> Option<Account<'_>> {
    let mut fields = line.trim_end().split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
}

fn entry(line: &str) -> Option<Group<'_>> {
    let mut fields = line.trim_end().split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = fields.nth(1)?.parse().ok()?;
    Some(Group { name, gid, members: fields.next().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n1001:x:5:5::/n:/x\nbad\n";
    const GROUP: &str = "root:x:0:\nalice:x:1000:\nstaff:x:50:bob,alice\nwheel:x:10:root\n1000:x:77:\n";

    fn of(user: &str, additional: &[&str]) -> Result<(u32, u32, Vec<u32>, String), String> {
        let additional: Vec<String> = additional.iter().map(|&group| group.to_owned()).collect();
        resolve(user, &additional, PASSWD, GROUP).map(|user| (user.uid, user.gid, user.groups, user.home))
    }

    #[test]
    fn users_as_docker_finds_them() {
        for (user, additional, expected) in [
            ("", &[][..], (0, 0, vec![0, 10], "/root")),
            ("alice", &[], (1000, 1000, vec![1000, 50], "/home/alice")),
            ("1000", &[], (1000, 1000, vec![1000, 50], "/home/alice")),
            ("alice:staff", &[], (1000, 50, vec![50], "/home/alice")),
            ("alice:7", &["wheel", "99"], (1000, 7, vec![7, 10, 99], "/home/alice")),
            ("4242", &[], (4242, 0, vec![0], "/")),
            ("4242:1000", &[], (4242, 1000, vec![1000], "/")),
            // Numbers are never names.
            ("1001", &[], (1001, 0, vec![0], "/")),
            ("0:1000", &[], (0, 1000, vec![1000], "/root")),
        ] {
            let (uid, gid, groups, home) = expected;
            assert_eq!(of(user, additional), Ok((uid, gid, groups, home.to_owned())), "{user}");
        }
        assert_eq!(of("bob", &[]), Err("unable to find user bob: no matching entries in passwd file".into()));
        assert_eq!(of("0:nope", &[]), Err("unable to find group nope: no matching entries in group file".into()));
        assert!(of("4294967295", &[]).is_err());
        assert!(of("99999999999", &[]).is_err());
    }

    #[test]
    fn without_root_there_are_only_mapped_ids() {
        let user = |name: &str| resolve(name, &["wheel".into(), "99999".into()], PASSWD, GROUP).expect("a user");
        let (ranges, single) = ("0 1000 1\n1 100000 65536\n", "0 1000 1\n");
        let mut alice = user("alice");
        assert_eq!(alice.fit(ranges, ranges, true), Ok(()));
        assert_eq!(alice.groups, [1000, 10, 50]);
        let refused = user("alice").fit(single, single, false).expect_err("is not mapped");
        assert!(refused.starts_with("user ID 1000 cannot be had without root: /etc/subuid"), "{refused}");
        let mut root = user("");
        assert_eq!(root.fit(single, single, false), Ok(()));
        assert!(root.groups.is_empty());
    }

    #[test]
    fn owners_of_copied_files() {
        for (text, expected) in [
            ("alice", Ok((1000, 1000))),
            ("alice:staff", Ok((1000, 50))),
            ("7", Ok((7, 7))),
            ("7:staff", Ok((7, 50))),
            ("bob", Err("can't find uid for user bob: no such user: bob")),
            ("0:nope", Err("can't find gid for group nope: no such group: nope")),
        ] {
            assert_eq!(owner(text, PASSWD, GROUP), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn an_image_without_accounts_runs_as_root_and_numbers() {
        let root = resolve("", &[], "", "").expect("root");
        assert_eq!((root.uid, root.gid, root.groups, &*root.home), (0, 0, vec![0], "/"));
        assert!(resolve("12:34", &[], "", "").is_ok());
        assert!(resolve("root", &[], "", "").is_err());
    }
}
