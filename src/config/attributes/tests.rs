//! Settings of attributes as they are read from a profile, in the old keys and in the new ones.

use super::*;
use crate::config::diagnostic::{Diagnostic, Level};
use crate::config::document::SourceText;
use crate::config::old_keys::Replaced;
use crate::config::profile::ProfileOverrides;
use crate::config::profiles;

fn read(profile: &str) -> (Option<AttributeSettings>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let source = SourceText::new("p.toml", profile);
    let read = profiles::read(&source, &ProfileOverrides::default(), &Replaced::default(), &mut found);
    (read.map(|profile| profile.attributes), found)
}

fn settings(profile: &str) -> AttributeSettings {
    let (settings, found) = read(profile);
    assert!(!found.iter().any(Diagnostic::is_error), "{profile}: {found:?}");
    settings.unwrap()
}

/// Place, message and hint of the one thing that is wrong.
fn fault(profile: &str) -> String {
    let (settings, found) = read(profile);
    let errors: Vec<&Diagnostic> = found.iter().filter(|one| one.is_error()).collect();
    let [one] = errors.as_slice() else { panic!("{profile}: one error, not {found:?}") };
    assert!(settings.is_none(), "{profile}: nothing is made of a wrong profile");
    format!("{} ({})", one.summary(), one.hint.clone().unwrap_or_default())
}

/// Every old key, and the same in the new spelling.
const PAIRS: [(&str, &str); 12] = [
    (
        "[users]\nimmutable = ['userName', 'emails']",
        "[attributes]\nemails.mutability = 'immutable'\nuserName.mutability = 'immutable'",
    ),
    ("[users]\ncreate_only = ['title']", "[attributes.title]\npush = 'on_create'"),
    ("[users]\nrequired = ['userName', 'name']", "[attributes.name]\nrequired = true"),
    ("[users]\nrequired = []", "[attributes.userName]\nrequired = false"),
    (
        "[users]\nunsupported = ['enterprise.department', 'flag']",
        "[attributes]\nflag.supported = false\n\"enterprise.department\".supported = false",
    ),
    ("[users]\naccess = ['entitlements']", "[attributes]\nrole.grants_access = false\nroles.grants_access = false"),
    (
        "[read]\nlossy = ['phoneNumbers.work']",
        "[attributes.'phoneNumbers[type eq \"work\"].value']\nreturned = 'never'",
    ),
    ("[users]\nrole_path = 'sentryOrgRole'", "[attributes.role]\npath = 'sentryOrgRole'"),
    ("[users]\nrole_path = ''", "[attributes.role]\npath = 'roles'"),
    ("[users]\nrole_shape = 'scalar'", "[attributes.role]\nshape = 'scalar'"),
    (
        "[users]\nrole_shape = 'typed_list'\nrole_type = 'base'",
        "[attributes.role]\nshape = 'typed_list'\ntype = 'base'",
    ),
    (
        "users.immutable = ['title']\nread.lossy = ['title']",
        "attributes.title = { mutability = 'immutable', returned = 'never' }",
    ),
];

