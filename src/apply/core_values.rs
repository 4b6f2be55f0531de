//! A create that the app refuses as a whole. In: the create. Out: an account with what the app takes of it, and the names of the attributes that
//! it refuses.
//!
//! One refused attribute must not cost a user the account. The create goes once more with the core alone: the names, the addresses and what gives
//! access; the rest follows as an update, which goes in parts.

use tokio::sync::Mutex;

use super::composed::change;
use super::{OpResult, RunWorker};
use crate::model::{Attributes, Obstacle, OpOutcome, Path};
use crate::plan::{Action, Operation};

/// After so many users whom the app refuses with the core, too, it is not tried for more.
const ENOUGH: usize = 3;

/// Attributes that are sent with every create, with all below them.
const CORE: [&str; 5] = ["userName", "externalId", "name", "displayName", "emails"];

/// Whether it helps to send a create with the core alone.
#[derive(Debug, Default)]
pub(super) struct Cores(Mutex<Helps>);

#[derive(Debug, Clone, Copy)]
enum Helps {
    /// The app took one.
    Yes,
    /// So many were tried, and refused.
    NotYet(usize),
}

impl Default for Helps {
    fn default() -> Self {
        Self::NotYet(0)
    }
}

impl RunWorker<'_> {
    /// What a create leaves to an update from the start, since the app took it from nobody in this run; `None` where that is nothing.
    pub(super) fn left_out(&self, operation: &Operation) -> Option<(Operation, Attributes)> {
        let Action::CreateUser { attributes } = &operation.action else { return None };
        let paths: Vec<Path> = attributes.iter().map(|(path, _)| path.clone()).collect();
        let hopeless = self.refusals.hopeless(&paths);
        self.parted(operation, attributes, |path| !hopeless.contains(path))
    }

    /// Creates the account without what the app may refuse, and sends that afterwards. `why` is what the whole create came to.
    pub(super) async fn create_core(&self, operation: &Operation, why: Obstacle) -> OpResult {
        let Action::CreateUser { attributes } = &operation.action else { return Err(why) };
        let core = |path: &Path| CORE.iter().any(|name| is_below(name, path)) || self.gives_access(path);
        let Some((first, rest)) = self.parted(operation, attributes, core) else { return Err(why) };
        // One at a time, until it is known whether it helps.
        let mut helps = self.cores.0.lock().await;
        let result = match *helps {
            Helps::NotYet(ENOUGH..) => return Err(why),
            _ if self.is_stopped() => return Err(why),
            Helps::Yes => {
                drop(helps);
                Box::pin(self.single(&first)).await
            }
            Helps::NotYet(tried) => {
                let result = Box::pin(self.single(&first)).await;
                *helps = if result.is_ok() { Helps::Yes } else { Helps::NotYet(tried + 1) };
                result
            }
        };
        match result {
            Ok(OpOutcome::Done) => self.send_rest(operation, rest).await,
            Ok(other) => Ok(other),
            Err(_) => Err(why),
        }
    }

    /// Sends what a create left out.
    pub(super) async fn send_rest(&self, operation: &Operation, set: Attributes) -> OpResult {
        let row = self.row(operation)?.ok_or(Obstacle::NotLinked)?;
        let paths: Vec<Path> = set.iter().map(|(path, _)| path.clone()).collect();
        // The create counts as failed where the rest fails, and the account is linked all the same.
        self.found.note_links_differ();
        match Box::pin(self.single(&change(operation, &row, set))).await {
            Err(why) if self.refusals.is_refused_alone(&paths, &operation.object) => {
                self.refused_attribute(operation, why.to_string(), &paths).await
            }
            result => result,
        }
    }

    fn parted(
        &self,
        operation: &Operation,
        attributes: &Attributes,
        goes_first: impl Fn(&Path) -> bool,
    ) -> Option<(Operation, Attributes)> {
        let of = |first: bool| -> Attributes {
            let part = attributes.iter().filter(|(path, _)| goes_first(path) == first);
            part.map(|(path, value)| (path.clone(), value.clone())).collect()
        };
        let (first, rest) = (of(true), of(false));
        let action = Action::CreateUser { attributes: first };
        (!rest.is_empty()).then(|| (Operation { action, ..operation.clone() }, rest))
    }

    fn gives_access(&self, path: &Path) -> bool {
        super::access(self.run.profile).iter().any(|access| access.covers(path) || path.covers(access))
    }
}

/// Whether a path is an attribute, or a part of it.
fn is_below(name: &str, path: &Path) -> bool {
    let path = path.as_str();
    path.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && path.get(name.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
