//! Names that go from one object to another in one plan. It takes a plan's operations and returns the order in which an app that allows
//! a name once accepts them.
//!
//! A name has to be free before another object can have it. Changes that wait for each other in a circle can't be ordered: there, one
//! object goes by a third name for a moment, in a step of its own ([`Action::FreeName`]). Everything here is read off the operations
//! alone, so that a plan that was stored, cut or joined is carried out in the same order.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::operation::{Action, Blocked, Operation};
use crate::model::{Lane, ObjectRef, Obstacle, Path, Reason, fold};

/// The longest third name, without what follows an `@`: what RFC 5321 allows before it.
const LONGEST: usize = 64;

/// Which names may not be there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    Users,
    Groups,
}

/// A name as apps compare it.
type ComparedName = (Of, String);

/// The names that an operation takes and sets free.
#[derive(Default)]
struct NameChanges {
    takes: Option<ComparedName>,
    frees: Option<ComparedName>,
}

/// When each operation of a plan is sent.
#[derive(Debug, Clone)]
pub struct NameOrder {
    /// For each operation the one that has to set the name free first.
    after: Vec<Option<usize>>,
    /// For each operation its lane, its phase, and its turn within that.
    places: Vec<(Lane, u8, u32)>,
}

impl NameOrder {
    /// The order of these operations.
    pub fn of(operations: &[Operation]) -> Self {
        let after = predecessors(operations);
        let mut order = Self { after, places: operations.iter().map(|op| (op.lane, op.phase(), 0)).collect() };
        let mut placed = vec![false; operations.len()];
        for at in 0..operations.len() {
            order.place_after(at, &mut placed);
        }
        order
    }

    /// The operation that has to be done before this one, since it sets a name free.
    pub fn after(&self, at: usize) -> Option<usize> {
        self.after.get(at).copied().flatten()
    }

    /// When an operation is sent: all of one place together.
    pub fn place(&self, at: usize) -> Option<(Lane, u8, u32)> {
        self.places.get(at).copied()
    }

    /// Puts the whole row that leads to an operation into its places, the first of it first.
    fn place_after(&mut self, at: usize, placed: &mut [bool]) {
        let mut row = vec![at];
        while let Some(last) = row.last().copied() {
            // In a circle that nothing opens, some change is first: then the app decides.
            let Some(mark) = placed.get_mut(last).filter(|mark| !**mark) else { break };
            *mark = true;
            row.extend(self.after(last));
            if self.after(last).is_none() {
                break;
            }
        }
        for pair in row.windows(2).rev() {
            let [later, earlier] = pair else { continue };
            let (Some((lane, phase, turn)), Some(place)) = (self.place(*earlier), self.places.get_mut(*later)) else {
                continue;
            };
            if place.0 == lane && (place.1, place.2) <= (phase, turn) {
                (place.1, place.2) = (phase, turn + 1);
            }
        }
    }
}

/// The places of operations in the order in which they are sent. Those on one object stay in the order in which they were decided on.
pub(super) fn in_order(operations: &[Operation]) -> Vec<usize> {
    let order = NameOrder::of(operations);
    let mut all: Vec<usize> = (0..operations.len()).collect();
    all.sort_by_key(|at| (order.place(*at), operations.get(*at).map(|operation| &operation.object)));
    all
}

