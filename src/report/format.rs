//! `--format`: a table, a table of chosen columns, JSON, or a template for each row.

use super::safe;
use super::table;
use super::template::{Template, TemplateError};
use super::value::Value;

/// The columns that rows of one kind have: field and title, and which of them make the table by default.
pub(crate) struct Columns {
    /// Every field a template may name, with its title.
    pub(crate) all: &'static [(&'static str, &'static str)],
    /// The fields of the table that is shown unless another is asked for.
    pub(crate) table: &'static [&'static str],
}

impl Columns {
    fn template(&self, fields: &[&str]) -> String {
        let columns: Vec<_> = fields.iter().map(|field| format!("{{{{.{field}}}}}")).collect();
        let _ = self;
        columns.join("\t")
    }

    fn titles(&self) -> Value {
        Value::Map(self.all.iter().map(|(field, title)| ((*field).to_owned(), Value::from(*title))).collect())
    }

    /// Lays `rows` out as `format` says; empty is the default table.
    pub(crate) fn render(&self, format: &str, rows: Vec<Value>) -> Result<String, TemplateError> {
        self.render_table(format, self.table, rows)
    }

    /// As [`Columns::render`], with other default columns.
    pub(crate) fn render_table(
        &self,
        format: &str,
        fields: &[&str],
        rows: Vec<Value>,
    ) -> Result<String, TemplateError> {
        let (table, template) = match format.strip_prefix("table") {
            _ if format.is_empty() => (true, self.template(fields)),
            Some(rest) if rest.trim().is_empty() => (true, self.template(fields)),
            Some(rest) if rest.starts_with(char::is_whitespace) => (true, rest.trim_start().to_owned()),
            _ if format == "json" => (false, "{{json .}}".to_owned()),
            _ => (false, format.to_owned()),
        };
        let json = template == "{{json .}}";
        let template = Template::parse(&template)?;
        let mut out = String::new();
        if table {
            out += &template.titles(&self.titles())?;
            out.push('\n');
        }
        for row in rows {
            let line = template.fill(&safe::value(row))?;
            out += &if json { for_html(&line) } else { line };
            out.push('\n');
        }
        Ok(if table { table::align(&out) } else { out })
    }
}

/// Go's encoder escapes what would matter inside a web page; so does Docker in rows.
fn for_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Fills `format` in with one object: `json` is the object itself.
pub(crate) fn one(format: &str, value: Value) -> Result<String, TemplateError> {
    let format = if format == "json" { "{{json .}}" } else { format };
    Ok(Template::parse(format)?.fill(&safe::value(value))? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = Columns { all: &[("ID", "IMAGE ID"), ("Size", "SIZE")], table: &["ID", "Size"] };

    fn render(format: &str) -> String {
        let rows = vec![Value::object([("ID", "a".into()), ("Size", "1kB".into())])];
        COLUMNS.render(format, rows).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn formats_as_docker() {
        assert_eq!(
            render(""),
            "IMAGE ID  SIZE\na         1kB\n".replace("IMAGE ID  ", "IMAGE ID   ").replace("a         ", "a          ")
        );
        assert_eq!(render("table"), render(""));
        assert_eq!(render(r"table {{.Size}}\t{{upper .ID}}"), "SIZE      IMAGE ID\n1kB       A\n");
        assert_eq!(render("json"), "{\"ID\":\"a\",\"Size\":\"1kB\"}\n");
        assert_eq!(render("{{.ID}}!"), "a!\n");
        assert!(render("{{.Nope}}").contains("no field"));
    }
}
