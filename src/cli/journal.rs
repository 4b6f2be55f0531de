//! `rosterd journal`: the audit trail for people, and the proof that it is whole.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use super::args::{Format, JournalCommand};
use super::failure::CommandFailure;
use super::screen::{ADD, FAINT, REMOVE, STRONG, Screen, WAIT, count, named, paint, safe, thousands};
use super::tenant_name;
use crate::clock;
use crate::model::{ObjectRef, TenantName, fold};
use crate::store::{DecisionVerdict, Effect, GuardSettings, JournalEvent, OutcomeResult, Record, Stores};

pub(super) fn run(screen: &Screen, stores: &Stores, command: &JournalCommand) -> Result<(), CommandFailure> {
    match command {
        JournalCommand::Show { tenant, object, last } => show(screen, stores, tenant, object.as_deref(), *last),
        JournalCommand::Verify { tenant } => prove(screen, stores, tenant),
    }
}

fn show(
    screen: &Screen,
    stores: &Stores,
    tenant: &str,
    object: Option<&str>,
    last: Option<usize>,
) -> Result<(), CommandFailure> {
    let tenant = tenant_name(tenant)?;
    let wanted = object.map(|text| objects_called(stores, &tenant, text)).transpose()?;
    let mut kept = std::collections::VecDeque::new();
    let mut names = LastNames::default();
    for record in stores.tenant(&tenant).records(1)? {
        let record = record?;
        if screen.format == Format::Human {
            names.learn(&record);
        }
        if wanted.as_ref().is_some_and(|ids| !ids.iter().any(|id| is_about(&record, id))) {
            continue;
        }
        match last {
            Some(most) => {
                kept.push_back(record);
                if kept.len() > most {
                    kept.pop_front();
                }
            }
            None => print(screen, &record, &names)?,
        }
    }
    kept.iter().try_for_each(|record| print(screen, record, &names))
}

/// The directory ids that `text` stands for: an id itself, or the user name, the display name, an e-mail address or the group's name in any
/// record. Names compare without case.
///
/// # Errors
/// When no record is about such an object.
fn objects_called(stores: &Stores, tenant: &TenantName, text: &str) -> Result<BTreeSet<String>, CommandFailure> {
    let asked = fold(text);
    let mut ids = BTreeSet::new();
    for record in stores.tenant(tenant).records(1)? {
        let record = record?;
        if is_about(&record, text) {
            ids.insert(text.to_owned());
        }
        each_name(&record.event, &mut |object, name| {
            if fold(name) == asked {
                ids.insert(object.id().to_string());
            }
        });
    }
    match ids.is_empty() {
        false => Ok(ids),
        true => Err(CommandFailure::failed(format!("no record of {tenant}'s journal is about {text:?}")).hint(format!(
            "search for a user name, display name, e-mail address, group name or directory id; `rosterd why {tenant} NAME` shows a \
             user's id"
        ))),
    }
}