/// Lets each circle of names come right: the object that comes first in it goes by a third name. A change that waits for a deletion is
/// sent after it.
pub fn pass_names_on(operations: &mut Vec<Operation>) {
    wait_for_deletions(operations);
    let after = predecessors(operations);
    let mut seen = vec![false; operations.len()];
    let mut first = Vec::new();
    for at in 0..operations.len() {
        let mut row: Vec<usize> = Vec::new();
        let mut next = Some(at);
        while let Some(here) = next.filter(|here| !seen.get(*here).copied().unwrap_or(true)) {
            if let Some(mark) = seen.get_mut(here) {
                *mark = true;
            }
            row.push(here);
            next = after.get(here).copied().flatten();
        }
        let circle = next.and_then(|next| row.iter().position(|here| *here == next)).and_then(|from| row.get(from..));
        let Some(circle) = circle else { continue };
        let free = circle.iter().all(|at| operations.get(*at).is_some_and(|operation| operation.blocked.is_none()));
        let least = circle.iter().filter_map(|at| Some((&operations.get(*at)?.object, *at))).min();
        first.extend(least.filter(|_| free).map(|(_, at)| at));
    }
    // From the end, so that the places before stay what they are.
    first.sort_unstable();
    for at in first.into_iter().rev() {
        let Some(step) = operations.get_mut(at).and_then(by_a_third_name) else { continue };
        operations.insert(at, step);
    }
}

/// Lets a change of name begin with a third one; gives the step that is taken before it.
fn by_a_third_name(operation: &mut Operation) -> Option<Operation> {
    let (from, through, to) = match &mut operation.action {
        Action::UpdateUser { before, set, .. } => {
            let from = before.text(&Path::user_name())?.to_owned();
            let to = set.text(&Path::user_name())?.to_owned();
            let through = third_name(&operation.object, &from);
            before.set(Path::user_name(), through.as_str().into());
            (from, through, to)
        }
        Action::RenameGroup { from, to } => {
            let through = third_name(&operation.object, from);
            (std::mem::replace(from, through.clone()), through, to.clone())
        }
        _ => return None,
    };
    let reason = match &operation.reason {
        // A step of an undo is the undo's: a second undo of the same run goes on from there.
        undo @ Reason::Reverts { .. } => undo.clone(),
        _ => Reason::ThirdName { from: from.clone(), to },
    };
    Some(Operation { action: Action::FreeName { from, through }, reason, ..operation.clone() })
}

/// Changes that need the name of something that is deleted at the end of the run are sent after that.
fn wait_for_deletions(operations: &mut [Operation]) {
    loop {
        let after = predecessors(operations);
        let late: Vec<usize> = (0..operations.len())
            .filter(|at| {
                let before = after.get(*at).copied().flatten().and_then(|before| operations.get(before));
                let Some((operation, before)) = operations.get(*at).zip(before) else { return false };
                let renames = matches!(operation.action, Action::UpdateUser { .. } | Action::RenameGroup { .. });
                renames && operation.lane < before.lane && before.lane == Lane::Absences
            })
            .collect();
        if late.is_empty() {
            return;
        }
        for at in late {
            if let Some(operation) = operations.get_mut(at) {
                operation.lane = Lane::Absences;
            }
        }
    }
}

/// A plan's operation that can't be carried out alone, since the name it needs is set free by another one that is left out.
pub(super) fn blocked_alone(operation: Operation, holder: &str) -> Operation {
    let why = Obstacle::NameOfAnother { holder: holder.to_owned() };
    let blocked = operation.blocked.clone().or(Some(Blocked::Held(why)));
    Operation { blocked, ..operation }
}

/// For each operation the one that sets free the name that it takes.
fn predecessors(operations: &[Operation]) -> Vec<Option<usize>> {
    let names: Vec<NameChanges> = operations.iter().map(names_of).collect();
    let mut freed: HashMap<&ComparedName, usize> = HashMap::new();
    for (at, names) in names.iter().enumerate() {
        if let Some(name) = &names.frees {
            freed.entry(name).or_insert(at);
        }
    }
    let before = |at: usize, names: &NameChanges| {
        let place = *freed.get(names.takes.as_ref()?)?;
        let (operation, other) = (operations.get(at)?, operations.get(place)?);
        (operation.object != other.object).then_some(place)
    };
    names.iter().enumerate().map(|(at, names)| before(at, names)).collect()
}

