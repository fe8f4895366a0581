//! Who the user is at registries: Docker's `config.json`, and the credential helpers that it names.

mod helper;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use outcrop_engine::image::Reference;
use serde_json::{Map, Value, json};

use super::{Failure, Session};
use helper::Helper;

/// What Docker Hub is called there.
pub(super) const HUB: &str = "https://index.docker.io/v1/";

/// Says for the terminal who the user is at registries.
pub(super) fn users(session: &Session) -> outcrop_ui::Users {
    let (path, search) = (session.env.docker_config().join("config.json"), session.env.path().to_owned());
    std::sync::Arc::new(move |image| {
        let header = || {
            let store = Store::read(path.clone(), &search)?;
            let Some(name) = image else { return Ok(("x-registry-config", store.all())) };
            let reference = Reference::parse(name).map_err(|error| Failure::new(error.to_string()))?;
            Ok::<_, Failure>(("x-registry-auth", store.header(reference.domain())?))
        };
        header().map_err(|failure| failure.message().to_owned())
    })
}

/// A user at a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    /// The user.
    pub(super) username: String,
    /// The password.
    pub(super) password: String,
    /// A token instead of it.
    pub(super) identity_token: String,
}

impl Login {
    /// As the engine takes it.
    fn json(&self, key: &str) -> Value {
        if self.identity_token.is_empty() {
            return json!({"username": self.username, "password": self.password, "serveraddress": key});
        }
        json!({"username": self.username, "identitytoken": self.identity_token, "serveraddress": key})
    }
}

/// Docker's configuration, as far as it is about registries.
pub(super) struct Store {
    path: PathBuf,
    json: Map<String, Value>,
    search: String,
}

impl Store {
    /// Reads `config.json`; one that is not there is empty.
    pub(super) fn of(session: &Session) -> Result<Self, Failure> {
        Self::read(session.env.docker_config().join("config.json"), session.env.path())
    }

    fn read(path: PathBuf, search: &str) -> Result<Self, Failure> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{}".into(),
            Err(error) => return Err(Failure::io("read", &path, &error)),
        };
        let json = serde_json::from_str(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        Ok(Self { path, json, search: search.to_owned() })
    }

    /// The helper that keeps the credentials of a registry.
    fn helper(&self, key: &str) -> Result<Option<Helper<'_>>, Failure> {
        let own = self.json.get("credHelpers").and_then(|helpers| helpers.get(key)).and_then(Value::as_str);
        let name = own.or_else(|| self.json.get("credsStore").and_then(Value::as_str)).filter(|name| !name.is_empty());
        name.map(|name| Helper::new(name, &self.search)).transpose()
    }

    /// Who the user is at `key`.
    fn get(&self, key: &str) -> Result<Option<Login>, Failure> {
        if let Some(helper) = self.helper(key)? {
            return helper.get(key);
        }
        let auths = self.json.get("auths").and_then(Value::as_object);
        let Some(auths) = auths else { return Ok(None) };
        // Old files have addresses where hosts are now.
        let host = |text: &str| {
            let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
            rest.split('/').next().unwrap_or(rest).to_owned()
        };
        let found = auths.get(key).or_else(|| auths.iter().find(|(k, _)| host(k) == host(key)).map(|(_, v)| v));
        let Some(found) = found else { return Ok(None) };
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pair = decode(&text("auth")).unwrap_or_default();
        let (username, password) = pair.split_once(':').unwrap_or_default();
        let login = Login {
            username: if username.is_empty() { text("username") } else { username.into() },
            password: if username.is_empty() { text("password") } else { password.trim_end_matches('\0').into() },
            identity_token: text("identitytoken"),
        };
        Ok(Some(login).filter(|login| !login.username.is_empty() || !login.identity_token.is_empty()))
    }

    /// The header `X-Registry-Auth` for a reference's domain.
    pub(super) fn header(&self, domain: &str) -> Result<String, Failure> {
        let key = if domain == "docker.io" { HUB } else { domain };
        let json = self.get(key)?.map_or_else(|| json!({}), |login| login.json(key));
        Ok(encode(json.to_string().as_bytes(), URL_SAFE))
    }

    /// The header `X-Registry-Config`: users of all registries that are known. A helper that fails knows none.
    pub(super) fn all(&self) -> String {
        let keys_of = |name: &str| self.json.get(name).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let mut keys: BTreeSet<String> = keys_of("auths").chain(keys_of("credHelpers")).cloned().collect();
        let store = self.json.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty());
        keys.extend(store.and_then(|name| Helper::new(name, &self.search).ok()?.list().ok()).unwrap_or_default());
        let mut all = Map::new();
        for key in keys {
            if let Ok(Some(login)) = self.get(&key) {
                all.insert(key.clone(), login.json(&key));
            }
        }
        encode(Value::from(all).to_string().as_bytes(), URL_SAFE)
    }

    /// Remembers a user; tells the file, if the password stands in it readably.
    pub(super) fn put(mut self, key: &str, login: &Login) -> Result<Option<PathBuf>, Failure> {
        if let Some(helper) = self.helper(key)? {
            helper.store(key, login)?;
            return Ok(None);
        }
        let mut entry = json!({"auth": encode(format!("{}:{}", login.username, login.password).as_bytes(), STANDARD)});
        if !login.identity_token.is_empty() {
            entry = json!({
                "auth": encode(format!("{}:", login.username).as_bytes(), STANDARD),
                "identitytoken": login.identity_token,
            });
        }
        let auths = self.json.entry("auths").or_insert_with(|| json!({}));
        let unreadable = || Failure::new(format!("{}: \"auths\" is no object", self.path.display()));
        auths.as_object_mut().ok_or_else(unreadable)?.insert(key.into(), entry);
        self.write()?;
        Ok(Some(self.path))
    }

    /// Forgets a user; tells whether there was one.
    pub(super) fn forget(mut self, key: &str) -> Result<bool, Failure> {
        let known = self.get(key)?.is_some();
        if let Some(helper) = self.helper(key)? {
            if known {
                helper.erase(key)?;
            }
            return Ok(known);
        }
        if let Some(auths) = self.json.get_mut("auths").and_then(Value::as_object_mut)
            && auths.remove(key).is_some()
        {
            self.write()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Writes the file anew, for the user's eyes alone, by one rename.
    fn write(&self) -> Result<(), Failure> {
        // A link is followed: what it leads to is changed.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let failed = |error: std::io::Error| Failure::io("write", &path, &error);
        let text = serde_json::to_vec_pretty(&self.json).map_err(|error| Failure::new(error.to_string()))?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let staged = path.with_file_name(format!("config.json{}", std::process::id()));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged).map_err(failed)?;
        let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&staged, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&staged);
            failed(error)
        })
    }
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base 64 with padding.
fn encode(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let letter = alphabet[(word >> (18 - 6 * n)) as usize & 63];
            out.push(if n <= chunk.len() { letter.into() } else { '=' });
        }
    }
    out
}

