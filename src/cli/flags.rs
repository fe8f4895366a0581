//! Flags that take a value when one is attached: docker's `--rm=false`, `-d=true`.

use clap::{Arg, ArgAction, Command};

/// The command with all its flags so, and those of its subcommands.
pub(super) fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .value_parser(truth)
}

/// The words that Go takes for true and false.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    #[command(args_override_self = true)]
    struct Only {
        #[arg(short, long)]
        detach: bool,
        #[arg(short, long)]
        interactive: bool,
        #[arg(short, long)]
        tty: bool,
        #[arg(short, long, default_value = "")]
        user: String,
        #[arg(trailing_var_arg = true)]
        words: Vec<String>,
    }

    #[test]
    fn takes_values_that_are_attached() {
        let parse = |line: &[&str]| {
            let matches = with_values(Only::command()).try_get_matches_from(["x"].iter().chain(line)).ok()?;
            let only = <Only as clap::FromArgMatches>::from_arg_matches(&matches).ok()?;
            let flags = [only.detach, only.interactive, only.tty].map(|on| if on { '1' } else { '0' });
            Some(format!("{} {} {}", flags.iter().collect::<String>(), only.user, only.words.join(" ")))
        };
        for (line, want) in [
            (&["-dit", "image", "-d"][..], "111  image -d"),
            (&["-d=false", "-it", "image"], "011  image"),
            (&["-itu", "me", "image"], "011 me image"),
            (&["--detach=true", "--tty=0", "--tty", "image"], "101  image"),
            (&["-d", "true"], "100  true"),
        ] {
            assert_eq!(parse(line).as_deref(), Some(want), "{line:?}");
        }
        assert_eq!(parse(&["--tty=maybe"]), None);
    }
}
