//! A JSON text of any length, seen through a small window. In: a file. Out: one value after the other.
//!
//! Only the part around the present place is in memory, so a directory of a gigabyte costs no more than its largest entry.
//! A value is parsed straight from the window; where the window cuts it off, more is read and the value is parsed again.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use xxhash_rust::xxh3::Xxh3;

use crate::{bounded, files};

/// So much is read at once. With less than a sixteenth of it at hand more is read before a value is begun, so that few values
/// are parsed twice.
const WINDOW: usize = 1 << 20;

/// A single entry that is longer is not believed: a quotation mark forgotten must not fill the memory.
const LONGEST: usize = 1 << 30;

/// The first thing wrong with a file.
#[derive(Debug)]
pub(super) enum FileFault {
    /// It is not what it should be, at this place (in bytes).
    At(u64, String),
    /// It can't be read.
    Io(std::io::Error),
}

impl From<std::io::Error> for FileFault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) struct Window {
    file: File,
    size: usize,
    text: String,
    /// The present place in `text`.
    at: usize,
    /// Where in the file `text` begins.
    before: u64,
    /// The beginning of a character whose rest was not read yet.
    half: Vec<u8>,
    /// Whether `text` reaches to the end of the file.
    ended: bool,
    /// Of all bytes read so far, as long as they were read in order.
    hash: Xxh3,
    in_order: bool,
}

impl Window {
    pub(super) fn open(path: &Path) -> Result<Self, std::io::Error> {
        Ok(Self::over(files::open_regular(path)?, WINDOW))
    }

    fn over(file: File, size: usize) -> Self {
        Self {
            file,
            size,
            text: String::new(),
            at: 0,
            before: 0,
            half: Vec::new(),
            ended: false,
            hash: Xxh3::new(),
            in_order: true,
        }
    }

    /// The hash of the file's bytes, once all of them were read in order.
    pub(super) fn hash(&self) -> u128 {
        self.hash.digest128()
    }

    pub(super) fn metadata(&self) -> Result<Metadata, std::io::Error> {
        self.file.metadata()
    }

    /// The present place, in bytes from the file's beginning.
    pub(super) fn place(&self) -> u64 {
        self.before + self.at as u64
    }

    /// Goes to a place that [`Window::place`] named.
    pub(super) fn jump(&mut self, place: u64) -> Result<(), FileFault> {
        self.in_order = false;
        self.file.seek(SeekFrom::Start(place))?;
        (self.text, self.at, self.before, self.half, self.ended) = (String::new(), 0, place, Vec::new(), false);
        Ok(())
    }

