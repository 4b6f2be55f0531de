//! What a directory behind HTTP declares. What comes in are its table and records; what goes out are questions, lists and what its records mean. How a
//! list is proved whole, who is asked for once more, when nobody is taken for gone: none of that is a directory's own business.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::list::{List, Object, text};
use super::source::WebConnection;
use super::{ApiRequest, Login, Meaning};
use crate::config::directory::{DirectoryTable, SourceTables};
use crate::http::{ClientSettings, HttpResponse, Secret, SetupError};
use crate::model::{Finding, LifecycleStatus, StatusSign};
use crate::source::SourceError;
use crate::source::choices::Choice;
use crate::source::kind::DefaultMapping;
use crate::source::write::CreateError;

/// What is known of a directory before it is asked.
#[derive(Debug)]
pub struct DirectoryInfo {
    /// The key of its table, and its name for `init`.
    pub name: &'static str,
    /// The product, for messages.
    pub product: &'static str,
    /// The table that `init` writes.
    pub template: &'static str,
    /// The usual mapping.
    pub mapping: &'static [DefaultMapping],
    /// What `init` writes before the mapping and after it.
    pub around_mapping: [&'static str; 2],
    /// Choices that the vendor's guide or console makes otherwise.
    pub choices: &'static [Choice],
    /// The attributes of a user and of a group, separated by spaces.
    pub names: [&'static str; 2],
    /// What says whether a user is suspended, where the evidence is kept ([`crate::source::Reading::saw_sign`]); at most eight.
    pub signs: &'static [StatusSign],
    /// Whether a 403 to a question that was answered before means "too fast".
    pub forgive_403: bool,
    /// Whether every group counts as assigned where neither an application nor the scope names any.
    pub assigns_all: bool,
    /// Whether the exact spelling of an application's name wins over other cases.
    pub minds_case: bool,
    /// What an address that answers 404 to a list should be.
    pub address: &'static str,
    /// How far before the last look the change feed is read again, and how long it keeps events.
    pub feed: [SignedDuration; 2],
    /// The attributes without which nobody can be made.
    pub required: &'static [&'static str],
    /// The attributes by which a user is found before one is made.
    pub found_by: &'static [&'static str],
    /// Whether a filter that shows others was not heeded.
    pub filters_exactly: bool,
    /// What the directory answers, in small letters, where a new user exists already.
    pub taken: &'static [&'static str],
    /// Its words in findings.
    pub words: Words,
}

