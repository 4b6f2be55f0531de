//! `rosterd approve` and `rosterd reject`: somebody's word on a held plan. In: a tenant and a plan's id. Out: a decision on the
//! disk, which the next run takes notice of; where a daemon runs, it writes it down and runs soon. Nothing is sent from here.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::args::{DecideArgs, Format, Global};
use super::failure::{Failure, code};
use super::screen::{ADD, FAINT, REMOVE, STRONG, Screen, count, paint, safe};
use super::{check, reload, tenant_name, who};
use crate::clock::{Clock, SystemClock};
use crate::daemon::Request;
use crate::store::{Decision, HeldPlan, Verdict, decide, read_held};

/// A plan's id in full: 128 bits in hex.
const WHOLE: usize = 32;

#[derive(Serialize)]
struct Decided<'a> {
    tenant: &'a str,
    #[serde(flatten)]
    decision: &'a Decision,
    /// Whether the last run held exactly this.
    held: bool,
}

pub(super) async fn run(screen: &Screen, global: &Global, args: &DecideArgs, verdict: Verdict) -> Result<u8, Failure> {
    let tenant = tenant_name(&args.tenant)?;
    // A name that no file stands for is a mistake worth telling before anything is decided.
    check::names(screen, global, std::slice::from_ref(&args.tenant))?;
    let state_dir = check::state_dir(screen, global)?;
    let folder = state_dir.join(tenant.as_str());
    let held = read_held(&folder)?;
    let (plan, matched) = find(&args.tenant, &args.plan, held.as_ref())?;
    let at = SystemClock.now();
    let lasts = SignedDuration::try_from(args.expires.duration()).unwrap_or(SignedDuration::from_hours(24));
    let decision = Decision {
        plan,
        verdict,
        by: who::is_typing(),
        reason: args.reason.clone().unwrap_or_default(),
        at,
        expires: at.checked_add(lasts).unwrap_or(Timestamp::MAX),
        noted: false,
    };
    let asked = || Request::Decide { tenant: tenant.to_string(), decision: decision.clone() };
    let by_daemon = match reload::ask(&state_dir, asked).await? {
        Some(_) => true,
        None => decide(&folder, &decision).map(|()| false)?,
    };
    if screen.format == Format::Json {
        screen.json(&Decided { tenant: &args.tenant, decision: &decision, held: matched.is_some() })?;
    } else {
        say(screen, &args.tenant, &decision, matched, by_daemon);
    }
    Ok(code::DONE)
}

/// The id under which the next run will ask. A prefix is enough for what the last run held; of any other plan the whole id has
/// to be given, as a preview showed it.
fn find<'h>(tenant: &str, asked: &str, held: Option<&'h HeldPlan>) -> Result<(String, Option<&'h HeldPlan>), Failure> {
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
    Err(Failure::failed(message).hint(hint))
}

fn say(screen: &Screen, tenant: &str, decision: &Decision, held: Option<&HeldPlan>, by_daemon: bool) {
    let verdict = match decision.verdict {
        Verdict::Approve => paint(ADD.bold(), "approved"),
        Verdict::Reject => paint(REMOVE.bold(), "rejected"),
    };
    screen.say(format!("{}  {verdict} plan {}", paint(STRONG, tenant), decision.plan));
    match held {
        Some(held) => {
            screen.say(format!("  {}", count(held.count, "change", "changes")));
            for hold in &held.holds {
                screen.say(format!("  {}: {}", hold.code(), safe(&hold.detail())));
            }
        }
        None => screen
            .say(paint(FAINT, "  the last run did not hold this plan; it counts if the next one comes to exactly it")),
    }
    match decision.verdict {
        Verdict::Approve if by_daemon => {
            screen.say("  the daemon runs it now, and carries it out if nothing has changed; `rosterd status` shows how it ends");
        }
        Verdict::Approve => screen.say(format!(
            "  the next run carries it out if nothing has changed until then, once, before {}; `rosterd sync {tenant}` does it now",
            decision.expires
        )),
        Verdict::Reject => screen.say("  it stays held, and is shown as rejected as long as it is due"),
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
            count: 1,
            operations: Vec::new(),
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
