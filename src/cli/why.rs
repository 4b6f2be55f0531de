//! `rosterd why`: one person's story, in the order in which one thing follows from another.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::args::{Format, Global, WhyArgs};
use super::check;
use super::failure::CommandFailure;
use super::report_view::{change_text, change_text_with};
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, named, paint, safe};
use crate::clock::{self, SystemClock};
use crate::engine::{Engine, Explained, Nobody};
use crate::explain::{Candidate, Deed, InDirectory, Story};
use crate::model::{LifecycleStatus, ObjectRef, Op, OpOutcome, Provenance};
use crate::source::Presence;

/// How wide the names of the chapters are.
const WIDTH: usize = 11;

pub(super) async fn run(screen: &Screen, global: &Global, args: &WhyArgs) -> Result<(), CommandFailure> {
    let mut loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let tenant = loaded.tenants.pop().ok_or_else(|| CommandFailure::failed("there is no tenant to work on"))?;
    let engine = Engine::new(Arc::new(tenant), loaded.stores, Arc::new(SystemClock));
    let bar = screen.bar();
    let explained = engine.explain(&args.person, args.offline, &bar).await;
    bar.clear();
    match explained? {
        Explained::Story(story) => {
            if screen.format == Format::Json {
                screen.json(&story)?;
            }
            tell(screen, &story);
            Ok(())
        }
        Explained::Ambiguous(all) => {
            if screen.format == Format::Json {
                screen.json(&serde_json::json!({"tenant": args.tenant, "candidates": all}))?;
            }
            Err(several(args, &all))
        }
        Explained::Nobody(nobody) => {
            if screen.format == Format::Json {
                screen.json(&serde_json::json!({"tenant": args.tenant, "candidates": [], "nobody": nobody}))?;
            }
            Err(nobody_by_that_name(args, &nobody))
        }
    }
}

fn several(args: &WhyArgs, all: &[Candidate]) -> CommandFailure {
    let lines: Vec<String> = all.iter().map(|one| format!("  {}  {}", one.id, one.name)).collect();
    CommandFailure::failed(format!("{:?} matches several users:\n{}", args.person, lines.join("\n")))
        .hint(format!("name one by id: `rosterd why {} ID`", args.tenant))
}

fn nobody_by_that_name(args: &WhyArgs, nobody: &Nobody) -> CommandFailure {
    let mut message = format!("no user matches {:?} in ", args.person);
    message.push_str(match (args.offline, &nobody.unread) {
        (true, _) | (_, Some(_)) => "the state or the journal",
        (false, None) => "the directory, the state or the journal",
    });
    if let Some(why) = &nobody.unread {
        message.push_str(&format!("; not everything could be read: {why}"));
    }
    match nobody.answer {
        Some(Presence::Present | Presence::Suspended) => {
            message.push_str("; asked for that id, the directory knows a user whom it does not list");
        }
        Some(Presence::Gone | Presence::Unknown) | None => {}
    }
    if let Some(account) = &nobody.account {
        message.push_str(&format!("; the app has an account of that name ({account}), which rosterd does not manage"));
    }
    if !nobody.similar.is_empty() {
        let names: Vec<&str> = nobody.similar.iter().map(|one| one.name.as_str()).collect();
        return CommandFailure::failed(message).hint(format!(
            "`rosterd why {} NAME` with one of {}",
            args.tenant,
            names.join(", ")
        ));
    }
    CommandFailure::failed(message).hint("search for a directory id, user name, e-mail address or app id")
}

fn tell(screen: &Screen, story: &Story) {
    screen.say(format!(
        "{}  {}",
        paint(STRONG, named(&story.name)),
        paint(FAINT, format!("directory id {}", named(story.id.as_str())))
    ));
    screen.say("");
    directory(screen, story);
    link(screen, story);
    app(screen, story);
    history(screen, story);
    now(screen, story);
}

