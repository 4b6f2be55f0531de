//! A look at a CSV file before it is parsed: RFC 4180 as written. It takes bytes and passes them on; the first deviation is an error with its
//! line.
//!
//! The parser behind it forgives much: a quote that is never closed takes the rows behind it into one field, a lone carriage return ends a row.
//! In a directory each of these is a user who vanishes. Beyond the RFC, a row ends with LF or CRLF and texts are UTF-8. The line break at the
//! end of the file is optional: a file that was cut off inside a row shows by a quote that is never closed or by the number of its fields.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// What a CSV file has that RFC 4180 does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deviation {
    /// The line, from 1; of a quoted field the one in which its quote opened.
    pub(super) line: u64,
    message: &'static str,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for Deviation {}

/// Where in a row the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CsvPosition {
    RowStart,
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote inside a quoted field: its end, or the first of two.
    Quote,
    /// Behind a carriage return.
    Return,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The rules, byte by byte.
#[derive(Debug)]
pub(super) struct Grammar {
    delimiter: u8,
    place: CsvPosition,
    line: u64,
    /// The line in which the last quote opened.
    opened: u64,
    /// How many bytes have come, up to the length of a byte order mark.
    begun: usize,
    /// The line of an empty row that is a deviation if another row follows.
    empty: Option<u64>,
}

impl Grammar {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, place: CsvPosition::RowStart, line: 1, opened: 0, begun: 0, empty: None }
    }

    fn wrong<T>(&self, message: &'static str) -> Result<T, Deviation> {
        Err(Deviation { line: self.line, message })
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Deviation> {
        for &byte in bytes {
            if self.begun < BYTE_ORDER_MARK.len() {
                let mark = BYTE_ORDER_MARK.get(self.begun) == Some(&byte);
                self.begun = if mark { self.begun + 1 } else { BYTE_ORDER_MARK.len() };
                if mark {
                    continue;
                }
            }
            self.place = self.next(byte)?;
            self.line += u64::from(byte == b'\n');
        }
        Ok(())
    }

    fn next(&mut self, byte: u8) -> Result<CsvPosition, Deviation> {
        use CsvPosition::{FieldStart, Quote, Quoted, Return, RowStart, Unquoted};
        if byte == 0 {
            return self.wrong("this line has a NUL character");
        }
        match (self.place, byte) {
            (Quoted, b'"') => Ok(Quote),
            (Quoted, _) => Ok(Quoted),
            (Quote, b'"') => Ok(Quoted),
            (Return, b'\n') => Ok(RowStart),
            (Return, _) => {
                self.wrong("a carriage return without a line feed; a row ends with a line feed, or with both")
            }
            (RowStart, b'\n' | b'\r') => {
                self.empty = self.empty.or(Some(self.line));
                Ok(if byte == b'\n' { RowStart } else { Return })
            }
            (RowStart, _) if self.empty.is_some() => {
                let line = self.empty.unwrap_or(self.line);
                Err(Deviation { line, message: "this line is empty, and rows follow" })
            }
            (_, b'\n') => Ok(RowStart),
            (_, b'\r') => Ok(Return),
            (_, byte) if byte == self.delimiter => Ok(FieldStart),
            (Quote, _) => {
                let message = "text follows the closing quote of a field; was a quote before it never closed?";
                Err(Deviation { line: self.opened, message })
            }
            (RowStart | FieldStart, b'"') => {
                self.opened = self.line;
                Ok(Quoted)
            }
            (Unquoted, b'"') => self.wrong(
                "a quote is inside a field that is not quoted; a field with one is written \"like \"\"this\"\"\"",
            ),
            (RowStart | FieldStart | Unquoted, _) => Ok(Unquoted),
        }
    }

    /// Whether the file may end here.
    pub(super) fn end(&self) -> Result<(), Deviation> {
        match self.place {
            CsvPosition::Quoted => {
                Err(Deviation { line: self.opened, message: "the quote that opens in this line is never closed" })
            }
            // Whether the last row is whole is for the number of its fields to say.
            CsvPosition::RowStart
            | CsvPosition::FieldStart
            | CsvPosition::Unquoted
            | CsvPosition::Quote
            | CsvPosition::Return => Ok(()),
        }
    }
}

/// A file whose bytes are looked at as they are read.
#[derive(Debug)]
pub(super) struct Strict {
    file: File,
    grammar: Grammar,
}

