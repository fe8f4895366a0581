//! Fills a parsed template in.

use std::borrow::Cow;

use super::TemplateError;
use super::functions;
use super::parser::{Kind, Node, Operand, Pipeline};
use crate::report::value::Value;

struct Run<'a> {
    /// What `$` is.
    root: &'a Value,
    /// Whether only titles are filled in.
    titles: bool,
    variables: Vec<(String, Value)>,
    out: String,
}

/// Fills in `nodes` with `value`.
pub(super) fn run(nodes: &[Node], value: &Value, titles: bool) -> Result<String, TemplateError> {
    let mut run = Run { root: value, titles, variables: Vec::new(), out: String::new() };
    run.nodes(nodes, value)?;
    Ok(run.out)
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Print(pipeline) => {
                    let value = self.pipeline(pipeline, dot)?;
                    match pipeline.variables.first() {
                        Some(name) => self.set(name, value.into_owned()),
                        None => self.out.push_str(&value.to_string()),
                    }
                }
                Node::Block { kind, pipeline, body, otherwise } => {
                    let known = self.variables.len();
                    self.block(*kind, pipeline, (body, otherwise), dot)?;
                    self.variables.truncate(known);
                }
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        kind: Kind,
        pipeline: &Pipeline,
        parts: (&[Node], &[Node]),
        dot: &Value,
    ) -> Result<(), TemplateError> {
        let (body, otherwise) = parts;
        let value = self.pipeline(pipeline, dot)?.into_owned();
        if kind != Kind::Range {
            if let Some(name) = pipeline.variables.first() {
                self.variables.push((name.clone(), value.clone()));
            }
            return match (value.truth(), kind) {
                (true, Kind::With) => self.nodes(body, &value),
                (true, _) => self.nodes(body, dot),
                (false, _) => self.nodes(otherwise, dot),
            };
        }
        let items: Vec<(Value, Value)> = match value {
            Value::List(items) => {
                items.into_iter().enumerate().map(|(i, item)| (Value::from(i as i64), item)).collect()
            }
            Value::Map(mut members) => {
                members.sort_by(|a, b| a.0.cmp(&b.0));
                members.into_iter().map(|(name, item)| (Value::Text(name), item)).collect()
            }
            Value::Null => Vec::new(),
            other => return Err(TemplateError::new(format!("range can't iterate over {other}"))),
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            let known = self.variables.len();
            match pipeline.variables.as_slice() {
                [] => {}
                [only] => self.variables.push((only.clone(), item.clone())),
                [first, second, ..] => {
                    self.variables.push((first.clone(), key));
                    self.variables.push((second.clone(), item.clone()));
                }
            }
            self.nodes(body, &item)?;
            self.variables.truncate(known);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipeline<'v>(&self, pipeline: &Pipeline, dot: &'v Value) -> Result<Cow<'v, Value>, TemplateError> {
        let mut last: Option<Cow<'v, Value>> = None;
        for command in &pipeline.commands {
            last = Some(match command.as_slice() {
                [Operand::Function(name), arguments @ ..] => {
                    let mut values = Vec::with_capacity(arguments.len() + 1);
                    for argument in arguments {
                        values.push(self.operand(argument, dot)?.into_owned());
                    }
                    values.extend(last.map(Cow::into_owned));
                    Cow::Owned(functions::call(name, values, self.titles)?)
                }
                [operand, ..] => self.operand(operand, dot)?,
                [] => Cow::Owned(Value::Null),
            });
        }
        Ok(last.unwrap_or(Cow::Owned(Value::Null)))
    }

    fn operand<'v>(&self, operand: &Operand, dot: &'v Value) -> Result<Cow<'v, Value>, TemplateError> {
        Ok(match operand {
            Operand::Field(fields) => Cow::Borrowed(fields_of(dot, fields, std::ptr::eq(dot, self.root))?),
            Operand::Variable(name, fields) => {
                let (value, top) = match self.variables.iter().rev().find(|(known, _)| known == name) {
                    Some((_, value)) => (value, false),
                    None if name.is_empty() => (self.root, true),
                    None => return Err(TemplateError::new(format!("undefined variable \"${name}\""))),
                };
                Cow::Owned(fields_of(value, fields, top)?.clone())
            }
            Operand::Function(name) => Cow::Owned(functions::call(name, Vec::new(), self.titles)?),
            Operand::Text(text) => Cow::Owned(Value::Text(text.clone())),
            Operand::Number(number) => Cow::Owned(Value::from(*number)),
            Operand::Constant(constant) => Cow::Owned(constant.map_or(Value::Null, Value::Bool)),
            Operand::Inner(pipeline, fields) => {
                let value = self.pipeline(pipeline, dot)?;
                Cow::Owned(fields_of(&value, fields, false)?.clone())
            }
        })
    }
}

/// Follows `fields`. What the value itself has not is an error (`top`); deeper down engines leave out what is empty,
/// so there it is no value.
fn fields_of<'v>(value: &'v Value, fields: &[String], top: bool) -> Result<&'v Value, TemplateError> {
    let mut value = value;
    for (depth, field) in fields.iter().enumerate() {
        value = match (value, value.get(field)) {
            (_, Some(inner)) => inner,
            (Value::Map(members), None) if top && depth == 0 => {
                let known: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
                return Err(TemplateError::new(format!("no field {field:?} (there are: {})", known.join(", "))));
            }
            (Value::Map(_) | Value::Null, None) => &Value::Null,
            (other, None) => return Err(TemplateError::new(format!("can't evaluate field {field} in {other}"))),
        };
    }
    Ok(value)
}
