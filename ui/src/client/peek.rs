//! Previews and differences of files as lines to show.

use outcrop_layers::content::{Content, Difference, Elf, Preview, Tag, hex_line};
use outcrop_layers::entry::Kind;
use outcrop_layers::tree::Tree;

use crate::message::Peek;
use crate::popup::Line;
use crate::safe_text::from_bytes;
use crate::size::{Units, plural};
use crate::theme::Role;

/// Most lines and characters of a line that are shown.
const MOST_LINES: usize = 4000;
const LONGEST_LINE: usize = 2000;
/// Most bytes dumped, and bytes a line of a dump.
const MOST_DUMPED: usize = 16 << 10;
const DUMP_LINE: usize = 8;

/// A preview as lines.
pub(crate) fn peek(preview: &Preview) -> Peek {
    let mut about: Vec<String> = Vec::new();
    let mut shown = preview;
    let mut packed = None;
    if let Content::Packed(inside) = &preview.content {
        packed = preview.format;
        shown = inside;
    }
    let format = match (packed, shown.format) {
        (Some(packed), Some(format)) => Some(format!("{packed}, in it {format}")),
        (Some(only), None) | (None, Some(only)) => Some(only.to_owned()),
        (None, None) => None,
    };
    about.extend(format);
    let (lines, numbered) = match &shown.content {
        Content::Empty => (Vec::new(), false),
        Content::Text(lines) => {
            if !shown.complete || lines.len() > MOST_LINES {
                about.push(format!("the first {}", plural(lines.len().min(MOST_LINES) as u64, "line", "lines")));
            }
            (lines.iter().take(MOST_LINES).map(|l| shorten(&l.replace('\t', "    "))).collect(), true)
        }
        Content::Elf(elf) => (elf_lines(elf), false),
        Content::Tar(members) => {
            let name = |m: &outcrop_layers::content::Member| format!("{} {}", kind(&m.kind), from_bytes(&m.name));
            (members.iter().map(name).collect(), false)
        }
        Content::Packed(_) | Content::Bytes => {
            let bytes = &shown.bytes[..shown.bytes.len().min(MOST_DUMPED)];
            if !shown.complete || bytes.len() < shown.bytes.len() {
                about.push(format!("the first {}", Units::Binary.size(bytes.len() as u64)));
            }
            (dump(0, bytes), false)
        }
    };
    Peek { about, lines, numbered }
}

fn elf_lines(elf: &Elf) -> Vec<String> {
    let order = if elf.little_endian { "little-endian" } else { "big-endian" };
    let mut lines = vec![elf.kind.to_owned(), format!("{}, {} bit, {order}", elf.machine, elf.bits)];
    lines.push(if elf.dynamic { "linked dynamically".into() } else { "linked statically".into() });
    if let Some(interpreter) = &elf.interpreter {
        lines.push(format!("loaded by {interpreter}"));
    }
    lines
}

fn kind(kind: &Kind) -> char {
    match kind {
        Kind::Directory { .. } => 'd',
        Kind::Symlink { .. } => 'l',
        Kind::CharDevice { .. } => 'c',
        Kind::BlockDevice { .. } => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::File { .. } | Kind::Hardlink { .. } | Kind::Whiteout => '-',
    }
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((at, _)) => line[..at].to_owned(),
        None => line.to_owned(),
    }
}

/// A dump narrow enough for a pane.
fn dump(from: u64, bytes: &[u8]) -> Vec<String> {
    let line = |(row, chunk): (usize, &[u8])| {
        let pairs: Vec<String> = chunk.chunks(2).map(hex_pair).collect();
        let text: String = chunk.iter().map(|b| if matches!(b, b' '..=b'~') { *b as char } else { '.' }).collect();
        format!("{:06x} {:<19} {text}", from + (row * DUMP_LINE) as u64, pairs.join(" "))
    };
    bytes.chunks(DUMP_LINE).enumerate().map(line).collect()
}

