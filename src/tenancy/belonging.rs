//! Does anything say who belongs to the app?
//!
//! Comes in: a tenant, and the states. Goes out: a diagnostic for a tenant whose directory assigns no groups and whose `[scope]` names nobody. Must
//! not know any directory by name, nor what else is in a state.

use super::Tenant;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::source::kind;
use crate::store::Stores;

/// An error for a tenant whose first sync is still to come, so that no app is filled with everyone of every group by oversight; a warning for one
/// that has run like this before.
pub(super) fn check(tenant: &Tenant, stores: &Stores) -> Option<Diagnostic> {
    let (kind, _) = kind::of(&tenant.file.source)?;
    let scope = &tenant.file.scope;
    if kind.assigns_groups() || scope.groups.is_some() || scope.users.is_some() {
        return None;
    }
    // The text parsed before; this is only for the place in it.
    let document = Document::parse(&tenant.source, &mut Vec::new());
    let hint =
        "write `groups = [{ name = \"App *\" }]` into `[scope]`; `{ name = \"*\" }` means the members of every group";
    let what = "nothing says who belongs to the app: this directory assigns no groups, and `[scope]` has neither `groups` nor `users`";
    Some(match stores.tenant(&tenant.name).awaits_first_sync() {
        true => document.error(&["scope"], what, hint),
        false => {
            let message = format!("{what}, so the members of every group belong");
            document.warning(&["scope"], message, hint)
        }
    })
}
