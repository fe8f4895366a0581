//! Writes tars for tests, byte by byte, so that they can be wrong in every way.

/// A header block being made.
pub(crate) struct Block(pub(crate) [u8; 512]);

impl Block {
    /// A ustar header.
    pub(crate) fn new(name: &[u8], flag: u8, size: u64) -> Self {
        let mut block = Self([0; 512]);
        block.put(0, name);
        block.put(100, b"0000644\0");
        block.put(108, b"0001750\0");
        block.put(116, b"0001751\0");
        block.put(124, format!("{size:011o}\0").as_bytes());
        block.put(136, b"14000000000\0");
        block.0[156] = flag;
        block.put(257, b"ustar\x0000");
        block
    }

    /// A header with GNU's magic.
    pub(crate) fn gnu(name: &[u8], flag: u8, size: u64) -> Self {
        let mut block = Self::new(name, flag, size);
        block.put(257, b"ustar  \0");
        block
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn link(&mut self, target: &[u8]) -> &mut Self {
        self.put(157, target)
    }

    /// The block with its checksum.
    pub(crate) fn bytes(&self) -> [u8; 512] {
        let mut block = self.0;
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

/// Members one after the other.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn block(mut self, block: &Block) -> Self {
        self.0.extend_from_slice(&block.bytes());
        self
    }

    /// Content and its padding.
    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.block(&Block::new(name.as_bytes(), b'0', content.len() as u64)).content(content)
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.block(&Block::new(name.as_bytes(), b'5', 0))
    }

    pub(crate) fn link(self, name: &str, flag: u8, target: &str) -> Self {
        let mut block = Block::new(name.as_bytes(), flag, 0);
        block.link(target.as_bytes());
        self.block(&block)
    }

    /// A PAX header with these records.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            body.extend_from_slice(&record(key, value));
        }
        self.special(b'x', &body)
    }

    /// A special header with any body.
    pub(crate) fn special(self, flag: u8, body: &[u8]) -> Self {
        self.block(&Block::new(b"././@PaxHeader", flag, body.len() as u64)).content(body)
    }

    /// The closing blocks.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// One PAX record; its length counts its own digits.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}
