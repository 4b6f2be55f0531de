//! Memberships. In: one group and the people who join or leave it. Out: calls of a size the app takes, each with its own intent.
//!
//! A call that is too large, or that one bad member spoils, is cut in halves until the bad one is alone.

use super::calls::{Ended, Reply, outcome_of};
use super::retry::Kind;
use super::{OpResult, Worker};
use crate::model::{AppId, SourceId};
use crate::plan::{Action, Member, Operation};
use crate::scim::{CallError, Class};
use crate::store::{Effect, OutcomeResult};

/// A member with both ids.
type Resolved = (Member, AppId);

impl Worker<'_> {
    pub(super) async fn members(&self, operation: &Operation, users: &[Member], add: bool) -> OpResult {
        let group = operation.object.id();
        let app_id = match self.run.state.group(group) {
            Ok(Some(row)) => row.app_id,
            Ok(None) => return OpResult::Failed("not tried: the group is not in the app".to_owned()),
            Err(error) => return self.broke(error),
        };
        let mut problems = Vec::new();
        let mut resolved = Vec::with_capacity(users.len());
        for user in users {
            match self.run.state.user(&user.id) {
                Ok(Some(row)) => resolved.push((user.clone(), row.app_id)),
                // Somebody without an account is no member any more; but can't become one either.
                Ok(None) if add => problems.push(format!("{} has no account in the app yet", user.name)),
                Ok(None) => {}
                Err(error) => return self.broke(error),
            }
        }
        let most = self.run.app.members_per_call().max(1);
        let mut waiting: Vec<Vec<Resolved>> = resolved.chunks(most).rev().map(<[Resolved]>::to_vec).collect();
        while let Some(chunk) = waiting.pop() {
            if self.is_stopped() {
                problems.push("the run was stopped".to_owned());
                break;
            }
            match self.chunk(operation, group, &app_id, &chunk, add).await {
                Ok(None) => {}
                Ok(Some(error)) if can_be_cut(&error, chunk.len()) => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    waiting.push(second.to_vec());
                    waiting.push(first.to_vec());
                }
                Ok(Some(error)) => {
                    let names: Vec<&str> = chunk.iter().map(|(member, _)| member.name.as_str()).take(3).collect();
                    problems.push(format!("{} ({})", error, names.join(", ")));
                    if error.class == Class::NotFound {
                        break;
                    }
                }
                Err(result) => return result,
            }
        }
        self.report(operation, &problems).await
    }

    /// One call. `Ok(Some(…))` is a failure of the call, `Err` one of the state.
    async fn chunk(
        &self,
        operation: &Operation,
        group: &SourceId,
        app_id: &AppId,
        chunk: &[Resolved],
        add: bool,
    ) -> Result<Option<CallError>, OpResult> {
        let members: Vec<Member> = chunk.iter().map(|(member, _)| member.clone()).collect();
        let users: Vec<SourceId> = members.iter().map(|member| member.id.clone()).collect();
        let ids: Vec<AppId> = chunk.iter().map(|(_, id)| id.clone()).collect();
        let part = Operation {
            action: match add {
                true => Action::AddMembers { users: members },
                false => Action::RemoveMembers { of: members.len() as u64, users: members },
            },
            ..operation.clone()
        };
        let intent = self.intent(&part, Some(app_id.clone())).await.map_err(|error| self.broke(error))?;
        let app = self.run.app;
        let ids = ids.as_slice();
        let call = || async move {
            match add {
                true => app.add_members(app_id, ids).await,
                false => app.remove_members(app_id, ids).await,
            }
            .map(|()| Reply::Nothing)
        };
        let ended = self.attempts(Kind::Absolute, call, || async { Ok(None) }).await;
        let (result, effects, error) = match ended {
            Ended::Well(_) => {
                let effect = match add {
                    true => Effect::MembersAdded { group: group.clone(), users },
                    false => Effect::MembersRemoved { group: group.clone(), users },
                };
                (OutcomeResult::Done { status: None }, vec![effect], None)
            }
            Ended::Badly(error) => {
                (outcome_of(&error, &error.to_string()), self.lost_group(group, &error), Some(error))
            }
        };
        self.run.state.outcome(intent, result, effects).await.map_err(|error| self.broke(error))?;
        Ok(error)
    }

    /// 404 for a group: somebody deleted it in the app. The link goes, the next run makes it anew.
    fn lost_group(&self, group: &SourceId, error: &CallError) -> Vec<Effect> {
        match error.class {
            Class::NotFound => vec![Effect::GroupUnlinked { id: group.clone() }],
            _ => Vec::new(),
        }
    }

    async fn report(&self, operation: &Operation, problems: &[String]) -> OpResult {
        let mut effects = Vec::new();
        let result = match problems {
            [] => {
                self.settle(&operation.object, &mut effects);
                OpResult::Done
            }
            [only] => OpResult::Failed(only.clone()),
            [first, rest @ ..] => OpResult::Failed(format!("{first}; and {} more", rest.len())),
        };
        if let OpResult::Failed(reason) = &result {
            effects.push(self.failed(&operation.object, reason));
        }
        if !effects.is_empty()
            && let Err(error) = self.run.state.noted(&self.run.id, "memberships", effects).await
        {
            return self.broke(error);
        }
        result
    }
}

/// Whether a smaller call may do: one bad member fails the whole (T14), or the call was too large.
fn can_be_cut(error: &CallError, size: usize) -> bool {
    let spoilt = matches!(error.class, Class::TooLarge | Class::Invalid | Class::Conflict)
        || (error.class == Class::Server && error.status == Some(500));
    size > 1 && spoilt
}
