//! The part of Go's text templates that people write after `--format`.
//!
//! Fields, pipelines, variables, `if`, `range`, `with`, trimming (`{{-`), comments, and the functions of Docker's
//! command line. Not there: `define`, `block`, `break`, `continue`.

mod eval;
mod functions;
mod lexer;
mod parser;

use crate::report::value::Value;
use parser::Node;

/// Says what is wrong with a template, or with using it on a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("template parsing error: {0}")]
pub(crate) struct TemplateError(pub(crate) String);

impl TemplateError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A parsed template.
pub(crate) struct Template(Vec<Node>);

impl Template {
    /// Parses `text`; `\t` and `\n` written as two characters mean a tab and a line end.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        parser::parse(&text).map(Self)
    }

    /// Fills the template in with `value`.
    pub(crate) fn fill(&self, value: &Value) -> Result<String, TemplateError> {
        eval::run(&self.0, value, false)
    }

    /// Fills it in with column titles: functions that change a value leave a title as it is.
    pub(crate) fn titles(&self, titles: &Value) -> Result<String, TemplateError> {
        eval::run(&self.0, titles, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str) -> Result<String, TemplateError> {
        let value = serde_json::from_str(
            r#"{"Repository":"app","Size":12,"Tags":["a:1","b:2"],"Labels":{"k":"v","a.b":"c"},"None":null,"Nested":{"List":[{"X":1},{"X":2}],"Yes":true}}"#,
        )
        .expect("is JSON");
        Template::parse(template)?.fill(&value)
    }

    #[test]
    fn fills_in() {
        for (template, want) in [
            ("{{.Repository}}:{{ .Size }}", "app:12"),
            (r"{{.Repository}}\t{{.Size}}", "app\t12"),
            ("{{json .Tags}}", r#"["a:1","b:2"]"#),
            ("{{.Tags}}", "[a:1 b:2]"),
            ("{{.Labels}}", "map[a.b:c k:v]"),
            (r#"{{index .Labels "a.b"}}"#, "c"),
            ("{{index .Tags 1}}", "b:2"),
            ("{{(index .Nested.List 1).X}}", "2"),
            (r#"{{join .Tags ", "}}"#, "a:1, b:2"),
            ("{{range .Tags}}<{{.}}>{{end}}", "<a:1><b:2>"),
            ("{{range $i, $t := .Tags}}{{$i}}={{$t}} {{end}}", "0=a:1 1=b:2 "),
            ("{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a.b=c;k=v;"),
            ("{{range .None}}x{{else}}none{{end}}", "none"),
            ("{{if .Nested.Yes}}y{{else}}n{{end}}", "y"),
            ("{{if not .Nested.Yes}}y{{else if eq .Size 12}}twelve{{end}}", "twelve"),
            ("{{with .Nested}}{{len .List}}{{end}}", "2"),
            ("{{with $x := .Size}}{{$x}}{{$.Repository}}{{end}}", "12app"),
            ("{{.Repository | upper | printf \"%-5s|%s\" \"a\"}}", "a    |APP"),
            ("{{println .Size}}", "12\n"),
            ("a {{- .Size -}} \n b", "a12b"),
            ("{{/* nothing */}}x", "x"),
            ("{{ `raw` }}{{\"q\\\"\\n\"}}", "rawq\"\n"),
            ("{{truncate .Repository 2}}{{pad \"x\" 1 2}}|{{title \"ab\"}}{{lower \"AB\"}}", "ap x  |Abab"),
            ("{{if and (gt .Size 3) (lt .Size 20)}}in{{end}}", "in"),
            ("{{or .None \"else\"}}", "else"),
            ("{{.None}}", "<no value>"),
            ("{{range split \"a,b\" \",\"}}{{.}} {{end}}", "a b "),
            ("{{$x := 1}}{{$x = 2}}{{$x}}", "2"),
        ] {
            assert_eq!(fill(template).as_deref(), Ok(want), "{template}");
        }
    }

    #[test]
    fn refuses() {
        for template in [
            "{{",
            "{{.Nope}}",
            "{{nope .Size}}",
            "{{if .Size}}",
            "{{end}}",
            "{{range}}",
            "{{.Size",
            "{{index .Tags 9}}",
            "{{$y}}",
            "{{\"open}}",
            "{{len .Size}}",
            "{{else}}",
            "{{|}}",
            "{{.Size | 3}}",
            "{{(.Size}}",
        ] {
            assert!(fill(template).is_err(), "{template}");
        }
        let deep = "{{".to_owned() + &"(".repeat(100_000);
        assert!(fill(&deep).is_err(), "deep nesting is refused, not followed");
    }
}
