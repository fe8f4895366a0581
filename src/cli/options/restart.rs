//! What happens when a container ends, and where its output goes.

use clap::Args;
use serde_json::{Value, json};

use super::{Body, pairs, set};
use crate::cli::Failure;

/// Options of the end and of logs.
#[derive(Args)]
#[command(next_help_heading = "Ending and logs")]
pub(super) struct Ending {
    /// Remove it, and its anonymous volumes, when it ends
    #[arg(long)]
    pub(super) rm: bool,
    /// Start it again when it ends: no, always, unless-stopped, on-failure, on-failure:TIMES
    #[arg(long, value_name = "POLICY", default_value = "no")]
    restart: String,
    /// Driver of logs: json-file or none; other engines have more
    #[arg(long, value_name = "DRIVER", default_value = "", hide_default_value = true)]
    log_driver: String,
    /// Option of the driver: max-size=10m, max-file=3
    #[arg(long, value_name = "OPTION")]
    log_opt: Vec<String>,
}

impl Ending {
    pub(super) fn apply(&self, body: &mut Body) -> Result<(), Failure> {
        let policy = policy(&self.restart).map_err(Failure::new)?;
        if self.rm && !matches!(policy["Name"].as_str(), Some("" | "no")) {
            return Err(Failure::new("conflicting options: cannot specify both --restart and --rm"));
        }
        if self.log_driver == "none" && !self.log_opt.is_empty() {
            return Err(Failure::new("invalid logging opts for driver none"));
        }
        body.host.insert("RestartPolicy".into(), policy);
        let logs = json!({"Type": self.log_driver, "Config": pairs(&self.log_opt)});
        body.host.insert("LogConfig".into(), logs);
        set(&mut body.host, "AutoRemove", self.rm);
        Ok(())
    }
}

/// Reads a policy as docker's command line does: which names there are, the engine knows.
pub(crate) fn policy(text: &str) -> Result<Value, String> {
    let (name, times) = text.split_once(':').unwrap_or((text, ""));
    if text.starts_with(':') {
        return Err("invalid restart policy format: no policy provided before colon".into());
    }
    let whole = || "invalid restart policy format: maximum retry count must be an integer".to_owned();
    let times = if text.contains(':') { times.parse::<i64>().map_err(|_| whole())? } else { 0 };
    Ok(json!({"Name": name, "MaximumRetryCount": times}))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn reads_policies() {
        for (text, name, times) in [
            ("", "", 0),
            ("no", "no", 0),
            ("always", "always", 0),
            ("on-failure:1", "on-failure", 1),
            ("unless-stopped", "unless-stopped", 0),
            ("anything:123", "anything", 123),
            ("negative:-123", "negative", -123),
        ] {
            assert_eq!(policy(text), Ok(json!({"Name": name, "MaximumRetryCount": times})), "{text}");
        }
        assert_eq!(policy(":1"), Err("invalid restart policy format: no policy provided before colon".into()));
        for bad in ["always:2:3", "on-failure:invalid", "unless-stopped:invalid"] {
            let why = "invalid restart policy format: maximum retry count must be an integer";
            assert_eq!(policy(bad), Err(why.into()), "{bad}");
        }
    }

    #[test]
    fn reads_the_rest() {
        let conflict = "conflicting options: cannot specify both --restart and --rm";
        assert_eq!(body(&["--rm", "--restart", "always"]), Err(conflict.into()));
        assert_eq!(field(&["--rm"], "/HostConfig/AutoRemove"), true);
        let line = ["--log-driver", "local", "--log-opt", "max-size=1m"];
        assert_eq!(field(&line, "/HostConfig/LogConfig"), json!({"Type": "local", "Config": {"max-size": "1m"}}));
        assert!(body(&["--log-driver", "none", "--log-opt", "a=b"]).is_err());
    }
}
