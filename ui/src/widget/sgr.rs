//! Coloured lines: of all escape sequences only those that set colours are kept (SGR), whatever else a log holds.

use ratatui::style::{Color, Modifier, Style};

/// Longest line kept, in bytes; what is longer goes on in the next one.
const LONGEST: usize = 16 << 10;

/// A line and where its styles end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coloured {
    pub(crate) text: String,
    /// Each with the byte of the text where it ends.
    pub(crate) spans: Vec<(usize, Style)>,
}

/// Reads bytes into lines, whatever pieces they come in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    line: Coloured,
    bytes: Vec<u8>,
    style: Style,
    state: State,
    /// A carriage return came: what follows writes over the line, unless the line ends.
    returned: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// `ESC [` and what came of its parameters.
    Csi(Vec<u8>),
    /// A string for the terminal (`ESC ]`, `ESC P`, …), up to its end.
    String,
    StringEscape,
}

impl Reader {
    /// Takes bytes; gives the lines that are whole.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Coloured> {
        let mut lines = Vec::new();
        for byte in bytes {
            match std::mem::take(&mut self.state) {
                State::Text => self.text(*byte, &mut lines),
                State::Escape => {
                    self.state = match byte {
                        b'[' => State::Csi(Vec::new()),
                        b']' | b'P' | b'X' | b'^' | b'_' => State::String,
                        // An intermediate byte: one more follows.
                        b' '..=b'/' => State::Escape,
                        _ => State::Text,
                    };
                }
                State::Csi(mut parameters) => match byte {
                    b'm' => self.style = styled(self.style, &parameters),
                    0x40..=0x7e | b'\n' | 0x1b => {}
                    _ if parameters.len() < 128 => {
                        parameters.push(*byte);
                        self.state = State::Csi(parameters);
                    }
                    _ => {}
                },
                State::String => {
                    self.state = match byte {
                        0x07 | b'\n' => State::Text,
                        0x1b => State::StringEscape,
                        _ => State::String,
                    };
                }
                State::StringEscape => self.state = if *byte == b'\\' { State::Text } else { State::String },
            }
        }
        lines
    }

    fn text(&mut self, byte: u8, lines: &mut Vec<Coloured>) {
        match byte {
            0x1b => {
                self.flush();
                self.state = State::Escape;
            }
            b'\n' => lines.push(self.end()),
            b'\r' => self.returned = true,
            byte => {
                if std::mem::take(&mut self.returned) {
                    self.bytes.clear();
                    self.line = Coloured::default();
                }
                if byte == b'\t' {
                    let to = 8 - (self.line.text.len() + self.bytes.len()) % 8;
                    self.bytes.extend(std::iter::repeat_n(b' ', to));
                } else {
                    self.bytes.push(byte);
                }
                if self.line.text.len() + self.bytes.len() >= LONGEST {
                    lines.push(self.end());
                }
            }
        }
    }

    /// What has come of a line that is not whole yet.
    pub(crate) fn rest(&self) -> Option<Coloured> {
        let mut copy = self.clone();
        let line = copy.end();
        (!line.text.is_empty()).then_some(line)
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            self.line.text.push_str(&crate::safe_text::from_bytes(&self.bytes));
            self.bytes.clear();
            self.line.spans.push((self.line.text.len(), self.style));
        }
    }

    fn end(&mut self) -> Coloured {
        self.flush();
        self.returned = false;
        std::mem::take(&mut self.line)
    }
}

fn styled(mut style: Style, parameters: &[u8]) -> Style {
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    let mut numbers = text.split([';', ':']).map(|n| n.parse::<u16>().unwrap_or(0));
    while let Some(number) = numbers.next() {
        style = match number {
            0 => Style::new(),
            1 => style.add_modifier(Modifier::BOLD),
            2 => style.add_modifier(Modifier::DIM),
            3 => style.add_modifier(Modifier::ITALIC),
            4 => style.add_modifier(Modifier::UNDERLINED),
            7 => style.add_modifier(Modifier::REVERSED),
            22 => style.remove_modifier(Modifier::BOLD | Modifier::DIM),
            23 => style.remove_modifier(Modifier::ITALIC),
            24 => style.remove_modifier(Modifier::UNDERLINED),
            27 => style.remove_modifier(Modifier::REVERSED),
            30..=37 => style.fg(Color::Indexed(number as u8 - 30)),
            40..=47 => style.bg(Color::Indexed(number as u8 - 40)),
            90..=97 => style.fg(Color::Indexed(number as u8 - 82)),
            100..=107 => style.bg(Color::Indexed(number as u8 - 92)),
            39 => Style { fg: None, ..style },
            49 => Style { bg: None, ..style },
            38 | 48 => match extended(&mut numbers) {
                Some(colour) if number == 38 => style.fg(colour),
                Some(colour) => style.bg(colour),
                None => style,
            },
            _ => style,
        };
    }
    style
}

fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<Color> {
    let mut byte = || u8::try_from(numbers.next()?).ok();
    match byte()? {
        5 => Some(Color::Indexed(byte()?)),
        2 => Some(Color::Rgb(byte()?, byte()?, byte()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut reader = Reader::default();
        let mut whole = reader.read(text);
        whole.extend(reader.rest());
        // In pieces of one byte the same comes out.
        let mut reader = Reader::default();
        let mut pieces: Vec<Coloured> = text.iter().flat_map(|byte| reader.read(&[*byte])).collect();
        pieces.extend(reader.rest());
        assert_eq!(pieces, whole);
        whole.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn keeps_text_and_drops_what_acts_on_a_terminal() {
        let table: [(&[u8], &[&str]); 9] = [
            (b"one\ntwo\n", &["one", "two"]),
            (b"\x1b[31mred\x1b[0m plain\n", &["red plain"]),
            (b"\x1b[2J\x1b[Hhome\x1b]0;title\x07!\n", &["home!"]),
            (b"\x1bP1;2q###\x1b\\after\n", &["after"]),
            (b"10%\r20%\r30%\n", &["30%"]),
            (b"dos\r\n", &["dos"]),
            (b"a\tb\n", &["a       b"]),
            (b"no end", &["no end"]),
            (b"\x1b(Bset\xff\n", &["set\\xff"]),
        ];
        for (bytes, expected) in table {
            assert_eq!(lines(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn colours_stay_until_they_are_set_anew() {
        let mut reader = Reader::default();
        let lines = reader.read(b"\x1b[1;32mok\nstill\x1b[m off\x1b[38;5;200mx\x1b[48;2;1;2;3my\n");
        let green = Style::new().fg(Color::Indexed(2)).add_modifier(Modifier::BOLD);
        assert_eq!(lines[0].spans, [(2, green)]);
        assert_eq!(lines[1].spans[0], (5, green));
        assert_eq!(lines[1].spans[1].1, Style::new());
        assert_eq!(lines[1].spans[2].1.fg, Some(Color::Indexed(200)));
        assert_eq!(lines[1].spans[3].1.bg, Some(Color::Rgb(1, 2, 3)));
    }

    #[test]
    fn a_line_without_end_is_broken() {
        let mut reader = Reader::default();
        assert!(reader.read(&vec![b'x'; 100_000]).iter().all(|line| line.text.len() <= LONGEST));
    }
}