/// How findings of `doctor` call things, and what to do about them.
#[derive(Debug)]
pub struct Words {
    /// The credential, and how to renew it.
    pub credential: [&'static str; 2],
    /// Users and groups, as far as they are visible.
    pub rights: [&'static str; 2],
    /// A missing right, and how it is given.
    pub grant: [&'static str; 2],
    /// Whether the server answers, and where to look if not.
    pub reachable: [&'static str; 2],
    /// What to correct where settings do not fit.
    pub settings: &'static str,
    /// How the application is given to groups.
    pub bind: &'static str,
    /// The change feed, and what to do without it; nothing is said of a feed without a name.
    pub feed: [&'static str; 2],
}

impl DirectoryInfo {
    /// A directory of which nothing particular is known: no change feed, no choices, users can't be made.
    pub const fn new(name: &'static str, product: &'static str) -> Self {
        Self {
            name,
            product,
            template: "",
            mapping: &[],
            around_mapping: ["", ""],
            choices: &[],
            names: ["", ""],
            signs: &[],
            forgive_403: false,
            assigns_all: false,
            minds_case: false,
            address: "is the base URL right",
            feed: [SignedDuration::from_mins(10), SignedDuration::from_hours(365 * 24)],
            required: &[],
            found_by: &[],
            filters_exactly: false,
            taken: &[],
            words: Words::PLAIN,
        }
    }
}

impl Words {
    /// Words that fit anywhere.
    pub const PLAIN: Self = Self {
        credential: ["credential", "make a new one and put it into the secret file"],
        rights: ["users", "groups"],
        grant: ["rights", "give the credential the right to read users, groups and applications"],
        reachable: ["reachable", "check the address and the network"],
        settings: "check the address in the directory's table",
        bind: "give the application to a group",
        feed: ["", ""],
    };
}

/// What a question needs a right for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiRight {
    /// Reading users or groups.
    Read,
    /// Reading the members of a group.
    Members,
    /// Reading applications.
    Applications,
    /// Making users.
    Create,
}

/// A user, read.
#[derive(Debug)]
pub struct UserRecord {
    /// The record that mappings see.
    pub record: Box<str>,
    /// Whether the directory lets the user have accounts.
    pub standing: LifecycleStatus,
    /// Why nobody can say what the account's standing is.
    pub odd: Option<String>,
    /// Which of [`About::signs`] the record has, bit by bit.
    pub signs: u8,
    /// The groups that the user is in, where records show them.
    pub groups: Option<Box<[Box<str>]>>,
    /// Whether the list shows all that is needed of a user; otherwise users are read one by one.
    pub is_whole: bool,
}

impl UserRecord {
    /// A user of whom the record says all there is.
    pub fn new(record: Object, standing: LifecycleStatus) -> Self {
        let record = Value::Object(record).to_string().into();
        Self { record, standing, odd: None, signs: 0, groups: None, is_whole: true }
    }
}

/// A group, read.
#[derive(Debug)]
pub struct GroupRecord {
    /// The name people know it by.
    pub name: String,
    /// The record that mappings see.
    pub record: String,
    /// Why its members can't be trusted, if that is so.
    pub doubt: Option<String>,
}

/// An application in the directory.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its id.
    pub id: String,
    /// What it is called, the name people see first.
    pub names: Vec<String>,
}

impl Application {
    /// The name people see, and the id.
    pub fn shown(&self) -> String {
        format!("{:?} ({})", self.names.first().map_or("", String::as_str), self.id)
    }
}

/// Who has the application.
#[derive(Debug)]
pub struct Binding {
    /// Which one.
    pub application: Application,
    /// The groups that have it.
    pub groups: HashSet<Box<str>>,
    /// The users who have it themselves, as far as that is known before members are read.
    pub users: HashSet<Box<str>>,
    /// The application as the directory shows it.
    pub record: Object,
}

/// An event of the change feed.
#[derive(Debug, Default)]
pub struct ChangeEvent {
    /// Its id: an event is news once. Without one it may be told twice, which costs an early look.
    pub id: Option<String>,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// Whether it is about users, groups or bindings.
    pub matters: bool,
}

/// A directory behind HTTP. [`super::source::WebSource`] does the rest.
#[async_trait]
pub trait HttpDirectory: Sized + Send + Sync + 'static {
    /// Its table.
    type Table: DirectoryTable;

    /// What is known before it is asked.
    const ABOUT: &'static DirectoryInfo;

    /// Its table, where the tenant has one.
    fn table(tables: &SourceTables) -> Option<&Self::Table>;

    /// What a table asks for; `reads` are the attributes that mappings and filters read.
    fn new(table: &Self::Table, reads: &[String]) -> Self;

    /// The address of the API, and that of a change feed elsewhere.
    fn addresses(table: &Self::Table) -> (String, Option<String>);

    /// How the directory knows us. `client` has everything but the credential.
    ///
    /// # Errors
    /// When an address can't be used.
    fn login(table: &Self::Table, secret: &Secret, client: &ClientSettings) -> Result<Login, SetupError>;

    /// What else requests need: a header, a larger answer.
    fn adjust(_: &Self::Table, _: &mut ClientSettings) {}

    /// Reads from a refusal what its status alone does not say.
    fn meaning(_: &HttpResponse) -> Option<Meaning> {
        None
    }

    /// An error of a question that needs a right, with what to do about it.
    fn explain(error: SourceError, _: ApiRight) -> SourceError {
        error
    }

    /// All users.
    fn users(&self) -> List;

    /// One user; `None` for an id that was never one here.
    fn user_by_id(&self, id: &str) -> Option<ApiRequest>;

    /// What a record says.
    ///
    /// # Errors
    /// When it does not show what every user has: nobody is skipped in silence.
    fn user(&self, id: &str, record: Object) -> Result<UserRecord, SourceError>;

    /// A user's own record as the list would show it.
    fn as_listed(&self, record: Object) -> Object {
        record
    }

    /// What a record says of the account alone.
    fn standing(&self, record: &Object) -> LifecycleStatus;

    /// All groups.
    fn groups(&self) -> List;

    /// One group; `None` for an id that was never one here.
    fn group_by_id(&self, id: &str) -> Option<ApiRequest>;

    /// What a record says.
    ///
    /// # Errors
    /// When it does not show what every group has.
    fn group(&self, id: &str, record: Object) -> Result<GroupRecord, SourceError>;

    /// The members of a group; `None` if they are taken from the records of users, which tell them all or do not.
    fn members(&self, id: &str, group: &GroupRecord, records_tell: bool) -> Option<List>;

    /// All applications; `None` if there is no such thing.
    fn applications(&self) -> Option<List> {
        None
    }

    /// What an application is called, the name people see first.
    fn application_names(&self, record: &Object) -> Vec<String> {
        text(record, "name").map(str::to_owned).into_iter().collect()
    }

    /// Whether an application can be asked for by a text like this, without a look at the list.
    fn is_application_id(&self, _: &str) -> bool {
        false
    }

    /// Who has an application; `None` if there is none of this id.
    ///
    /// # Errors
    /// When the directory can't say.
    async fn binding(&self, _: &WebConnection, _: Application) -> Result<Option<Binding>, SourceError> {
        Ok(None)
    }

    /// The list of all who have the application, where users who have it themselves are found by what is beyond its groups.
    fn everybody_bound(&self, _: &Binding) -> Option<List> {
        None
    }

    /// The same directory with what the application says of records, if that matters.
    ///
    /// # Errors
    /// When the directory can't say.
    async fn with_application(&self, _: &WebConnection, _: &Binding) -> Result<Option<Self>, SourceError> {
        Ok(None)
    }

    /// The events since a time; `None` if there is no feed.
    ///
    /// # Errors
    /// When the feed can't be read.
    async fn events(&self, _: &WebConnection, _: Timestamp) -> Result<Option<Vec<ChangeEvent>>, SourceError> {
        Ok(None)
    }

    /// The questions that show a user with a value, of which the first with an answer counts.
    fn lookups(&self, _attribute: &'static str, _value: &str) -> Vec<ApiRequest> {
        Vec::new()
    }

    /// The path and the body that make a user; `None` where the directory can't be written.
    fn new_user(&self, _: &Object) -> Option<(Vec<String>, Value)> {
        None
    }

    /// What a first user, if any, and its answer tell for `doctor`. False if nothing else is worth a look.
    fn glance(&self, _: &WebConnection, _user: &Object, _at: Option<Timestamp>, _: &mut Vec<Finding>) -> bool {
        true
    }

    /// What the application tells for `doctor`: the sentence on who has it, and more findings.
    async fn look(&self, _: &WebConnection, binding: &Binding) -> (String, Vec<Finding>) {
        let (shown, groups, users) = (binding.application.shown(), binding.groups.len(), binding.users.len());
        (format!("{shown}: {groups} groups and {users} users are bound to it"), Vec::new())
    }
}

/// As an error of making a user.
pub(super) fn unclear(error: &SourceError) -> CreateError {
    CreateError::Unclear(error.to_string())
}
