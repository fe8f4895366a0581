//! `COPY` and `ADD`.

use super::Parser;
use crate::build::flags::Known;
use crate::build::heredoc::{self, Heredoc};
use crate::build::instruction::{Copy, CopySource};
use crate::build::lines::is_blank;
use crate::build::problem::Problem;

const COPY: Known = Known { one: &["from", "chown", "chmod"], many: &["exclude"], on: &["link", "parents"] };
const ADD: Known =
    Known { one: &["chown", "chmod", "checksum"], many: &["exclude"], on: &["link", "keep-git-dir", "unpack"] };

impl Parser<'_> {
    pub(super) fn copy(&self, add: bool) -> Result<Copy, Problem> {
        let (flags, rest) = self.flags(if add { &ADD } else { &COPY })?;
        let mut words = match self.exec_form(rest)? {
            Some(words) => words,
            None if self.heredocs.is_empty() => {
                rest.split(is_blank).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            None => heredoc::words(rest),
        };
        let target = match words.pop() {
            Some(target) if !words.is_empty() => target,
            _ => {
                return self.needs(
                    "requires at least two arguments, but only one was provided. Destination could not be determined",
                );
            }
        };
        let mut documents = self.heredocs.iter();
        let mut source = |word: String| {
            let begins = matches!(Heredoc::parse(&word), Ok(Some(_)));
            match begins.then(|| documents.next()).flatten() {
                Some(heredoc) => CopySource::Heredoc(heredoc.clone()),
                None => CopySource::Path(word),
            }
        };
        let sources: Vec<CopySource> = words.into_iter().map(&mut source).collect();
        if !self.heredocs.is_empty() && matches!(Heredoc::parse(&target), Ok(Some(_))) {
            return Err(self.problem(&target, format!("{} cannot accept a heredoc as a destination", self.word)));
        }
        let text = |name: &str| flags.get(name).map(str::to_owned);
        if let Some(chmod) = text("chmod").filter(|mode| !mode.contains('$')) {
            crate::build::chmod::Change::parse(&chmod).map_err(|why| self.problem(&chmod, why))?;
        }
        if let Some(checksum) = text("checksum") {
            let remote = |source: &CopySource| matches!(source, CopySource::Path(path) if is_url(path));
            if sources.len() != 1 || !remote(&sources[0]) {
                return Err(self.problem("--checksum", "checksum can't be specified for multiple or local sources"));
            }
            checksum
                .parse::<outcrop_layers::digest::Digest>()
                .map_err(|error| self.problem(&checksum, error.to_string()))?;
        }
        Ok(Copy {
            add,
            sources,
            target,
            from: text("from"),
            chown: text("chown"),
            chmod: text("chmod"),
            excludes: flags.all("exclude"),
            parents: flags.on("parents"),
            checksum: text("checksum"),
            unpack: flags.get("unpack").map(|value| value == "true"),
        })
    }
}

/// Whether a source of ADD is to be downloaded.
pub(crate) fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
