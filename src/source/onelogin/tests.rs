use super::*;

fn layout(more: &str, reads: &[&str]) -> OneLogin {
    let text = format!("subdomain = 'acme'\nclient_id = 'x'\nclient_secret = {{ env = 'X' }}\n{more}");
    let reads: Vec<String> = reads.iter().map(|name| (*name).to_owned()).collect();
    OneLogin::new(&toml::from_str(&text).unwrap(), &reads)
}

#[test]
fn every_status_and_state_means_one_of_three_things() {
    use LifecycleStatus::{Active, Staged, Suspended};
    let usual = layout("", &[]);
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
        assert_eq!(usual.meaning_of(status, 1), standing, "status {status}");
    }
    for state in [0, 2, 3] {
        assert_eq!(usual.meaning_of(1, state), Suspended, "state {state}");
    }
    assert_eq!((usual.meaning_of(1, 9), usual.meaning_of(2, 9)), (Staged, Suspended), "a state of a later version");
    let other = layout("locked = 'suspended'\nunactivated = 'active'", &[]);
    assert_eq!((other.meaning_of(3, 1), other.meaning_of(0, 1)), (Suspended, Active));
    assert_eq!(other.meaning_of(0, 0), Suspended);
}

#[test]
fn what_mappings_read_is_asked_for_once_and_what_nobody_knows_is_not() {
    let layout = layout("", &["comment", "email", "custom_attributes.heap_role", "no_such_field"]);
    let count = |name: &str| layout.fields().iter().filter(|field| **field == name).count();
    assert_eq!((count("comment"), count("email"), count("role_ids"), count("no_such_field")), (1, 1, 1, 0));
    assert!(layout.needs_custom());
    assert!(!self::layout("", &["email"]).needs_custom());
}
