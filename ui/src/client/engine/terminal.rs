//! A terminal on a container: its own program, or a shell beside it.

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, ResizeExecOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::client::EngineClient;
use crate::client::engine::say;
use crate::message::{Data, TerminalInput, TerminalKind, TerminalNews};

/// The shells that are tried, the best first.
const SHELLS: [&str; 4] = ["bash", "sh", "/bin/sh", "ash"];

/// Empties the terminal's screen, and goes to its beginning.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// What runs, to tell it its size.
enum Running {
    Exec(String),
    Container(String),
}

/// A session of what was asked for.
pub(super) struct Terminal {
    pub(super) generation: u64,
    pub(super) container: String,
    pub(super) kind: TerminalKind,
    pub(super) size: (u16, u16),
    pub(super) input: UnboundedReceiver<TerminalInput>,
}

impl EngineClient {
    pub(super) async fn terminal(&self, terminal: Terminal) {
        let generation = terminal.generation;
        let how = match terminal.kind {
            TerminalKind::Shell => self.shell(terminal).await,
            TerminalKind::Attach { start } => self.attach(terminal, start).await,
        };
        let how = how.unwrap_or_else(|why| why);
        self.out.data(Data::Terminal(generation, TerminalNews::Ended(how)));
        self.out.data(Data::Changed);
    }

    fn tell(&self, generation: u64, news: TerminalNews) {
        self.out.data(Data::Terminal(generation, news));
    }

    /// Runs the first shell that the container has.
    async fn shell(&self, mut terminal: Terminal) -> Result<String, String> {
        let mut tried = Vec::new();
        for shell in SHELLS {
            let options = CreateExecOptions {
                attach_stdin: Some(true),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                tty: Some(true),
                env: Some(vec!["TERM=xterm-256color".to_owned()]),
                cmd: Some(vec![shell.to_owned()]),
                ..CreateExecOptions::default()
            };
            let failed = |error: &Error| match say(error) {
                text if text.contains("not running") => "it does not run: r starts it".to_owned(),
                text => format!("no shell: {text}"),
            };
            let exec = self.docker.create_exec(&terminal.container, options).await.map_err(|e| failed(&e))?.id;
            let start = StartExecOptions { detach: false, tty: true, output_capacity: None };
            let (output, input) = match self.docker.start_exec(&exec, Some(start)).await {
                Ok(StartExecResults::Attached { output, input }) => (output, input),
                Ok(StartExecResults::Detached) => return Err("the engine did not attach".into()),
                Err(error) => {
                    if is_missing(&say(&error)) {
                        tried.push(shell);
                        continue;
                    }
                    return Err(failed(&error));
                }
            };
            let what =
                if tried.is_empty() { shell.to_owned() } else { format!("{shell}, without {}", tried.join(", ")) };
            self.tell(terminal.generation, TerminalNews::Started(what));
            let running = Running::Exec(exec.clone());
            let said = self.pump(&mut terminal, &running, output, input, true).await;
            let code = self.docker.inspect_exec(&exec).await.ok().and_then(|exec| exec.exit_code);
            // Some engines attach first and say on the stream that there is no such program.
            if matches!(code, Some(126 | 127)) && is_missing(&said) && !terminal.input.is_closed() {
                tried.push(shell);
                // That is no news to whoever asked for any shell; what it has not is in the title.
                self.tell(terminal.generation, TerminalNews::Output(CLEAR.to_vec()));
                continue;
            }
            return Ok(match code {
                Some(code) => format!("{shell} has ended with {code}"),
                None => format!("{shell} was left"),
            });
        }
        Err(format!("it has no shell: {} were tried", tried.join(", ")))
    }

