//! Digests as the OCI image specification writes them, and the IDs made of them.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
///
/// Only this algorithm is accepted: it is the only one Docker's data root uses. A value of this type is
/// therefore always safe as a file name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Says why a text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no digest: expected sha256: and 64 lower-case hexadecimal digits")]
pub struct DigestError {
    /// The text, cut to 100 characters.
    pub text: String,
}

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Wraps a finished hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Parses the 64 digits without the algorithm, as Docker names files and legacy layer folders.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError { text: text.chars().take(100).collect() };
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(error());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error())?;
        Ok(Self(bytes))
    }

    /// The 64 digits without the algorithm.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first twelve digits, as `docker images` shows them.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("sha256:{}", self.hex()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.strip_prefix("sha256:")
            .and_then(|digits| Self::from_hex(digits).ok())
            .ok_or_else(|| DigestError { text: text.chars().take(100).collect() })
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// The digest of a layer's uncompressed tar.
    DiffId
}
id! {
    /// The identity of a layer together with all below it (OCI image specification, "Layer ChainID").
    ChainId
}
id! {
    /// The digest of an image's configuration: what Docker calls the image ID.
    ImageId
}

impl ChainId {
    /// Puts `layer` on top of `parent`: the layer's own diff ID when there is nothing below.
    pub fn on(parent: Option<Self>, layer: DiffId) -> Self {
        match parent {
            None => Self(layer.0),
            Some(parent) => Self(Digest::of(format!("{parent} {layer}").as_bytes())),
        }
    }

    /// The chain IDs of all `layers`, base first, one for each.
    pub fn all(layers: &[DiffId]) -> Vec<Self> {
        let mut below = None;
        layers
            .iter()
            .map(|layer| {
                let chain = Self::on(below, *layer);
                below = Some(chain);
                chain
            })
            .collect()
    }
}

/// Hashes and counts what passes through, reading or writing.
pub struct Hashing<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    /// Starts at nothing.
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// How many bytes have passed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of all that passed, its length in bytes, and what was wrapped.
    pub fn finish(self) -> (Digest, u64, T) {
        (Digest(self.hash.finalize().into()), self.bytes, self.inner)
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_lower_case_sha256() {
        let text = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(text.parse::<Digest>().map(|d| d.to_string()), Ok(text.clone()));
        for bad in ["", "sha256:", "sha512:ab", &text.to_uppercase(), &text[..70], &format!("{text}0"), "../../etc"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn chains_as_the_specification_says() {
        let [a, b] = ["a", "b"].map(|s| DiffId(Digest::of(s.as_bytes())));
        let chain = ChainId::all(&[a, b]);
        assert_eq!(chain[0].0, a.0);
        assert_eq!(chain[1].0, Digest::of(format!("{a} {b}").as_bytes()));
        assert_ne!(ChainId::all(&[b, a])[1], chain[1]);
    }

    #[test]
    fn hashes_what_passes() {
        let mut reader = Hashing::new(&b"abc"[..]);
        io::copy(&mut reader, &mut io::sink()).expect("reads memory");
        let (digest, bytes, _) = reader.finish();
        assert_eq!((digest, bytes), (Digest::of(b"abc"), 3));
    }
}
