//! What is asked of one account. In: the operator's table. Out: the same, ready for use.

use super::parameters::{Parameters, Wanted};
use super::record::{ALWAYS, NAMES};
use crate::config::directory::onelogin::{
    OneLoginGroups, OneLoginMembers, OneLoginParameterOff, OneLoginParameterRules, OneLoginStanding, OneLoginTable,
};
use crate::model::{GroupMatch, Standing};

/// Everything that one account is asked for.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// For messages.
    pub(super) address: String,
    pub(super) application: Option<String>,
    pub(super) groups: OneLoginGroups,
    pub(super) members: OneLoginMembers,
    direct: bool,
    locked: Standing,
    unactivated: Standing,
    pub(super) events: bool,
    pub(super) users_page: u32,
    pub(super) in_flight: usize,
    wanted: Option<Vec<GroupMatch>>,
    /// The fields of a user that are asked for.
    pub(super) fields: Vec<&'static str>,
    /// Whether a mapping or filter reads a custom attribute.
    pub(super) needs_custom: bool,
    /// The parameters of the application that mappings read.
    pub(super) parameters_wanted: Wanted,
    /// What counts as a parameter that is off.
    pub(super) parameter_off: Vec<OneLoginParameterOff>,
    /// Whether the rules of the application are looked at.
    pub(super) parameter_rules: OneLoginParameterRules,
    /// Whether defaults of parameters are values.
    pub(super) parameter_defaults: bool,
    /// How their values are found, once the application was read.
    pub(super) parameters: Parameters,
}

impl Layout {
    pub(super) fn new(table: &OneLoginTable, wanted: Option<Vec<GroupMatch>>, reads: &[String]) -> Self {
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let mut fields: Vec<&'static str> = ALWAYS.to_vec();
        // What no documentation knows is not asked for: the API might refuse the whole question.
        fields.extend(NAMES.iter().copied().filter(|name| reads.iter().any(|read| first(read) == *name)));
        let mut seen = std::collections::BTreeSet::new();
        fields.retain(|name| seen.insert(*name));
        Self {
            address: table.address(),
            application: table.application.as_deref().map(|name| name.trim().to_owned()),
            groups: table.groups,
            members: table.members,
            direct: table.direct,
            locked: standing(table.locked),
            unactivated: standing(table.unactivated),
            events: table.events,
            users_page: table.users_page,
            in_flight: table.web.in_flight.max(1) as usize,
            wanted,
            fields,
            needs_custom: reads.iter().any(|read| first(read) == "custom_attributes"),
            parameters_wanted: Wanted::of(reads),
            parameter_off: table.parameter_off.clone(),
            parameter_rules: table.parameter_rules,
            parameter_defaults: table.parameter_defaults,
            parameters: Parameters::default(),
        }
    }

    /// With what the application says of its parameters: the user attributes they take their values from are asked for too.
    pub(super) fn with(&self, parameters: Parameters) -> Self {
        let (fields, custom) = parameters.needs();
        let mut layout = Self { parameters, ..self.clone() };
        layout.needs_custom |= custom;
        layout.fields.extend(fields);
        let mut seen = std::collections::BTreeSet::new();
        layout.fields.retain(|name| seen.insert(*name));
        layout
    }

    /// Whether the members of a group are of interest to anybody.
    pub(super) fn wants(&self, id: u64, name: &str, assigned: bool) -> bool {
        let narrows = self.application.is_some();
        match &self.wanted {
            Some(patterns) => GroupMatch::any(patterns, &id.to_string(), name) && (assigned || !narrows),
            None => assigned,
        }
    }

    /// Groups that are named leave no room for people without one.
    pub(super) fn asks_who_is_direct(&self) -> bool {
        self.direct && self.wanted.is_none()
    }

    /// Why the two numbers of an account say nothing, if they do not: neither is one that the vendor documents.
    pub(super) fn unknown(status: u64, state: u64) -> Option<String> {
        let is_known = state <= 3 && (state != 1 || status <= 8);
        (!is_known)
            .then(|| format!("OneLogin shows status {status} and state {state}, and what they mean is not known"))
    }

