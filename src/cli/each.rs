//! Doing something to each of several containers: all are tried, and what failed is told at the end.

use std::process::ExitCode;

use hyper::Method;

use super::{Failure, Session};
use crate::connect::in_path;
use crate::report::{filter, safe};

/// Runs `act` for each name in turn; fails with all that failed.
pub(super) async fn each(
    names: &[String],
    mut act: impl AsyncFnMut(&str) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let mut errors = Vec::new();
    for name in names {
        if let Err(failure) = act(name).await {
            errors.push(failure.message().to_owned());
        }
    }
    if errors.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::new(errors.join("\n"))) }
}

/// Sends `method` to `/containers/NAME` and what follows it, for each name; prints the names it was done to.
pub(super) async fn each_container(
    session: &Session,
    names: &[String],
    method: Method,
    rest: &str,
    parameters: &[(&str, Option<&str>)],
) -> Result<ExitCode, Failure> {
    let connection = &session.connect().await?;
    each(names, async |name| {
        let path = filter::query(&format!("{}{rest}", of_container(name)?), parameters);
        connection.call(method.clone(), &path, None).await?;
        safe::print(&format!("{name}\n"))?;
        Ok(())
    })
    .await
}

/// `/containers/NAME`.
pub(super) fn of_container(name: &str) -> Result<String, Failure> {
    let trimmed = name.trim_matches('/');
    if trimmed.is_empty() {
        return Err(Failure::new("Container name cannot be empty"));
    }
    Ok(format!("/containers/{}", in_path(trimmed)))
}