fn names_of(operation: &Operation) -> NameChanges {
    let user = |name: &str| Some((Of::Users, fold(name)));
    let group = |name: &str| Some((Of::Groups, fold(name)));
    let (takes, frees) = match &operation.action {
        Action::UpdateUser { before, set, .. } => match set.text(&Path::user_name()) {
            Some(name) => (user(name), before.text(&Path::user_name()).and_then(user)),
            None => (None, None),
        },
        Action::CreateUser { attributes } => (attributes.text(&Path::user_name()).and_then(user), None),
        Action::DeleteUser { .. } => (None, user(&operation.name)),
        Action::RenameGroup { from, to } => (group(to), group(from)),
        Action::CreateGroup { display_name, .. } => (group(display_name), None),
        Action::DeleteGroup { .. } => (None, group(&operation.name)),
        Action::FreeName { from, .. } => match operation.object {
            ObjectRef::User(_) => (None, user(from)),
            ObjectRef::Group(_) => (None, group(from)),
        },
        _ => (None, None),
    };
    match takes == frees {
        true => NameChanges::default(),
        false => NameChanges { takes, frees },
    }
}

/// Ends a third name, and names its object: nobody else's can be the same.
fn mark(object: &ObjectRef) -> String {
    format!(".rosterd-{:08x}", xxh3_64(object.to_string().as_bytes()) & 0xffff_ffff)
}

/// The name by which an object goes while its own is passed on: `ann.rosterd-1f2e3d4c@acme.test`.
pub fn third_name(object: &ObjectRef, name: &str) -> String {
    let mark = mark(object);
    let (own, domain) = match name.rsplit_once('@') {
        Some((own, domain)) if matches!(object, ObjectRef::User(_)) => (own, format!("@{domain}")),
        _ => (name, String::new()),
    };
    let mut kept = String::new();
    for letter in own.chars() {
        if kept.len() + letter.len_utf8() + mark.len() > LONGEST {
            break;
        }
        kept.push(letter);
    }
    format!("{kept}{mark}{domain}")
}

/// Whether a name is the third one of an object.
pub fn is_third_name(object: &ObjectRef, name: &str) -> bool {
    let own = match object {
        ObjectRef::User(_) => name.rsplit_once('@').map_or(name, |(own, _)| own),
        ObjectRef::Group(_) => name,
    };
    own.ends_with(&mark(object))
}

