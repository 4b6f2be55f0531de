//! What a OneLogin account holds, and what its administrators do to it. Every change leaves an event.

use std::collections::{BTreeMap, BTreeSet};

use rosterd::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use crate::support::directory::{Directory, Member, Person};

/// The id of the first person, role and app.
const FIRST: (u64, u64, u64) = (56_700_000, 190_000, 775_664);

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) username: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) firstname: Option<String>,
    pub(crate) lastname: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) manager_user_id: Option<u64>,
    /// The one security-policy group.
    pub(crate) group_id: Option<u64>,
    pub(crate) status: u8,
    pub(crate) state: u8,
    pub(crate) custom_attributes: Map<String, Value>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// A role: what other products call a group.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) users: BTreeSet<u64>,
}

/// An app with what gives access to it.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) role_ids: BTreeSet<u64>,
    /// People who were given the app by name.
    pub(crate) direct: BTreeSet<u64>,
    /// Whether OneLogin provisions it itself; `None` if the API does not show that.
    pub(crate) provisioning: Option<bool>,
    /// The parameters, by their short names; `None` if the API does not show them.
    pub(crate) parameters: Option<Map<String, Value>>,
    /// Rules that set parameters for some users.
    pub(crate) rules: Vec<Value>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) user_id: Option<u64>,
    pub(crate) role_id: Option<u64>,
    pub(crate) app_id: Option<u64>,
    pub(crate) created_at: String,
}

/// The kinds of events there are here. Of the numbers only those of the first five are documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    AppAddedToRole = 1,
    AppRemovedFromRole = 2,
    UserAssignedRole = 4,
    UserLoggedIn = 5,
    UserRemovedFromRole = 9,
    UserCreated = 13,
    UserUpdated = 14,
    UserDeleted = 17,
    UserSuspended = 31,
    RoleDeleted = 64,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::AppAddedToRole,
        Self::AppRemovedFromRole,
        Self::UserAssignedRole,
        Self::UserLoggedIn,
        Self::UserRemovedFromRole,
        Self::UserCreated,
        Self::UserUpdated,
        Self::UserDeleted,
        Self::UserSuspended,
        Self::RoleDeleted,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AppAddedToRole => "APP_ADDED_TO_ROLE",
            Self::AppRemovedFromRole => "APP_REMOVED_FROM_ROLE",
            Self::UserAssignedRole => "USER_ASSIGNED_ROLE",
            Self::UserLoggedIn => "USER_LOGGED_INTO_ONELOGIN",
            Self::UserRemovedFromRole => "USER_REMOVED_FROM_ROLE",
            Self::UserCreated => "USER_CREATED",
            Self::UserUpdated => "USER_UPDATED",
            Self::UserDeleted => "USER_DELETED",
            Self::UserSuspended => "USER_SUSPENDED",
            Self::RoleDeleted => "ROLE_DELETED",
        }
    }
}

/// A whole account. Users and roles are listed by id, as the product sorts them unless told otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) roles: BTreeMap<u64, Role>,
    pub(crate) apps: BTreeMap<u64, App>,
    /// Security-policy groups.
    pub(crate) groups: BTreeMap<u64, String>,
    pub(crate) events: Vec<Event>,
    /// Roles that a mapping has decided on and that do not show yet: user and role.
    pub(crate) pending_roles: Vec<(u64, u64)>,
    /// The time of the last change: no two happen at once.
    last_change: Option<jiff::Timestamp>,
}

impl Account {
    /// A company: people as users, groups as roles; the app is bound to the roles of these names.
    pub(crate) fn of(company: &Directory, app: &str, roles: &[&str]) -> Self {
        let mut account = Self::default();
        let mut ids = BTreeMap::new();
        for person in &company.people {
            ids.insert(person.uid.as_str(), account.join(person));
        }
        for group in &company.groups {
            let members = group.members.iter().filter_map(|member| match member {
                Member::Person(uid) => ids.get(uid.as_str()).copied(),
                // Roles do not nest, and list nobody who does not exist.
                Member::Group(_) | Member::Dn(_) => None,
            });
            account.create_role(&group.cn, members.collect());
        }
        let app = account.create_app(app);
        for role in roles {
            account.bind(app, account.role(role));
        }
        account.events.clear();
        // All this was long ago: only what changes from here on is new.
        let long_ago = "2026-08-01T08:00:00.000Z";
        for user in account.users.values_mut() {
            (user.created_at, user.updated_at) = (long_ago.to_owned(), long_ago.to_owned());
        }
        account
    }

    // ---- looking -------------------------------------------------------------------------------------------------

    pub(crate) fn user(&self, username: &str) -> u64 {
        let named = |user: &&User| user.username.as_deref() == Some(username);
        self.users.values().find(named).unwrap_or_else(|| panic!("no user {username}")).id
    }

