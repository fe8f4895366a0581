//! What the engine asks of a mount before it believes it.

use super::mode::PROPAGATION;
use super::text::is_local;
use super::{Kind, MountError, MountSpec, clean};

/// Checks one mount as Docker's engine does, without a look at the file system.
///
/// # Errors
/// `invalid mount config for type "…": …`, docker's words.
pub fn check(spec: &MountSpec) -> Result<(), MountError> {
    target(&spec.target).and_then(|()| source(spec)).map_err(|error| of_type(&spec.kind, error))
}

/// Puts the words in front of an error that tell which type of mount it is about.
pub(super) fn of_type(kind: &Kind, mut error: MountError) -> MountError {
    error.message = format!("invalid mount config for type \"{kind}\": {}", error.message);
    error
}

/// Checks a path of the container.
pub(super) fn target(path: &str) -> Result<(), MountError> {
    if path.is_empty() {
        return Err(MountError::new("field Target must not be empty").hint("say where in the container: dst=/path"));
    }
    target_path(path)
}

/// Checks a path of the container that may not be missing.
pub(super) fn target_path(path: &str) -> Result<(), MountError> {
    if clean(path) == "/" {
        return Err(MountError::new("invalid specification: destination can't be '/'")
            .hint("a mount cannot replace the container's whole tree: choose a folder, like /data"));
    }
    absolute(path).map_err(|error| {
        error.hint(format!("the path in the container starts with a slash: {}", clean(&format!("/{path}"))))
    })
}

fn absolute(path: &str) -> Result<(), MountError> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(MountError::new(format!("invalid mount path: '{path}' mount path must be absolute")))
    }
}

fn missing(field: &str, hint: &str) -> MountError {
    MountError::new(format!("field {field} must not be empty")).hint(hint)
}

fn extra(field: &str) -> MountError {
    MountError::new(format!("field {field} must not be specified")).hint(match field {
        "Source" => "memory has no source: take it out".to_owned(),
        "BindOptions" => {
            "how mounts spread (shared, slave, private) can be said of folders of the host alone: take it out"
                .to_owned()
        }
        "VolumeOptions" => {
            "nocopy and the volume- options can be said of volumes alone: take them out, or name a volume as the source"
                .to_owned()
        }
        _ => format!("take {field} out"),
    })
}

fn source(spec: &MountSpec) -> Result<(), MountError> {
    match &spec.kind {
        Kind::Bind => bind(spec),
        Kind::Volume => volume(spec),
        Kind::Tmpfs => {
            if spec.bind_options.is_some() {
                return Err(extra("BindOptions"));
            }
            if spec.source.is_empty() { Ok(()) } else { Err(extra("Source")) }
        }
        Kind::Image | Kind::Other(_) => {
            Err(MountError::new("mount type unknown").hint("known types: volume, bind, tmpfs"))
        }
    }
}

fn bind(spec: &MountSpec) -> Result<(), MountError> {
    if spec.source.is_empty() {
        return Err(missing("Source", "say which folder of the host: src=/folder"));
    }
    if let Some(options) = &spec.bind_options
        && !options.propagation.is_empty()
        && !PROPAGATION.contains(&options.propagation.as_str())
    {
        return Err(MountError::new(format!("invalid propagation mode: {}", options.propagation))
            .hint(format!("known modes: {}", PROPAGATION.join(", "))));
    }
    if spec.volume_options.is_some() {
        return Err(extra("VolumeOptions"));
    }
    absolute(&spec.source)
        .map_err(|error| error.hint("a folder of the host is written from the root, or starts with ./"))
}