/// A chapter's first line has its name, the others are indented alike.
fn chapter(screen: &Screen, name: &str, lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        let name = if at == 0 { name } else { "" };
        screen.say(format!("  {} {line}", paint(FAINT, format!("{name:WIDTH$}"))));
    }
}

fn directory(screen: &Screen, story: &Story) {
    let Some(directory) = &story.directory else {
        let why = story.unread.as_deref().unwrap_or("not asked (--offline)");
        chapter(screen, "directory", &[paint(CHANGE, safe(why))]);
        return;
    };
    chapter(screen, "directory", &[presence(directory)]);
    let groups: Vec<String> = directory
        .groups
        .iter()
        .map(|group| {
            let sign = if group.counts { paint(ADD, "+") } else { paint(FAINT, "·") };
            format!("{sign} {}  {}", named(&group.name), paint(FAINT, safe(&group.why)))
        })
        .collect();
    match groups.is_empty() && directory.listed {
        true => chapter(screen, "groups", &["none".to_owned()]),
        false => chapter(screen, "groups", &groups),
    }
    if directory.listed {
        let belongs = match (&directory.because, &directory.filter) {
            (_, Some(why)) => paint(CHANGE, format!("no: {}", safe(why))),
            (Some(because), None) => format!("yes: {}", safe(because)),
            (None, None) if directory.belongs => "yes".to_owned(),
            (None, None) => paint(CHANGE, "no: not in any group in scope"),
        };
        chapter(screen, "belongs", &[belongs]);
    }
    let mut mapped: Vec<String> =
        directory.mapped.iter().map(|(path, value)| format!("{path} {}", paint(FAINT, text(value)))).collect();
    mapped.extend(directory.problem.iter().map(|why| paint(REMOVE, safe(why))));
    chapter(screen, "mapping", &mapped);
    chapter(screen, "looked up", &directory.looked_up.iter().map(|found| safe(found)).collect::<Vec<_>>());
}

fn presence(directory: &InDirectory) -> String {
    match (directory.listed, directory.standing, directory.answer) {
        (true, Some(LifecycleStatus::Suspended), _) => paint(REMOVE, "suspended"),
        (true, Some(LifecycleStatus::Staged), _) => "staged: gets no account yet".to_owned(),
        (true, ..) => "active".to_owned(),
        (false, _, Some(Presence::Gone)) => paint(REMOVE, "gone: the directory says so when asked for the id"),
        (false, _, Some(Presence::Suspended)) => {
            paint(REMOVE, "not listed; asked for the id, the directory says suspended")
        }
        (false, _, Some(Presence::Present)) => {
            paint(CHANGE, "not listed; asked for the id, the directory says that the user exists")
        }
        (false, _, Some(Presence::Unknown) | None) => paint(CHANGE, "not listed, and the directory can't say more"),
    }
}

fn link(screen: &Screen, story: &Story) {
    let Some(link) = &story.link else {
        chapter(screen, "link", &["none: not linked to an account".to_owned()]);
        return;
    };
    let how = match link.provenance {
        Provenance::Created => "created",
        Provenance::Adopted => "adopted",
    };
    let since = link.since.map(|at| format!(" {}", when(at))).unwrap_or_default();
    let mut lines = vec![format!("account {}, {how}{since}", safe(link.app_id.as_str()))];
    if link.active == Some(false) {
        let since = link.inactive_since.map(|at| format!(" since {}", when(at))).unwrap_or_default();
        lines.push(paint(CHANGE, format!("inactive{since}")));
    }
    lines.extend(
        link.missing_since.map(|at| paint(CHANGE, format!("missing from complete readings since {}", when(at)))),
    );
    if !link.groups.is_empty() {
        lines.push(format!("member of {}", safe(&link.groups.join(", "))));
    }
    chapter(screen, "link", &lines);
}