/// The name that an object had before it went by a third one; `None` for a name that is none, or that was cut.
pub fn name_before(object: &ObjectRef, name: &str) -> Option<String> {
    let mark = mark(object);
    let (own, domain) = match name.rsplit_once('@') {
        Some((own, domain)) if matches!(object, ObjectRef::User(_)) => (own, format!("@{domain}")),
        _ => (name, String::new()),
    };
    let kept = own.strip_suffix(&mark).filter(|kept| !kept.is_empty())?;
    let before = format!("{kept}{domain}");
    (third_name(object, &before) == name && own.len() + 4 <= LONGEST).then_some(before)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use crate::model::{AppId, Attributes, SourceId};

    fn user(id: &str, from: &str, to: &str) -> Operation {
        let name = |name: &str| -> Attributes { [(Path::user_name(), name.into())].into_iter().collect() };
        let action = Action::UpdateUser { before: name(from), set: name(to), clear: Vec::new(), manager: None };
        operation(ObjectRef::User(SourceId::new(id)), Lane::Additions, to, action)
    }

    fn group(id: &str, from: &str, to: &str) -> Operation {
        let action = Action::RenameGroup { from: from.to_owned(), to: to.to_owned() };
        operation(ObjectRef::Group(SourceId::new(id)), Lane::Additions, to, action)
    }

    fn operation(object: ObjectRef, lane: Lane, name: &str, action: Action) -> Operation {
        let (app_id, name) = (Some(AppId::new("x")), name.to_owned());
        Operation { lane, object, app_id, name, action, reason: Reason::Members, blocked: None }
    }

    /// `object: from→to` in the order of sending.
    fn sent(mut operations: Vec<Operation>) -> Vec<String> {
        pass_names_on(&mut operations);
        let line = |at: usize| {
            let operation = &operations[at];
            let change = &operation.changes()[0];
            format!(
                "{}: {}→{}",
                operation.object.id(),
                change.from.as_str().unwrap_or("-"),
                change.to.as_str().unwrap()
            )
        };
        in_order(&operations).into_iter().map(line).collect()
    }

    #[test]
    fn j11_a_row_of_names_begins_where_a_name_is_free() {
        let row = vec![group("1", "a", "b"), group("2", "b", "c"), group("3", "c", "d")];
        assert_eq!(sent(row), ["3: c→d", "2: b→c", "1: a→b"]);
        assert_eq!(sent(vec![user("1", "a", "B"), user("2", "b", "c")]), ["2: b→c", "1: a→B"]);
        assert_eq!(sent(vec![group("1", "a", "b"), user("2", "b", "c")]), ["2: b→c", "1: a→b"], "apart");
    }

    #[test]
    fn j11_a_circle_of_names_goes_by_a_third_one_once() {
        let third = third_name(&ObjectRef::Group(SourceId::new("1")), "a");
        let swap = vec![group("2", "b", "a"), group("1", "a", "b")];
        assert_eq!(sent(swap), [format!("1: a→{third}"), "2: b→a".into(), format!("1: {third}→b")]);
        let three = vec![group("1", "a", "b"), group("2", "b", "c"), group("3", "c", "a")];
        let expected = [format!("1: a→{third}"), "3: c→a".into(), "2: b→c".into(), format!("1: {third}→b")];
        assert_eq!(sent(three), expected);
        let two = vec![group("1", "a", "b"), group("2", "b", "a"), group("3", "c", "d"), group("4", "d", "c")];
        assert_eq!(sent(two).len(), 6, "each circle by itself");
    }

    #[test]
    fn j11_a_step_that_an_undo_needs_is_the_undos() {
        let reverts = Reason::Reverts { run: crate::model::RunId::new("r1") };
        let part = |operation: Operation| Operation { reason: reverts.clone(), ..operation };
        let mut swap = vec![part(group("1", "a", "b")), part(group("2", "b", "a"))];
        pass_names_on(&mut swap);
        assert_eq!(swap.len(), 3);
        assert!(swap.iter().all(|operation| operation.reason == reverts), "{swap:?}");
    }

    #[test]
    fn j11_a_circle_with_a_held_change_is_left_as_it_is() {
        let mut held = group("2", "b", "a");
        held.blocked = Some(Blocked::Held("no".into()));
        assert_eq!(sent(vec![group("1", "a", "b"), held]).len(), 2);
    }

    #[test]
    fn j11_a_name_in_other_letters_is_the_same_name() {
        assert_eq!(sent(vec![group("1", "a", "A"), group("2", "b", "B")]), ["1: a→A", "2: b→B"]);
    }

    #[test]
    fn j11_a_third_name_is_known_by_its_object_and_short() {
        let (ann, sales) = (ObjectRef::User(SourceId::new("ann")), ObjectRef::Group(SourceId::new("s")));
        let third = third_name(&ann, "ann@acme.test");
        assert!(third.starts_with("ann.rosterd-") && third.ends_with("@acme.test"), "{third}");
        assert_eq!(name_before(&ann, &third).as_deref(), Some("ann@acme.test"));
        assert_eq!(name_before(&sales, &third), None, "another object's");
        assert_eq!(name_before(&ann, "ann@acme.test"), None);
        assert_eq!(name_before(&sales, &third_name(&sales, "Sales @ home")).as_deref(), Some("Sales @ home"));
        let long = third_name(&sales, &"ä".repeat(200));
        assert!(long.len() <= LONGEST, "{long}");
        assert_eq!(name_before(&sales, &long), None, "what was cut is not guessed");
    }
}