    /// The next byte that is no white space; `None` at the end of the file.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, FileFault> {
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            match rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                Some(blank) => {
                    self.at += blank;
                    return Ok(rest.get(blank).copied());
                }
                None => self.at = self.text.len(),
            }
            if self.ended {
                return Ok(None);
            }
            self.read_on()?;
        }
    }

    /// Passes over one of these bytes, or says what was expected.
    pub(super) fn expect(&mut self, wanted: &[u8], what: &str) -> Result<u8, FileFault> {
        match self.peek()? {
            Some(byte) if wanted.contains(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            Some(_) => Err(self.fault(format!("expected {what}"))),
            None => Err(self.fault(format!("the file ends where {what} was expected"))),
        }
    }

    pub(super) fn fault(&self, message: impl Into<String>) -> FileFault {
        FileFault::At(self.place(), message.into())
    }

    /// Hands the text that begins with the next value to `take`, which parses the value and says how long it is. Where the
    /// window cuts the value off, `take` is called again with more: nothing may have happened before it is parsed whole.
    pub(super) fn value(&mut self, mut take: impl FnMut(&str) -> Result<usize, ReadStop>) -> Result<(), FileFault> {
        self.peek()?;
        loop {
            if self.text.len() - self.at < self.size / 16 && !self.ended {
                self.read_on()?;
            }
            let text = self.text.get(self.at..).unwrap_or_default();
            match take(text) {
                Ok(len) => {
                    self.at += len;
                    return Ok(());
                }
                Err(ReadStop::Json(error)) if error.is_eof() && !self.ended => {
                    if text.len() > LONGEST {
                        return Err(self.fault("this entry has no end within a gigabyte"));
                    }
                    self.read_on()?;
                }
                Err(ReadStop::Json(error)) => {
                    let (at, message) = (self.place() + place_in(text, &error) as u64, plain(&error));
                    return Err(FileFault::At(at, message));
                }
                Err(ReadStop::Here(message)) => return Err(self.fault(message)),
            }
        }
    }

    /// Passes over the next key of an object and its colon.
    pub(super) fn key(&mut self) -> Result<String, FileFault> {
        let mut key = String::new();
        self.value(|text| {
            let (name, raw) = first(text)?;
            key = name;
            Ok(raw.len())
        })?;
        self.expect(b":", "`:`")?;
        Ok(key)
    }

    /// Goes through a list, value by value; as [`Window::value`].
    pub(super) fn list(
        &mut self,
        what: &str,
        mut take: impl FnMut(&str) -> Result<usize, ReadStop>,
    ) -> Result<(), FileFault> {
        self.expect(b"[", &format!("a list of {what}"))?;
        if self.peek()? == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(&mut take)?;
            if self.expect(b",]", "`,` or `]`")? == b']' {
                return Ok(());
            }
        }
    }

    /// Passes over the next value, whatever it is; a long list entry by entry.
    pub(super) fn skip(&mut self) -> Result<(), FileFault> {
        let skip = |text: &str| first::<serde::de::IgnoredAny>(text).map(|(_, raw)| raw.len());
        match self.peek()? {
            Some(b'[') => self.list("anything", skip),
            _ => self.value(skip),
        }
    }

    /// Drops what is behind and reads on: at least four times what is at hand, so that a long value is parsed few times.
    fn read_on(&mut self) -> Result<(), FileFault> {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.drain(..self.at);
        self.before += std::mem::take(&mut self.at) as u64;
        bytes.append(&mut self.half);
        let more = (3 * bytes.len()).max(self.size);
        bytes.reserve(more);
        let known = bytes.len();
        bounded::beat();
        let got = (&mut self.file).take(more as u64).read_to_end(&mut bytes)?;
        if self.in_order {
            self.hash.update(bytes.get(known..).unwrap_or_default());
        }
        self.ended = got < more;
        self.text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (valid, cut_off) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
                if !cut_off || self.ended {
                    return Err(FileFault::At(self.before + valid as u64, "this is not UTF-8 text".to_owned()));
                }
                let mut bytes = error.into_bytes();
                self.half = bytes.split_off(valid);
                String::from_utf8(bytes).unwrap_or_default()
            }
        };
        if self.before == 0 && self.at == 0 && self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        Ok(())
    }

    /// Line and column (both from 1) of a place in the file.
    pub(super) fn line_and_column(&mut self, place: u64) -> Result<(usize, usize), std::io::Error> {
        self.file.rewind()?;
        let (mut line, mut column) = (1, 1);
        let mut bytes = (&mut self.file).take(place);
        let mut buffer = vec![0; self.size];
        loop {
            bounded::beat();
            let got = bytes.read(&mut buffer)?;
            let Some(part) = buffer.get(..got).filter(|part| !part.is_empty()) else { return Ok((line, column)) };
            for &byte in part {
                (line, column) = if byte == b'\n' { (line + 1, 1) } else { (line, column + 1) };
            }
        }
    }
}

/// The hash of a file's bytes as they are now.
pub(super) fn hash_of_bytes(path: &Path) -> Result<u128, std::io::Error> {
    let mut file = files::open_regular(path)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; WINDOW];
    loop {
        bounded::beat();
        match file.read(&mut buffer)? {
            0 => return Ok(hash.digest128()),
            got => hash.update(buffer.get(..got).unwrap_or_default()),
        }
    }
}

/// Why a value was not taken.
pub(super) enum ReadStop {
    /// It is not what it should be, or cut off.
    Json(serde_json::Error),
    /// It is well-formed and yet wrong.
    Here(String),
}

impl From<serde_json::Error> for ReadStop {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// The value that a text begins with, and its own text.
pub(super) fn first<'t, T: Deserialize<'t>>(text: &'t str) -> Result<(T, &'t str), ReadStop> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    match values.next() {
        Some(value) => {
            let value = value?;
            Ok((value, text.get(..values.byte_offset()).unwrap_or(text)))
        }
        None => Err(ReadStop::Here("the file ends where a value was expected".to_owned())),
    }
}

