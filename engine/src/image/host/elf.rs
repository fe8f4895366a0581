//! What the dynamic loader reads of an ELF file (`elf(5)`).

use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef, StringTable};

use super::HostError;

/// Longest string table that is searched, in bytes.
const LARGEST_TABLE: u64 = 64 << 20;

/// The parts of an ELF file that tell what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Elf {
    /// The loader, `PT_INTERP`.
    pub(super) interpreter: Option<PathBuf>,
    /// Names of libraries, `DT_NEEDED`.
    pub(super) needed: Vec<Vec<u8>>,
    /// `DT_RPATH`, which counts only without `DT_RUNPATH`.
    pub(super) rpath: Vec<u8>,
    /// `DT_RUNPATH`.
    pub(super) runpath: Vec<u8>,
    /// Machine and class (32 or 64 bits): libraries of another kind are passed over.
    pub(super) machine: (u16, bool),
}

impl Elf {
    /// Reads only headers and names.
    pub(super) fn read(path: &Path, file: File) -> Result<Self, HostError> {
        let data = ReadCache::new(file);
        let wrong = |why: object::read::Error| HostError::NoFormat { path: path.into(), why: why.to_string() };
        let ident = (&data).read_bytes_at(0, 5).unwrap_or_default();
        match ident {
            [0x7f, b'E', b'L', b'F', 1] => parse::<FileHeader32<Endianness>, _>(&data).map_err(wrong),
            [0x7f, b'E', b'L', b'F', 2] => parse::<FileHeader64<Endianness>, _>(&data).map_err(wrong),
            _ => Err(HostError::NoFormat { path: path.into(), why: "neither ELF nor a script with #!".into() }),
        }
    }
}

fn parse<'d, H: FileHeader, R: ReadRef<'d>>(data: R) -> object::read::Result<Elf> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut found = Elf { machine: (header.e_machine(endian).0, header.is_class_64()), ..Elf::default() };
    let mut dynamic: &[H::Dyn] = &[];
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            found.interpreter = Some(std::ffi::OsString::from_vec(interpreter.to_vec()).into());
        }
        dynamic = segment.dynamic(endian, data)?.unwrap_or(dynamic);
    }
    let value = |tag| dynamic.iter().find(|d| d.tag(endian) == tag).map(|d| d.val(endian));
    let (Some(address), Some(length)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else { return Ok(found) };
    let start = segments.iter().find_map(|segment| {
        let (offset, _) = segment.file_range(endian);
        let within = address.checked_sub(segment.p_vaddr(endian).into())?;
        (segment.p_type(endian) == elf::PT_LOAD && within < segment.p_filesz(endian).into()).then_some(offset + within)
    });
    let Some(start) = start else { return Ok(found) };
    let strings = StringTable::new(data, start, start.saturating_add(length.min(LARGEST_TABLE)));
    for entry in dynamic {
        let text = || entry.string(endian, strings).map(<[u8]>::to_vec);
        match entry.tag(endian) {
            elf::DT_NULL => break,
            elf::DT_NEEDED => found.needed.push(text()?),
            elf::DT_RPATH => found.rpath = text()?,
            elf::DT_RUNPATH => found.runpath = text()?,
            _ => {}
        }
    }
    Ok(found)
}
