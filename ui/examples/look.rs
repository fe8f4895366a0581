//! Opens the screens on an engine's socket: `look unix:///run/docker.sock`, with `OUTCROP_COLOURS=none|16|256` `ASCII=1`, `LIGHT=1`, `REMOTE=1`.

use outcrop_ui::{Backend, Charset, Connection, Kind, Level, Options, Tried};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let (backend, kind) = if let Some(socket) = argument.strip_prefix("unix://") {
        let docker = bollard::Docker::connect_with_unix(socket, 120, bollard::API_DEFAULT_VERSION)?;
        (Backend::Engine(docker.negotiate_version().await?), Kind::Docker)
    } else if argument.is_empty() {
        (Backend::None, Kind::Docker)
    } else {
        (Backend::Archive(argument.into()), Kind::Archive)
    };
    let mut options = Options::new(
        backend,
        Connection { kind, local: std::env::var_os("REMOTE").is_none(), ..Connection::default() },
    );
    options.tried = vec![Tried {
        place: "unix:///var/run/docker.sock".into(),
        why: "default socket".into(),
        error: "no such file: is the engine running?".into(),
    }];
    options.level = match std::env::var("OUTCROP_COLOURS").as_deref() {
        Ok("none") => Level::None,
        Ok("16") => Level::Sixteen,
        Ok("256") => Level::Indexed,
        _ => Level::True,
    };
    if std::env::var_os("ASCII").is_some() {
        options.charset = Charset::Ascii;
    }
    options.light = std::env::var_os("LIGHT").is_some();
    options.save_to = std::env::temp_dir();
    outcrop_ui::run(options).await?;
    Ok(())
}
