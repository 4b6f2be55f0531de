//! What people read of an obstacle: one sentence for each, with its evidence and the way out.

use std::fmt;

use super::{Immutable, Obstacle, WithId, list_of_shown};
use crate::model::ObjectRef;
use crate::model::reason::RolesSuffix;

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountOfAnother { account, by, of, name } => {
                let of = WithId(name, of);
                write!(f, "the account {account} that matches by {by} belongs to the directory's {of}")
            }
            Self::Contradicts { account, by, attribute, theirs, ours } => write!(
                f,
                "the account {account} in the app matches by {by}, but its {attribute} is {theirs:?}, not {ours:?}: it may be another \
                 user's. It was not touched, and no account was created. If it is theirs, correct the {attribute} on one side; if \
                 not, remove the {by} from the account in the app"
            ),
            Self::LinkedElsewhere(elsewhere) => write!(f, "{elsewhere}"),
            Self::GroupContradicts { group, theirs, ours } => write!(
                f,
                "the group {group} in the app has this group's externalId, but its name is {theirs:?}, not {ours:?}: another tool may \
                 have written the id. It was not touched, and no group was created. If it is the same group, give it the same name on \
                 both sides; if not, remove the externalId from the group in the app"
            ),
            Self::Conflicting(conflict) => write!(f, "{conflict}"),
            Self::TooManyFailed { objects, op } => write!(
                f,
                "not tried: the app failed for {objects} objects in a row at {}; it waits for the next run",
                op.name()
            ),
            Self::TakenMeanwhile { account, tenant, user } => write!(
                f,
                "conflict: the account {account} in the app has been linked by the tenant {tenant} to its user {user} meanwhile; it \
                 was not touched. Correct the scope of one of the two tenants"
            ),
            Self::GroupTakenMeanwhile { group, tenant, of } => write!(
                f,
                "conflict: the group {group} in the app has been linked by the tenant {tenant} to its group {of} meanwhile; it was not \
                 touched. Correct the scope of one of the two tenants"
            ),
            Self::WaitsForApproval { answer, account, roles } => write!(
                f,
                "{answer}{}the app has this account already ({account}{}), and rosterd did not create it: nothing was linked, and \
                 the next run asks for approval",
                if answer.is_empty() { "" } else { "; " },
                RolesSuffix(roles)
            ),
            Self::WasThereWaits { evidence, account, roles } => write!(
                f,
                "the app answered with an account that was there before ({evidence}); the app has this account already ({account}{}), \
                 and rosterd did not create it: nothing was linked, and the next run asks for approval",
                RolesSuffix(roles)
            ),
            Self::WasThere { evidence, account, roles, .. } => write!(
                f,
                "the app answered with an account that was there before ({account}{}; {evidence}): it is linked as adopted, and \
                 the next run updates its values",
                RolesSuffix(roles)
            ),
            Self::AnsweredWithAnother { object, name, whose } => write!(
                f,
                "conflict: the app answered the create of {object} ({name}) with an object that {whose}. It was not linked to {object}, \
                 and no further {kind}s are created in this run. Ask the app's vendor why it answers a create with an existing object",
                kind = object.kind()
            ),
            Self::NameTaken { name, by, by_name } => {
                let by = ObjectRef::User(by.clone()).called(by_name);
                write!(f, "the directory gives the user name {name} to {by} too")
            }
            Self::ValueTaken { attribute, value, by, by_name } => {
                let by = ObjectRef::User(by.clone()).called(by_name);
                write!(
                    f,
                    "the directory gives the {attribute} {value} to {by} too: neither of the two accounts was changed. Correct one of \
                     the two records in the directory"
                )
            }
            Self::Immutable { paths, why } => write!(f, "this app can't change {paths}: {why}"),
            Self::GroupOfAnother { group, of, name } => {
                let of = ObjectRef::Group(of.clone()).called(name);
                write!(f, "the app's group {group} is linked to the directory's {of}")
            }
            Self::GroupUnreadable { why } => write!(f, "the app's group could not be read: {why}"),
            Self::SeveralOfReleasedName { conflict, group } => write!(
                f,
                "{conflict}; rosterd released the group {group} of this name earlier. It was not adopted: rename or delete the \
                 other one in the app"
            ),
            Self::NameOfAnother { holder } => {
                write!(f, "the name belongs to {holder}, whose change has to be made too: leave out --only")
            }
            Self::NameNotFree { holder } => {
                write!(f, "not tried: the name still belongs to {holder}, whose change was not made")
            }
            Self::NoMemberHasAccount { first, more } => {
                let who = match more {
                    0 => format!("its only member {first} has no account in the app yet"),
                    more => format!("its members ({first} and {more} more) have no accounts in the app yet"),
                };
                write!(f, "not created: {who}, and an empty group is not created (groups.create_empty)")
            }
            Self::AfterThirdName { why, end } => write!(f, "{why}; {end}"),
            Self::GroupNotAdopted { name } => {
                write!(f, "the app has a group named {name:?} and groups.adopt is \"never\"")
            }
            Self::ProtectedMember { name } => write!(f, "{name} is a member, and protected"),
            Self::NoAccountYet { kind } => write!(f, "not tried: the {kind} has no account in the app yet"),
            Self::Protected { name } => write!(f, "not done: {name} is protected"),
            Self::OwnAccount { name } => write!(f, "not done: the token belongs to the account of {name}"),
            Self::WithoutAccount { first, more: 0 } => write!(f, "{first} has no account in the app yet"),
            Self::WithoutAccount { first, more } => write!(f, "{first} and {more} more have no account in the app yet"),
            Self::NowGone { answer } => write!(f, "{answer}; it is gone from the app, the next run looks for it again"),
            Self::HasAnotherId { answer, account } => {
                write!(
                    f,
                    "{answer}; the app has it under another id ({account}), which is linked now: the next run goes on there"
                )
            }
            Self::NotUnderItsId { object, name, app_id, account, unlinked } => {
                write!(f, "the app answers 404 to the id {app_id} of {}, but it shows ", object.called(name))?;
                match account {
                    Some(account) => write!(f, "the object {account}: {unlinked}")?,
                    None => write!(f, "a match: {unlinked}")?,
                }
                write!(
                    f,
                    ". Access was not ended there. If it is theirs, set its externalId to {:?} in the app, and the next run ends it; or \
                     end it in the app by hand",
                    object.id().as_str()
                )
            }
            Self::ThereAlready { answer, account } => {
                write!(f, "{answer}; the app has this account already ({account}), the next run updates it")
            }
            Self::RefusedAttributes { answer, attributes } => {
                write!(f, "{answer}; refused: {}; all other changes were sent", attributes.join(", "))
            }
            Self::RefusedForAll { attributes } => write!(
                f,
                "{} not sent: the app refused it for every user before; if it never takes it, give it `supported = false` or `mutability = \"immutable\"` \
                 in its profile",
                attributes.join(", ")
            ),
            Self::NotCarriedOut { shows } => list_of_shown(shows, f),
            Self::NoFurtherCreates { object, name, whose } => write!(
                f,
                "not sent: conflict: the app answered the create of {object} ({name}) with an object that {whose}; an app that does this \
                 would mix up one {kind} with another",
                kind = object.kind()
            ),
            Self::GroupRefused { answer, why } => write!(f, "{answer}; {why}"),
            Self::MembersRefused { answer, names } => write!(f, "{answer} ({})", names.join(", ")),
            Self::GroupNowGone { answer } => {
                write!(f, "{answer}; the group is gone from the app, the next run creates it again")
            }
            Self::AndMore { first, more } => write!(f, "{first}; and {more} more"),
            Self::Unmapped { why } => f.write_str(why),
            Self::Text(text) => f.write_str(text),
            plain => f.write_str(plain.plain().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Immutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondAccount => f.write_str("trying would create a second account"),
            Self::SameUserName => f.write_str("a new account would need another user name, and that stays the same"),
            Self::FixedExternalId => {
                f.write_str("externalId can't be changed either, and two accounts can't share one")
            }
            Self::Taken { by, account } => write!(f, "the app has an account with the new {by} already: {account}"),
            Self::Conflicting(conflict) => write!(f, "{conflict}"),
            Self::NotAsked => f.write_str("the app was not asked about the new values"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
