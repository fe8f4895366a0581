//! PAX extended headers (POSIX.1-2017 `pax`, "pax Extended Header") with the vendors' keys that layers use.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::TarError;
use super::error::shown;
use super::sparse::{Extent, MOST_EXTENTS, decimal, parse_list};
use crate::entry::{Time, Xattr};

/// What an extended header says about the next entry; an empty value leaves the plain header's.
#[derive(Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Time>,
    pub(super) sparse: PaxSparse,
    /// star's, which Docker writes; a later record of the same name replaces an earlier one.
    xattrs: Vec<Xattr>,
    /// libarchive's copies of the same, for archives that have only those.
    spare_xattrs: Vec<Xattr>,
}

/// The `GNU.sparse.*` keys.
#[derive(Default)]
pub(super) struct PaxSparse {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) map: Option<Vec<Extent>>,
    offset: Option<u64>,
}

impl Pax {
    /// Parses all records of one extended header that begins at byte `at`.
    pub(super) fn parse(mut records: &[u8], at: u64) -> Result<Self, TarError> {
        let mut pax = Self::default();
        while !records.is_empty() {
            let (key, value, rest) = record(records).map_err(|why| TarError::Pax { at, why: why.into() })?;
            pax.take(key, value).ok_or_else(|| TarError::Pax {
                at,
                why: format!("{} has an impossible value {}", shown(key), shown(value)),
            })?;
            records = rest;
        }
        if pax.sparse.offset.is_some() {
            return Err(TarError::Pax { at, why: "GNU.sparse.offset without GNU.sparse.numbytes".into() });
        }
        Ok(pax)
    }

    /// The attributes, sorted by name.
    pub(super) fn xattrs(&mut self) -> Vec<Xattr> {
        let mut xattrs = std::mem::take(&mut self.xattrs);
        for (name, value) in std::mem::take(&mut self.spare_xattrs) {
            if !xattrs.iter().any(|(other, _)| *other == name) {
                xattrs.push((name, value));
            }
        }
        // The last record of a name counts: a stable sort of the reversed list puts it first.
        xattrs.reverse();
        xattrs.sort_by(|a, b| a.0.cmp(&b.0));
        xattrs.dedup_by(|later, first| later.0 == first.0);
        xattrs
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.push((xattr_name(name)?, value.into()));
            return Some(());
        }
        if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
            self.spare_xattrs.push((xattr_name(&unescape(name)?)?, unbase64(value)?.into()));
            return Some(());
        }
        if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.take(key, value);
        }
        if matches!(key, b"path" | b"linkpath") && value.contains(&0) {
            return None;
        }
        match key {
            b"path" => self.path = given(value, |text| Some(text.to_vec()))?,
            b"linkpath" => self.link = given(value, |text| Some(text.to_vec()))?,
            b"size" => self.size = given(value, decimal)?,
            b"uid" => self.uid = given(value, id)?,
            b"gid" => self.gid = given(value, id)?,
            b"mtime" => self.mtime = given(value, time)?,
            _ => {}
        }
        Some(())
    }
}

impl PaxSparse {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if value.is_empty() {
            return Some(());
        }
        match key {
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"name" if value.contains(&0) => return None,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"map" => self.map = Some(parse_list(value)?),
            b"offset" if self.offset.is_none() => self.offset = Some(decimal(value)?),
            b"offset" => return None,
            b"numbytes" => {
                let extent = Extent { offset: self.offset.take()?, length: decimal(value)? };
                let map = self.map.get_or_insert_default();
                map.push(extent);
                return (map.len() <= MOST_EXTENTS).then_some(());
            }
            _ => {}
        }
        Some(())
    }
}

