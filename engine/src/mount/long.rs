//! The `--mount` grammar: comma-separated `key=value` fields.

use std::collections::BTreeMap;

use super::text::{nearest, truth};
use super::{
    BindOptions, DriverConfig, ImageOptions, Kind, MountError, MountSpec, TmpfsOptions, VolumeOptions, csv,
    ram_in_bytes,
};

/// The keys, for suggestions.
const KEYS: &[&str] = &[
    "type",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "consistency",
    "bind-propagation",
    "bind-nonrecursive",
    "bind-recursive",
    "volume-subpath",
    "volume-nocopy",
    "volume-label",
    "volume-driver",
    "volume-opt",
    "image-subpath",
    "tmpfs-size",
    "tmpfs-mode",
];

/// Reads the value of `--mount` as docker's command line does. Relative sources stay as they are; see [`MountSpec::absolute`].
///
/// # Errors
/// What docker says, without the words around it that [`MountError::of_flag`] adds.
pub fn parse_long(text: &str) -> Result<MountSpec, MountError> {
    let mut spec = MountSpec::default();
    for field in csv::record(text)? {
        match field.split_once('=') {
            Some((key, value)) => pair(&mut spec, &key.to_lowercase(), value, &field)?,
            None => word(&mut spec, &field)?,
        }
    }
    finished(spec)
}

fn word(spec: &mut MountSpec, field: &str) -> Result<(), MountError> {
    match field.to_lowercase().as_str() {
        "readonly" | "ro" => spec.read_only = true,
        "volume-nocopy" => volume(spec).no_copy = true,
        "bind-nonrecursive" => bind(spec).non_recursive = true,
        _ => {
            return Err(
                MountError::new(format!("invalid field '{field}' must be a key=value pair")).hint(word_hint(field))
            );
        }
    }
    Ok(())
}

fn word_hint(field: &str) -> String {
    if field.is_empty() {
        return "take out the comma that has nothing beside it".to_owned();
    }
    if field.contains(':') {
        return format!("that is the short form: write -v {}", super::shell_quote(field));
    }
    match nearest(&field.to_lowercase(), KEYS) {
        Some(word @ ("readonly" | "ro")) => format!("write {word}"),
        Some(key) => format!("write {key}=VALUE"),
        None => {
            "each field is key=value; only readonly, ro, volume-nocopy and bind-nonrecursive stand alone".to_owned()
        }
    }
}

fn pair(spec: &mut MountSpec, key: &str, value: &str, field: &str) -> Result<(), MountError> {
    match key {
        "type" => spec.kind = Kind::from(value.to_lowercase()),
        "source" | "src" => value.clone_into(&mut spec.source),
        "target" | "dst" | "destination" => value.clone_into(&mut spec.target),
        "readonly" | "ro" => spec.read_only = switch(key, value)?,
        "consistency" => spec.consistency = value.to_lowercase(),
        "bind-propagation" => bind(spec).propagation = value.to_lowercase(),
        "bind-nonrecursive" => bind(spec).non_recursive = switch(key, value)?,
        "bind-recursive" => recursive(spec, value)?,
        "volume-subpath" => value.clone_into(&mut volume(spec).subpath),
        "volume-nocopy" => volume(spec).no_copy = switch(key, value)?,
        "volume-label" => keep(&mut volume(spec).labels, value),
        "volume-driver" => value.clone_into(&mut driver(spec).name),
        "volume-opt" => keep(&mut driver(spec).options, value),
        "image-subpath" => value.clone_into(&mut spec.image_options.get_or_insert_with(ImageOptions::default).subpath),
        "tmpfs-size" => {
            tmpfs(spec).size_bytes =
                ram_in_bytes(value).map_err(|_| bad(key, value, "a number with b, k, m or g: 64m"))?;
        }
        "tmpfs-mode" => {
            tmpfs(spec).mode = octal(value).ok_or_else(|| bad(key, value, "permission bits in octal: 1777"))?;
        }
        _ => {
            let hint = match nearest(key.trim(), KEYS) {
                Some(near) if near == key.trim() => format!("take out the blank: {near}="),
                Some(near) => format!("did you mean {near}?"),
                None if key == "bind-create-src" => "-v creates a missing folder; --mount does not: create it first".to_owned(),
                None => "known keys: type, source, target, readonly, bind-propagation, bind-recursive, volume-subpath, volume-nocopy, volume-label, volume-driver, volume-opt, tmpfs-size, tmpfs-mode".to_owned(),
            };
            return Err(MountError::new(format!("unexpected key '{key}' in '{field}'")).hint(hint));
        }
    }
    Ok(())
}

