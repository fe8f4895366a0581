//! A tar from a container into a folder of this machine.
//!
//! Nothing in it leads out of the folder: parents are resolved below it, links are stored as they are, and folders that were
//! there keep their mode.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use outcrop_engine::container::{Extract, extract};
use outcrop_layers::entry::Kind;
use outcrop_layers::tar::TarReader;

use super::Failure;
use super::place::Plan;

/// Unpacks it as `plan` says, and gives the bytes of the tar. Owners are kept only if `owners`; `bare` names count from the folder
/// that was asked for.
pub(super) fn unpack(tar: impl Read, plan: &Plan, bare: bool, owners: bool) -> Result<u64, Failure> {
    let directory = File::open(&plan.directory).map_err(|error| Failure::io("open", &plan.directory, &error))?;
    let mut tar = TarReader::new(tar);
    let mut first = bare.then(Vec::new);
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("the archive from the engine: {error}"));
    while let Some(mut entry) = tar.next().map_err(|error| wrong(&error))? {
        let mut member = entry.header.clone();
        let path = member.path().map_err(|error| wrong(&error))?;
        // The first member is what was asked for; all others are below it.
        let prefix = first.get_or_insert_with(|| path.to_vec()).clone();
        let at = renamed(&path, &prefix, plan.name.as_deref())
            .ok_or_else(|| wrong(&format!("{:?} is not below what was asked for", String::from_utf8_lossy(&path))))?;
        if let Kind::Hardlink { target } = &member.kind {
            let target = renamed(target, &prefix, plan.name.as_deref());
            let target = target.ok_or_else(|| wrong(&"a hard link leads out of what was asked for"))?;
            member.kind = Kind::Hardlink { target: target.into() };
        }
        let how = Extract { keep_kind: true, owners };
        extract(directory.as_fd(), &at, &member, &mut entry, how).map_err(|error| {
            let at = plan.directory.join(String::from_utf8_lossy(&at).as_ref());
            Failure::io("copy to", &at, &error)
        })?;
    }
    if first.is_none() {
        return Err(Failure::new("the engine sent an empty archive"));
    }
    Ok(tar.at())
}

/// `path`, which is `prefix` or below it, with `name` in the place of `prefix`.
fn renamed(path: &[u8], prefix: &[u8], name: Option<&str>) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(prefix)?;
    let rest = match rest {
        [] => rest,
        [b'/', below @ ..] => below,
        _ if prefix.is_empty() => rest,
        _ => return None,
    };
    let name = match name {
        None => prefix,
        Some(".") => b"",
        Some(name) => name.as_bytes(),
    };
    Some(match (name, rest) {
        (name, []) => name.to_vec(),
        ([], rest) => rest.to_vec(),
        (name, rest) => [name, b"/", rest].concat(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn renames() {
        for (path, prefix, name, want) in [
            ("etc", "etc", None, Some("etc")),
            ("etc/a", "etc", Some("new"), Some("new/a")),
            ("etc/a", "etc", Some("."), Some("a")),
            ("a", "", Some("new"), Some("new/a")),
            ("a", "", Some("."), Some("a")),
            ("", "", Some("new"), Some("new")),
            ("etcetera", "etc", Some("x"), None),
            ("other", "etc", None, None),
        ] {
            let got = renamed(path.as_bytes(), prefix.as_bytes(), name);
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{path}");
        }
    }

    fn archive(members: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            let linked = kind.is_symlink() || kind.is_hard_link();
            header.set_size(if linked { 0 } else { text.len() as u64 });
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            if linked {
                header.as_mut_bytes()[157..157 + text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_cksum();
            tar.append(&header, if linked { &b""[..] } else { text.as_bytes() }).expect("memory");
        }
        tar.into_inner().expect("memory")
    }

    #[test]
    fn stays_in_its_folder() {
        use tar::EntryType as T;
        let outside = tempfile::tempdir().expect("temporary directory");
        let inside = tempfile::tempdir().expect("temporary directory");
        fs::set_permissions(inside.path(), fs::Permissions::from_mode(0o700)).expect("chmod");
        let away = outside.path().to_str().expect("utf-8");
        let plan = Plan { directory: inside.path().to_owned(), name: None };
        let link_first = archive(&[("d/", T::Directory, ""), ("d/l", T::Symlink, away), ("d/l/x", T::Regular, "evil")]);
        let _ = unpack(&link_first[..], &plan, false, false);
        for evil in ["d/../../x", "../x", "/x"] {
            let bytes = archive(&[("d/", T::Directory, ""), (evil, T::Regular, "evil")]);
            assert!(unpack(&bytes[..], &plan, false, false).is_err(), "{evil}");
        }
        let hard = archive(&[("d/", T::Directory, ""), ("d/h", T::Link, "/etc/passwd")]);
        assert!(unpack(&hard[..], &plan, false, false).is_err());
        assert_eq!(fs::read_dir(outside.path()).expect("reads").count(), 0, "nothing came out");
        let mode = fs::metadata(inside.path()).expect("stat").permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "a folder that was there keeps its mode");
        assert!(unpack(&archive(&[])[..], &plan, false, false).is_err());
    }
}