/// Key, value, and the records after it.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Splits the first record, `length key=value\n`, where length counts all of it.
fn record(records: &[u8]) -> Result<Record<'_>, &'static str> {
    let space = records.iter().take(20).position(|b| *b == b' ').ok_or("a record without a length")?;
    let length = decimal(&records[..space]).ok_or("a record's length is no number")?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length <= space + 1 || length > records.len() {
        return Err("a record's length does not fit the header");
    }
    let (record, rest) = records.split_at(length);
    let body = record[space + 1..].strip_suffix(b"\n").ok_or("a record does not end where its length says")?;
    let equals = body.iter().position(|b| *b == b'=').ok_or("a record without =")?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err("a record without a proper key");
    }
    Ok((key, value, rest))
}

/// An empty value takes back what an earlier record said; the outer `None` is an impossible one.
#[expect(clippy::option_option, reason = "the one is `not given`, the other `wrong`")]
fn given<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

fn id(value: &[u8]) -> Option<u32> {
    u32::try_from(decimal(value)?).ok().filter(|id| *id != u32::MAX)
}

/// Seconds with an optional sign and fraction; digits beyond nanoseconds are dropped.
fn time(value: &[u8]) -> Option<Time> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let (whole, fraction) = match value.iter().position(|b| *b == b'.') {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &[][..]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |index| fraction.get(index).map_or(0, |d| u32::from(d - b'0'));
    let nanoseconds = (0..9).fold(0, |value, index| value * 10 + digit(index));
    Some(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

fn xattr_name(name: &[u8]) -> Option<Box<[u8]>> {
    (!name.is_empty()).then(|| name.into())
}

/// libarchive writes attribute names URL-encoded.
fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            plain.push(*first);
            continue;
        }
        let mut byte = [0];
        hex::decode_to_slice(rest.get(..2)?, &mut byte).ok()?;
        plain.push(byte[0]);
        rest = &rest[2..];
    }
    (!plain.contains(&0)).then_some(plain)
}

fn unbase64(value: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(value).or_else(|_| STANDARD_NO_PAD.decode(value)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let table: [(&str, Option<(i64, u32)>); 10] = [
            ("0", Some((0, 0))),
            ("1.5", Some((1, 500_000_000))),
            ("-1.5", Some((-2, 500_000_000))),
            ("-3", Some((-3, 0))),
            ("-0.000000001", Some((-1, 999_999_999))),
            ("1.1234567899", Some((1, 123_456_789))),
            ("1.", Some((1, 0))),
            (".5", None),
            ("1.x", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(seconds, nanoseconds)| Time { seconds, nanoseconds });
            assert_eq!(time(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_record() {
        let table: [&[u8]; 16] = [
            b"x",
            b" path=a\n",
            b"-9 path=a\n",
            b"+9 path=a\n",
            b"0 path=a\n",
            b"2 path=a\n",
            b"99 path=a\n",
            b"99999999999999999999999 path=a\n",
            b"9 path=a",
            b"8 path=a\n",
            b"8 patha\n",
            b"6 =aa\n",
            b"10 path=\0\n",
            b"11 size=-1\n",
            b"11 size=xy\n",
            b"9 path=a\n\0\0\0",
        ];
        for records in table {
            let length_fits = Pax::parse(records, 0).is_ok();
            assert!(!length_fits, "{}", records.escape_ascii());
        }
        let huge = b"28 size=9223372036854775808\n";
        assert!(Pax::parse(huge, 0).is_err());
    }

    #[test]
    fn xattrs_come_sorted_and_once() {
        let mut pax = Pax::default();
        for (key, value) in [
            ("SCHILY.xattr.user.b", "1"),
            ("LIBARCHIVE.xattr.user.a", "Mg=="),
            ("LIBARCHIVE.xattr.user.%62", "Mw"),
            ("SCHILY.xattr.user.b", "4"),
        ] {
            assert!(pax.take(key.as_bytes(), value.as_bytes()).is_some());
        }
        let xattr = |name: &str, value: &str| (Box::from(name.as_bytes()), Box::from(value.as_bytes()));
        assert_eq!(pax.xattrs(), vec![xattr("user.a", "2"), xattr("user.b", "4")]);
    }
}