    /// What the two numbers of an account mean (documented for the vendor's own clients).
    pub(super) fn standing(&self, status: u64, state: u64) -> Standing {
        match (state, status) {
            // Unapproved, rejected, unlicensed: nobody may log in. And what a later version may add.
            (0 | 2 | 3, _) | (_, 2) => Standing::Suspended,
            (1, 0) => self.unactivated,
            // Active; the password expired, awaits a reset or is pending; security questions are due.
            (1, 1 | 4 | 5 | 7 | 8) => Standing::Active,
            (1, 3) => self.locked,
            // Not known: neither given nor taken.
            _ => Standing::Staged,
        }
    }
}

fn standing(setting: OneLoginStanding) -> Standing {
    match setting {
        OneLoginStanding::Active => Standing::Active,
        OneLoginStanding::Suspended => Standing::Suspended,
        OneLoginStanding::Staged => Standing::Staged,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn layout(more: &str, wanted: Option<Vec<GroupMatch>>, reads: &[&str]) -> Layout {
        let text = format!("subdomain = 'acme'\nclient_id = 'x'\nclient_secret = {{ env = 'X' }}\n{more}");
        let reads: Vec<String> = reads.iter().map(|name| (*name).to_owned()).collect();
        Layout::new(&toml::from_str(&text).unwrap(), wanted, &reads)
    }

    #[test]
    fn every_status_and_state_means_one_of_three_things() {
        use Standing::{Active, Staged, Suspended};
        let usual = layout("", None, &[]);
        for (status, standing) in [
            (0, Staged),
            (1, Active),
            (2, Suspended),
            (3, Active),
            (4, Active),
            (5, Active),
            (6, Staged),
            (7, Active),
            (8, Active),
            (99, Staged),
        ] {
            assert_eq!(usual.standing(status, 1), standing, "status {status}");
        }
        for state in [0, 2, 3] {
            assert_eq!(usual.standing(1, state), Suspended, "state {state}");
        }
        assert_eq!((usual.standing(1, 9), usual.standing(2, 9)), (Staged, Suspended), "a state of a later version");
        let other = layout("locked = 'suspended'\nunactivated = 'active'", None, &[]);
        assert_eq!((other.standing(3, 1), other.standing(0, 1)), (Suspended, Active));
        assert_eq!(other.standing(0, 0), Suspended);
    }

    #[test]
    fn what_mappings_read_is_asked_for_once_and_what_nobody_knows_is_not() {
        let layout = layout("", None, &["comment", "email", "custom_attributes.heap_role", "no_such_field"]);
        let count = |name: &str| layout.fields.iter().filter(|field| **field == name).count();
        assert_eq!((count("comment"), count("email"), count("role_ids"), count("no_such_field")), (1, 1, 1, 0));
        assert!(layout.needs_custom);
        assert!(!self::layout("", None, &["email"]).needs_custom);
    }

    #[test]
    fn members_are_read_of_the_groups_that_somebody_wants() {
        let named = || Some(vec![GroupMatch::Name("heap *".to_owned()), GroupMatch::Id("7".to_owned())]);
        let bound = layout("application = 'Heap'", None, &[]);
        assert!(bound.wants(1, "Heap Users", true) && !bound.wants(1, "Heap Users", false));
        assert!(bound.asks_who_is_direct());
        let narrowed = layout("application = 'Heap'", named(), &[]);
        assert!(narrowed.wants(1, "Heap Users", true) && narrowed.wants(7, "x", true));
        assert!(!narrowed.wants(1, "Heap Users", false) && !narrowed.wants(1, "Sales", true));
        assert!(!narrowed.asks_who_is_direct(), "who is named by group needs no list of people");
        assert!(layout("", named(), &[]).wants(1, "Heap Users", true));
    }
}
