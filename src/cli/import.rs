//! `rosterd import`: the app's people as the directory knows them, and new ones made there.

pub(super) mod background;
mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::files::{write_list, write_report};
use super::args::{Format, Global, ImportArgs, SortKey};
use super::check;
use super::ending::SignalListener;
use super::failure::{CommandFailure, code};
use super::screen::{ADD, CHANGE, FAINT, REMOVE, STRONG, Screen, WAIT, count, named as shown_name, paint, safe};
use crate::clock::{Clock, SystemClock};
use crate::daemon::reach;
use crate::engine::{AppListing, Engine, ImportResult, Making};
use crate::model::Attributes;
use crate::progress::Progress as _;
use crate::roll::{DirectoryStatus, ListedAccount, SortOrder, Unsaid, choose};
use crate::store::ImportChoice;

/// So many are shown as they happen; more get a progress bar and a report.
const SHOWN: usize = 100;

/// How the name of a report begins that is written where the command was typed.
pub(super) const REPORT: &str = "rosterd-import-";

/// An account with what it holds.
type AccountRow<'a> = (&'a ListedAccount, &'a Attributes);

pub(super) async fn run(screen: &Screen, global: &Global, args: &ImportArgs) -> Result<u8, CommandFailure> {
    if args.stop {
        return background::stop(screen, global, &args.tenant).await;
    }
    if (args.background || args.foreground) && !args.creates() {
        let hint = format!("`rosterd import {} --create-all --background`, or --create WHO…", args.tenant);
        return Err(CommandFailure::usage(
            "--background and --foreground are about users to create, and none is named",
            hint,
        ));
    }
    let mut loaded = check::load(screen, global, std::slice::from_ref(&args.tenant))?;
    let tenant = loaded.tenants.pop().ok_or_else(|| CommandFailure::failed("there is no tenant to work on"))?;
    let (tenant, stores) = (Arc::new(tenant), loaded.stores);
    if args.background {
        let daemon = background::reached(&stores, &args.tenant).await?;
        return background::hand_over(screen, daemon, background::to_order(&tenant, choice(args), None)).await;
    }
    let engine = Engine::new(Arc::clone(&tenant), stores.clone(), Arc::new(SystemClock));
    let bar = screen.bar();
    let listing = engine.list_app(&bar).await;
    bar.clear();
    let listing = listing?;
    let mut rows: Vec<AccountRow<'_>> = listing.entries.iter().zip(&listing.attributes).collect();
    rows.retain(|(entry, _)| args.search.as_ref().is_none_or(|text| entry.contains(text)));
    rows.sort_by(|(a, _), (b, _)| a.compare(b, order(args.sort)));
    if args.creates() {
        drop(rows);
        let chosen = chosen(screen, args, &listing)?;
        // A report in a named file is written by this process.
        let stays = chosen.len() <= SHOWN || args.foreground || args.report.is_some();
        let order = || background::to_order(&tenant, exactly(args, &chosen), Some(chosen.len() as u64));
        if let (false, Some(caller)) = (stays, &screen.caller) {
            caller.leave_import(order());
            return Ok(code::DONE);
        }
        if !stays && let Some(daemon) = reach(&stores).await? {
            return background::hand_over(screen, daemon, order()).await;
        }
        return make(screen, args, &engine, chosen).await;
    }
    rows.retain(|(entry, _)| !args.new_only || entry.status == DirectoryStatus::New);
    if let Some(path) = &args.list {
        let mode = write_list(screen, path, &rows, &engine.way_back())?;
        screen.note(format!(
            "wrote {} to {} ({mode})",
            count(rows.len() as u64, "account", "accounts"),
            path.display()
        ));
    }
    match screen.format {
        Format::Json => screen.json(&document(args, &listing, &rows))?,
        Format::Human => show(screen, args, &listing, &rows),
    }
    Ok(code::DONE)
}

fn order(key: SortKey) -> SortOrder {
    match key {
        SortKey::Status => SortOrder::Status,
        SortKey::UserName => SortOrder::UserName,
        SortKey::Name => SortOrder::Name,
        SortKey::Email => SortOrder::Email,
    }
}

fn tally(listing: &AppListing, standing: DirectoryStatus) -> u64 {
    listing.entries.iter().filter(|entry| entry.status == standing).count() as u64
}

