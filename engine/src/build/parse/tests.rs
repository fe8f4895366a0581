use super::*;
use crate::build::instruction::{Copy, CopySource};

fn parse(text: &str) -> Result<Kind, String> {
    let lines = Lines::read("Dockerfile", text.as_bytes()).map_err(|problem| problem.to_string())?;
    instruction(&lines, &lines.all[0]).map(|instruction| instruction.kind).map_err(|problem| problem.to_string())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<Pair> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn instructions_say_what_they_say() {
    let exec = |list: &[&str]| CommandLine::Exec(words(list));
    let shell = |text: &str| CommandLine::Shell(text.into());
    for (text, kind) in [
        (
            "ENV a=b c=\"d e\" f='g h' i=j\\ k",
            Kind::Env(pairs(&[("a", "b"), ("c", "\"d e\""), ("f", "'g h'"), ("i", "j\\ k")])),
        ),
        ("ENV a b  c=d", Kind::Env(pairs(&[("a", "b  c=d")]))),
        ("LABEL \"a b\"=c d=", Kind::Label(pairs(&[("\"a b\"", "c"), ("d", "")]))),
        ("arg A=1 B", Kind::Arg(vec![("A".into(), Some("1".into())), ("B".into(), None)])),
        ("CMD [\"a\", \"b c\"]", Kind::Cmd(exec(&["a", "b c"]))),
        ("CMD [ a", Kind::Cmd(shell("[ a"))),
        ("CMD []", Kind::Cmd(exec(&[]))),
        ("ENTRYPOINT a  b \\\n c", Kind::Entrypoint(shell("a  b  c"))),
        ("SHELL [\"/bin/bash\", \"-c\"]", Kind::Shell(words(&["/bin/bash", "-c"]))),
        ("WORKDIR  /a b ", Kind::Workdir("/a b".into())),
        ("EXPOSE 80 53/udp 9", Kind::Expose(words(&["53/udp", "80", "9"]))),
        ("VOLUME /a /b", Kind::Volume(words(&["/a", "/b"]))),
        ("VOLUME [\"/a b\"]", Kind::Volume(words(&["/a b"]))),
        ("ONBUILD  copy a b", Kind::OnBuild("copy a b".into())),
        ("MAINTAINER A <a@b>", Kind::Maintainer("A <a@b>".into())),
        (
            "FROM --platform=linux/arm64 a:1 As B-1",
            Kind::From(From { image: "a:1".into(), name: Some("b-1".into()), platform: Some("linux/arm64".into()) }),
        ),
    ] {
        assert_eq!(parse(text), Ok(kind), "{text}");
    }
}

#[test]
fn copies() {
    let plain = Copy {
        add: false,
        sources: vec![CopySource::Path("a".into())],
        target: "b".into(),
        from: None,
        chown: None,
        chmod: None,
        excludes: Vec::new(),
        parents: false,
        checksum: None,
        unpack: None,
    };
    assert_eq!(parse("COPY a b"), Ok(Kind::Copy(plain.clone())));
    assert_eq!(parse("COPY [\"a\", \"b\"]"), Ok(Kind::Copy(plain.clone())));
    let full = "COPY --from=x --chown=1:2 --chmod=0755 --link --exclude=*.a --exclude=*.b a b";
    let flagged = Copy {
        from: Some("x".into()),
        chown: Some("1:2".into()),
        chmod: Some("0755".into()),
        excludes: words(&["*.a", "*.b"]),
        ..plain.clone()
    };
    assert_eq!(parse(full), Ok(Kind::Copy(flagged)));
    let Ok(Kind::Copy(copy)) = parse("ADD <<one c <<two /d/\n1\none\n2\ntwo\n") else { panic!("no ADD") };
    let shown: Vec<String> = copy
        .sources
        .iter()
        .map(|source| match source {
            CopySource::Path(path) => path.clone(),
            CopySource::Heredoc(heredoc) => format!("{}:{}", heredoc.name, heredoc.content),
        })
        .collect();
    assert_eq!((copy.add, shown, copy.target), (true, words(&["one:1\n", "c", "two:2\n"]), "/d/".into()));
}

#[test]
fn runs() {
    let run = |text: &str| match parse(text) {
        Ok(Kind::Run(run)) => run,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(run("RUN a \\\n# no\n && b").command, CommandLine::Shell("a  && b".into()));
    assert_eq!(run("RUN <<EOF\na\nb\nEOF\n").command, CommandLine::Shell("a\nb\n".into()));
    assert_eq!(run("RUN <<-EOF\n\ta\nEOF\n").command, CommandLine::Shell("a\n".into()));
    assert_eq!(run("RUN cat <<A\na\nA\n").command, CommandLine::Shell("cat <<A\na\nA".into()));
    assert!(run("RUN <<EOF\n#!/bin/x\nEOF\n").script.is_some());
    let full = run("RUN --mount=type=cache,target=/c --network=none --mount=type=tmpfs,target=/t x");
    assert_eq!((full.mounts.len(), full.network.as_deref()), (2, Some("none")));
}

#[test]
fn health_checks() {
    let Ok(Kind::Healthcheck(check)) =
        parse("HEALTHCHECK --interval=5m --timeout=3s --retries=2 CMD curl -f x || exit 1")
    else {
        panic!("no health check")
    };
    assert_eq!(check.test, words(&["CMD-SHELL", "curl -f x || exit 1"]));
    assert_eq!((check.interval, check.timeout, check.retries), (300_000_000_000, 3_000_000_000, 2));
    let Ok(Kind::Healthcheck(check)) = parse("HEALTHCHECK cmd [\"a\"]") else { panic!("no health check") };
    assert_eq!(check.test, words(&["CMD", "a"]));
}

#[test]
fn mistakes_are_named_and_pointed_at() {
    for (text, said) in [
        ("FOO bar", "Dockerfile:1: unknown instruction: FOO\n  1 | FOO bar\n    | ^^^"),
        ("RUNN bar", "unknown instruction: RUNN (did you mean RUN?)"),
        ("MAINTAINER", "MAINTAINER requires exactly one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV =a", "ENV names can not be blank"),
        ("ENV a=b c", "can't find = in \"c\". Must be of the form: name=value\n  1 | ENV a=b c\n    |         ^"),
        ("LABEL", "LABEL requires at least one argument"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        (
            "COPY a",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        (
            "COPY --form=a b c",
            "unknown flag: --form (did you mean --from?)\n  1 | COPY --form=a b c\n    |      ^^^^^^",
        ),
        ("COPY --chmod=9 a b", "9"),
        ("COPY <<A <<B\na\nA\nb\nB\n", "COPY cannot accept a heredoc as a destination"),
        ("ADD --checksum=sha256:1 a b", "checksum can't be specified for multiple or local sources"),
        ("CMD [\"a\", 1]", "arrays must be comprised of strings only"),
        ("RUN", "RUN requires at least one argument"),
        ("RUN --mount=type=cahce,target=/a x", "did you mean cache?"),
        ("RUN --network=x y", "invalid network mode"),
        ("RUN --security=insecure y", "--security=insecure is not possible here"),
        ("SHELL bash", "SHELL requires the arguments to be in JSON form"),
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a b c", "FROM requires either one or three arguments"),
        ("FROM a AS 1b", "invalid name for build stage: \"1b\""),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
        ("ONBUILD from x", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD COPY x", "COPY requires at least two arguments"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK --interval=50ns CMD true", "cannot be less than 1ms"),
        ("HEALTHCHECK CMD", "missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK FOO x", "unknown type \"FOO\" in HEALTHCHECK (try CMD)"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}
