//! All the mounts that were asked for, joined for one container.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{target, target_path};
use super::mode::invalid;
use super::{Kind, Mode, MountError, MountPoint, MountSpec, clean, parse_bind, point_of};
use crate::volume;

/// What a container's creator asks for, in the API's parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `HostConfig.Binds`: what `-v` sent.
    pub binds: &'a [String],
    /// `HostConfig.Mounts`: what `--mount` sent.
    pub mounts: &'a [MountSpec],
    /// `HostConfig.Tmpfs`: what `--tmpfs` sent, path to options.
    pub tmpfs: Option<&'a BTreeMap<String, String>>,
    /// `HostConfig.VolumesFrom`.
    pub volumes_from: &'a [String],
    /// Keys of `Config.Volumes` of the request: `-v /path`.
    pub volumes: &'a [String],
    /// Keys of `Config.Volumes` of the image: its VOLUMEs.
    pub image_volumes: &'a [String],
    /// `HostConfig.VolumeDriver`: the driver of volumes that `-v` makes.
    pub driver: &'a str,
}

/// The mounts of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// All but `--tmpfs`, by path; a path comes after the paths above it, so that they can be mounted in this order.
    pub points: Vec<MountPoint>,
    /// `--tmpfs`: clean path and options, which are mounted after the points.
    pub tmpfs: BTreeMap<String, String>,
    /// What is allowed and yet surprising.
    pub warnings: Vec<String>,
}

/// Reads an element of `--volumes-from`: a container, and `ro` or `rw` behind a colon.
///
/// # Errors
/// Docker's words: `invalid mode: …`.
pub fn parse_volumes_from(text: &str) -> Result<(String, Mode), MountError> {
    if text.is_empty() {
        return Err(MountError::new("volumes-from specification cannot be an empty string")
            .hint("name a container: --volumes-from NAME"));
    }
    let (container, mode) = text.split_once(':').unwrap_or((text, ""));
    let words = Mode::parse(mode)?;
    if words.propagation.is_some() || words.no_copy {
        return Err(
            invalid(mode).hint("--volumes-from takes ro, rw, z and Z; the rest stays as the other container has it")
        );
    }
    Ok((container.to_owned(), words))
}