    async fn attach(&self, mut terminal: Terminal, start: bool) -> Result<String, String> {
        let id = terminal.container.clone();
        let inspect = self.docker.inspect_container(&id, None).await.map_err(|error| say(&error))?;
        let config = inspect.config.unwrap_or_default();
        let (tty, stdin) = (config.tty.unwrap_or(false), config.open_stdin.unwrap_or(false));
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(stdin)
            .stdout(true)
            .stderr(true)
            .logs(!start)
            .build();
        let attached = self.docker.attach_container(&id, Some(options)).await;
        let attached = attached.map_err(|error| format!("cannot attach: {}", say(&error)))?;
        if start {
            match self.docker.start_container(&id, None).await {
                // It runs already.
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 304, .. }) => {}
                Err(error) => return Err(format!("cannot start it: {}", say(&error))),
            }
        }
        let kind = match (tty, stdin) {
            (true, _) => "its own program",
            (false, true) => "its own program, without a terminal",
            (false, false) => "its own program, which takes no input",
        };
        self.tell(terminal.generation, TerminalNews::Started(kind.to_owned()));
        let running = Running::Container(id.clone());
        self.pump(&mut terminal, &running, attached.output, attached.input, tty).await;
        if terminal.input.is_closed() {
            return Ok("it was left".into());
        }
        let state = self.docker.inspect_container(&id, None).await.ok().and_then(|inspect| inspect.state);
        Ok(match state {
            Some(state) if state.running == Some(true) => "it went on without this terminal".into(),
            Some(state) => format!("it has ended with {}", state.exit_code.unwrap_or(0)),
            None => "it has ended, and was removed".into(),
        })
    }

    /// Carries bytes both ways until either end is gone; gives the first words that were said.
    async fn pump(
        &self,
        terminal: &mut Terminal,
        running: &Running,
        mut output: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
        mut input: impl AsyncWrite + Unpin,
        tty: bool,
    ) -> String {
        self.resize(running, terminal.size, tty).await;
        let mut said = String::new();
        loop {
            tokio::select! {
                chunk = output.next() => {
                    let bytes = match chunk {
                        Some(Ok(output)) => output.into_bytes(),
                        Some(Err(_)) | None => return said,
                    };
                    if said.len() < 400 {
                        said.push_str(&String::from_utf8_lossy(&bytes));
                    }
                    let bytes = if tty { bytes.to_vec() } else { with_returns(&bytes) };
                    self.tell(terminal.generation, TerminalNews::Output(bytes));
                }
                message = terminal.input.recv() => match message {
                    Some(TerminalInput::Bytes(bytes)) => {
                        // Its end shows on the other stream.
                        let _ = input.write_all(&bytes).await;
                        let _ = input.flush().await;
                    }
                    Some(TerminalInput::Resize(width, height)) => {
                        terminal.size = (width, height);
                        self.resize(running, terminal.size, tty).await;
                    }
                    None => {
                        terminal.input.close();
                        return said;
                    }
                },
            }
        }
    }

    async fn resize(&self, running: &Running, (width, height): (u16, u16), tty: bool) {
        if !tty {
            return;
        }
        let (width, height) = (i32::from(width), i32::from(height));
        // A program that has just ended has no size; the stream says that it ended.
        let _ = match running {
            Running::Exec(id) => {
                let options = ResizeExecOptionsBuilder::default().w(width).h(height).build();
                self.docker.resize_exec(id, options).await
            }
            Running::Container(id) => {
                let options = ResizeContainerTTYOptionsBuilder::default().w(width).h(height).build();
                self.docker.resize_container_tty(id, options).await
            }
        };
    }
}

/// Whether an engine's words say that there is no such program.
fn is_missing(words: &str) -> bool {
    ["not found", "no such file or directory", "No such file or directory"].iter().any(|text| words.contains(text))
}

/// What a program without a terminal says, as a terminal shows it: every line from its beginning.
fn with_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_when_there_is_no_such_program() {
        let runc = "OCI runtime exec failed: exec: \"bash\": executable file not found in $PATH: unknown";
        let crun = "executable file `bash` not found in $PATH: No such file or directory: OCI runtime attempted";
        assert!(is_missing(runc) && is_missing(crun));
        assert!(!is_missing("container abc is not running"));
    }

    #[test]
    fn lines_begin_at_the_left() {
        assert_eq!(with_returns(b"a\nb"), b"a\r\nb");
    }
}
