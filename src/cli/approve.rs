//! `rosterd approve` and `rosterd reject`: a decision on a held plan. In: a tenant and a plan's id. Out: a decision on the disk, which
//! the next run takes notice of; where a daemon runs, it writes it down and runs soon. Nothing is sent from here.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::args::{DecideArgs, Format, Global};
use super::failure::{CommandFailure, code};
use super::screen::{ADD, FAINT, REMOVE, STRONG, Screen, WAIT, count, paint, safe};
use super::{check, reload, tenant_name};
use crate::clock::{self, Clock, SystemClock};
use crate::config::forms::Period;
use crate::daemon::{ControlReply, ControlRequest, Deciding};
use crate::engine::Engine;
use crate::identity::{self, Identity};
use crate::model::TenantName;
use crate::store::{Approvals, Decision, DecisionVerdict, HeldPlan, LONGEST_DECISION, LONGEST_REASON, Stores};
use crate::tenancy;

/// A plan's id in full: 128 bits in hex.
const WHOLE: usize = 32;

#[derive(Serialize)]
struct DecisionOutput<'a> {
    tenant: &'a str,
    #[serde(flatten)]
    decision: &'a Decision,
    /// Whether the last run held exactly this.
    held: bool,
    /// How far approvals are, where more than one person has to approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<&'a Approvals>,
}

pub(super) async fn run(
    screen: &Screen,
    global: &Global,
    args: &DecideArgs,
    verdict: DecisionVerdict,
) -> Result<u8, CommandFailure> {
    let tenant = tenant_name(&args.tenant)?;
    let lasts = lasts(args.expires)?;
    let reason = args.reason.clone().unwrap_or_default();
    if reason.chars().count() > LONGEST_REASON {
        let message = format!("the reason is longer than {LONGEST_REASON} characters; nothing was decided");
        return Err(CommandFailure::usage(message, "a sentence or two, and where to read more"));
    }
    // A name that no file stands for is a mistake worth telling before anything is decided. Who has a right by `[control]` alone may
    // not be able to read the files; the daemon knows them.
    if !check::is_out_of_reach(global) {
        check::names(screen, global, std::slice::from_ref(&args.tenant))?;
    }
    let stores = check::stores(screen, global)?;
    let held = held(&stores, &tenant).await?;
    let (plan, matched) = find(&args.tenant, &args.plan, held.as_ref())?;
    if let Some(held) = matched.filter(|held| verdict == DecisionVerdict::Approve && !held.is_genuine()) {
        return Err(not_genuine(&args.tenant, held));
    }
    let deciding = Deciding {
        tenant: tenant.to_string(),
        plan: plan.clone(),
        verdict,
        reason: reason.clone(),
        lasts_secs: lasts.as_secs().unsigned_abs(),
        says: identity::claim(),
    };
    let (decision, approvals, by_daemon) = match reload::ask(&stores, || ControlRequest::Decide(deciding)).await? {
        Some(ControlReply::Decided(decided)) => (decided.decision, decided.approvals, true),
        Some(other) => return Err(reload::unexpected(other)),
        None => {
            let identity = Identity::of_this_process();
            let at = SystemClock.now();
            let expires = at.checked_add(lasts).unwrap_or(Timestamp::MAX);
            let by = identity.name();
            let decision = Decision { plan, verdict, by, identity: Some(identity), reason, at, expires };
            let approvals = here(global, &stores, &tenant, &decision)?;
            (decision, approvals, false)
        }
    };
    if screen.format == Format::Json {
        let (held, approvals) = (matched.is_some(), approvals.as_ref());
        screen.json(&DecisionOutput { tenant: &args.tenant, decision: &decision, held, approvals })?;
    } else {
        say(screen, &args.tenant, &decision, matched, approvals.as_ref(), by_daemon);
    }
    Ok(code::DONE)
}

/// How long the decision counts.
fn lasts(asked: Period) -> Result<SignedDuration, CommandFailure> {
    let lasts = SignedDuration::try_from(asked.duration()).unwrap_or(SignedDuration::MAX);
    match lasts > LONGEST_DECISION {
        true => Err(CommandFailure::usage(
            "an approval counts for 7 days at most; nothing was decided",
            "leave `--expires` out for a day, or write `--expires 7d`",
        )),
        false => Ok(lasts),
    }
}

/// What is held, as the daemon shows it or, without one, as the last run left it.
async fn held(stores: &Stores, tenant: &TenantName) -> Result<Option<HeldPlan>, CommandFailure> {
    match reload::ask(stores, || ControlRequest::Held { tenant: tenant.to_string() }).await? {
        Some(ControlReply::Held(held)) => Ok(held.map(|held| *held)),
        Some(other) => Err(reload::unexpected(other)),
        None => Ok(stores.tenant(tenant).held()?),
    }
}

fn not_genuine(tenant: &str, held: &HeldPlan) -> CommandFailure {
    let message = format!(
        "the list does not match the held plan: held.json of {tenant} lists changes that do not belong to plan {}. It was edited, \
         or written by another version; nothing was decided",
        held.plan
    );
    CommandFailure::failed(message).hint(format!("`rosterd sync {tenant}` plans again and writes a new file"))
}

