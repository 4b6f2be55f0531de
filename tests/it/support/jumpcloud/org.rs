//! The organisation: who is there, and what an administrator does to them. Every change leaves an event in Directory Insights.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use super::super::directory::{Directory, Member, Person};
use super::{API_KEY, CLIENT_ID, CLIENT_SECRET};

/// The id of the organisation that a stand-in starts with.
pub(crate) const ORG_ID: &str = "5ce40000000000000000a001";

/// What a key or service account may do.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    pub(crate) users: bool,
    pub(crate) groups: bool,
    pub(crate) applications: bool,
    pub(crate) insights: bool,
    pub(crate) create: bool,
    /// An administrator of several organisations, who has to say which one is meant.
    pub(crate) multi_tenant: bool,
}

impl Rights {
    pub(crate) fn all() -> Self {
        Self { users: true, groups: true, applications: true, insights: true, create: true, multi_tenant: false }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    /// Further fields, merged into what the API shows.
    pub(crate) record: Map<String, Value>,
    /// In the order in which they were added.
    pub(crate) members: Vec<String>,
}

impl Group {
    pub(crate) fn name(&self) -> &str {
        self.record["name"].as_str().expect("a name")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) label: String,
    /// The ids of the groups bound to it.
    pub(crate) groups: Vec<String>,
    /// The ids of the people bound to it directly.
    pub(crate) users: Vec<String>,
    /// Whether JumpCloud's own connection to the app (Identity Management) is active.
    pub(crate) identity_management: bool,
}

/// Records by `_id`.
pub(crate) type People = BTreeMap<String, Map<String, Value>>;

#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) id: String,
    /// By API key.
    pub(crate) keys: BTreeMap<String, Rights>,
    /// By client id: the secret and what it may do.
    pub(crate) service_accounts: BTreeMap<String, (String, Rights)>,
    /// By access token.
    pub(crate) tokens: BTreeMap<String, Rights>,
    /// How long a new token is valid, in seconds; `None` leaves `expires_in` out.
    pub(crate) token_seconds: Option<u64>,
    /// By `_id`.
    pub(crate) people: People,
    pub(crate) groups: Vec<Group>,
    pub(crate) apps: Vec<App>,
    pub(crate) events: Vec<Value>,
    /// Whether Directory Insights is part of what the organisation pays for.
    pub(crate) insights: bool,
    /// The state of people whom the API creates.
    pub(crate) default_state: String,
    /// Whether v2 lists carry `x-total-count`.
    pub(crate) total_header: bool,
    /// Whether v2 lists carry `Link: …; rel="next"`.
    pub(crate) link_header: bool,
    /// Calls a second; more are answered 429.
    pub(crate) limit_per_second: Option<u32>,
    /// The records that lists show while they lag behind; look-ups by id are always of now.
    pub(super) lagging: Option<(People, Vec<Group>)>,
    /// So that an unsorted list never comes twice in the same order.
    pub(super) lists_served: usize,
    created: usize,
}

/// The machine's time: the stand-in is a server.
fn now() -> Timestamp {
    SystemClock.now()
}

/// The id of the company's person with this number: made in July 2020, as its first four bytes say.
pub(crate) fn person_id(number: usize) -> String {
    format!("5f1a0c2e9d3b7a4c{number:08x}")
}

/// The id of the company's group with this number.
pub(crate) fn group_id(number: usize) -> String {
    format!("5f2b10ff0a6e4d51{number:08x}")
}

pub(crate) fn app_id(number: usize) -> String {
    format!("5f3c20aa1b7f5e62{number:08x}")
}

pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Org {
    pub(super) fn of(company: &Directory) -> Self {
        let number_of: BTreeMap<&str, usize> =
            company.people.iter().enumerate().map(|(number, person)| (person.uid.as_str(), number)).collect();
        let members = |members: &[Member]| {
            let people = members.iter().filter_map(|member| match member {
                Member::Person(uid) => Some(person_id(number_of[uid.as_str()])),
                // Groups here hold people only.
                Member::Group(_) | Member::Dn(_) => None,
            });
            people.collect::<Vec<_>>()
        };
        let groups = company.groups.iter().enumerate().map(|(number, group)| {
            let id = group_id(number);
            Group { record: group_record(&id, &group.cn), id, members: members(&group.members) }
        });
        Self {
            id: ORG_ID.to_owned(),
            keys: BTreeMap::from([(API_KEY.to_owned(), Rights::all())]),
            service_accounts: BTreeMap::from([(CLIENT_ID.to_owned(), (CLIENT_SECRET.to_owned(), Rights::all()))]),
            tokens: BTreeMap::new(),
            token_seconds: Some(3600),
            people: company
                .people
                .iter()
                .enumerate()
                .map(|(number, person)| (person_id(number), person_record(&person_id(number), person)))
                .collect(),
            groups: groups.collect(),
            apps: vec![App::new(0, "scim2", "Heap")],
            events: Vec::new(),
            insights: true,
            default_state: "STAGED".to_owned(),
            total_header: true,
            link_header: false,
            limit_per_second: None,
            lagging: None,
            lists_served: 0,
            created: 0,
        }
    }

    /// A person, by number.
    pub(crate) fn person(&mut self, number: usize) -> &mut Map<String, Value> {
        self.people.get_mut(&person_id(number)).unwrap_or_else(|| panic!("no person {number}"))
    }

    /// Changes one field of a person.
    pub(crate) fn set(&mut self, number: usize, field: &str, value: impl Into<Value>) {
        self.person(number).insert(field.to_owned(), value.into());
        self.happened("user_update", json!({"resource": {"type": "user", "id": person_id(number)}}));
    }

    /// Gives a person a custom attribute.
    pub(crate) fn set_custom(&mut self, number: usize, name: &str, value: &str) {
        self.set(number, "attributes", json!([{"name": name, "value": value}]));
    }

    pub(crate) fn suspend(&mut self, number: usize) {
        let person = self.person(number);
        person.insert("suspended".to_owned(), true.into());
        person.insert("state".to_owned(), "SUSPENDED".into());
        self.happened("user_suspended", json!({"resource": {"type": "user", "id": person_id(number)}}));
    }

    /// Deletes a person, who leaves every group with it.
    pub(crate) fn delete_person(&mut self, id: &str) {
        assert!(self.people.remove(id).is_some(), "no person {id}");
        self.groups.iter_mut().for_each(|group| group.members.retain(|member| member != id));
        self.apps.iter_mut().for_each(|app| app.users.retain(|user| user != id));
        self.happened("user_delete", json!({"resource": {"type": "user", "id": id}}));
    }

    /// Adds a person with the next id, made now.
    pub(crate) fn hire(&mut self, person: &Person) -> String {
        self.created += 1;
        let id = format!("{:08x}9d3b7a4c{:08x}", now().as_second(), self.created);
        let mut record = person_record(&id, person);
        record.insert("created".to_owned(), now().to_string().into());
        self.people.insert(id.clone(), record);
        self.happened("user_create", json!({"resource": {"type": "user", "id": id}}));
        id
    }

    pub(crate) fn group(&mut self, name: &str) -> &mut Group {
        self.groups.iter_mut().find(|group| group.name() == name).unwrap_or_else(|| panic!("no group {name}"))
    }

    pub(crate) fn add_group(&mut self, name: &str, members: &[usize]) -> String {
        let id = group_id(0x0010_0000 + self.events.len());
        let members = members.iter().map(|number| person_id(*number)).collect();
        self.groups.push(Group { record: group_record(&id, name), id: id.clone(), members });
        self.happened("group_create", json!({"resource": {"type": "user_group", "id": id}}));
        id
    }

    pub(crate) fn rename_group(&mut self, name: &str, to: &str) {
        self.group(name).record.insert("name".to_owned(), to.into());
        let id = self.group(to).id.clone();
        self.happened("group_update", json!({"resource": {"type": "user_group", "id": id}}));
    }

    pub(crate) fn delete_group(&mut self, name: &str) {
        let id = self.group(name).id.clone();
        self.groups.retain(|group| group.id != id);
        self.apps.iter_mut().for_each(|app| app.groups.retain(|group| *group != id));
        self.happened("group_delete", json!({"resource": {"type": "user_group", "id": id}}));
    }

    pub(crate) fn add_member(&mut self, group: &str, person: &str) {
        let group = self.group(group);
        group.members.push(person.to_owned());
        let connection = json!({"from": {"type": "user_group", "object_id": group.id.clone()}, "to": {"type": "user", "object_id": person}});
        self.happened("association_change", json!({"association": {"op": "add", "connection": connection}}));
    }

    pub(crate) fn remove_member(&mut self, group: &str, person: &str) {
        let group = self.group(group);
        group.members.retain(|member| member != person);
        let connection = json!({"from": {"type": "user_group", "object_id": group.id.clone()}, "to": {"type": "user", "object_id": person}});
        self.happened("association_change", json!({"association": {"op": "remove", "connection": connection}}));
    }

    pub(crate) fn app(&mut self, label: &str) -> &mut App {
        self.apps.iter_mut().find(|app| app.label == label).unwrap_or_else(|| panic!("no application {label}"))
    }

    /// Binds groups to the application, by name.
    pub(crate) fn bind(&mut self, app: &str, groups: &[&str]) {
        let ids: Vec<String> = groups.iter().map(|name| self.group(name).id.clone()).collect();
        self.app(app).groups.extend(ids);
    }

    pub(crate) fn unbind(&mut self, app: &str, group: &str) {
        let id = self.group(group).id.clone();
        self.app(app).groups.retain(|bound| *bound != id);
    }

    /// Binds people to the application directly.
    pub(crate) fn bind_person(&mut self, app: &str, number: usize) {
        self.app(app).users.push(person_id(number));
    }

    /// Leaves lists as they are now while the organisation goes on; `false` lets them catch up.
    pub(crate) fn lists_lag(&mut self, lag: bool) {
        self.lagging = lag.then(|| (self.people.clone(), self.groups.clone()));
    }

    /// Creates a person as `POST /systemusers` does: the status and the answer.
    pub(super) fn create(&mut self, wanted: &Map<String, Value>) -> (u16, Value) {
        let text = |field: &str| wanted.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (username, email) = (text("username"), text("email"));
        if username.is_empty() || email.is_empty() {
            return (400, json!({"message": "Validation failed: username and email are required"}));
        }
        let taken = |field: &str, value: &str| {
            let same = |one: &Value| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(value));
            self.people.values().any(|person| person.get(field).is_some_and(same))
        };
        // Assumed: the code and the words.
        if taken("username", &username) {
            return (400, json!({"message": "Validation failed: username already exists"}));
        }
        if taken("email", &email) {
            return (400, json!({"message": "Validation failed: email already exists"}));
        }
        self.created += 1;
        let id = format!("{:08x}9d3b7a4d{:08x}", now().as_second(), self.created);
        let mut record = wanted.clone();
        record.remove("password");
        record.entry("state").or_insert_with(|| self.default_state.clone().into());
        record.insert("_id".to_owned(), id.clone().into());
        record.insert("id".to_owned(), id.clone().into());
        record.insert("activated".to_owned(), false.into());
        record.insert("suspended".to_owned(), false.into());
        record.insert("organization".to_owned(), self.id.clone().into());
        record.insert("created".to_owned(), now().to_string().into());
        let shown = Value::Object(record.clone());
        self.people.insert(id.clone(), record);
        self.happened("user_create", json!({"resource": {"type": "user", "id": id}}));
        (200, shown)
    }

    /// Writes an event down.
    pub(crate) fn happened(&mut self, event_type: &str, about: Value) {
        self.happened_at(event_type, about, now());
    }

    pub(crate) fn happened_at(&mut self, event_type: &str, about: Value, at: Timestamp) {
        let mut event = object(about);
        event.insert("id".to_owned(), format!("event-{}", self.events.len()).into());
        event.insert("event_type".to_owned(), event_type.into());
        event.insert("timestamp".to_owned(), at.to_string().into());
        event.insert("service".to_owned(), "directory".into());
        event.insert("organization".to_owned(), self.id.clone().into());
        event.insert("success".to_owned(), true.into());
        event.insert("initiated_by".to_owned(), json!({"type": "admin", "email": "admin@example.org"}));
        self.events.push(Value::Object(event));
    }

    /// The user names of a group, straight from the organisation.
    pub(crate) fn usernames(&self, group: &str) -> BTreeSet<String> {
        let group = self.groups.iter().find(|one| one.name() == group).unwrap_or_else(|| panic!("no group {group}"));
        let name = |id: &String| self.people.get(id).map(|person| person["username"].as_str().unwrap().to_owned());
        group.members.iter().filter_map(name).collect()
    }
}

