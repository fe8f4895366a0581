//! Memory file systems: `--tmpfs` and the options of `--mount type=tmpfs`.

use super::{MountError, TmpfsOptions, quote};

/// What every tmpfs of a container gets first: no programs, no set-user-ID, no devices.
const FIRST: [&str; 3] = ["noexec", "nosuid", "nodev"];

/// Reads the value of `--tmpfs`: a path, and options behind the first colon.
pub fn parse_tmpfs(text: &str) -> (String, String) {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    (path.to_owned(), options.to_owned())
}

/// The options of `--mount type=tmpfs` in the words of `--tmpfs`.
pub(super) fn words(options: Option<&TmpfsOptions>, read_only: bool) -> String {
    let mut words = Vec::new();
    if read_only {
        words.push("ro".to_owned());
    }
    if let Some(options) = options {
        if options.mode != 0 {
            words.push(format!("mode={:o}", options.mode));
        }
        if options.size_bytes != 0 {
            let units = [(1_i64 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
            let (divisor, suffix) =
                units.into_iter().find(|(divisor, _)| options.size_bytes % divisor == 0).unwrap_or((1, ""));
            words.push(format!("size={}{suffix}", options.size_bytes / divisor));
        }
        words.extend(options.options.iter().map(|option| option.join("=")));
    }
    words.join(",")
}

/// The mount options of a tmpfs for which `text` was asked: Docker's own first, later words win over earlier ones of their kind.
///
/// # Errors
/// `invalid tmpfs option ["…"]`, docker's words. Docker says it when the container starts.
pub fn tmpfs_options(text: &str) -> Result<Vec<String>, MountError> {
    let asked = text.split(',').filter(|_| !text.is_empty());
    let mut kept: Vec<(&str, &str)> = Vec::new();
    for word in FIRST.into_iter().chain(["rprivate"]).chain(asked) {
        if word == "defaults" {
            continue;
        }
        let kind = kind(word)?;
        kept.retain(|&(other, _)| other != kind);
        kept.push((kind, word));
    }
    Ok(kept.into_iter().map(|(_, word)| word.to_owned()).collect())
}

/// The kind of an option: of each kind the last one counts.
fn kind(word: &str) -> Result<&str, MountError> {
    Ok(match word {
        "ro" | "rw" => "ro",
        "suid" | "nosuid" => "nosuid",
        "dev" | "nodev" => "nodev",
        "exec" | "noexec" => "noexec",
        "sync" | "async" => "sync",
        "dirsync" => "dirsync",
        "mand" | "nomand" => "mand",
        "atime" | "noatime" => "noatime",
        "diratime" | "nodiratime" => "nodiratime",
        "relatime" | "norelatime" => "relatime",
        "strictatime" | "nostrictatime" => "strictatime",
        "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "unbindable" | "runbindable" => {
            "propagation"
        }
        _ => {
            if let Some((key @ ("size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" | "mpol"), _)) =
                word.split_once('=')
            {
                return Ok(key);
            }
            let parts: Vec<String> = word.splitn(2, '=').map(quote).collect();
            return Err(MountError::new(format!("invalid tmpfs option [{}]", parts.join(" "))).hint(
                "known: ro, rw, exec, noexec, suid, nosuid, dev, nodev, size=64m, mode=1777, uid=, gid=, nr_inodes=",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_words_win() {
        let table = [
            ("", "noexec,nosuid,nodev,rprivate"),
            ("exec,size=1m", "nosuid,nodev,rprivate,exec,size=1m"),
            ("size=1m,size=2m,defaults", "noexec,nosuid,nodev,rprivate,size=2m"),
            ("rw,ro,rshared", "noexec,nosuid,nodev,ro,rshared"),
        ];
        for (text, expected) in table {
            assert_eq!(tmpfs_options(text).unwrap().join(","), expected, "{text}");
        }
    }

    #[test]
    fn refuses_in_dockers_words() {
        for (text, expected) in [
            ("bogus", "[\"bogus\"]"),
            ("ro,bogus=1", "[\"bogus\" \"1\"]"),
            ("size", "[\"size\"]"),
            ("bind", "[\"bind\"]"),
            ("ro,", "[\"\"]"),
        ] {
            assert_eq!(tmpfs_options(text).unwrap_err().message, format!("invalid tmpfs option {expected}"));
        }
    }

    #[test]
    fn says_options_in_words() {
        let options = |size_bytes, mode| TmpfsOptions { size_bytes, mode, options: vec![] };
        assert_eq!(words(Some(&options(1 << 20, 0o700)), false), "mode=700,size=1m");
        assert_eq!(words(Some(&options((1 << 30) + 1, 0)), true), "ro,size=1073741825");
        assert_eq!(words(Some(&options(3 << 10, 0)), false), "size=3k");
        assert_eq!(words(None, false), "");
    }

    #[test]
    fn splits_at_the_first_colon() {
        assert_eq!(parse_tmpfs("/a:b:c"), ("/a".to_owned(), "b:c".to_owned()));
        assert_eq!(parse_tmpfs("/a"), ("/a".to_owned(), String::new()));
    }
}
