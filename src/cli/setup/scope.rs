//! Who belongs to the app: groups, chosen from those that the directory shows. In: a reading, if there is one. Out: `scope.groups`.

use super::super::doctor;
use super::super::failure::CommandFailure;
use super::super::screen::{count, named};
use super::answers::{SetupAnswers, quoted};
use super::sides;
use super::terminal::Terminal;
use crate::model::GroupMatch;
use crate::source::{Snapshot, kind};

/// So many groups are listed at once.
const LISTED: usize = 40;

/// A group of the directory.
struct ListedGroup {
    id: String,
    name: String,
    members: usize,
}

/// Asks until a person is content with who belongs.
pub(super) fn ask(
    terminal: &Terminal,
    answers: &mut SetupAnswers,
    snapshot: Option<&Snapshot>,
) -> Result<(), CommandFailure> {
    let assigns = kind::assigns_groups(&answers.plan.source);
    let rows = snapshot.map(rows).unwrap_or_default();
    terminal.step("Who gets an account");
    terminal.note("The members of the groups that you choose here get an account in the app; everyone else gets none.");
    list(terminal, &rows, "");
    loop {
        terminal.note("Type numbers or names, separated by commas; `*` in a name stands for any text, and `?TEXT` lists groups with that text.");
        let usual = assigns.then_some("all that the directory assigns");
        let line = terminal.ask("groups", usual)?;
        if let Some(text) = line.strip_prefix('?') {
            list(terminal, &rows, text.trim());
            continue;
        }
        match Some(line.as_str()) == usual {
            true => answers.unset("scope", "groups"),
            false => match patterns(&rows, &line) {
                Ok(patterns) => answers.set("scope", "groups", value(&patterns), line),
                Err(why) => {
                    terminal.note(why);
                    continue;
                }
            },
        }
        let Some(snapshot) = snapshot else { return Ok(()) };
        let Some(engine) = sides::engine(terminal, answers, &[])? else {
            match terminal.agrees("Keep these groups and fix that later", false)? {
                true => return Ok(()),
                false => continue,
            }
        };
        for finding in engine.examine_scope(snapshot) {
            doctor::line(&terminal.screen, &finding);
        }
        if terminal.agrees("Is that who should have an account", true)? {
            return Ok(());
        }
    }
}

fn rows(snapshot: &Snapshot) -> Vec<ListedGroup> {
    let all = snapshot.groups().filter_map(|ix| snapshot.group(ix));
    let mut rows: Vec<ListedGroup> = all
        .map(|group| ListedGroup {
            id: group.id.as_str().to_owned(),
            name: group.name.to_string(),
            members: group.members.len(),
        })
        .collect();
    rows.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    rows
}

fn list(terminal: &Terminal, rows: &[ListedGroup], text: &str) {
    let text = text.to_lowercase();
    let found: Vec<(usize, &ListedGroup)> =
        rows.iter().enumerate().filter(|(_, row)| row.name.to_lowercase().contains(&text)).collect();
    for (at, row) in found.iter().take(LISTED) {
        let members = count(row.members as u64, "member", "members");
        terminal.note(format!("  {:>3} {}  {members}", at + 1, named(&row.name)));
    }
    match found.len() {
        0 if rows.is_empty() => terminal.note("  No group of the directory is known."),
        0 => terminal.note("  No group has that text in its name."),
        many if many > LISTED => terminal.note(format!("  … and {} more", many - LISTED)),
        _ => {}
    }
}

/// What a line means: numbers of the list, ranges of them, names.
fn patterns(rows: &[ListedGroup], line: &str) -> Result<Vec<GroupMatch>, String> {
    // A name may have a comma in it.
    if rows.iter().any(|row| row.name == line) {
        return Ok(vec![GroupMatch::Name(line.to_owned())]);
    }
    let mut found = Vec::new();
    for part in line.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let is_name = rows.iter().any(|row| row.name == part);
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if !is_name => {
                let range =
                    first.checked_sub(1).and_then(|begin| rows.get(begin..last)).filter(|range| !range.is_empty());
                let range = range.ok_or_else(|| format!("There is no group with the number {part}."))?;
                found.extend(range.iter().map(|row| pattern(rows, row)));
            }
            _ => found.push(GroupMatch::Name(part.to_owned())),
        }
    }
    if found.is_empty() {
        return Err("That names no group.".to_owned());
    }
    Ok(found)
}

/// A group by its name; by its id, where the name would mean others too.
fn pattern(rows: &[ListedGroup], row: &ListedGroup) -> GroupMatch {
    let by_name = GroupMatch::Name(row.name.clone());
    match rows.iter().filter(|other| by_name.accepts(&other.id, &other.name)).count() {
        1 => by_name,
        _ => GroupMatch::Id(row.id.clone()),
    }
}

/// The value of `scope.groups`.
fn value(patterns: &[GroupMatch]) -> String {
    let one = |pattern: &GroupMatch| match pattern {
        GroupMatch::Name(name) => format!("{{ name = {} }}", quoted(name)),
        GroupMatch::Id(id) => format!("{{ id = {} }}", quoted(id)),
    };
    format!("[{}]", patterns.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn groups(names: &[&str]) -> Vec<ListedGroup> {
        let row =
            |(at, name): (usize, &&str)| ListedGroup { id: format!("g{at}"), name: (*name).to_owned(), members: 1 };
        names.iter().enumerate().map(row).collect()
    }

    #[test]
    fn groups_are_chosen_by_number_range_name_and_pattern() {
        let rows = groups(&["Eng", "Ops", "Sales", "R&D, Bern", "Twin", "twin", "A*", "2026"]);
        let said = |line: &str| patterns(&rows, line).map(|found| value(&found));
        assert_eq!(said("1, 3").unwrap(), r#"[{ name = "Eng" }, { name = "Sales" }]"#);
        assert_eq!(said("1-2,App *").unwrap(), r#"[{ name = "Eng" }, { name = "Ops" }, { name = "App *" }]"#);
        assert_eq!(said("R&D, Bern").unwrap(), r#"[{ name = "R&D, Bern" }]"#);
        assert_eq!(said("5").unwrap(), r#"[{ id = "g4" }]"#, "two groups have that name");
        assert_eq!(said("7").unwrap(), r#"[{ name = "A*" }]"#, "the pattern means this group alone");
        assert_eq!(said("2026").unwrap(), r#"[{ name = "2026" }]"#, "a name of digits is a name");
        for wrong in ["0", "9", "3-2", "1-9", ",", "99999999999999999999-1"] {
            let result = said(wrong);
            assert!(result.is_err() || wrong.starts_with("999"), "{wrong}: {result:?}");
        }
    }
}