fn volume(spec: &MountSpec) -> Result<(), MountError> {
    if spec.bind_options.is_some() {
        return Err(extra("BindOptions"));
    }
    let anonymous = spec.source.is_empty();
    if let Some(options) = &spec.volume_options
        && !options.subpath.is_empty()
    {
        if anonymous {
            return Err(
                MountError::new("must not set Subpath when using anonymous volumes").hint("name the volume: src=NAME")
            );
        }
        if !is_local(&options.subpath) {
            return Err(MountError::new("subpath must be a relative path within the volume")
                .hint("write it from the volume's top, without .. and without a first slash"));
        }
    }
    if spec.read_only && anonymous {
        return Err(MountError::new("must not set ReadOnly mode when using anonymous volumes")
            .hint("nobody could ever write to it: name a volume that has content, or leave readonly out"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mount in the API's form, and why it is refused, if it is.
    const CASES: &[(&str, Result<(), &str>)] = &[
        (r#"{"Type":"volume","Target":"/d","Source":"hello"}"#, Ok(())),
        (r#"{"Type":"volume","Target":"/d"}"#, Ok(())),
        (r#"{"Type":"bind","Target":"/d","Source":"/tmp","TmpfsOptions":{}}"#, Ok(())),
        (r#"{"Type":"tmpfs","Target":"/d","TmpfsOptions":{"SizeBytes":1048576,"Mode":448}}"#, Ok(())),
        (r#"{"Type":"volume","Target":"/d","Source":"hello","VolumeOptions":{"Subpath":"a/../b"}}"#, Ok(())),
        (r#"{"Type":"volume"}"#, Err("field Target must not be empty")),
        (r#"{"Type":"bind"}"#, Err("field Target must not be empty")),
        (r#"{"Type":"bind","Target":"/d"}"#, Err("field Source must not be empty")),
        (r#"{"Type":"bind","Source":"/tmp","Target":"/"}"#, Err("invalid specification: destination can't be '/'")),
        (r#"{"Type":"bind","Source":"/tmp","Target":"/a/.."}"#, Err("invalid specification: destination can't be '/'")),
        (r#"{"Type":"bind","Source":"/tmp","Target":"d"}"#, Err("invalid mount path: 'd' mount path must be absolute")),
        (
            r#"{"Type":"bind","Source":"rel","Target":"/d"}"#,
            Err("invalid mount path: 'rel' mount path must be absolute"),
        ),
        (
            r#"{"Type":"bind","Target":"/d","Source":"/tmp","VolumeOptions":{}}"#,
            Err("field VolumeOptions must not be specified"),
        ),
        (
            r#"{"Type":"bind","Source":"/t","Target":"/x","BindOptions":{"Propagation":"bogus"}}"#,
            Err("invalid propagation mode: bogus"),
        ),
        (
            r#"{"Type":"volume","Target":"/d","Source":"hello","BindOptions":{}}"#,
            Err("field BindOptions must not be specified"),
        ),
        (
            r#"{"Type":"volume","Target":"/d","ReadOnly":true}"#,
            Err("must not set ReadOnly mode when using anonymous volumes"),
        ),
        (
            r#"{"Type":"volume","Target":"/d","VolumeOptions":{"Subpath":"a"}}"#,
            Err("must not set Subpath when using anonymous volumes"),
        ),
        (
            r#"{"Type":"volume","Target":"/d","Source":"vol","VolumeOptions":{"Subpath":"../a"}}"#,
            Err("subpath must be a relative path within the volume"),
        ),
        (
            r#"{"Type":"volume","Target":"/d","Source":"vol","VolumeOptions":{"Subpath":"/a"}}"#,
            Err("subpath must be a relative path within the volume"),
        ),
        (r#"{"Type":"tmpfs","Target":"/d","Source":"x"}"#, Err("field Source must not be specified")),
        (r#"{"Type":"tmpfs","Target":"/d","BindOptions":{}}"#, Err("field BindOptions must not be specified")),
        (r#"{"Type":"npipe","Source":"/a","Target":"/d"}"#, Err("mount type unknown")),
        (r#"{"Target":"/d"}"#, Err("mount type unknown")),
    ];

    #[test]
    fn answers_as_docker_does() {
        for (json, expected) in CASES {
            let spec: MountSpec = serde_json::from_str(json).unwrap();
            match (check(&spec), expected) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(why)) => {
                    assert_eq!(error.message, format!("invalid mount config for type \"{}\": {why}", spec.kind));
                    assert!(error.hint.is_some(), "{json}");
                }
                (found, _) => panic!("{json}: {found:?}"),
            }
        }
    }
}