/// Joins all mounts of a container as Docker's engine does: those of other containers first, then `-v`, `--mount`, and for the paths
/// that are still free the anonymous volumes and the image's. `mounts_of` gives the mounts of a container by name or ID.
///
/// Volumes that do not exist yet and anonymous ones have no source; `volume::Volumes::provide` gives them one.
///
/// # Errors
/// Docker's words, each with a hint.
pub fn merge(
    request: &Request<'_>,
    mounts_of: &mut dyn FnMut(&str) -> Result<Vec<MountPoint>, MountError>,
) -> Result<Merged, MountError> {
    let mut points: BTreeMap<String, MountPoint> = BTreeMap::new();
    let mut merged = Merged { tmpfs: memory(request)?, ..Merged::default() };
    for text in request.volumes_from {
        let (container, mode) = parse_volumes_from(text)?;
        for mut point in mounts_of(&container)? {
            point.rw &= !mode.read_only;
            point.copy_up = false;
            points.insert(point.destination.clone(), point);
        }
    }
    let mut taken = BTreeSet::new();
    for raw in request.binds {
        let point = parse_bind(raw, request.driver)?;
        if merged.tmpfs.contains_key(&point.destination) {
            return Err(duplicate(&point.destination));
        }
        add(&mut points, &mut taken, point)?;
    }
    for spec in request.mounts {
        add(&mut points, &mut taken, point_of(spec)?)?;
    }
    for path in request.volumes {
        anonymous(&mut points, &merged.tmpfs, user_path(path)?);
    }
    for path in request.image_volumes {
        // An image may say anything; a path without a first slash counts from the root, and the root itself cannot be one.
        let path = clean(&format!("/{path}"));
        if path != "/" {
            anonymous(&mut points, &merged.tmpfs, path);
        }
    }
    for path in merged.tmpfs.keys().filter(|path| points.contains_key(*path)) {
        merged.warnings.push(format!("{path} is mounted twice: --tmpfs hides the other"));
    }
    merged.points = points.into_values().collect();
    merged.points.sort_by(|a, b| {
        depth(&a.destination).cmp(&depth(&b.destination)).then_with(|| a.destination.cmp(&b.destination))
    });
    Ok(merged)
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

fn duplicate(path: &str) -> MountError {
    MountError::new(format!("Duplicate mount point: {path}"))
        .hint("a path can be mounted once: take one of them out, or give it another path")
}

fn memory(request: &Request<'_>) -> Result<BTreeMap<String, String>, MountError> {
    let mut found = BTreeMap::new();
    for (path, options) in request.tmpfs.into_iter().flatten() {
        target_path(path)?;
        super::tmpfs_options(options)?;
        found.insert(clean(path), options.clone());
    }
    Ok(found)
}

fn add(
    points: &mut BTreeMap<String, MountPoint>,
    taken: &mut BTreeSet<String>,
    mut point: MountPoint,
) -> Result<(), MountError> {
    if !taken.insert(point.destination.clone()) {
        return Err(duplicate(&point.destination));
    }
    if point.kind == Kind::Volume {
        if !point.name.is_empty() {
            volume::check_name(&point.name)?;
        }
        if point.mode.is_empty() && matches!(point.driver.as_str(), "" | "local") {
            "z".clone_into(&mut point.mode);
        }
    }
    points.insert(point.destination.clone(), point);
    Ok(())
}

fn anonymous(points: &mut BTreeMap<String, MountPoint>, tmpfs: &BTreeMap<String, String>, path: String) {
    if !points.contains_key(&path) && !tmpfs.contains_key(&path) {
        points.insert(path.clone(), MountPoint::anonymous(path));
    }
}

/// The path of `-v /path`. Docker's engine takes any text here and mounts at odd places; we answer as for any other mount.
fn user_path(path: &str) -> Result<String, MountError> {
    if let Some((name, rest)) = path.split_once(':')
        && rest.starts_with('/')
    {
        volume::check_name(name)?;
    }
    target(path)?;
    Ok(clean(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn alone(_: &str) -> Result<Vec<MountPoint>, MountError> {
        Err(MountError::new("No such container"))
    }

    fn shown(merged: &Merged) -> Vec<String> {
        let show = |point: &MountPoint| {
            let from = if point.name.is_empty() { &point.source } else { &point.name };
            format!(
                "{}:{from}:{}{}",
                point.destination,
                if point.rw { "rw" } else { "ro" },
                if point.mode.is_empty() { String::new() } else { format!(":{}", point.mode) }
            )
        };
        merged.points.iter().map(show).collect()
    }

    fn merged(request: &Request<'_>) -> Result<Merged, String> {
        merge(request, &mut alone).map_err(|error| error.message)
    }

    #[test]
    fn a_path_is_mounted_once() {
        let request = Request { binds: &texts(&["/a:/x", "/b:/x/"]), ..Request::default() };
        assert_eq!(merged(&request), Err("Duplicate mount point: /x".into()));
        let mounts = [MountSpec::new(Kind::Volume, "vol", "/x"), MountSpec::new(Kind::Tmpfs, "", "/y")];
        let request = Request { binds: &texts(&["/a:/x"]), mounts: &mounts, ..Request::default() };
        assert_eq!(merged(&request), Err("Duplicate mount point: /x".into()));
        let tmpfs = BTreeMap::from([("/y/".to_owned(), String::new())]);
        let request = Request { binds: &texts(&["/a:/y"]), tmpfs: Some(&tmpfs), ..Request::default() };
        assert_eq!(merged(&request), Err("Duplicate mount point: /y".into()));
        let request = Request { mounts: &mounts, tmpfs: Some(&tmpfs), ..Request::default() };
        let both = merged(&request).unwrap();
        assert_eq!(both.warnings, ["/y is mounted twice: --tmpfs hides the other"]);
    }

    #[test]
    fn anonymous_volumes_take_what_is_free() {
        let tmpfs = BTreeMap::from([("/t".to_owned(), String::new())]);
        let request = Request {
            binds: &texts(&["data:/image", "/h:/h:ro"]),
            tmpfs: Some(&tmpfs),
            volumes: &texts(&["/anon", "/h", "/t"]),
            image_volumes: &texts(&["/image/", "/image/deeper", "odd", "/", "/t"]),
            ..Request::default()
        };
        let merged = merged(&request).unwrap();
        assert_eq!(shown(&merged), ["/anon::rw", "/h:/h:ro:ro", "/image:data:rw:z", "/odd::rw", "/image/deeper::rw"]);
        assert!(merged.points.iter().all(|point| point.kind != Kind::Volume || point.copy_up));
    }

    #[test]
    fn one_volume_in_two_places() {
        let request = Request { binds: &texts(&["v1:/x", "v1:/y:ro"]), ..Request::default() };
        assert_eq!(shown(&merged(&request).unwrap()), ["/x:v1:rw:z", "/y:v1:ro:ro"]);
    }

    #[test]
    fn mounts_of_another_container() {
        let theirs = [
            parse_bind("/h:/h:rslave", "").unwrap(),
            parse_bind("data:/d:ro", "").unwrap(),
            parse_bind("/o:/o", "").unwrap(),
        ];
        let mut of = |name: &str| if name == "other" { Ok(theirs.to_vec()) } else { alone(name) };
        let from = texts(&["other:ro"]);
        let request = Request {
            volumes_from: &from,
            binds: &texts(&["/mine:/o"]),
            image_volumes: &texts(&["/d"]),
            ..Request::default()
        };
        let merged = merge(&request, &mut of).unwrap();
        assert_eq!(shown(&merged), ["/d:data:ro:ro", "/h:/h:ro:rslave", "/o:/mine:rw"]);
        assert!(merged.points.iter().all(|point| point.destination == "/o" || !point.copy_up));
        let from = texts(&["nobody"]);
        assert!(merge(&Request { volumes_from: &from, ..Request::default() }, &mut of).is_err());
    }

    #[test]
    fn refuses_in_dockers_words() {
        let bad_target = "mount path must be absolute";
        let tmpfs = |path: &str| BTreeMap::from([(path.to_owned(), String::new())]);
        for (path, expected) in [
            ("x", "invalid mount path: 'x' mount path must be absolute"),
            ("", "invalid mount path: '' mount path must be absolute"),
            ("/", "invalid specification: destination can't be '/'"),
        ] {
            assert_eq!(merged(&Request { tmpfs: Some(&tmpfs(path)), ..Request::default() }), Err(expected.into()));
        }
        for (text, expected) in [
            ("", "volumes-from specification cannot be an empty string"),
            ("a:zz", "invalid mode: zz"),
            ("a:shared", "invalid mode: shared"),
            ("a:nocopy", "invalid mode: nocopy"),
        ] {
            assert_eq!(parse_volumes_from(text).unwrap_err().message, expected);
        }
        for (bind, expected) in [
            ("v:/x", "create v: volume name is too short, names should be at least two alphanumeric characters"),
            (
                "vol:/",
                "invalid volume specification: 'vol:/': invalid mount config for type \"volume\": invalid specification: destination can't be '/'",
            ),
            (
                "/h:x",
                "invalid volume specification: '/h:x': invalid mount config for type \"bind\": invalid mount path: 'x' mount path must be absolute",
            ),
            (
                "vol:/x:rshared",
                "invalid volume specification: 'vol:/x:rshared': invalid mount config for type \"volume\": field BindOptions must not be specified",
            ),
            (
                "/h:/x:nocopy",
                "invalid volume specification: '/h:/x:nocopy': invalid mount config for type \"bind\": field VolumeOptions must not be specified",
            ),
            ("/x:ro", "invalid volume specification: '/x:ro'"),
            (":/x", "invalid volume specification: ':/x'"),
            ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
            ("/h:/x:rwz", "invalid mode: rwz"),
        ] {
            let error = merge(&Request { binds: &texts(&[bind]), ..Request::default() }, &mut alone).unwrap_err();
            assert_eq!(error.message, expected);
            assert!(error.hint.is_some(), "{bind}");
        }
        // Docker's engine mounts these at odd places; we answer as for other mounts.
        for (volume, expected) in
            [("v:/x", "volume name is too short"), ("rel", bad_target), ("/", "destination can't be '/'")]
        {
            let error = merged(&Request { volumes: &texts(&[volume]), ..Request::default() }).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
