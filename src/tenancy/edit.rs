//! Changes of single keys in the text of a tenant file, so that its comments stay. In: a text as `init` writes it, a table, a key, a value. Out:
//! the text with that value. It must not depend on what the keys mean.

/// What stands between a value and the comment after it, in the files of `init`.
pub(super) const BEFORE_COMMENT: &str = "     #";

/// The text with a key set: in its own line, in the comment that shows it, or after the last key of its table. A table that is not there is added.
pub(super) fn with(text: &str, table: &str, key: &str, value: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let header = format!("[{table}]");
    let Some(begin) = lines.iter().position(|line| *line == header).map(|at| at + 1) else {
        return format!("{text}\n{header}\n{key} = {value}\n");
    };
    let rest = lines.iter().skip(begin);
    let end = begin + rest.take_while(|line| !line.starts_with('[')).count();
    let at = |is: &dyn Fn(&str) -> bool| (begin..end).find(|at| lines.get(*at).is_some_and(|line| is(line)));
    let written = at(&|line| key_of(line) == Some(key));
    let shown = at(&|line| line.strip_prefix("# ").and_then(key_of) == Some(key));
    let line = format!("{key} = {value}");
    match written.or(shown).and_then(|at| lines.get_mut(at)) {
        Some(old) => {
            let comment = old.find(BEFORE_COMMENT).and_then(|at| old.get(at..)).unwrap_or_default();
            *old = line + comment;
        }
        None => {
            let last = (begin..end).rev().find(|at| lines.get(*at).is_some_and(|line| key_of(line).is_some()));
            lines.insert(last.map_or(begin, |last| last + 1), line);
        }
    }
    lines.join("\n") + "\n"
}

/// The key that a line sets, if it sets one.
pub(super) fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(" = ")?;
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    is_bare.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# x = 0\n[a]\n# about x\nx = \"1\"     # chmod 600\n# y = 2\n\n[b]\n# nothing\n\n[c]\nx = 3\n";

    #[test]
    fn a_key_is_set_where_it_is_written_where_a_comment_shows_it_or_after_the_last_one() {
        assert_eq!(with(TEXT, "a", "x", "\"n\""), TEXT.replacen("\"1\"", "\"n\"", 1), "the comment stays");
        assert_eq!(with(TEXT, "a", "y", "true"), TEXT.replacen("# y = 2", "y = true", 1));
        assert_eq!(with(TEXT, "a", "z", "4"), TEXT.replacen("chmod 600\n", "chmod 600\nz = 4\n", 1));
        assert_eq!(with(TEXT, "b", "x", "5"), TEXT.replacen("[b]\n", "[b]\nx = 5\n", 1));
        assert_eq!(with(TEXT, "c", "x", "6"), TEXT.replacen("x = 3", "x = 6", 1), "another table's key is left alone");
        assert_eq!(with(TEXT, "d", "x", "7"), format!("{TEXT}\n[d]\nx = 7\n"));
    }

    #[test]
    fn a_sentence_is_no_key() {
        assert_eq!(key_of("x = 1"), Some("x"));
        assert_eq!(key_of("Without `groups` = all"), None);
        assert_eq!(key_of("x=1"), None);
    }
}
