//! Keys and columns that decide over users: recognised whatever their case, and told when they are nearly one. It takes a name as a file writes it
//! and returns which it is. A column `Activ` that is passed over as some attribute makes every leaver active.

/// The keys of a user.
pub(super) const OF_USERS: [&str; 3] = ["id", "active", "assigned"];
/// The keys of a group in a document.
pub(super) const OF_GROUPS: [&str; 4] = ["id", "name", "members", "assigned"];
/// The columns of a group.
pub(super) const GROUP_COLUMNS: [&str; 3] = ["id", "name", "assigned"];
/// The columns of a membership.
pub(super) const OF_MEMBERS: [&str; 2] = ["group_id", "user_id"];

/// Shorter names are near to too many others; each of them is needed, so that its absence is told anyway.
const LONG_ENOUGH: usize = 5;
/// Words of their own that are near to one of the names.
const OTHER_WORDS: [&str; 1] = ["assignee"];

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// This one, apart from case and blanks around it.
    Is(&'static str),
    /// Nearly this one: a mistake, unless the right one is there too.
    Nearly(&'static str),
    /// An attribute like any other.
    Attribute,
}

/// Whether a name needs a closer look: quick, and true of every name that is one or nearly one.
pub(super) fn may_decide(name: &str) -> bool {
    name.len() <= 16
        && name.as_bytes().first().is_none_or(|first| {
            matches!(first.to_ascii_lowercase(), b'a' | b'i' | b'n' | b'm' | b'g' | b'u' | b' ' | b'_')
                || *first >= 0x80
        })
}

/// Which of these a name is.
pub(super) fn meant(name: &str, known: &[&'static str]) -> Meant {
    let trimmed = name.trim();
    if let Some(is) = known.iter().copied().find(|known| known.eq_ignore_ascii_case(trimmed)) {
        return Meant::Is(is);
    }
    let plain = plain(trimmed);
    if OTHER_WORDS.contains(&plain.as_str()) {
        return Meant::Attribute;
    }
    let is_near = |known: &&'static str| {
        let wanted = self::plain(known);
        known.len() >= LONG_ENOUGH
            && (plain == wanted
                || plain.strip_prefix("is") == Some(wanted.as_str())
                || (plain.chars().next() == wanted.chars().next() && is_one_slip(&plain, &wanted)))
    };
    known.iter().copied().find(is_near).map_or(Meant::Attribute, Meant::Nearly)
}

/// The letters and digits, in small letters.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether one letter too many, too few or another, or two that changed places, makes one text of the other.
fn is_one_slip(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    let same = short.iter().zip(long.iter()).take_while(|(a, b)| a == b).count();
    let (short, long) = (short.get(same..).unwrap_or_default(), long.get(same..).unwrap_or_default());
    match (short, long) {
        ([], [_]) => true,
        (short, [_, long @ ..]) if short == long => true,
        ([_, short @ ..], [_, long @ ..]) if short == long => true,
        ([a, b, short @ ..], [c, d, long @ ..]) => a == d && b == c && short == long,
        _ => false,
    }
}

/// What is said of a name that is nearly one that decides.
pub(super) fn nearly(what: &str, name: &str, near: &str) -> String {
    format!(
        "the {what} {name:?} is nearly {near:?}, which decides over users, and there is no {near:?}: rename it, to {near:?} if that is what is \
         meant, and otherwise to something else"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mp3_names_that_decide_are_known_in_any_case_and_near_misses_are_told() {
        for (name, meant_as) in [
            ("active", Meant::Is("active")),
            ("Active", Meant::Is("active")),
            (" ACTIVE ", Meant::Is("active")),
            ("ID", Meant::Is("id")),
            ("Activ", Meant::Nearly("active")),
            ("is_active", Meant::Nearly("active")),
            ("isActive", Meant::Nearly("active")),
            ("_active", Meant::Nearly("active")),
            ("aktive", Meant::Nearly("active")),
            ("acitve", Meant::Nearly("active")),
            ("actives", Meant::Nearly("active")),
            ("Asigned", Meant::Nearly("assigned")),
            ("activity", Meant::Attribute),
            ("inactive", Meant::Attribute),
            ("assignee", Meant::Attribute),
            ("_id", Meant::Attribute),
            ("title", Meant::Attribute),
            ("userName", Meant::Attribute),
        ] {
            assert_eq!(meant(name, &OF_USERS), meant_as, "{name}");
            assert!(meant_as == Meant::Attribute || may_decide(name), "{name}");
        }
        for name in ["user id", "UserId", "usr_id", "user-id"] {
            assert_eq!(meant(name, &OF_MEMBERS), Meant::Nearly("user_id"), "{name}");
        }
        assert_eq!(meant("GROUP_ID", &OF_MEMBERS), Meant::Is("group_id"));
    }
}
