//! Docker's contexts: `config.json` names the current one, `contexts/meta/<sha256 of the name>/meta.json` describes it.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The context that needs no file: Docker's default socket.
const DEFAULT: &str = "default";

/// The name of the current context, `None` for the default one.
pub(super) fn current(directory: &Path) -> Result<Option<String>, String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct File {
        #[serde(rename = "currentContext")]
        current: String,
    }
    let path = directory.join("config.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let file: File = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Some(file.current).filter(|name| !name.is_empty() && name != DEFAULT))
}

/// The host that the context `name` leads to, `None` for the default one.
pub(super) fn host(directory: &Path, name: &str) -> Result<Option<String>, String> {
    if name == DEFAULT {
        return Ok(None);
    }
    let folder = hex::encode(Sha256::digest(name.as_bytes()));
    let path = directory.join("contexts/meta").join(&folder).join("meta.json");
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("context {name:?}: context not found; `docker context ls` lists them"),
        _ => format!("cannot read {}: {error}", path.display()),
    })?;
    let host = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if directory.join("contexts/tls").join(&folder).join("docker").is_dir() {
        return Err(format!("context {name:?} uses TLS, which outcrop cannot do yet; use a unix socket"));
    }
    Ok(Some(host))
}

/// The host in a `meta.json`.
fn parse(text: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        endpoints: Endpoints,
    }
    #[derive(Deserialize)]
    struct Endpoints {
        docker: Docker,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Docker {
        host: String,
    }
    serde_json::from_str::<Meta>(text).map(|meta| meta.endpoints.docker.host).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_writes() {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let folder = "fe9c6bd7a66301f49ca9b6a70b217107cd1284598bfc254700c989b916da791e"; // sha256 of "desktop-linux"
        let meta = scratch.path().join("contexts/meta").join(folder);
        std::fs::create_dir_all(&meta).expect("makes");
        let text = r#"{"Name":"desktop-linux","Metadata":{"Description":"x"},"Endpoints":{"docker":{"Host":"unix:///home/me/.docker/desktop/docker.sock","SkipTLSVerify":false}}}"#;
        std::fs::write(meta.join("meta.json"), text).expect("writes");
        std::fs::write(scratch.path().join("config.json"), r#"{"auths":{},"currentContext":"desktop-linux"}"#)
            .expect("writes");
        assert_eq!(current(scratch.path()), Ok(Some("desktop-linux".into())));
        assert_eq!(
            host(scratch.path(), "desktop-linux"),
            Ok(Some("unix:///home/me/.docker/desktop/docker.sock".into()))
        );
        assert_eq!(host(scratch.path(), "default"), Ok(None));
        assert!(host(scratch.path(), "other").is_err_and(|error| error.contains("not found")));
        assert_eq!(current(&scratch.path().join("none")), Ok(None));
        assert!(parse("{}").is_err());
    }
}