/// Every name that a record gives an object.
fn each_name(event: &JournalEvent, found: &mut dyn FnMut(&ObjectRef, &str)) {
    match event {
        JournalEvent::Intent(intent) => {
            for change in intent.changes.iter().filter(|change| is_name(&change.attribute)) {
                change.to.as_str().into_iter().for_each(|name| found(&intent.object, name));
            }
        }
        JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
            for effect in effects {
                match effect {
                    Effect::UserSent { id, set, .. } => {
                        let object = ObjectRef::User(id.clone());
                        for (_, value) in set.iter().filter(|(path, _)| is_name(&path.to_string())) {
                            value.as_str().into_iter().for_each(|name| found(&object, name));
                        }
                    }
                    Effect::GroupLinked { id, name, .. } | Effect::GroupRenamed { id, name } => {
                        found(&ObjectRef::Group(id.clone()), name);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Whether an attribute is one by which people name a user or a group.
fn is_name(path: &str) -> bool {
    path == "userName" || path == "displayName" || path.starts_with("emails")
}

/// What users and groups were last called, by id: a call's record has the id alone.
#[derive(Default)]
struct LastNames(HashMap<ObjectRef, String>);

impl LastNames {
    fn learn(&mut self, record: &Record) {
        match &record.event {
            JournalEvent::Intent(intent) => {
                let attribute = match &intent.object {
                    ObjectRef::User(_) => "userName",
                    ObjectRef::Group(_) => "displayName",
                };
                let named = intent.changes.iter().find(|change| change.attribute == attribute);
                if let Some(name) = named.and_then(|change| change.to.as_str()) {
                    self.0.insert(intent.object.clone(), name.to_owned());
                }
            }
            JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => {
                for effect in effects {
                    let (object, name) = match effect {
                        Effect::UserSent { id, set, .. } => {
                            let Some(name) = set.text(&crate::model::Path::user_name()) else { continue };
                            (ObjectRef::User(id.clone()), name.to_owned())
                        }
                        Effect::GroupLinked { id, name, .. } | Effect::GroupRenamed { id, name } => {
                            (ObjectRef::Group(id.clone()), name.clone())
                        }
                        _ => continue,
                    };
                    self.0.insert(object, name);
                }
            }
            _ => {}
        }
    }

    /// An object by name, with the directory's id beside it.
    fn of(&self, object: &ObjectRef) -> String {
        let name = self.0.get(object).map_or("", String::as_str);
        match name.is_empty() || name == object.id().as_str() {
            true => format!("{} {}", object.kind(), named(object.id().as_str())),
            false => format!("{} {} ({})", object.kind(), named(name), named(object.id().as_str())),
        }
    }
}

fn print(screen: &Screen, record: &Record, names: &LastNames) -> Result<(), CommandFailure> {
    match screen.format {
        Format::Json => screen.json_line(record)?,
        Format::Human => {
            let mut out = anstream::stdout();
            writeln!(
                out,
                "{} {}  {}",
                paint(FAINT, format!("{:>7}", record.seq)),
                paint(FAINT, clock::shown(record.at)),
                line(record, names)
            )?;
        }
    }
    Ok(())
}

/// By what a run is judged, as the tenant file writes it.
fn settings_text(settings: &GuardSettings) -> String {
    let text = |(key, value): (&String, &serde_json::Value)| format!("{key} = {value}");
    settings.guard.iter().chain(&settings.approval).map(text).collect::<Vec<_>>().join(", ")
}

/// One record in one line.
fn line(record: &Record, names: &LastNames) -> String {
    match &record.event {
        JournalEvent::Opened { tenant, why, .. } => {
            format!("{} {}: {}", paint(STRONG, "journal opened"), safe(tenant), safe(why))
        }
        JournalEvent::RunStarted { run, plan, guard, .. } => {
            let settings = guard.as_ref().map(|guard| paint(FAINT, format!("  {}", safe(&settings_text(guard)))));
            format!("{} {run}, plan {plan}{}", paint(STRONG, "run started"), settings.unwrap_or_default())
        }
        JournalEvent::Intent(intent) => {
            let changes: Vec<String> = intent.changes.iter().map(|change| change.attribute.clone()).collect();
            let what = safe(&changes.join(", "));
            let why = paint(FAINT, safe(&intent.reason.to_string()));
            format!("{} {}  {what}  {why}", intent.op.name(), names.of(&intent.object))
        }
        JournalEvent::Outcome { intent, result, effects } => {
            let told = match result {
                OutcomeResult::Done { .. } => paint(ADD, "done"),
                OutcomeResult::Failed { detail, .. } => format!("{} {}", paint(REMOVE, "failed"), safe(detail)),
                OutcomeResult::Unknown { detail } => format!("{} {}", paint(WAIT, "unknown"), safe(detail)),
            };
            format!("  request {intent}: {told}{}", paint(FAINT, effects_text(effects)))
        }
        JournalEvent::Noted { reason, effects, .. } => {
            format!("{}{}", safe(&reason.to_string()), paint(FAINT, effects_text(effects)))
        }
        JournalEvent::RunEnded(summary) => format!(
            "{} {}: {} planned, {} done, {} held, {} failed, {} calls  {}",
            paint(STRONG, "run ended"),
            summary.status.name(),
            summary.planned,
            summary.done,
            summary.held,
            summary.failed,
            summary.calls,
            safe(&summary.note)
        ),
        JournalEvent::Decided { decision, waits, .. } => {
            let verdict = match decision.verdict {
                DecisionVerdict::Approve => paint(ADD, "approved"),
                DecisionVerdict::Reject => paint(REMOVE, "rejected"),
            };
            let (by, why) = (safe(&decision.who()), safe(&decision.reason));
            let waits = if *waits { ", waiting for another person" } else { "" };
            format!("{verdict} plan {} by {by}{waits}: {}", decision.plan, paint(FAINT, why))
        }
        JournalEvent::Doubted { why, .. } => format!("{} {}", paint(WAIT, "state in doubt:"), safe(why)),
        JournalEvent::Trusted { reason, .. } => {
            format!("{} {}", paint(ADD, "state trusted:"), safe(&reason.to_string()))
        }
        JournalEvent::Forgot { by, now, texts } => {
            let records = count(texts.len() as u64, "record", "records");
            let now = now.iter().map(|id| safe(id.as_str())).collect::<Vec<_>>().join(", ");
            format!("{} a user, now {now}, in {records}, as requested by {}", paint(WAIT, "forgot"), safe(by))
        }
        JournalEvent::Continued(continued) => format!("continues the journal of {}", safe(&continued.tenant)),
    }
}

fn effects_text(effects: &[Effect]) -> String {
    match effects.len() {
        0 => String::new(),
        n => format!("  ({})", count(n as u64, "effect", "effects")),
    }
}

fn is_about(record: &Record, id: &str) -> bool {
    let names = |effect: &Effect| match effect {
        Effect::UserLinked { id: of, .. }
        | Effect::UserSent { id: of, .. }
        | Effect::UserSource { id: of, .. }
        | Effect::UserUnlinked { id: of }
        | Effect::GroupLinked { id: of, .. }
        | Effect::GroupRenamed { id: of, .. }
        | Effect::GroupUnlinked { id: of }
        | Effect::GroupLetGo { id: of, .. }
        | Effect::GroupCompared { id: of }
        | Effect::GroupNameShown { id: of, .. }
        | Effect::AccessLost { user: of, .. } => of.as_str() == id,
        Effect::MembersAdded { group, users }
        | Effect::MembersRemoved { group, users }
        | Effect::MembersDoubted { group, users }
        | Effect::JoinedInactive { group, users } => {
            group.as_str() == id || users.iter().any(|user| user.as_str() == id)
        }
        Effect::UserRelinked { from, to } | Effect::UserReplaced { from, to } => {
            from.as_str() == id || to.as_str() == id
        }
        Effect::OwnAccount { .. } | Effect::AppTakes(_) | Effect::GroupsManaged { .. } => false,
        Effect::GroupsUnwatched { groups } => groups.iter().any(|group| group.as_str() == id),
        Effect::GroupReduced { group, .. } => group.as_str() == id,
        Effect::TakenBack { what, .. } | Effect::TakenBackOver { what, .. } => {
            what.iter().any(|what| what.ids().iter().any(|of| of.as_str() == id))
        }
        Effect::TakenBackSeen { what, .. } => what.ids().iter().any(|of| of.as_str() == id),
        Effect::AccessReduced { users, .. } | Effect::AccessRegained { users, .. } => {
            users.iter().any(|user| user.as_str() == id)
        }
        Effect::Failed { object, .. } | Effect::Settled { object } | Effect::Missed { object, .. } => is(object, id),
    };
    match &record.event {
        JournalEvent::Intent(intent) => is(&intent.object, id),
        JournalEvent::Outcome { effects, .. } | JournalEvent::Noted { effects, .. } => effects.iter().any(names),
        _ => false,
    }
}

fn is(object: &ObjectRef, id: &str) -> bool {
    object.id().as_str() == id
}

fn prove(screen: &Screen, stores: &Stores, tenant: &str) -> Result<(), CommandFailure> {
    let tenant = tenant_name(tenant)?;
    let report = stores.tenant(&tenant).verify()?;
    if screen.format == Format::Json {
        screen.json(&report)?;
    }
    if let Some(broken) = &report.broken {
        return Err(CommandFailure::failed(format!(
            "the journal of {tenant} is broken at record {} ({}, byte {}): {}; {} records before it are as they were written",
            broken.seq,
            broken.file.display(),
            broken.offset,
            broken.why,
            report.records
        )));
    }
    screen.say(format!(
        "{} {} records in {}, none changed or missing",
        paint(ADD.bold(), "intact:"),
        thousands(report.records),
        count(report.files, "file", "files")
    ));
    if !report.head.is_empty() {
        screen.say(format!(
            "       head {}: keep it elsewhere, and no earlier record can be rewritten unnoticed",
            report.head
        ));
    }
    if report.unfinished > 0 {
        screen.say(format!(
            "       {} bytes at the end belong to a record that is being written or that a crash cut short",
            report.unfinished
        ));
    }
    Ok(())
}
