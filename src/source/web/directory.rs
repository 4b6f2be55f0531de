//! What a directory behind HTTP declares. What comes in are its table and records; what goes out are questions, lists and what its records mean. How a
//! list is proved whole, who is asked for once more, when nobody is taken for gone: none of that is a directory's own business.

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::WebConnection;
use super::about::DirectoryInfo;
use super::api::ApiRequest;
use super::list::{List, Object, text};
use crate::config::directory::{DirectoryTable, SourceTables};
use crate::http::{ClientSettings, Login, Secret, SetupError};
use crate::model::{Finding, LifecycleStatus};
use crate::source::SourceError;

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
    /// Why nobody can say what the account's lifecycle status is.
    pub odd: Option<String>,
    /// Which of [`DirectoryInfo::signs`] the record has, bit by bit.
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

impl GroupRecord {
    /// A group whose record says its name, and whose members can be trusted.
    pub fn new(record: Object) -> Self {
        let name = text(&record, "name").unwrap_or_default().to_owned();
        Self { name, record: Value::Object(record).to_string(), doubt: None }
    }
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
    /// The name people see first.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// The name people see, and the id.
    pub fn shown(&self) -> String {
        format!("{:?} ({})", self.name(), self.id)
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

/// A directory behind HTTP. [`super::WebSource`] does the rest.
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

    /// An error of a question that needs a right, with what to do about it.
    fn explain(error: SourceError, _: ApiRight) -> SourceError {
        error
    }

    /// All users. One is asked for below the list's own path, and made there.
    fn users(&self) -> List;

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

    /// All groups. One is asked for below the list's own path.
    fn groups(&self) -> List;

    /// What a record says.
    ///
    /// # Errors
    /// When it does not show what every group has.
    fn group(&self, _: &str, record: Object) -> Result<GroupRecord, SourceError> {
        Ok(GroupRecord::new(record))
    }

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

    /// The body that makes a user; `None` where the directory can't be written.
    fn new_user(&self, _: &Object) -> Option<Value> {
        None
    }

    /// What a first user, if any, and its answer tell for `doctor`. False if nothing else is worth a look.
    fn glance(&self, _: &WebConnection, _user: &Object, _at: Option<Timestamp>, _: &mut Vec<Finding>) -> bool {
        true
    }

    /// Who has an application, as a sentence for `doctor`.
    fn who(&self, binding: &Binding) -> String {
        let (shown, groups, users) = (binding.application.shown(), binding.groups.len(), binding.users.len());
        format!("{shown}: {groups} groups and {users} users are bound to it")
    }

    /// Whether the vendor's own provisioning of an application is on, as far as the API tells.
    async fn provisions(&self, _: &WebConnection, _: &Binding) -> Option<bool> {
        None
    }

    /// What else an application tells for `doctor`.
    async fn look(&self, _: &WebConnection, _: &Binding) -> Vec<Finding> {
        Vec::new()
    }
}
