//! The head of a program (System V ABI, "ELF Header" and "Program Header").

/// What a program's head tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// 32 or 64.
    pub bits: u8,
    /// Whether numbers are stored with the low byte first.
    pub little_endian: bool,
    /// `program`, `program or library (position independent)`, `object file`, `core dump`.
    pub kind: &'static str,
    /// The processor it is for: `x86-64`; its number when it has no name here.
    pub machine: String,
    /// The program that loads it, from its interpreter segment, if that was read.
    pub interpreter: Option<String>,
    /// Whether it has a dynamic segment; without one it is linked statically.
    pub dynamic: bool,
}

/// Program headers that are looked at.
const MOST_HEADERS: u64 = 128;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;

impl Elf {
    /// Reads the head of a file; `None` when it is no ELF file.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let ident = bytes.strip_prefix(b"\x7fELF")?;
        let wide = match ident.first()? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let little_endian = *ident.get(1)? == 1;
        let file = File { bytes, little_endian, wide };
        let mut elf = Self {
            bits: if wide { 64 } else { 32 },
            little_endian,
            kind: kind(file.half(16)?),
            machine: machine(file.half(18)?),
            interpreter: None,
            dynamic: false,
        };
        let (table, size, count) = if wide {
            (file.word(32)?, file.half(54)?, file.half(56)?)
        } else {
            (file.word(28)?, file.half(42)?, file.half(44)?)
        };
        for n in 0..u64::from(count).min(MOST_HEADERS) {
            let at = table.checked_add(n * u64::from(size)).and_then(|at| usize::try_from(at).ok());
            let Some((at, kind)) = at.and_then(|at| Some((at, file.number(at, 4)? as u32))) else { break };
            elf.dynamic |= kind == DYNAMIC;
            if kind == INTERPRETER {
                elf.interpreter = file.interpreter(at);
            }
        }
        Some(elf)
    }
}

struct File<'a> {
    bytes: &'a [u8],
    little_endian: bool,
    wide: bool,
}

impl File<'_> {
    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.little_endian { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) })
    }

    fn half(&self, at: usize) -> Option<u16> {
        self.number(at, 2).map(|n| n as u16)
    }

    /// An address or offset, as wide as the file's are.
    fn word(&self, at: usize) -> Option<u64> {
        self.number(at, if self.wide { 8 } else { 4 })
    }

    fn interpreter(&self, header: usize) -> Option<String> {
        let (offset, size) = if self.wide { (header + 8, header + 32) } else { (header + 4, header + 16) };
        let start = usize::try_from(self.word(offset)?).ok()?;
        let length = usize::try_from(self.word(size)?).ok()?.min(4096);
        let text = self.bytes.get(start..start.checked_add(length)?)?;
        let text = text.split(|b| *b == 0).next()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

fn kind(number: u16) -> &'static str {
    match number {
        1 => "object file",
        2 => "program",
        3 => "program or library (position independent)",
        4 => "core dump",
        _ => "of unknown kind",
    }
}

fn machine(number: u16) -> String {
    match number {
        3 => "x86".into(),
        8 => "MIPS".into(),
        20 => "PowerPC".into(),
        21 => "PowerPC 64".into(),
        22 => "S/390".into(),
        40 => "ARM".into(),
        62 => "x86-64".into(),
        183 => "AArch64".into(),
        243 => "RISC-V".into(),
        247 => "BPF".into(),
        258 => "LoongArch".into(),
        number => format!("machine {number}"),
    }
}