fn hex_pair(pair: &[u8]) -> String {
    match pair {
        [a, b] => format!("{a:02x}{b:02x}"),
        [a, ..] => format!("{a:02x}"),
        [] => String::new(),
    }
}

/// What the entries of two layers say differently about a path.
pub(crate) fn metadata_lines(tree: &Tree, path: &[u8], from: usize, to: usize) -> Vec<Line> {
    let (Some(old), Some(new)) = (tree.layer(from).find(path), tree.layer(to).find(path)) else { return Vec::new() };
    let facts = |e: &outcrop_layers::index::EntryRef<'_>| {
        [
            ("mode", format!("{:04o}", e.mode())),
            ("owner", format!("{}:{}", e.uid(), e.gid())),
            ("size", format!("{} B", e.size())),
            ("written", format!("{} UTC", crate::size::date(e.mtime().seconds))),
        ]
    };
    let pairs = facts(&old).into_iter().zip(facts(&new)).filter(|((_, a), (_, b))| a != b);
    let mut lines: Vec<Line> = pairs
        .map(|((name, a), (_, b))| {
            Line::of(format!("{name:<8} "), Role::Dim).and(a, Role::Bad).and("  ", Role::Dim).and(b, Role::Good)
        })
        .collect();
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines
}

/// A difference as lines.
pub(crate) fn difference_lines(difference: &Difference) -> Vec<Line> {
    match difference {
        Difference::Same => vec![Line::of("the content is the same", Role::Dim)],
        Difference::Text(hunks) => {
            let mut out = Vec::new();
            for hunk in hunks {
                out.push(Line::of(format!("line {} became line {}", hunk.old, hunk.new), Role::Change));
                out.extend(hunk.lines.iter().map(|line| {
                    let (sign, role) = match line.tag {
                        Tag::Same => (" ", Role::Dim),
                        Tag::Removed => ("-", Role::Bad),
                        Tag::Added => ("+", Role::Good),
                    };
                    Line::of(format!("{sign} {}", shorten(&line.text.replace('\t', "    "))), role)
                }));
            }
            out
        }
        Difference::Bytes { at, from, old, new } => {
            let mut out = vec![Line::of(format!("the first difference is at byte {at}"), Role::Dim), Line::default()];
            let side = |bytes: &[u8], sign: &str, role: Role| {
                let lines = bytes.chunks(16).enumerate().map(move |(row, chunk)| (row as u64 * 16, chunk));
                lines
                    .map(|(offset, chunk)| Line::of(format!("{sign} {}", hex_line(from + offset, chunk)), role))
                    .collect::<Vec<_>>()
            };
            out.extend(side(old, "-", Role::Bad));
            out.push(Line::default());
            out.extend(side(new, "+", Role::Good));
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_layers::content::{difference, preview};

    fn look(bytes: &[u8]) -> Peek {
        peek(&preview(bytes, 4096).expect("reads memory"))
    }

    #[test]
    fn tells_text_from_bytes() {
        assert!(look(b"a\nb\n").numbered);
        assert_eq!(look(b"\0AB").lines, ["000000 0041 42             .AB"]);
        assert!(look(b"").lines.is_empty());
    }

    #[test]
    fn shows_what_differs() {
        let lines = |a: &[u8], b: &[u8]| {
            let difference = difference(a, b, 4096, &|| false).expect("reads memory");
            let text = |l: &Line| l.0.iter().map(|p| p.0.as_str()).collect::<String>();
            difference_lines(&difference).iter().map(text).collect::<Vec<_>>().join("|")
        };
        assert_eq!(lines(b"a\nb\nc\n", b"a\nx\nc\n"), "line 1 became line 1|  a|- b|+ x|  c");
        assert_eq!(lines(b"a\n", b"a\n"), "the content is the same");
        assert!(lines(b"\0\x01", b"\0\x02").contains("byte 1"));
    }
}