    pub(crate) fn role(&self, name: &str) -> u64 {
        self.roles.values().find(|role| role.name == name).unwrap_or_else(|| panic!("no role {name}")).id
    }

    pub(crate) fn app(&self, name: &str) -> u64 {
        self.apps.values().find(|app| app.name == name).unwrap_or_else(|| panic!("no app {name}")).id
    }

    pub(crate) fn roles_of(&self, user: u64) -> Vec<u64> {
        self.roles.values().filter(|role| role.users.contains(&user)).map(|role| role.id).collect()
    }

    /// Everybody who may use an app: by a role or by name.
    pub(crate) fn users_of_app(&self, app: &App) -> BTreeSet<u64> {
        let roles = app.role_ids.iter().filter_map(|role| self.roles.get(role));
        roles.flat_map(|role| &role.users).chain(&app.direct).copied().collect()
    }

    // ---- what administrators do ------------------------------------------------------------------------------------

    /// A new colleague, active at once.
    pub(crate) fn join(&mut self, person: &Person) -> u64 {
        let user = User {
            id: self.users.keys().next_back().map_or(FIRST.0, |last| last + 1),
            username: Some(person.uid.clone()),
            email: Some(person.mail.clone()),
            firstname: Some(person.given_name.clone()),
            lastname: Some(person.family_name.clone()),
            title: Some(person.title.clone()),
            department: None,
            external_id: None,
            manager_user_id: None,
            group_id: None,
            status: if person.locked { 2 } else { 1 },
            state: 1,
            custom_attributes: custom(&[("employee_no", json!(person.employee_number)), ("heap_role", Value::Null)]),
            created_at: String::new(),
            updated_at: String::new(),
        };
        self.add_user(user)
    }

    pub(crate) fn add_user(&mut self, mut user: User) -> u64 {
        let now = self.tick();
        (user.created_at, user.updated_at) = (now.clone(), now);
        let id = user.id;
        self.users.insert(id, user);
        self.note(Kind::UserCreated, Some(id), None, None);
        id
    }

    /// Changes a user's record.
    pub(crate) fn edit(&mut self, username: &str, change: impl FnOnce(&mut User)) {
        let (id, now) = (self.user(username), self.tick());
        let user = self.users.get_mut(&id).expect("the user");
        let suspended = user.status;
        change(user);
        user.updated_at = now;
        let kind = if suspended != 2 && user.status == 2 { Kind::UserSuspended } else { Kind::UserUpdated };
        self.note(kind, Some(id), None, None);
    }

    /// The "Heap Role" parameter: a custom attribute of the user.
    pub(crate) fn set_heap_role(&mut self, username: &str, role: Option<&str>) {
        self.edit(username, |user| {
            user.custom_attributes.insert("heap_role".to_owned(), role.map_or(Value::Null, Value::from));
        });
    }

    pub(crate) fn delete_user(&mut self, username: &str) {
        let id = self.user(username);
        self.users.remove(&id);
        self.roles.values_mut().for_each(|role| {
            role.users.remove(&id);
        });
        self.apps.values_mut().for_each(|app| {
            app.direct.remove(&id);
        });
        self.note(Kind::UserDeleted, Some(id), None, None);
    }

    pub(crate) fn create_role(&mut self, name: &str, users: BTreeSet<u64>) -> u64 {
        let id = self.roles.keys().next_back().map_or(FIRST.1, |last| last + 1);
        self.roles.insert(id, Role { id, name: name.to_owned(), users });
        id
    }

    pub(crate) fn rename_role(&mut self, name: &str, new: &str) {
        let id = self.role(name);
        self.roles.get_mut(&id).expect("the role").name = new.to_owned();
    }

    pub(crate) fn delete_role(&mut self, name: &str) {
        let id = self.role(name);
        self.roles.remove(&id);
        self.apps.values_mut().for_each(|app| {
            app.role_ids.remove(&id);
        });
        self.note(Kind::RoleDeleted, None, Some(id), None);
    }

    pub(crate) fn assign(&mut self, username: &str, role: &str) {
        let (user, role) = (self.user(username), self.role(role));
        self.roles.get_mut(&role).expect("the role").users.insert(user);
        self.note(Kind::UserAssignedRole, Some(user), Some(role), None);
    }

    /// What a mapping does: decided now, shown only after [`Account::settle`].
    pub(crate) fn assign_later(&mut self, username: &str, role: &str) {
        self.pending_roles.push((self.user(username), self.role(role)));
    }