fn document(args: &ImportArgs, listing: &AppListing, rows: &[AccountRow<'_>]) -> serde_json::Value {
    let summary: serde_json::Map<String, serde_json::Value> =
        DirectoryStatus::ALL.iter().map(|one| (one.name().to_owned(), tally(listing, *one).into())).collect();
    let users: Vec<&ListedAccount> = rows.iter().map(|(entry, _)| *entry).collect();
    json!({
        "tenant": args.tenant, "accounts": listing.entries.len(), "directory": listing.directory,
        "unmapped": listing.unmapped, "summary": summary, "users": users,
    })
}

fn show(screen: &Screen, args: &ImportArgs, listing: &AppListing, rows: &[AccountRow<'_>]) {
    let sums: Vec<String> =
        DirectoryStatus::ALL.iter().map(|one| format!("{} {}", tally(listing, *one), one.name())).collect();
    let accounts = count(listing.entries.len() as u64, "account", "accounts");
    screen.say(format!(
        "{}  {accounts} in the app: {}  {}",
        paint(STRONG, &args.tenant),
        sums.join(", "),
        paint(FAINT, format!("({} in the directory)", count(listing.directory, "user", "users")))
    ));
    if listing.unmapped > 0 {
        let many = count(listing.unmapped, "user", "users");
        screen.say(paint(FAINT, format!("  {many} of the directory can't be mapped and are matched by id only")));
    }
    let width = |of: fn(&ListedAccount) -> &str| {
        rows.iter().map(|(entry, _)| shown_name(of(entry)).chars().count()).max().unwrap_or(0)
    };
    let (names, people) = (width(|entry| &entry.user_name).min(48), width(|entry| &entry.name).min(32));
    for (entry, _) in rows {
        let style = match entry.status {
            DirectoryStatus::New => ADD,
            DirectoryStatus::Conflicting => REMOVE,
            DirectoryStatus::Imported => CHANGE,
            DirectoryStatus::Linked => FAINT,
        };
        let mut notes = Vec::new();
        if !entry.active {
            notes.push("inactive".to_owned());
        }
        if let Some(person) = &entry.person {
            notes.push(safe(person.as_str()));
        }
        if !entry.detail.is_empty() {
            notes.push(safe(&entry.detail));
        }
        screen.say(format!(
            "  {}  {:names$}  {:people$}  {}",
            paint(style, format!("{:11}", entry.status.name())),
            shown_name(&entry.user_name),
            shown_name(&entry.name),
            paint(FAINT, notes.join("; "))
        ));
    }
    if rows.iter().any(|(entry, _)| entry.status == DirectoryStatus::New) {
        let next = format!(
            "`rosterd import {} --create WHO…` creates users in the directory; the app is not changed",
            args.tenant
        );
        screen.say(paint(FAINT, format!("  {next}")));
    }
}

/// Which accounts the command line asks for.
fn choice(args: &ImportArgs) -> ImportChoice {
    match args.create_all {
        true => ImportChoice::All { search: args.search.clone() },
        false => ImportChoice::Named(args.create.clone()),
    }
}

/// The same, where it is known which accounts these are: names could be other accounts' a moment later.
fn exactly(args: &ImportArgs, chosen: &[AccountRow<'_>]) -> ImportChoice {
    match choice(args) {
        all @ ImportChoice::All { .. } => all,
        ImportChoice::Named(_) => {
            ImportChoice::Named(chosen.iter().map(|(entry, _)| entry.app_id.to_string()).collect())
        }
    }
}

/// The accounts that the command line asks for. What is left out is said.
fn chosen<'l>(
    screen: &Screen,
    args: &ImportArgs,
    listing: &'l AppListing,
) -> Result<Vec<AccountRow<'l>>, CommandFailure> {
    let chosen = choose(&listing.entries, &choice(args))
        .map_err(|error| CommandFailure::failed(error.to_string()).hint(error.hint(&args.tenant)))?;
    if chosen.inactive > 0 {
        let left = count(chosen.inactive, "account that is", "accounts that are");
        screen.note(format!("left out: {left} inactive; `--create WHO` creates one of them anyway"));
    }
    let row = |at: &usize| Some((listing.entries.get(*at)?, listing.attributes.get(*at)?));
    for (entry, _) in chosen.special.iter().filter_map(row) {
        screen.note(format!("left out: {}, {}", shown_name(&entry.user_name), safe(&entry.detail)));
    }
    let mut rows: Vec<AccountRow<'l>> = chosen.places.iter().filter_map(row).collect();
    if args.create_all {
        rows.sort_by(|(a, _), (b, _)| a.compare(b, order(args.sort)));
    }
    Ok(rows)
}

/// Makes people in the directory.
async fn make(
    screen: &Screen,
    args: &ImportArgs,
    engine: &Engine,
    chosen: Vec<AccountRow<'_>>,
) -> Result<u8, CommandFailure> {
    unsaid(screen, engine.way_back().unsaid());
    let many = chosen.len() > SHOWN;
    let (bar, stop) = (screen.bar(), CancellationToken::new());
    let ending = SignalListener::watch(&stop, screen);
    if many {
        bar.stage("creating users in the directory", Some(chosen.len() as u64));
    }
    let mut results: Vec<Making> = Vec::with_capacity(chosen.len());
    let made = engine
        .make_people(&chosen, &stop, &mut |making| {
            match many {
                true => bar.advance(1),
                false => line(screen, &making),
            }
            results.push(making);
        })
        .await;
    drop(ending);
    bar.clear();
    made?;
    let report = match many || args.report.is_some() {
        true => Some(report(screen, args, &results)?),
        false => None,
    };
    close(screen, args, &results, report.as_deref())
}

fn report(screen: &Screen, args: &ImportArgs, results: &[Making]) -> Result<PathBuf, CommandFailure> {
    let path = args.report.clone().unwrap_or_else(|| {
        let now = SystemClock.now().strftime("%Y%m%dT%H%M%SZ");
        PathBuf::from(format!("{REPORT}{}-{now}.json", args.tenant))
    });
    write_report(screen, &path, &args.tenant, results)?;
    Ok(path)
}

/// Rules that can't be read backwards.
fn unsaid(screen: &Screen, rules: &[Unsaid]) {
    for one in rules {
        let instead = match &one.instead {
            Some(name) => format!("its value goes to `{name}`"),
            None => "its value is left out".to_owned(),
        };
        screen.note(format!("{} = {} can't be inverted: {instead}", one.attribute, one.rule));
    }
}

fn line(screen: &Screen, making: &Making) {
    let (style, word) = match making.result {
        ImportResult::Created => (ADD, "created"),
        ImportResult::Found => (FAINT, "found"),
        ImportResult::Failed => (REMOVE, "failed"),
        ImportResult::NotTried => (WAIT, "not tried"),
    };
    let id = making.id.as_ref().map(|id| format!("  {}", safe(id.as_str()))).unwrap_or_default();
    let detail = paint(FAINT, safe(&making.detail));
    screen.say(format!("  {}  {}{id}  {detail}", paint(style, format!("{word:9}")), shown_name(&making.user_name)));
}

fn close(screen: &Screen, args: &ImportArgs, results: &[Making], report: Option<&Path>) -> Result<u8, CommandFailure> {
    let of = |kind: ImportResult| results.iter().filter(|one| one.result == kind).count();
    let (created, found, failed, left) =
        (of(ImportResult::Created), of(ImportResult::Found), of(ImportResult::Failed), of(ImportResult::NotTried));
    if screen.format == Format::Json {
        screen.json(&json!({
            "tenant": args.tenant, "planned": results.len(), "created": created, "found": found, "failed": failed,
            "not_tried": left, "results": results, "report": report,
        }))?;
    }
    if let Some(path) = report {
        for making in results.iter().filter(|one| one.result == ImportResult::Failed).take(SHOWN) {
            line(screen, making);
        }
        screen.say(format!("  the report is in {}", path.display()));
    }
    screen.say(format!(
        "  {created} created, {found} found, {failed} failed, {left} not tried; nothing was sent to the app"
    ));
    if created > 0 {
        screen.say(paint(FAINT, "  they are managed once they belong to a group bound to the app"));
    }
    Ok(match (created + found, failed + left) {
        (_, 0) => code::DONE,
        (0, _) => code::FAILED,
        _ => code::PARTIAL,
    })
}