/// Where in `text` a parser's error lies.
fn place_in(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    (lines_before + error.column().saturating_sub(1)).min(text.len())
}

/// What serde_json puts before the place of an error.
const PLACE: &str = " at line ";

/// A parser's error without the place, which is told apart.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(PLACE).next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::io::Write;

    use super::*;

    fn over(bytes: &[u8], size: usize) -> Window {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Window::over(file, size)
    }

    /// Everything in a list of texts, read through a window of `size` bytes.
    fn texts(bytes: &[u8], size: usize) -> Result<Vec<String>, (u64, String)> {
        let mut window = over(bytes, size);
        let mut all = Vec::new();
        let read = window.list("texts", |text| {
            let (value, raw) = first::<String>(text)?;
            all.push(value);
            Ok(raw.len())
        });
        let rest = read.and_then(|()| window.peek());
        match rest {
            Ok(rest) => {
                assert_eq!(rest, None);
                Ok(all)
            }
            Err(FileFault::At(place, message)) => Err((place, message)),
            Err(FileFault::Io(error)) => panic!("{error}"),
        }
    }

    const LIST: &str = " [ \"\", \"a\" ,\n\"zwölf Boxkämpfer\", \"\\ud83d\\ude00 \\\"…\", \"😀😀😀😀😀😀😀😀\" ]\r\n";

    #[test]
    fn a_window_of_any_size_shows_the_same() {
        let whole: Vec<String> = serde_json::from_str(LIST).unwrap();
        for size in 1..=LIST.len() + 1 {
            assert_eq!(texts(LIST.as_bytes(), size).unwrap(), whole, "window of {size} bytes");
        }
    }

    #[test]
    fn i2_a_text_cut_anywhere_is_a_fault_in_a_window_of_any_size() {
        let end = LIST.trim_end().len();
        for size in 1..=LIST.len() + 1 {
            for cut in 0..end {
                assert!(texts(&LIST.as_bytes()[..cut], size).is_err(), "window of {size} bytes, cut after {cut}");
            }
        }
    }

    #[test]
    fn a_fault_has_the_same_place_in_a_window_of_any_size() {
        for (bytes, place, part) in [
            (&b"[\"a\", 7, \"b\"]"[..], 6, "invalid type"),
            (b"[\"a\" \"b\"]", 5, "expected `,` or `]`"),
            (b"[\"a\",]", 5, "expected value"),
            (b"[\"a\", \"\xff\"]", 7, "not UTF-8"),
            (b"[\"a\", \"\xe2\x82", 7, "not UTF-8"),
            (b"{}", 0, "expected a list of texts"),
            (b"", 0, "the file ends where a list of texts was expected"),
        ] {
            for size in 1..=bytes.len() + 1 {
                let (at, message) = texts(bytes, size).unwrap_err();
                assert!(message.contains(part), "{message}");
                assert_eq!(at, place, "{message}, window of {size} bytes");
            }
        }
    }

    #[test]
    fn going_back_shows_the_same_again() {
        let text = "{\"k\": [1, {\"a\": [2]}, \"x\"], \"l\": 12345678}";
        for size in 1..=text.len() {
            let mut window = over(text.as_bytes(), size);
            window.expect(b"{", "").unwrap();
            window.skip().unwrap();
            window.expect(b":", "").unwrap();
            let list = window.place();
            window.skip().unwrap();
            window.expect(b",", "").unwrap();
            window.jump(list).unwrap();
            let mut parts = Vec::new();
            window
                .list("anything", |text| {
                    let (value, raw) = first::<serde_json::Value>(text)?;
                    parts.push(value);
                    Ok(raw.len())
                })
                .unwrap();
            assert_eq!(parts, [serde_json::json!(1), serde_json::json!({"a": [2]}), serde_json::json!("x")]);
            assert_eq!(window.expect(b",", "").unwrap(), b',');
        }
    }

    #[test]
    fn a_place_has_a_line_and_a_column() {
        let mut window = over(b"ab\n\nc", 2);
        for (place, line, column) in [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 3, 1), (5, 3, 2), (99, 3, 2)] {
            assert_eq!(window.line_and_column(place).unwrap(), (line, column));
        }
    }
}
