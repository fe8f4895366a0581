//! `outcrop run`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::create::Description;
use super::detach_keys::DetachKeys;
use super::signals::{self, unless_enough};
use super::streams::{End, Streams};
use super::wait::Exit;
use super::watch::{How, Target, Watching};
use super::{Failure, Session, tty};
use outcrop_engine::container::HostConfig;

use crate::connect::{Connection, Hijacked, Target as Engine};
use crate::report::{filter, safe};

/// Create a container, start it and talk to it
#[derive(Args)]
#[command(disable_help_flag = true, override_usage = "outcrop run [OPTIONS] IMAGE [COMMAND] [ARG...]")]
#[command(after_help = "Examples:
  outcrop run --rm -it app1 sh
  outcrop run -d --name web -p 8080:80 -v data:/data app1
  outcrop run --rm --mount type=bind,src=$PWD,dst=/src,readonly app1 ls /src
  echo hello | outcrop run --rm -i app1 cat

Exit codes: 125 the engine could not, 126 the command cannot be run, 127 it is not there, else the command's own.")]
pub(crate) struct Run {
    /// Print the container's ID and leave it alone
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave it without ending it
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: String,
    /// Pass signals on to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// Tell on standard error what it writes: what is copied up, from which layer, by whom (with -t: sums when it ends).
    /// Without root, --annotation outcrop.notify=true is set for it
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    description: Description,
    /// Image, and the command with its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "COMMAND"])]
    words: Vec<String>,
}

/// What `docker run` adds to an error, and its exit code.
fn refused(failure: &Failure, code: u8) -> Failure {
    let message = failure.message();
    Failure::with_code(format!("outcrop: {message}\n\nRun 'outcrop run --help' for more information"), code)
}

/// The exit code for a container that did not start: what shells say of such commands.
fn code_of(message: &str) -> u8 {
    let any = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    match () {
        () if any(&["executable file not found", "no such file or directory", "not found in $PATH"]) => 127,
        () if any(&["permission denied", "is a directory"]) => 126,
        () => 125,
    }
}

impl Run {
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut body = self.description.body(session, &self.words).map_err(|failure| refused(&failure, 125))?;
        let keys = DetachKeys::parse(&self.detach_keys).map_err(|why| refused(&Failure::new(why), 125))?;
        if self.detach && self.watch {
            return Err(Failure::new("conflicting options: cannot specify both --watch and --detach"));
        }
        if self.watch && session.rootless && matches!(session.target()?, Engine::Embedded { .. }) {
            // The kernel tells an ordinary user no processes: the container's own calls do.
            let mut annotations = body.host.get("Annotations").cloned().unwrap_or_else(|| serde_json::json!({}));
            if let Some(all) = annotations.as_object_mut() {
                all.entry(HostConfig::NOTIFY).or_insert_with(|| "true".into());
            }
            body.host.insert("Annotations".into(), annotations);
        }
        if self.detach {
            if self.description.options.chose_streams() {
                return Err(Failure::new("conflicting options: cannot specify both --attach and --detach"));
            }
            for field in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
                body.config.remove(field);
            }
        } else {
            tty::check(body.is("AttachStdin"), body.is("Tty"))?;
        }
        if body.is("Tty")
            && let Some((rows, columns)) = tty::size()
        {
            body.host.insert("ConsoleSize".into(), serde_json::json!([rows, columns]));
        }
        let connection = session.connect().await.map_err(|failure| refused(&failure, 125))?;
        let connection = Arc::new(connection);
        let image = &self.words[0];
        let created = self.description.create(session, &connection, image, &body).await;
        let id = created.map_err(|failure| refused(&failure, 125))?;
        if self.detach {
            safe::print(&format!("{id}\n"))?;
            return start(&connection, &id).await.map(|()| ExitCode::SUCCESS);
        }
        let attached = Attached {
            stdin: body.is("AttachStdin"),
            stdout: body.is("AttachStdout"),
            stderr: body.is("AttachStderr"),
            tty: body.is("Tty"),
            keys,
            keys_text: &self.detach_keys,
            sig_proxy: self.sig_proxy,
            auto_remove: self.description.options.auto_remove(),
        };
        if !self.watch {
            return attached.run(&connection, &id).await;
        }
        // Attached first: then there is somebody who can tell of the container's calls.
        let hijacked = attached.open(&connection, &id).await?;
        let target = Target::container(&connection, &id).await?;
        let watching = Watching::begin(&target, &How::beside(body.is("Tty")))?;
        watching.until(attached.start(&connection, &id, hijacked)).await
    }
}

async fn start(connection: &Connection, id: &str) -> Result<(), Failure> {
    match connection.post(&format!("/containers/{id}/start")).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            let code = code_of(failure.message());
            Err(refused(&failure, code))
        }
    }
}

/// A container that is started in the foreground.
pub(super) struct Attached<'a> {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
    pub(super) keys: DetachKeys,
    pub(super) keys_text: &'a str,
    pub(super) sig_proxy: bool,
    pub(super) auto_remove: bool,
}

impl Attached<'_> {
    /// The endpoint that attaches to these streams.
    pub(super) fn path(&self, id: &str) -> String {
        let keys = Some(self.keys_text).filter(|keys| !keys.is_empty());
        let parameters = [
            ("stream", Some("1")),
            ("stdin", filter::flag(self.stdin)),
            ("stdout", filter::flag(self.stdout)),
            ("stderr", filter::flag(self.stderr)),
            ("detachKeys", keys),
        ];
        filter::query(&format!("/containers/{id}/attach"), &parameters)
    }

    /// Attaches, starts, talks, and ends as the container does.
    pub(super) async fn run(self, connection: &Arc<Connection>, id: &str) -> Result<ExitCode, Failure> {
        let hijacked = self.open(connection, id).await?;
        self.start(connection, id, hijacked).await
    }

    /// Attaches.
    async fn open(&self, connection: &Connection, id: &str) -> Result<Hijacked, Failure> {
        Ok(connection.hijack(&self.path(id), None).await?)
    }

    async fn start(self, connection: &Arc<Connection>, id: &str, hijacked: Hijacked) -> Result<ExitCode, Failure> {
        let condition = if self.auto_remove { "removed" } else { "next-exit" };
        let exit = Exit::of(connection, id, condition).await?;
        let passing_on = (self.sig_proxy && !self.tty).then(|| signals::pass_on(connection, id));
        if let Err(failure) = start(connection, id).await {
            if self.auto_remove {
                let _ = exit.code().await; // it is gone then, as was asked
            }
            return Err(failure);
        }
        let resize = format!("/containers/{id}/resize");
        let streams = Streams { stdin: self.stdin, tty: self.tty, keys: self.keys, resize };
        unless_enough(passing_on.as_ref(), async {
            if streams.talk(connection, hijacked).await? == End::Detached {
                safe::say("read escape sequence");
                return Ok(ExitCode::SUCCESS);
            }
            Ok(ExitCode::from(exit.code().await?))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_as_shells_do() {
        for (message, code) in [
            ("exec: \"/nope\": stat /nope: no such file or directory", 127),
            ("exec: \"nope\": executable file not found in $PATH", 127),
            ("exec: \"/etc/notexec\": permission denied", 126),
            ("No such container: x", 125),
        ] {
            assert_eq!(code_of(message), code, "{message}");
        }
    }
}