impl App {
    pub(crate) fn new(number: usize, name: &str, label: &str) -> Self {
        Self {
            id: app_id(number),
            name: name.to_owned(),
            label: label.to_owned(),
            groups: Vec::new(),
            users: Vec::new(),
            identity_management: false,
        }
    }
}

/// What the API shows of a person: the fields of the spec, and one that no spec knows yet.
fn person_record(id: &str, person: &Person) -> Map<String, Value> {
    let state = if person.locked { "SUSPENDED" } else { "ACTIVATED" };
    let record = json!({
        "_id": id,
        "id": id,
        "username": person.uid,
        "email": person.mail,
        "firstname": person.given_name,
        "lastname": person.family_name,
        "displayname": person.display_name(),
        "state": state,
        "suspended": person.locked,
        // False until the first password is set: no reason not to have an account.
        "activated": true,
        "account_locked": false,
        "employeeIdentifier": person.employee_number,
        "jobTitle": person.title,
        "department": "",
        "company": "Example",
        "attributes": [],
        "phoneNumbers": [{"id": "5f00000000000000000000aa", "type": "work", "number": "+1 555 0100"}],
        "addresses": [],
        "created": "2024-03-01T10:00:00.000Z",
        "organization": ORG_ID,
        "mfa": {"configured": false, "exclusion": false},
        "fieldOfTomorrow": {"nested": [1, 2.5, null]},
    });
    object(record)
}

fn group_record(id: &str, name: &str) -> Map<String, Value> {
    let record = json!({
        "id": id,
        "name": name,
        "description": "",
        "email": "",
        "type": "user_group",
        "membershipMethod": "STATIC",
        "fieldOfTomorrow": true,
    });
    object(record)
}

/// A literal that is an object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

/// Older than Directory Insights remembers.
pub(super) fn is_beyond_retention(time: Timestamp) -> bool {
    time < now().checked_sub(SignedDuration::from_hours(90 * 24)).expect("a time")
}