/// Decides without a daemon: writes the decision, and says how far approvals are.
fn here(
    global: &Global,
    stores: &Stores,
    tenant: &TenantName,
    decision: &Decision,
) -> Result<Option<Approvals>, CommandFailure> {
    let state = stores.tenant(tenant);
    // A file with mistakes runs nothing: the run after they are gone asks who has to approve.
    let loaded = tenancy::load(&global.config, &[tenant.to_string()]).ok().and_then(|mut loaded| loaded.tenants.pop());
    let Some(loaded) = loaded else {
        state.decide(decision)?;
        return Ok(None);
    };
    let engine = Engine::new(Arc::new(loaded), stores.clone(), Arc::new(SystemClock));
    if decision.verdict == DecisionVerdict::Approve
        && let Some(why) = engine.approval_rule()?.why_not(decision)
    {
        return Err(CommandFailure::failed(format!("{why}; nothing was decided")).hint(format!(
            "`rosterd approve {tenant} PLAN --reason TEXT`, by another person if the tenant file is yours"
        )));
    }
    state.decide(decision)?;
    Ok(engine.approvals(&decision.plan)?)
}

/// The id under which the next run will ask. A prefix is enough for what the last run held; of any other plan the whole id has
/// to be given, as a preview showed it.
fn find<'h>(
    tenant: &str,
    asked: &str,
    held: Option<&'h HeldPlan>,
) -> Result<(String, Option<&'h HeldPlan>), CommandFailure> {
    let asked = asked.trim().to_ascii_lowercase();
    let long_enough = asked.len() >= 4;
    if let Some(held) =
        held.filter(|held| long_enough && (held.plan.starts_with(&asked) || held.of.starts_with(&asked)))
    {
        return Ok((held.plan.clone(), Some(held)));
    }
    if asked.len() == WHOLE && asked.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok((asked, None));
    }
    let hint = format!("`rosterd status {tenant}` shows what is held; `rosterd plan {tenant}` what would be now");
    let message = match held {
        Some(held) => {
            format!("{asked:?} is not what is held for {tenant}: that is plan {}; nothing was decided", held.plan)
        }
        None => format!("nothing is held for {tenant}; nothing was decided"),
    };
    Err(CommandFailure::failed(message).hint(hint))
}

fn say(
    screen: &Screen,
    tenant: &str,
    decision: &Decision,
    held: Option<&HeldPlan>,
    approvals: Option<&Approvals>,
    by_daemon: bool,
) {
    let verdict = match decision.verdict {
        DecisionVerdict::Approve => paint(ADD.bold(), "approved"),
        DecisionVerdict::Reject => paint(REMOVE.bold(), "rejected"),
    };
    let by = safe(&decision.who());
    screen.say(format!("{}  {verdict} plan {} by {by}", paint(STRONG, tenant), decision.plan));
    match held {
        Some(held) => {
            screen.say(format!("  {}", count(held.count, "change", "changes")));
            for hold in &held.holds {
                screen.say(format!("  {}: {}", hold.code(), safe(&hold.detail())));
            }
            if held.unlisted() > 0 {
                screen.say(format!(
                    "  {} of them are listed by `rosterd status {tenant} -v`; the other {} are part of the id and are not listed",
                    held.operations.len(),
                    held.unlisted()
                ));
            }
        }
        None => screen.say(paint(
            FAINT,
            "  the last run did not hold this plan; the decision counts if the next run makes exactly this plan",
        )),
    }
    let short = approvals.filter(|approvals| approvals.given.len() < approvals.people as usize);
    match (decision.verdict, short) {
        (DecisionVerdict::Approve, Some(short)) => screen.say(format!(
            "  {}; {}",
            safe(&short.to_string()),
            paint(WAIT, "waiting for another person with their own account")
        )),
        (DecisionVerdict::Approve, None) if by_daemon => {
            screen.say(
                "  the daemon starts a run now and applies the plan if nothing has changed; `rosterd status` shows the \
                        result",
            );
        }
        (DecisionVerdict::Approve, None) => screen.say(format!(
            "  the next run applies it once, if nothing has changed, until {}; `rosterd sync {tenant}` applies it now",
            clock::shown(decision.expires)
        )),
        (DecisionVerdict::Reject, _) => {
            screen.say("  it stays held and is shown as rejected until its changes are no longer needed")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::RunId;

    fn held() -> HeldPlan {
        HeldPlan {
            plan: "0123456789abcdef0123456789abcdef".to_owned(),
            of: "fedcba9876543210fedcba9876543210".to_owned(),
            run: RunId::new("r"),
            at: Timestamp::UNIX_EPOCH,
            holds: Vec::new(),
            access: None,
            count: 1,
            operations: Vec::new(),
            rest: None,
            guard_change: None,
            reasons_digest: String::new(),
            approvals: None,
            rejected: None,
        }
    }

    #[test]
    fn i10_only_what_is_held_can_be_approved_by_a_prefix() {
        let held = held();
        for asked in ["0123456789abcdef0123456789abcdef", "0123", "FEDC", "fedcba9876543210fedcba9876543210"] {
            assert_eq!(find("acme", asked, Some(&held)).unwrap().0, held.plan, "{asked}");
        }
        for asked in ["012", "99", "all", "", "../x"] {
            assert!(find("acme", asked, Some(&held)).is_err(), "{asked}");
            assert!(find("acme", asked, None).is_err(), "{asked}");
        }
        let other = "a".repeat(32);
        assert_eq!(find("acme", &other, None).unwrap(), (other.clone(), None), "a preview's plan, in full");
    }
}