#[test]
fn every_old_key_is_read_as_its_new_spelling_and_warns() {
    for (old, new) in PAIRS {
        let (_, warned) = read(old);
        assert!(!warned.is_empty() && warned.iter().all(|one| one.level == Level::Warning), "{old}: {warned:?}");
        assert_eq!(read(new).1, [], "{new}");
        let canonical = |text: &str| {
            let settings = settings(text);
            serde_json::to_string(&(settings.canonical(), settings.canonical_unreturned())).unwrap()
        };
        assert_eq!(canonical(old), canonical(new), "{old}");
        let (old_settings, new_settings) = (settings(old), settings(new));
        for name in [
            "userName",
            "emails",
            "emails.work",
            "title",
            "name.givenName",
            "enterprise.department",
            "flag",
            "phoneNumbers.work",
        ] {
            let path = Path::parse(name).unwrap();
            let answers = |of: &AttributeSettings| {
                [of.is_immutable(&path), of.is_sent_once(&path), of.is_never_sent(&path), of.is_unreturned(&path)]
            };
            assert_eq!(answers(&old_settings), answers(&new_settings), "{old}: {name}");
        }
        assert!(old_settings.required().eq(new_settings.required()), "{old}");
        assert!(old_settings.granting_access().eq(new_settings.granting_access()), "{old}");
        assert_eq!(
            (old_settings.role().path, old_settings.role().shape, old_settings.role().r#type),
            (new_settings.role().path, new_settings.role().shape, new_settings.role().r#type),
            "{old}"
        );
    }
}

#[test]
fn the_warning_shows_what_to_write() {
    for (old, message, hint) in [
        (
            "[users]\nimmutable = ['userName', 'emails']",
            "p.toml:2:1: `users.immutable` is an old key, and read for one more release",
            "write `mutability = \"immutable\"` under `[attributes.\"userName\"]`, and the same for `emails`",
        ),
        (
            "[read]\nlossy = ['name']",
            "p.toml:2:1: `read.lossy` is an old key, and read for one more release",
            "write `returned = \"never\"` under `[attributes.\"name\"]`",
        ),
        (
            "[users]\nrole_type = 'base'",
            "p.toml:2:1: `users.role_type` is an old key, and read for one more release",
            "write `type = \"base\"` under `[attributes.\"role\"]`",
        ),
        (
            "[users]\nunsupported = []",
            "p.toml:2:1: `users.unsupported` is an old key, and read for one more release",
            "remove the line, unless another file names attributes that way: then write another value than `supported = false` for these",
        ),
    ] {
        let (_, warned) = read(old);
        let told: Vec<(String, &str)> =
            warned.iter().map(|one| (one.summary(), one.hint.as_deref().unwrap())).collect();
        assert_eq!(told, [(message.to_owned(), hint)], "{old}");
    }
}

#[test]
fn a_mistake_in_an_attributes_table_is_one_clear_error() {
    for (profile, told) in [
        (
            "[attributes.dispalyName]\nrequired = true",
            "p.toml:1:13: SCIM has no attribute `dispalyName` (did you mean `displayName`? ",
        ),
        ("[attributes.username]\nrequired = true", "p.toml:1:13: `username` is spelt `userName` (write `userName`)"),
        (
            "[attributes.emails]\nmutability = 'fixed'",
            "p.toml:2:14: `mutability` can't be \"fixed\" (it can be `readWrite`, `immutable`, `readOnly`",
        ),
        ("[attributes.emails]\nreturned = 'nevr'", "p.toml:2:12: `returned` can't be \"nevr\" (did you mean `never`?"),
        (
            "[attributes.emails]\nmutabilty = 'immutable'",
            "p.toml:2:1: there is no key `mutabilty` in `[attributes.emails]` (did you mean `mutability`?)",
        ),
        (
            "[attributes.\"urn:ietf:params:scim:schemas:extension:enterprize:2.0:User:department\"]\nrequired = true",
            "p.toml:1:13: SCIM has no schema urn:ietf:params:scim:schemas:extension:enterprize:2.0:User for users",
        ),
        (
            "[attributes.\"enterprise.departmnt\"]\nrequired = true",
            "p.toml:1:13: the enterprise extension has no attribute `departmnt` (did you mean `enterprise.department`?)",
        ),
        (
            "[attributes.\"displayName.short\"]\nrequired = true",
            "p.toml:1:13: `displayName` has no parts (write `displayName`)",
        ),
        (
            "[attributes.\"name.givenNme\"]\nrequired = true",
            "p.toml:1:13: `name` has no sub-attribute `givenNme` (did you mean `name.givenName`?)",
        ),
        ("[attributes.\"a b\"]\nrequired = true", "p.toml:1:13: \"a b\" is not a SCIM attribute"),
        ("[attributes.members]\nrequired = true", "p.toml:1:13: `members` is an attribute of groups"),
        (
            "[attributes]\n\"emails.work\".required = true\n'emails[type eq \"work\"].value'.push = 'on_create'",
            "is another spelling of an attribute that has a table already (write one table for `emails.work`)",
        ),
        (
            "[attributes.title]\nrequired = true\nsupported = false",
            "p.toml:3:13: `title` has `supported = false`, so it is never sent, and `required = true`",
        ),
        (
            "[attributes.title]\nrequired = true\nmutability = 'readOnly'",
            "p.toml:3:14: `title` has `mutability = \"readOnly\"`",
        ),
        ("[attributes.title]\nmutability = 'writeOnly'\nreturned = 'always'", "p.toml:3:12: `title` is `writeOnly`"),
        ("[attributes.userName]\nsupported = false", "p.toml:2:13: `userName` can't have `supported = false`"),
        ("[attributes.active]\npush = 'on_create'", "p.toml:2:8: `push` of `active` can't be changed"),
        ("[attributes.groups]\nmutability = 'readWrite'", "p.toml:2:14: `groups` is never sent"),
        ("[attributes.emails]\nshape = 'scalar'", "p.toml:2:9: `emails` stands where RFC 7643 says"),
        (
            "[attributes.role]\nshape = 'typed_list'",
            "p.toml:2:9: `role` is a list of typed values, and no `type` is given",
        ),
        (
            "[users]\nimmutable = ['userName', 'emails']\n[attributes.emails]\nreturned = 'never'",
            "p.toml:2:26: `emails` is set by the old key `users.immutable` and by `[attributes.\"emails\"]`",
        ),
        ("[users]\nimmutable = 'userName'", "p.toml:2:13: `immutable` takes a list of attributes"),
        ("[users]\nrequired = [1]", "p.toml:2:12: `required` takes a list of attributes"),
        ("[users]\nrole_shape = 'skalar'", "p.toml:2:14: `shape` can't be \"skalar\" (did you mean `scalar`?"),
    ] {
        let fault = fault(profile);
        assert!(fault.contains(told), "{profile}\n->\n{fault}");
    }
}

#[test]
fn a_name_of_an_old_list_that_is_misspelt_is_told_and_the_profile_still_read() {
    let (settings, found) = read("[users]\nimmutable = ['USERNAME', 'dispalyName']");
    assert!(settings.unwrap().is_immutable(&Path::user_name()), "as ever, letter case does not count in an old list");
    let told: Vec<String> = found.iter().map(Diagnostic::summary).collect();
    assert_eq!(told[1], "p.toml:2:26: SCIM has no attribute `dispalyName`", "{told:?}");
    assert!(found.iter().all(|one| one.level == Level::Warning), "{told:?}");
}

#[test]
fn attributes_of_the_apps_own_are_taken_as_they_are() {
    for (name, key) in [
        ("sentryOrgRole", "required = true"),
        ("urn:example:2.0:Thing:flag", "supported = false"),
        ("email", "path = 'email'"),
    ] {
        assert_eq!(read(&format!("[attributes.{name:?}]\n{key}")).1, [], "{name}");
    }
    assert!(fault("[attributes.email]\nrequired = true").contains("did you mean `emails`?"));
}

#[test]
fn the_smaller_part_counts_and_a_hash_tells() {
    let settings = settings("[attributes]\nemails.mutability = 'immutable'\n\"emails.work\".mutability = 'readWrite'");
    let is = |name: &str| settings.is_immutable(&Path::parse(name).unwrap());
    assert_eq!(["emails", "emails.work", "emails.home"].map(is), [true, false, true]);
    let text = serde_json::to_string(&settings.canonical()).unwrap();
    assert!(text.contains(r#""immutable":["emails","!emails.work"]"#), "{text}");
}

#[test]
fn a_value_that_is_only_asked_for_or_only_written_is_not_compared() {
    let settings = settings(
        "[attributes]\ntitle.returned = 'request'\nnickName.mutability = 'writeOnly'\nlocale.returned = 'always'\ntimezone.mutability = 'readOnly'",
    );
    let path = |name: &str| Path::parse(name).unwrap();
    assert_eq!(["title", "nickName", "locale"].map(|name| settings.is_unreturned(&path(name))), [true, true, false]);
    assert!(settings.is_never_sent(&path("timezone")) && !settings.is_never_sent(&path("title")));
}