fn bad(key: &str, value: &str, instead: &str) -> MountError {
    MountError::new(format!("invalid value for {key}: {value}")).hint(instead)
}

fn switch(key: &str, value: &str) -> Result<bool, MountError> {
    truth(value).ok_or_else(|| bad(key, value, &format!("{key}, {key}=true or {key}=false")))
}

fn octal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    digits.then(|| u32::from_str_radix(text, 8).ok()).flatten()
}

fn recursive(spec: &mut MountSpec, value: &str) -> Result<(), MountError> {
    match value {
        "enabled" => {}
        "disabled" => bind(spec).non_recursive = true,
        "writable" => bind(spec).read_only_non_recursive = true,
        "readonly" => bind(spec).read_only_force_recursive = true,
        _ => {
            let message = format!(
                "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
            );
            return Err(MountError::new(message).hint("leave it out for the usual: mounts below the source come along"));
        }
    }
    Ok(())
}

fn bind(spec: &mut MountSpec) -> &mut BindOptions {
    spec.bind_options.get_or_insert_with(BindOptions::default)
}

fn tmpfs(spec: &mut MountSpec) -> &mut TmpfsOptions {
    spec.tmpfs_options.get_or_insert_with(TmpfsOptions::default)
}

/// The volume's options; docker sends an empty driver along with any of them.
fn volume(spec: &mut MountSpec) -> &mut VolumeOptions {
    spec.volume_options.get_or_insert_with(|| VolumeOptions {
        driver_config: Some(DriverConfig::default()),
        ..VolumeOptions::default()
    })
}

fn driver(spec: &mut MountSpec) -> &mut DriverConfig {
    volume(spec).driver_config.get_or_insert_with(DriverConfig::default)
}

/// Keeps `key=value`; without a value it is empty, without a key there is nothing to keep.
fn keep(map: &mut BTreeMap<String, String>, text: &str) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if !key.is_empty() {
        map.insert(key.to_owned(), value.to_owned());
    }
}