/// The text of base 64.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for letter in text.trim().trim_end_matches('=').bytes() {
        word = word << 6 | STANDARD.iter().position(|known| *known == letter)? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn base_64() {
        for (plain, coded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("me:secret", "bWU6c2VjcmV0"), ("ä?>", "w6Q/Pg==")]
        {
            assert_eq!(encode(plain.as_bytes(), STANDARD), coded);
            assert_eq!(decode(coded).as_deref(), Some(plain));
        }
        assert_eq!(encode("ä?>".as_bytes(), URL_SAFE), "w6Q_Pg==");
        assert_eq!(decode("a b"), None);
    }

    #[test]
    fn remembers_and_forgets_beside_what_else_is_there() {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let path = scratch.path().join("d/config.json");
        let open = || Store::read(path.clone(), "/nowhere").expect("reads");
        let login = Login { username: "me".into(), password: "p:w".into(), identity_token: String::new() };
        assert!(open().put("h:5000", &login).expect("writes").is_some());
        let mode = fs::metadata(&path).expect("is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let text = fs::read_to_string(&path).expect("reads").replacen('{', r#"{"currentContext":"x","#, 1);
        fs::write(&path, text).expect("writes");
        assert!(open().get("h:5000").expect("reads") == Some(login));
        let header = decode(&open().header("h:5000").expect("makes")).expect("is base 64");
        assert!(header.contains(r#""password":"p:w""#), "{header}");
        assert!(open().forget("h:5000").expect("writes"));
        assert!(!open().forget("h:5000").expect("reads"));
        let left: Value = serde_json::from_slice(&fs::read(&path).expect("reads")).expect("is JSON");
        assert_eq!(left, json!({"currentContext": "x", "auths": {}}));
        fs::write(&path, "{").expect("writes");
        assert!(Store::read(path.clone(), "").is_err());
    }

    #[test]
    fn asks_helpers() {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let script = scratch.path().join("docker-credential-t");
        let text = "#!/bin/sh\nread key\ncase $1$key in\ngeth) echo '{\"ServerURL\":\"h\",\"Username\":\"<token>\",\"Secret\":\"tok\"}';;\n\
            *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n";
        fs::write(&script, text).expect("writes");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("changes");
        let path = scratch.path().join("config.json");
        fs::write(&path, r#"{"credHelpers":{"h":"t"},"credsStore":"../evil"}"#).expect("writes");
        let search = format!("{}:/usr/bin:/bin", scratch.path().display());
        let store = Store::read(path.clone(), &search).expect("reads");
        let all = decode(&store.all().replace('_', "/").replace('-', "+")).expect("is base 64");
        assert_eq!(all, r#"{"h":{"identitytoken":"tok","serveraddress":"h","username":""}}"#);
        assert_eq!(store.get("h").ok().flatten().map(|login| login.identity_token).as_deref(), Some("tok"));
        assert!(store.get("other").is_err(), "a helper's name is no path");
    }
}
