//! Ending a connection. In: everybody who is linked. Out: a plan that switches them all off.

use std::ops::ControlFlow;

use super::{Approval, LeftAlone, Task, operation};
use crate::config::tenant::Adopted;
use crate::model::{Lane, ObjectRef, Path, Provenance, Reason};
use crate::plan::{Action, Plan, TenantRules};
use crate::store::{Baseline, StoreError, Trigger};

/// What becomes of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetirementAction {
    /// It is left as it is.
    Leave,
    /// Every account that is managed is switched off.
    Deactivate,
}

/// Everybody's deactivation, and who is left alone because they are protected.
///
/// # Errors
/// When the state can't be read.
pub fn deactivate_all(state: &dyn Baseline, rules: &TenantRules<'_>) -> Result<(Plan, Vec<LeftAlone>), StoreError> {
    let (mut operations, mut kept) = (Vec::new(), Vec::new());
    state.linked_users(&mut |id, row| {
        let name = row.sent.text(&Path::user_name()).unwrap_or(id.as_str()).to_owned();
        let object = ObjectRef::User(id.clone());
        if rules.protected.covers(id.as_str(), &[&row.sent, &row.echo]) {
            kept.push(LeftAlone { object, name, why: "is protected: never touched".to_owned() });
        } else if row.provenance == Provenance::Adopted && rules.adopted == Adopted::Keep {
            kept.push(LeftAlone { object, name, why: "was there before, and users.adopted is \"keep\"".to_owned() });
        } else if row.active != Some(false) {
            let reason = Reason::Retired;
            let mut off = operation(Lane::Removals, object, &name, Action::DeactivateUser, reason);
            off.app_id = Some(row.app_id.clone());
            operations.push(off);
        }
        ControlFlow::Continue(())
    })?;
    Ok((Plan::of(operations), kept))
}

/// What the hands and the journal need of it. Somebody has typed the tenant's name: no budget holds it.
pub fn task(plan: Plan, by: &str) -> Task {
    Task { plan, trigger: Trigger::Retire, note: note(by, RetirementAction::Deactivate), approval: Approval::Typed }
}

/// The journal's line.
pub fn note(by: &str, fate: RetirementAction) -> String {
    let what = match fate {
        RetirementAction::Leave => "the app is left as it is",
        RetirementAction::Deactivate => "every account is deactivated",
    };
    format!("retired by {by}: {what}")
}
