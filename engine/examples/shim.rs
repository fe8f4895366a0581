//! The smallest program around containers: a shim, and a `run` for tests, benchmarks and looking at things by hand.
//!
//! `shim run ROOT IMAGE-ID '{"Cmd":["true"],"HostConfig":{"AutoRemove":true}}'` creates, starts and waits, and ends with the
//! container's exit code.

use std::io::Write;
use std::process::ExitCode;

use outcrop_engine::container::{Containers, CreateBody, Message, Until, shim};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = shim::main(&arguments) {
        return code.into();
    }
    let words: Vec<String> = arguments.into_iter().filter_map(|word| word.into_string().ok()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("{error}");
            125.into()
        }
    }
}

fn run(words: &[&str]) -> Result<u8, Box<dyn std::error::Error>> {
    let ["run", root, image, body] = words else {
        return Err("usage: shim run ROOT IMAGE-ID BODY".into());
    };
    let containers = Containers::new(*root, None, !rustix::process::geteuid().is_root());
    let image = containers.image(image)?;
    let created = containers.create("", CreateBody::parse(body.as_bytes())?, &image)?;
    let mut attached = containers.attach(&created.id, false, true, true)?;
    containers.start(&created.id)?;
    while let Some(message) = attached.receive()? {
        match message {
            Message::Stdout(bytes) => std::io::stdout().write_all(&bytes)?,
            Message::Stderr(bytes) => std::io::stderr().write_all(&bytes)?,
            Message::Exited(code, error) => {
                if !error.is_empty() {
                    eprintln!("{error}");
                }
                return Ok(u8::try_from(code).unwrap_or(255));
            }
            Message::Failed(why) => return Err(why.into()),
            _ => {}
        }
    }
    let exited = containers.wait(&created.id, Until::NotRunning, || {})?;
    Ok(u8::try_from(exited.code).unwrap_or(255))
}