    /// The mappings have run.
    pub(crate) fn settle(&mut self) {
        for (user, role) in std::mem::take(&mut self.pending_roles) {
            self.roles.get_mut(&role).expect("the role").users.insert(user);
            self.note(Kind::UserAssignedRole, Some(user), Some(role), None);
        }
    }

    pub(crate) fn revoke(&mut self, username: &str, role: &str) {
        let (user, role) = (self.user(username), self.role(role));
        self.roles.get_mut(&role).expect("the role").users.remove(&user);
        self.note(Kind::UserRemovedFromRole, Some(user), Some(role), None);
    }

    pub(crate) fn create_app(&mut self, name: &str) -> u64 {
        let id = self.apps.keys().next_back().map_or(FIRST.2, |last| last + 1);
        let mut app = App {
            id,
            name: name.to_owned(),
            role_ids: BTreeSet::new(),
            direct: BTreeSet::new(),
            provisioning: Some(false),
            parameters: Some(Map::new()),
            rules: Vec::new(),
        };
        app.define("heap_role", "Heap Role", json!({ "user_attribute_mappings": "custom_attribute_heap_role" }));
        self.apps.insert(id, app);
        id
    }

    pub(crate) fn bind(&mut self, app: u64, role: u64) {
        self.apps.get_mut(&app).expect("the app").role_ids.insert(role);
        self.note(Kind::AppAddedToRole, None, Some(role), Some(app));
    }

    pub(crate) fn unbind(&mut self, app: u64, role: u64) {
        self.apps.get_mut(&app).expect("the app").role_ids.remove(&role);
        self.note(Kind::AppRemovedFromRole, None, Some(role), Some(app));
    }

    /// Gives the app to one person by name.
    pub(crate) fn assign_directly(&mut self, username: &str, app: u64) {
        let user = self.user(username);
        self.apps.get_mut(&app).expect("the app").direct.insert(user);
    }

    /// Somebody logs in: an event that changes nobody's access.
    pub(crate) fn log_in(&mut self, username: &str) {
        let user = self.user(username);
        self.note(Kind::UserLoggedIn, Some(user), None, None);
    }

    fn note(&mut self, kind: Kind, user_id: Option<u64>, role_id: Option<u64>, app_id: Option<u64>) {
        let created_at = self.tick();
        let id = 1_000_000 + self.events.len() as u64;
        self.events.push(Event { id, kind, user_id, role_id, app_id, created_at });
    }

    fn tick(&mut self) -> String {
        let after = self.last_change.map(|last| last + jiff::SignedDuration::from_millis(1));
        let now = SystemClock.now().max(after.unwrap_or(jiff::Timestamp::MIN));
        self.last_change = Some(now);
        time(now)
    }
}

impl App {
    /// Defines a parameter, with all that the vendor's samples show of one.
    pub(crate) fn define(&mut self, name: &str, label: &str, definition: Value) {
        let mut parameter = json!({
            "id": 237_825 + name.len(),
            "label": label,
            "user_attribute_mappings": null,
            "user_attribute_macros": null,
            "values": null,
            "default_values": null,
            "attributes_transformations": null,
            "skip_if_blank": false,
            "provisioned_entitlements": true,
            "include_in_saml_assertion": false,
        });
        for (key, value) in definition.as_object().expect("an object") {
            parameter[key.as_str()] = value.clone();
        }
        self.parameters.get_or_insert_default().insert(name.to_owned(), parameter);
    }
}

/// As the product writes times.
pub(crate) fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

impl User {
    /// The record with all that the product knows, some of which no client asked for.
    pub(crate) fn record(&self, role_ids: Vec<u64>) -> Map<String, Value> {
        let record = json!({
            "id": self.id,
            "username": self.username,
            "email": self.email,
            "firstname": self.firstname,
            "lastname": self.lastname,
            "title": self.title,
            "department": self.department,
            "company": null,
            "comment": null,
            "phone": null,
            "group_id": self.group_id,
            "role_ids": role_ids,
            "status": self.status,
            "state": self.state,
            "directory_id": null,
            "trusted_idp_id": null,
            "manager_user_id": self.manager_user_id,
            "manager_ad_id": null,
            "samaccountname": null,
            "userprincipalname": null,
            "distinguished_name": null,
            "member_of": null,
            "external_id": self.external_id,
            "preferred_locale_code": null,
            "activated_at": self.created_at,
            "last_login": null,
            "invitation_sent_at": null,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "locked_until": null,
            "password_changed_at": null,
            "invalid_login_attempts": 0,
            "custom_attributes": self.custom_attributes,
            "risk_posture_beta": { "level": "low" },
        });
        match record {
            Value::Object(record) => record,
            _ => unreachable!("an object"),
        }
    }
}

fn custom(values: &[(&str, Value)]) -> Map<String, Value> {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