fn app(screen: &Screen, story: &Story) {
    let Some(app) = &story.app else { return };
    let mut lines = vec![match (&app.app_id, app.active) {
        (None, _) => "shows no account".to_owned(),
        (Some(id), Some(false)) => format!("shows account {}, inactive", safe(id.as_str())),
        (Some(id), _) => format!("shows account {}, active", safe(id.as_str())),
    }];
    for change in &app.differs {
        lines.extend(change_text(change).map(|text| format!("{text}  {}", paint(FAINT, "changed in the app"))));
    }
    chapter(screen, "app", &lines);
}

fn history(screen: &Screen, story: &Story) {
    let most = if screen.verbose > 0 { story.history.len() } else { story.history.len().min(6) };
    let skipped = story.history.len() - most;
    let mut lines = Vec::new();
    let earlier = story.earlier + skipped as u64;
    if earlier > 0 {
        lines.push(paint(
            FAINT,
            format!(
                "… {earlier} earlier: `rosterd journal show {} --object {}`",
                story.tenant,
                safe(story.id.as_str())
            ),
        ));
    }
    lines.extend(story.history.iter().skip(skipped).map(deed));
    chapter(screen, "history", &lines);
}

fn deed(deed: &Deed) -> String {
    let (style, word) = match deed.result {
        result @ OpOutcome::Done => (ADD, result.name()),
        result @ OpOutcome::Failed => (REMOVE, result.name()),
        result @ OpOutcome::Noted => (FAINT, result.name()),
        result => (WAIT, result.name()),
    };
    let what = match (&deed.object, &deed.name) {
        (ObjectRef::Group(_), Some(name)) => format!("{} {}", deed.what.replace('_', " "), named(name)),
        _ => deed.what.replace('_', " "),
    };
    let attributes: Vec<&str> = deed.changes.iter().map(|change| change.attribute.as_str()).collect();
    let changed = match deed.what {
        what if what == Op::UpdateUser.name() => format!(" ({})", safe(&attributes.join(", "))),
        _ => String::new(),
    };
    let answer = deed.answer.as_ref().map(|answer| format!(": {}", safe(answer))).unwrap_or_default();
    format!("{}  {what}{changed}  {}{answer}  {}", when(deed.at), paint(style, word), paint(FAINT, safe(&deed.reason)))
}

fn now(screen: &Screen, story: &Story) {
    let mut lines = Vec::new();
    if let Some(note) = &story.set_aside {
        lines.push(format!(
            "{} {} (tried {} times, next try {})",
            paint(REMOVE, "failed:"),
            safe(&note.reason.to_string()),
            note.attempts,
            when(note.next_try)
        ));
    }
    for (mark, word) in [(&story.paused, "paused"), (&story.retired, "retired")] {
        lines.extend(mark.as_ref().map(|mark| format!("{} {}", paint(WAIT, word), safe(&mark.to_string()))));
    }
    lines.push(paint(STRONG, safe(&story.verdict)));
    for step in &story.next {
        let style = match step.result {
            OpOutcome::Planned => FAINT,
            OpOutcome::Held => WAIT,
            _ => REMOVE,
        };
        let detail = step.detail.as_ref().map(|why| format!(": {}", safe(why))).unwrap_or_default();
        let what = step.op.name().replace('_', " ");
        lines.push(format!(
            "  {what} {}  {}{detail}  {}",
            named(&step.name),
            paint(style, step.result.name()),
            paint(FAINT, safe(&step.reason))
        ));
        let changes = step.changes.iter().filter_map(|change| change_text_with(change, &step.names));
        lines.extend(changes.map(|text| format!("      {text}")));
    }
    for hold in &story.holds {
        lines.push(format!(
            "  {} {}: {}",
            paint(WAIT.bold(), "held"),
            paint(STRONG, hold.code()),
            safe(&hold.detail())
        ));
    }
    chapter(screen, "now", &lines);
}

fn when(at: Timestamp) -> String {
    clock::shown(at)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", safe(text)),
        other => safe(&other.to_string()),
    }
}
