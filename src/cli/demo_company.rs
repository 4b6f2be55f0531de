//! The sample company of `rosterd demo`, as the directory file it is written to.

use serde_json::{Value, json};

/// Twelve people in three groups.
pub(super) struct Company {
    people: Vec<Value>,
    groups: Vec<Value>,
}

impl Company {
    pub(super) fn new() -> Self {
        let names = [
            ("Ada", "Byron"),
            ("Bruno", "Keller"),
            ("Chiara", "Rossi"),
            ("Dmitri", "Orlov"),
            ("Elif", "Demir"),
            ("Farah", "Haddad"),
            ("Goran", "Horvat"),
            ("Hana", "Sato"),
            ("Ines", "Costa"),
            ("Jonas", "Lind"),
            ("Kofi", "Mensah"),
            ("Lena", "Fischer"),
        ];
        let people = names.iter().enumerate().map(|(at, (given, family))| {
            let login = format!("{}.{}@acme.test", given.to_lowercase(), family.to_lowercase());
            json!({
                "id": format!("p{:02}", at + 1),
                "userName": login,
                "email": login,
                "givenName": given,
                "familyName": family,
                "displayName": format!("{given} {family}"),
                "active": true,
            })
        });
        let group = |id: &str, name: &str, members: &[&str]| json!({"id": id, "name": name, "members": members});
        Self {
            people: people.collect(),
            groups: vec![
                group("g1", "Engineering", &["p01", "p02", "p03", "p04", "p05"]),
                group("g2", "Design", &["p05", "p06", "p07"]),
                group("g3", "Pilot", &["p08", "p09", "p05"]),
            ],
        }
    }

    /// The directory suspends somebody.
    pub(super) fn suspend(&mut self, id: &str) {
        for person in self.people.iter_mut().filter(|person| person["id"] == id) {
            person["active"] = json!(false);
        }
    }

    /// Somebody gets another family name.
    pub(super) fn marry(&mut self, id: &str, given: &str, family: &str) {
        for person in self.people.iter_mut().filter(|person| person["id"] == id) {
            person["familyName"] = json!(family);
            person["displayName"] = json!(format!("{given} {family}"));
        }
    }

    /// A group is deleted.
    pub(super) fn delete_group(&mut self, id: &str) {
        self.groups.retain(|group| group["id"] != id);
    }

    /// Everybody is gone, as a token without rights would show it.
    pub(super) fn empty(&self) -> String {
        json!({"users": [], "groups": []}).to_string()
    }

    /// The directory file.
    pub(super) fn to_json(&self) -> String {
        format!("{:#}\n", json!({"users": self.people, "groups": self.groups}))
    }
}
