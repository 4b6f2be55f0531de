//! What the habits of an app make of a call. It takes the habits and the call, and gives the fault that strikes.
//!
//! Habits of filters, pages and bytes have no place here: the client knows how to live with them, and this app answers as the client would.

use std::collections::BTreeSet;

use super::{Call, Fault};
use crate::sandbox::Misbehave;
use crate::scim::FailureClass;

/// The fault that a habit brings about.
pub(super) fn refusal(habits: &BTreeSet<Misbehave>, call: &Call) -> Option<Fault> {
    if !call.is_read() && habits.contains(&Misbehave::ReadOnly) {
        return Some(Fault::refused(FailureClass::Forbidden, 403));
    }
    let is_change = matches!(call.name, "update_user" | "activate");
    let is_stuck = is_change && habits.contains(&Misbehave::StuckObjects) && Misbehave::is_stuck(&call.about);
    is_stuck.then(|| Fault::server(500))
}
