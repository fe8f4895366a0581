//! Makes a tree of a template's pieces.

use super::TemplateError;
use super::lexer::{Piece, Word, cut};

/// Deepest nesting of parentheses and blocks that is followed.
const DEEPEST: usize = 64;

/// A step of a template.
#[derive(Debug)]
pub(super) enum Node {
    /// Printed as it stands.
    Text(String),
    /// A pipeline whose value is printed, or put into a variable.
    Print(Pipeline),
    /// `if`, `with` or `range`: the pipeline, what it does when true, and when not.
    Block { kind: Kind, pipeline: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
}

/// What a block does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Chooses.
    If,
    /// Chooses, and makes the value the dot.
    With,
    /// Repeats for each item.
    Range,
}

/// Commands that hand their values on, and the variables that take the last.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    pub(super) variables: Vec<String>,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// An operand of a command.
#[derive(Debug)]
pub(super) enum Operand {
    /// Fields of the dot.
    Field(Vec<String>),
    /// Fields of a variable.
    Variable(String, Vec<String>),
    /// A function.
    Function(String),
    /// A string.
    Text(String),
    /// A number.
    Number(i64),
    /// `true`, `false`, or `nil` as `None`.
    Constant(Option<bool>),
    /// Fields of a pipeline in parentheses.
    Inner(Pipeline, Vec<String>),
}

/// Parses a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut pieces = cut(text)?.into_iter();
    let (nodes, end) = nodes(&mut pieces, 0)?;
    match end {
        None => Ok(nodes),
        Some(end) => Err(TemplateError::new(format!("unexpected {{{{{}}}}}", end.word()))),
    }
}

/// What closed a list of nodes.
enum End {
    End,
    Else(Vec<Word>),
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Else(_) => "else",
        }
    }
}

fn nodes(pieces: &mut impl Iterator<Item = Piece>, depth: usize) -> Result<(Vec<Node>, Option<End>), TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::new("nested too deeply"));
    }
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let words = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(words) => words,
        };
        let node = match words.first() {
            Some(Word::Name(name)) if name == "end" && words.len() == 1 => return Ok((nodes, Some(End::End))),
            Some(Word::Name(name)) if name == "else" => return Ok((nodes, Some(End::Else(words[1..].to_vec())))),
            Some(Word::Name(name)) if name == "if" => block(Kind::If, &words[1..], pieces, depth)?,
            Some(Word::Name(name)) if name == "with" => block(Kind::With, &words[1..], pieces, depth)?,
            Some(Word::Name(name)) if name == "range" => block(Kind::Range, &words[1..], pieces, depth)?,
            _ => Node::Print(whole_pipeline(&words)?),
        };
        nodes.push(node);
    }
    Ok((nodes, None))
}

fn block(
    kind: Kind,
    words: &[Word],
    pieces: &mut impl Iterator<Item = Piece>,
    depth: usize,
) -> Result<Node, TemplateError> {
    let pipeline = whole_pipeline(words)?;
    let (body, end) = nodes(pieces, depth + 1)?;
    let otherwise = match end {
        None => return Err(TemplateError::new("unexpected EOF: a block has no {{end}}")),
        Some(End::End) => Vec::new(),
        Some(End::Else(words)) if words.is_empty() => match nodes(pieces, depth + 1)? {
            (otherwise, Some(End::End)) => otherwise,
            _ => return Err(TemplateError::new("expected end after else")),
        },
        Some(End::Else(words)) => {
            let kind = match &words[0] {
                Word::Name(name) if name == "if" => Kind::If,
                Word::Name(name) if name == "with" => Kind::With,
                _ => return Err(TemplateError::new("only if and with may follow else")),
            };
            vec![block(kind, &words[1..], pieces, depth + 1)?]
        }
    };
    Ok(Node::Block { kind, pipeline, body, otherwise })
}

fn whole_pipeline(words: &[Word]) -> Result<Pipeline, TemplateError> {
    let mut rest = words;
    let pipeline = pipeline(&mut rest, 0)?;
    if rest.is_empty() { Ok(pipeline) } else { Err(TemplateError::new("unexpected right paren")) }
}

fn pipeline(words: &mut &[Word], depth: usize) -> Result<Pipeline, TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::new("nested too deeply"));
    }
    let mut pipeline = Pipeline::default();
    match words {
        [Word::Variable(a, none), Word::Sign(":=" | "="), rest @ ..] if none.is_empty() => {
            pipeline.variables.push(a.clone());
            *words = rest;
        }
        [Word::Variable(a, _), Word::Sign(","), Word::Variable(b, _), Word::Sign(":=" | "="), rest @ ..] => {
            pipeline.variables.extend([a.clone(), b.clone()]);
            *words = rest;
        }
        _ => {}
    }
    let mut command = Vec::new();
    while let Some((first, rest)) = words.split_first() {
        match first {
            Word::Sign(")") if depth > 0 => break,
            Word::Sign("|") => {
                *words = rest;
                pipeline.commands.push(checked(std::mem::take(&mut command), pipeline.commands.len())?);
            }
            _ => command.push(operand(words, depth)?),
        }
    }
    let first = pipeline.commands.len();
    pipeline.commands.push(checked(command, first)?);
    Ok(pipeline)
}

/// A command has something in it, and only the first of a pipeline may be a plain value.
fn checked(command: Vec<Operand>, position: usize) -> Result<Vec<Operand>, TemplateError> {
    match command.as_slice() {
        [] => Err(TemplateError::new("missing value for command")),
        [Operand::Function(_), ..] => Ok(command),
        [_] if position == 0 => Ok(command),
        [_] => Err(TemplateError::new("non executable command in pipeline")),
        _ => Err(TemplateError::new("can't give argument to non-function")),
    }
}

fn operand(words: &mut &[Word], depth: usize) -> Result<Operand, TemplateError> {
    let Some((first, rest)) = words.split_first() else { return Err(TemplateError::new("missing operand")) };
    *words = rest;
    Ok(match first.clone() {
        Word::Field(fields, _) => Operand::Field(fields),
        Word::Variable(name, fields) => Operand::Variable(name, fields),
        Word::Text(text) => Operand::Text(text),
        Word::Number(number) => Operand::Number(number),
        Word::Name(name) => match name.as_str() {
            "true" => Operand::Constant(Some(true)),
            "false" => Operand::Constant(Some(false)),
            "nil" => Operand::Constant(None),
            _ if super::functions::known(&name) => Operand::Function(name),
            _ => return Err(TemplateError::new(format!("function {name:?} not defined"))),
        },
        Word::Sign("(") => {
            let inner = pipeline(words, depth + 1)?;
            match words.split_first() {
                Some((Word::Sign(")"), rest)) => *words = rest,
                _ => return Err(TemplateError::new("unclosed left paren")),
            }
            match words.split_first() {
                Some((Word::Field(fields, false), rest)) => {
                    *words = rest;
                    Operand::Inner(inner, fields.clone())
                }
                _ => Operand::Inner(inner, Vec::new()),
            }
        }
        Word::Sign(sign) => return Err(TemplateError::new(format!("unexpected {sign:?} in operand"))),
    })
}
