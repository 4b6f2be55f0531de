//! Which groups are meant: by id, or by a pattern of names. In: what the operator listed. Out: yes or no for one group.

use super::fold;

/// One entry of `scope.groups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMatch {
    /// By immutable id.
    Id(String),
    /// By name, without case; `*` stands for any text, `?` for one character.
    Name(String),
}

impl GroupMatch {
    /// Whether a group is meant.
    pub fn accepts(&self, id: &str, name: &str) -> bool {
        match self {
            Self::Id(wanted) => id == wanted,
            Self::Name(pattern) => glob(&fold(pattern), &fold(name)),
        }
    }

    /// Whether one of several means a group.
    pub fn any(all: &[Self], id: &str, name: &str) -> bool {
        all.iter().any(|one| one.accepts(id, name))
    }
}

/// Whether a text fits a pattern of literal characters, `*` and `?`. Linear in memory, no backtracking explosion.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some(p);
                mark = t;
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some(at) => {
                    p = at + 1;
                    mark += 1;
                    t = mark;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("?", "", false),
            ("**x", "aax", true),
            ("a*b*c", "a1b2b3c", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} ~ {text}");
        }
    }
}
