//! The journal's files: their names, their order, their last lines.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::files;

/// One file of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Segment {
    /// Its first record.
    pub(in crate::store) first: u64,
    /// Where it lies.
    pub(in crate::store) path: PathBuf,
}

/// The file that begins with record `first`.
pub(super) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:08}.log"))
}

/// All files of a journal, in order. None if there is no folder. Other files are left alone.
pub(in crate::store) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(first) = name.and_then(|name| name.strip_suffix(".log")).and_then(|first| first.parse().ok()) {
            all.push(Segment { first, path });
        }
    }
    all.sort_unstable_by_key(|segment| segment.first);
    Ok(all)
}

/// The last whole line of a file, without its line feed; `None` if the file does not end in one.
pub(super) fn last_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = files::open_regular(path)?;
    let mut start = file.seek(SeekFrom::End(0))?;
    let mut line: Vec<u8> = Vec::new();
    while start > 0 {
        let step = start.min(1 << 16);
        start -= step;
        file.seek(SeekFrom::Start(start))?;
        let mut block = vec![0; step as usize];
        file.read_exact(&mut block)?;
        block.append(&mut line);
        line = block;
        let Some((b'\n', text)) = line.split_last() else { return Ok(None) };
        if let Some(at) = text.iter().rposition(|byte| *byte == b'\n') {
            return Ok(text.get(at + 1..).map(<[u8]>::to_vec));
        }
        if line.len() as u64 > super::MAX_LINE {
            return Ok(None);
        }
    }
    line.pop();
    Ok((!line.is_empty()).then_some(line))
}