impl Strict {
    pub(super) fn new(file: File, delimiter: u8) -> Self {
        Self { file, grammar: Grammar::new(delimiter) }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The line that what was read so far ends in, if it ends right behind a delimiter: the last field is empty, or was cut off.
    pub(super) fn ends_behind_delimiter(&self) -> Option<u64> {
        (self.grammar.place == CsvPosition::FieldStart).then_some(self.grammar.line)
    }
}

impl Read for Strict {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer)?;
        let judged = match got {
            0 if !buffer.is_empty() => self.grammar.end(),
            got => self.grammar.take(buffer.get(..got).unwrap_or_default()),
        };
        judged.map(|()| got).map_err(|deviation| io::Error::new(io::ErrorKind::InvalidData, deviation))
    }
}

/// The deviation that an error of the parser comes from.
pub(super) fn deviation(error: &io::Error) -> Option<&Deviation> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &str) -> Result<(), Deviation> {
        let mut grammar = Grammar::new(b',');
        grammar.take(text.as_bytes())?;
        grammar.end()
    }

    /// A field as a good file may write it.
    fn field() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[a-zäß 0-9]{0,4}",
            1 => "[a-z,\r\n]{0,3}".prop_map(|text| format!("\"{text}\"")),
            1 => "[a-z]{0,2}".prop_map(|text| format!("\"{text}\"\"{text}\"")),
        ]
    }

    /// Whether the parser finds as many fields in every row as in the first.
    fn has_whole_rows(text: &str) -> bool {
        csv::Reader::from_reader(text.as_bytes()).records().all(|row| row.is_ok())
    }

    proptest! {
        #[test]
        fn mp6_a_good_file_that_is_cut_inside_a_row_is_refused_but_inside_its_last_field(
            rows in proptest::collection::vec((field(), field(), field()), 1..5), crlf: bool,
        ) {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = format!("a,b,c{end}");
            // Where the parts that a cut leaves may end: in a last field that has no quote, or behind it.
            let mut open = Vec::from([text.len()..=text.len()]);
            for (one, two, three) in &rows {
                let one = one.strip_prefix('"').map_or_else(|| format!("x{one}"), |rest| format!("\"x{rest}"));
                text.push_str(&format!("{one},{two},"));
                let start = text.len();
                open.push(start..=start);
                text.push_str(three);
                let start = if three.starts_with('"') { text.len() } else { start };
                text.push_str(end);
                open.push(start..=text.len());
            }
            prop_assert_eq!(judge(&text), Ok(()));
            for cut in (*open[0].start()..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                let part = &text[..cut];
                let is_refused = judge(part).is_err() || !has_whole_rows(part);
                // A pair of quotes that is cut in two looks like the end of its field.
                let is_pair = part.ends_with('"') && text[cut..].starts_with('"');
                let may_pass = open.iter().any(|range| range.contains(&cut));
                prop_assert!(is_refused != may_pass || (is_pair && !may_pass), "{:?}", part);
            }
        }

        #[test]
        fn mp6_the_pieces_in_which_a_file_comes_make_no_difference(text in "[ab\",\r\n\u{feff}]{0,12}", at in 0..12usize) {
            let at = at.min(text.len());
            let mut grammar = Grammar::new(b',');
            let (one, two) = text.as_bytes().split_at(at);
            let pieces = grammar.take(one).and_then(|()| grammar.take(two)).and_then(|()| grammar.end());
            prop_assert_eq!(pieces, judge(&text));
        }
    }

    #[test]
    fn mp6_every_deviation_has_its_line() {
        for (text, line) in [
            ("id,n\nu1,\"Ann\nu2,Bob\nu3,Cleo\n", 2),
            ("id,n\nu1,\"Ann\nu2,Bob\nu3,\"Cleo\"\n", 2),
            ("id,n\nu1,An\"n\n", 2),
            ("id,n\nu1,\"Ann\"x\n", 2),
            ("id,n\n\"u1\" ,Ann\n", 2),
            ("id,n\nu1,A\0n\n", 2),
            ("id,n\nu1,\"A\0n\"\n", 2),
            ("id,n\ru1,Ann\r", 1),
            ("id,n\nu1,\r,x\n", 2),
            ("id,n\n\nu1,Ann\n", 2),
        ] {
            assert_eq!(judge(text).unwrap_err().line, line, "{text:?}");
        }
        for text in [
            "",
            "id,n\n",
            "id,n\r\nu1,Ann\r\n",
            "id,n\nu1,\"Ann\"",
            "\u{feff}\"id\",n\n",
            "id,n\nu1,\"a \"\"b\"\", c\r\nd\"\n",
            "id,n\nu1,Ann\n\n",
            "id,n\nu1,Ann",
            "id,n\nu1,",
            "id,n\r\nu1,Ann\r",
            "id",
        ] {
            assert_eq!(judge(text), Ok(()), "{text:?}");
        }
    }
}
