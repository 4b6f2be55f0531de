//! The whole story in one sentence.

use super::Story;
use crate::cycle::CycleReport;
use crate::guard::Cleared;
use crate::model::{LifecycleStatus, OpOutcome};
use crate::source::Presence;

/// What it comes to. The first thing that settles the matter is the one that is said.
pub(super) fn of(story: &Story, report: Option<&CycleReport>) -> String {
    if story.protected {
        return "protected by scope.protect: never touched, whatever the directory says".to_owned();
    }
    if let Some(why) = &story.unread {
        return format!("what would change is not known: {why}");
    }
    if let Some(hold) = report
        .filter(|report| report.cleared.as_ref().is_none_or(Cleared::is_all_held))
        .and_then(|report| report.holds.first())
    {
        return format!("nothing is sent for this tenant now: {} ({hold})", hold.code());
    }
    if !story.next.is_empty() {
        return next(story);
    }
    let Some(directory) = &story.directory else { return as_last_known(story) };
    let standing = standing(story);
    match &story.link {
        Some(link) if link.active == Some(false) => format!("deactivated, and nothing would change: {standing}"),
        Some(link) if directory.belongs && story.app.as_ref().is_some_and(|app| app.app_id.is_none()) => format!(
            "the app does not show their account {} (any more), and no run looks for it: `rosterd drift {tenant} --note` records what \
             is gone, the next sync creates it again: {standing}",
            link.app_id,
            tenant = story.tenant,
        ),
        Some(_) if directory.belongs || !directory.listed => format!("nothing would change: {standing}"),
        Some(_) => format!("has an account that is left as it is: {standing}"),
        None => format!("rosterd gives them no account: {standing}"),
    }
}

fn as_last_known(story: &Story) -> String {
    match &story.link {
        Some(link) if link.active == Some(false) => "linked, and inactive when last seen".to_owned(),
        Some(_) => "linked, and active when last seen".to_owned(),
        None => "not linked to any account".to_owned(),
    }
}

fn next(story: &Story) -> String {
    let mut words: Vec<String> = Vec::new();
    for step in &story.next {
        let word = step.op.phrase(&step.name);
        let word = match step.result {
            OpOutcome::Held => format!("{word} (held)"),
            OpOutcome::Failed => format!("{word} (can't)"),
            _ => word,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let but = match (&story.retired, &story.paused) {
        (Some(_), _) => ", but the tenant is retired",
        (None, Some(_)) => ", but the tenant is paused",
        (None, None) => "",
    };
    format!("the next sync would: {}{but}", words.join(", "))
}

/// Why somebody belongs, or does not.
fn standing(story: &Story) -> String {
    let Some(directory) = &story.directory else { return String::new() };
    if !directory.listed {
        return match directory.answer {
            Some(Presence::Gone) => "the directory says they are gone".to_owned(),
            Some(Presence::Suspended) => {
                "the directory no longer lists them and says that they are suspended".to_owned()
            }
            Some(Presence::Present) => "the directory does not list them, but says that they exist".to_owned(),
            Some(Presence::Unknown) => {
                "the directory does not list them, and can't say whether they are gone".to_owned()
            }
            None => "they are not in the directory".to_owned(),
        };
    }
    match directory.standing {
        Some(LifecycleStatus::Suspended) => "suspended in the directory".to_owned(),
        Some(LifecycleStatus::Staged) => "staged in the directory: no account is created or removed".to_owned(),
        _ => match (&directory.filter, &directory.because) {
            (Some(why), _) => why.clone(),
            (None, Some(because)) => because.clone(),
            (None, None) if directory.groups.is_empty() => "they are in no group".to_owned(),
            (None, None) => "none of their groups is in scope".to_owned(),
        },
    }
}
