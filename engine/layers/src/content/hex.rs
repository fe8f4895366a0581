//! Bytes as people look at them.

use std::fmt::Write;

/// Bytes in one line.
pub const HEX_COLUMNS: usize = 16;

/// One line of a hex dump: offset, bytes, and their letters, dots for what is no visible ASCII.
pub fn hex_line(offset: u64, bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(HEX_COLUMNS)];
    let mut line = format!("{offset:08x} ");
    for at in 0..HEX_COLUMNS {
        let gap = if at == HEX_COLUMNS / 2 { "  " } else { " " };
        let written = match bytes.get(at) {
            Some(byte) => write!(line, "{gap}{byte:02x}"),
            None => write!(line, "{gap}  "),
        };
        written.expect("a string takes everything");
    }
    line.push_str("  |");
    line.extend(bytes.iter().map(|b| if matches!(b, b' '..=b'~') { char::from(*b) } else { '.' }));
    line.push('|');
    line
}