/// What docker looks at when all fields are read.
fn finished(spec: MountSpec) -> Result<MountSpec, MountError> {
    if spec.kind.as_str().is_empty() {
        return Err(MountError::new("type is required").hint("write type=volume, type=bind or type=tmpfs"));
    }
    if spec.target.is_empty() {
        return Err(MountError::new("target is required").hint("say where in the container: dst=/path"));
    }
    let groups = [
        ("volume", spec.volume_options.is_some(), spec.kind == Kind::Volume),
        ("image", spec.image_options.is_some(), spec.kind == Kind::Image),
        ("bind", spec.bind_options.is_some(), spec.kind == Kind::Bind),
        ("tmpfs", spec.tmpfs_options.is_some(), spec.kind == Kind::Tmpfs),
    ];
    for (group, given, fits) in groups {
        if given && !fits {
            let message = format!("cannot mix '{group}-*' options with mount type '{}'", spec.kind);
            return Err(MountError::new(message).hint(format!("take them out, or write type={group}")));
        }
    }
    if let Some(options) = &spec.bind_options {
        let needs = |what: &str, with: &str| {
            MountError::new(format!("option 'bind-recursive={what}' requires '{with}' to be specified in conjunction"))
                .hint(format!("add ,{with}"))
        };
        if options.read_only_non_recursive && !spec.read_only {
            return Err(needs("writable", "readonly"));
        }
        if options.read_only_force_recursive && !spec.read_only {
            return Err(needs("readonly", "readonly"));
        }
        if options.read_only_force_recursive && options.propagation != "rprivate" {
            return Err(needs("readonly", "bind-propagation=rprivate"));
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Place;
    use super::*;

    /// The API's form of what was read.
    fn json(text: &str) -> String {
        match parse_long(text) {
            Ok(spec) => serde_json::to_string(&spec).unwrap(),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn reads_fields() {
        let table = [
            ("type=bind,src=/a,dst=/x", r#"{"Type":"bind","Source":"/a","Target":"/x"}"#),
            ("source=/a,destination=/x", r#"{"Type":"volume","Source":"/a","Target":"/x"}"#),
            ("TYPE=BIND,SRC=/A,target=/x", r#"{"Type":"bind","Source":"/A","Target":"/x"}"#),
            ("type=bind,src=/a,src=/b,dst=/x", r#"{"Type":"bind","Source":"/b","Target":"/x"}"#),
            ("src= /a ,dst=/x", r#"{"Type":"volume","Source":" /a ","Target":"/x"}"#),
            ("src=,dst=/x", r#"{"Type":"volume","Target":"/x"}"#),
            (
                "dst=/x,volume-nocopy",
                r#"{"Type":"volume","Target":"/x","VolumeOptions":{"NoCopy":true,"DriverConfig":{}}}"#,
            ),
            ("dst=/x,volume-nocopy=0", r#"{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{}}}"#),
            (
                "dst=/x,volume-subpath=../up",
                r#"{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{},"Subpath":"../up"}}"#,
            ),
            (
                "dst=/x,volume-label=a=b=c,volume-label=d,volume-label==e",
                r#"{"Type":"volume","Target":"/x","VolumeOptions":{"Labels":{"a":"b=c","d":""},"DriverConfig":{}}}"#,
            ),
            (
                "dst=/x,volume-driver=dr,volume-opt=a=,volume-opt==x",
                r#"{"Type":"volume","Target":"/x","VolumeOptions":{"DriverConfig":{"Name":"dr","Options":{"a":""}}}}"#,
            ),
            (
                "type=bind,src=/a,dst=/x,bind-propagation=RSHARED,consistency=CACHED",
                r#"{"Type":"bind","Source":"/a","Target":"/x","Consistency":"cached","BindOptions":{"Propagation":"rshared"}}"#,
            ),
            (
                "type=bind,src=/a,dst=/x,bind-propagation=",
                r#"{"Type":"bind","Source":"/a","Target":"/x","BindOptions":{}}"#,
            ),
            (
                "type=bind,src=/a,dst=/x,bind-nonrecursive",
                r#"{"Type":"bind","Source":"/a","Target":"/x","BindOptions":{"NonRecursive":true}}"#,
            ),
            ("type=bind,src=/a,dst=/x,bind-recursive=enabled", r#"{"Type":"bind","Source":"/a","Target":"/x"}"#),
            (
                "type=bind,src=/a,dst=/x,bind-recursive=writable,ro",
                r#"{"Type":"bind","Source":"/a","Target":"/x","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}}"#,
            ),
            (
                "type=image,src=i,dst=/x,image-subpath=/b",
                r#"{"Type":"image","Source":"i","Target":"/x","ImageOptions":{"Subpath":"/b"}}"#,
            ),
            (
                "type=tmpfs,dst=/x,tmpfs-size=1.5g,tmpfs-mode=1777",
                r#"{"Type":"tmpfs","Target":"/x","TmpfsOptions":{"SizeBytes":1610612736,"Mode":1023}}"#,
            ),
            ("type=tmpfs,dst=/x,tmpfs-mode=0", r#"{"Type":"tmpfs","Target":"/x","TmpfsOptions":{}}"#),
            ("type=bogus,dst=relative", r#"{"Type":"bogus","Target":"relative"}"#),
            ("\"src=/with,comma\",dst=/x", r#"{"Type":"volume","Source":"/with,comma","Target":"/x"}"#),
        ];
        for (text, expected) in table {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_readonly_in_all_its_forms() {
        for (words, expected) in [
            ("", false),
            (",ro", true),
            (",readonly", true),
            (",READONLY", true),
            (",ro=1", true),
            (",readonly=true", true),
            (",ro=T", true),
            (",ro=false", false),
            (",readonly=0", false),
            (",ro,ro=f", false),
        ] {
            assert_eq!(parse_long(&format!("dst=/x{words}")).unwrap().read_only, expected, "{words}");
        }
    }

    #[test]
    fn refuses_in_dockers_words() {
        let table = [
            ("", "EOF"),
            ("dst=/x,bogus=foo", "unexpected key 'bogus' in 'bogus=foo'"),
            ("dst=/x,BOGUS=foo", "unexpected key 'bogus' in 'BOGUS=foo'"),
            ("dst=/x, src=/a", "unexpected key ' src' in ' src=/a'"),
            ("dst=/x,bogus", "invalid field 'bogus' must be a key=value pair"),
            ("dst=/x,,", "invalid field '' must be a key=value pair"),
            ("vol:/x:ro", "invalid field 'vol:/x:ro' must be a key=value pair"),
            (
                "type=bind,src=/a,dst=/x,bind-create-src=true",
                "unexpected key 'bind-create-src' in 'bind-create-src=true'",
            ),
            ("dst=/x,readonly=", "invalid value for readonly: "),
            ("dst=/x,RO=no", "invalid value for ro: no"),
            ("dst=/x,volume-nocopy= true", "invalid value for volume-nocopy:  true"),
            ("type=bind,dst=/x,bind-nonrecursive=xx", "invalid value for bind-nonrecursive: xx"),
            (
                "type=bind,dst=/x,bind-recursive=x",
                "invalid value for bind-recursive: x (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")",
            ),
            ("type=tmpfs,dst=/x,tmpfs-size=-1", "invalid value for tmpfs-size: -1"),
            ("type=tmpfs,dst=/x,tmpfs-mode=0o7", "invalid value for tmpfs-mode: 0o7"),
            ("type=tmpfs,dst=/x,tmpfs-mode=77777777777", "invalid value for tmpfs-mode: 77777777777"),
            ("type=,dst=/x", "type is required"),
            ("type=bind,volume-nocopy", "target is required"),
            ("dst=/x,bind-propagation=shared", "cannot mix 'bind-*' options with mount type 'volume'"),
            ("type=bind,dst=/x,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
            ("type=bind,dst=/x,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
            ("type=bind,dst=/x,image-subpath=q", "cannot mix 'image-*' options with mount type 'bind'"),
            (
                "type=bind,dst=/x,bind-recursive=writable",
                "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
            ),
            (
                "type=bind,dst=/x,bind-recursive=readonly",
                "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction",
            ),
            (
                "type=bind,dst=/x,bind-recursive=readonly,ro",
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
            ),
        ];
        for (text, expected) in table {
            let error = parse_long(text).unwrap_err();
            assert_eq!(error.message, expected, "{text}");
            assert!(error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn suggests_what_was_meant() {
        for (text, expected) in [
            ("dst=/x,readony", "write readonly"),
            ("dst=/x, src=a", "take out the blank: src="),
            ("dst=/x,tagret=/y", "did you mean target?"),
            ("vol:/x", "that is the short form: write -v vol:/x"),
        ] {
            assert_eq!(parse_long(text).unwrap_err().hint.as_deref(), Some(expected));
        }
    }

    #[test]
    fn repeats_the_value_for_the_flag() {
        let value = "dst=/x,a=\"b\"";
        let error = parse_long(value).unwrap_err().of_flag("--mount", value);
        assert_eq!(
            error.message,
            "invalid argument \"dst=/x,a=\\\"b\\\"\" for \"--mount\" flag: parse error on line 1, column 10: bare \" in non-quoted-field"
        );
    }

    #[test]
    fn dotted_sources_become_absolute() {
        let place = Place { cwd: Path::new("/tmp/here"), home: None };
        for (source, expected) in [
            (".", "/tmp/here"),
            ("./", "/tmp/here"),
            ("..", "/tmp"),
            (".hid", "/tmp/here/.hid"),
            ("..x/a", "/tmp/here/..x/a"),
            ("rel", "rel"),
            ("~/a", "~/a"),
            ("/a/../b", "/a/../b"),
        ] {
            let spec = parse_long(&format!("type=bind,src={source},dst=/x")).unwrap().absolute(&place);
            assert_eq!(spec.source, expected);
        }
    }
}
