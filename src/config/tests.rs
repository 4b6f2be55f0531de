//! Whole files: what is right is read, what is wrong is shown, all of it, in its place.

use serde_json::Value as Json;

use super::diagnostic::{Diagnostic, render};
use super::document::{Document, SourceText};
use super::schema::{self, SchemaKind};
use super::tenant::TenantFile;
use super::{load, shape};

fn read(text: &str) -> (Option<TenantFile>, Vec<Diagnostic>) {
    let source = SourceText::new("tenants/acme.toml", text);
    let mut found = Vec::new();
    let document = Document::parse(&source, &mut found);
    let file = load::tenant(&document, &mut found);
    load::sort(&mut found);
    (file, found)
}

fn shown(text: &str) -> String {
    render(&read(text).1, false)
}

/// A file that needs no more than one change to be wrong.
const GOOD: &str = r#"
[source.file]
path = "people.json"

[target]
base_url = "https://app.example.com/scim/v2"
token = { credential = "app" }
"#;

/// `GOOD` with more at its end.
fn good_with(more: &str) -> String {
    format!("{GOOD}\n{more}")
}

/// What is said about a text: `line:column message`, a line each.
fn said(text: &str) -> Vec<String> {
    let told = |one: &Diagnostic| {
        let place = one.place.as_ref().unwrap();
        format!("{}:{} {}", place.line, place.column, one.message)
    };
    read(text).1.iter().map(told).collect()
}

#[test]
fn a_tenant_file_of_ten_lines_is_enough() {
    let (file, found) = read(GOOD);
    assert_eq!(found, []);
    let file = file.unwrap();
    assert_eq!(file.target.profile, "scim");
    assert_eq!(file.guard.removals_per_day.to_string(), "10%, at least 3, at most 200");
}

#[test]
fn five_mistakes_are_all_shown_in_their_places_and_a_secret_is_not() {
    let text = r#"shedule = "*/10 * * * *"
time_zone = "Europe/Pariss"

[source.file]
path = "people.json"

[target]
base_url = "https://app.example.com/scim/v2"
token = "s3cr3t"
in_flight = "four"

[users]
on_deleted = "remove"
"#;
    insta::assert_snapshot!(shown(text), @r#"
        tenants/acme.toml:1:1: error: there is no key `shedule` at the top of this file
          |
        1 | shedule = "*/10 * * * *"
          | ^^^^^^^
          |
          = hint: did you mean `schedule`?

        tenants/acme.toml:2:13: error: there is no time zone "Europe/Pariss"
          |
        2 | time_zone = "Europe/Pariss"
          |             ^^^^^^^^^^^^^^^
          |
          = hint: did you mean `Europe/Paris`?

        tenants/acme.toml:9:9: error: `token` takes a table, this is a text
          |
        9 | token = ********
          |         ^^^^^^^^
          |
          = hint: a secret is never written in this file: write { credential = "name" }, { file = "path" }, { env = "NAME" } or { command = ["/path/to/program", …] }

        tenants/acme.toml:10:13: error: `in_flight` takes a whole number, this is a text
           |
        10 | in_flight = "four"
           |             ^^^^^^
           |
           = hint: a number has no quotes: `4`

        tenants/acme.toml:13:14: error: `on_deleted` can't be "remove"
           |
        13 | on_deleted = "remove"
           |              ^^^^^^^^
           |
           = hint: it can be `deactivate`, `delete` or `nothing`
        "#);
}

#[test]
fn a_syntax_error_does_not_hide_the_other_mistakes() {
    let text = r#"[source.file]
path = "people.json"
[target]
base_url =
tokn = { credential = "app" }
[users]
on_deleted = "never"
"#;
    insta::assert_snapshot!(shown(text), @r#"
        tenants/acme.toml:4:11: error: string values must be quoted
          |
        4 | base_url =
          |           ^
          |
          = hint: write a text in quotes: `key = "text"`

        tenants/acme.toml:5:1: error: there is no key `tokn` in `[target]`
          |
        5 | tokn ************************
          | ^^^^
          |
          = hint: did you mean `token`?

        tenants/acme.toml:7:14: error: `on_deleted` can't be "never"
          |
        7 | on_deleted = "never"
          |              ^^^^^^^
          |
          = hint: it can be `deactivate`, `delete` or `nothing`
        "#);
}

#[test]
fn what_follows_an_unclosed_table_is_not_guessed_at() {
    insta::assert_snapshot!(shown("[target\nbase_url = 3\n"), @r#"
        tenants/acme.toml:1:8: error: unclosed table
          |
        1 | [target
          |        ^
          |
          = hint: the name of a table is in brackets: `[target]`
          = note: the rest can't be checked until this is fixed
        "#);
}

#[test]
fn an_unclosed_list_is_one_mistake_where_it_was_left_open() {
    let text = "[scope]\nprotect = [\"a\", \"b\"\nnested = true\n[target]\nx = 1\n";
    insta::assert_snapshot!(shown(text), @r#"
        tenants/acme.toml:3:1: error: unclosed array
          |
        3 | nested = true
          | ^
          |
          = hint: a list ends with `]`, and its values are separated by `,`
          = note: the rest can't be checked until this is fixed
        "#);
}

#[test]
fn a_line_without_a_value_does_not_hide_what_follows() {
    assert_eq!(
        said(&good_with("[users]\non deleted = 'delete'\n  schedule\non_deleted = 'gone'\n[guard]\nx = 1")),
        [
            "10:1 key with no value",
            "11:3 key with no value",
            "12:14 `on_deleted` can't be \"gone\"",
            "14:1 there is no key `x` in `[guard]`"
        ]
    );
}

#[test]
fn a_missing_key_is_told_with_what_it_is() {
    insta::assert_snapshot!(shown("[source.ldap]\nurl = \"ldaps://dc1.example.com\"\n"), @r#"
        tenants/acme.toml:1:1: error: the table `[target]` is missing
          |
        1 | [source.ldap]
          | ^
          |
          = hint: write `[target]`: the app

        tenants/acme.toml:1:9: error: the key `base` is missing in `[source.ldap]`
          |
        1 | [source.ldap]
          |         ^^^^
          |
          = hint: where everything is, such as `dc=example,dc=org`

        tenants/acme.toml:1:9: error: the keys `bind_dn` and `password` are missing in `[source.ldap]`
          |
        1 | [source.ldap]
          |         ^^^^
          |
          = hint: an anonymous bind sees little or nothing: write both, or a `client_certificate` (docs/logging-in.md)
        "#);
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    let (_, found) = read(&good_with("[users]\nsentinels = []\nfrobnicate = 1"));
    let hints: Vec<_> = found.iter().map(|one| one.hint.clone().unwrap()).collect();
    assert_eq!(hints[0], "`sentinels` belongs in `[scope]`");
    assert!(hints[1].starts_with("the keys here are `adopted`, `attributes`, `delete_after`"), "{}", hints[1]);
}

#[test]
fn every_diagnostic_has_a_hint() {
    let text = "a = 1\nschedule = 3\nscope = 3\n[source]\n[target]\nin_flight = 1.5\nallow_http_loopback = 2\nrate = [1]\nprofile = 2026-01-01\n[users]\nmatch = 'x'";
    for one in read(text).1 {
        assert!(one.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{one:?}");
    }
}

/// Each line of `cases` is a change to a good file and a part of what must be said about it.
fn refused(cases: &[(&str, &str)]) {
    for (more, part) in cases {
        let said = said(more);
        assert!(said.iter().any(|one| one.contains(part)), "{more}\n-> {said:#?}");
        assert!(read(more).0.is_none(), "{more}");
    }
}

#[test]
fn i6_the_password_of_a_directory_never_crosses_a_network_in_the_clear() {
    let ldap = |more: &str| {
        let rest = "bind_dn = 'cn=x'\nbase = 'dc=x'\npassword = { env = 'PW' }\n[target]\nbase_url = 'https://a.test'\ntoken = { env = 'T' }";
        format!("[source.ldap]\n{more}\n{rest}")
    };
    refused(&[
        (&ldap("url = 'ldap://dc1.example.com'"), "2:7 ldap:// without TLS would send the password in the clear"),
        (&ldap("url = 'ldap://dc1.example.com'\nallow_plain_loopback = true"), "accepted only to this machine"),
        (&ldap("url = 'ldap://127.0.0.1.evil.test'\nallow_plain_loopback = true"), "accepted only to this machine"),
        (&ldap("url = 'ldaps://dc1.example.com'\nstart_tls = true"), "3:13 an ldaps:// connection is TLS"),
        (&ldap("url = 'dc1.example.com'"), "this is not an address"),
    ]);
    for good in [
        "url = 'ldaps://dc1.example.com'",
        "url = 'ldap://dc1.example.com'\nstart_tls = true",
        "url = 'ldap://127.0.0.1:389'\nallow_plain_loopback = true",
    ] {
        assert_eq!(said(&ldap(good)), [""; 0], "{good}");
    }
}

#[test]
fn i6_the_token_never_crosses_a_network_in_the_clear() {
    let app = |target: &str| format!("[source.file]\npath = 'p'\n[target]\n{target}");
    refused(&[
        (&app("base_url = 'http://a.test'\ntoken = { env = 'T' }"), "4:12 plain http would send the token"),
        (&app("base_url = 'http://127.0.0.1'\ntoken = { env = 'T' }"), "4:12 plain http would send the token"),
        (
            &app("base_url = 'http://a.test'\ntoken = { env = 'T' }\nallow_http_loopback = true"),
            "accepted only to this machine",
        ),
        (&app("base_url = 'https://a.test'"), "3:2 the key `token` is missing"),
        (&app("base_url = 'https://a.test'\ntoken = 'x'"), "`token` takes a table"),
        (&app("base_url = 'https://a.test'\ntoken = {}"), "`token` is empty"),
        (
            &app("base_url = 'https://a.test'\ntoken = { env = 'T', file = 'f' }"),
            "`token` has 2 keys, and takes exactly one",
        ),
        (&app("base_url = 'https://a.test'\ntoken = { env = 'a b' }"), "not the name of an environment variable"),
        (&app("base_url = 'https://a.test'\ntoken = { credential = '../x' }"), "not the name of a credential"),
    ]);
    assert_eq!(said(&app("base_url = 'http://127.0.0.1:8080/scim'\nallow_http_loopback = true")), [""; 0]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    refused(&[
        (&good_with("[scope]\ngroups = []"), "10:10 this is empty"),
        (&good_with("[scope]\ngroups = [{}]"), "an entry of `groups` is empty"),
        (&good_with("[scope]\ngroups = [{ name = 'a', id = 'b' }]"), "an entry of `groups` has 2 keys"),
        (&good_with("[scope]\ngroups = [{ name = ' ' }]"), "this is empty"),
        (&good_with("[scope]\ngroups = ['Heap *']"), "an entry of `groups` takes a table"),
        (&good_with("[scope]\nall_users = true"), "there is no `users`"),
        (&good_with("[scope]\nprotect = ['']"), "10:12 this is empty"),
        (&good_with("[scope]\nsentinels = ['']"), "this is empty"),
        (&good_with("[users]\ndelete_after = '30d'"), "10:16 `delete_after` says when to delete"),
        (&good_with("[users]\ndelete_after = '30'\non_deleted = 'delete'"), "is not a span of time"),
        (&good_with("[users]\nmatch = []"), "this is empty"),
        (&good_with("[users]\nmatch = ['user name']"), "is not a SCIM attribute"),
        (&good_with("[users.attributes]\nuserName = ''"), "this is empty"),
        (
            &good_with("[users.attributes]\nuserName = { from = 'x', push = 'sometimes' }"),
            "`push` can't be \"sometimes\"",
        ),
        (&good_with("[guard]\nremovals_per_day = '10 percent'"), "is not a limit"),
        (&good_with("[guard]\nremovals_per_day = -1"), "-1 is out of range"),
        (&good_with("[guard]\ngroup_removals = '20%, at leest 3'"), "10:24 "),
        (&good_with("[source.ldap]\n"), "2:2 `source` has 2 keys"),
        (&format!("schedule = '* * * *'\n{GOOD}"), "1:12 a schedule has five fields, this has 4"),
        (&good_with("[target.rate]\n"), "`rate` takes a text or a list, this is a table"),
    ]);
}

#[test]
fn profile_overrides_are_held_to_the_profile() {
    refused(&[
        (&good_with("[target.override_profile.read]\npaging = 'automatic'"), "`paging` can't be \"automatic\""),
        (
            &good_with("[target.override_profile.reed]\npaging = 'auto'"),
            "there is no key `reed` in `[target.override_profile]`",
        ),
        (&good_with("[target.override_profile.read]\npage_size = 0"), "0 is out of range"),
        (
            &good_with("[target.override_profile.pace]\nrate = [{ rate = '1/s', match = 'FETCH' }]"),
            "\"FETCH\" matches no call",
        ),
        (&good_with("[target.override_profile.transport]\nauth_template = 'Bearer abc'"), "has no `{token}`"),
        (
            &good_with("[target.override_profile.transport.extra_headers]\nX-Api-Key = 's3cr3t'"),
            "the header `X-Api-Key` would carry a secret",
        ),
    ]);
}

#[test]
fn a_limit_may_be_a_bare_number() {
    let (file, _) = read(&good_with("[guard]\nremovals_per_day = 50\ncreates_per_day = \"none\""));
    let guard = file.unwrap().guard;
    assert_eq!(guard.removals_per_day.allowed(1_000_000), Some(50));
    assert!(guard.creates_per_day.is_none());
}

#[test]
fn a_place_is_right_behind_umlauts_tabs_and_windows_line_ends() {
    let text = GOOD.replace('\n', "\r\n") + "[scope]\r\n\tprotect = [\"jürgen@a.test\", \"\"]\r\n";
    assert_eq!(said(&text), ["9:30 this is empty"]);
}

#[test]
fn the_global_file_is_checked_too() {
    let source =
        SourceText::new("rosterd.toml", "state_dri = 'x'\n[store]\nkind = 'postgres'\n[status]\nlisten = '9464'");
    let mut found = Vec::new();
    let document = Document::parse(&source, &mut found);
    assert!(load::global(&document, &mut found).is_none());
    insta::assert_snapshot!(render(&found, false), @r#"
        rosterd.toml:1:1: error: there is no key `state_dri` at the top of this file
          |
        1 | state_dri = 'x'
          | ^^^^^^^^^
          |
          = hint: did you mean `state_dir`?

        rosterd.toml:5:10: error: "9464" is not an address and port
          |
        5 | listen = '9464'
          |          ^^^^^^
          |
          = hint: such as `127.0.0.1:9464` or `[::1]:9464`

        rosterd.toml:3:8: error: this version keeps state only on its own disk
          |
        3 | kind = 'postgres'
          |        ^^^^^^^^^^
          |
          = hint: write `kind = "sled"`, or leave it out
        "#);
}

/// Every keyword of a schema, however deep.
fn keywords(schema: &Json, names: &mut Vec<String>) {
    match schema {
        Json::Object(map) => {
            for (key, value) in map {
                names.push(key.clone());
                match key.as_str() {
                    "properties" | "$defs" => {
                        value.as_object().unwrap().values().for_each(|one| keywords(one, names));
                    }
                    "default" | "examples" | "enum" | "const" => {}
                    _ => keywords(value, names),
                }
            }
        }
        Json::Array(list) => list.iter().for_each(|one| keywords(one, names)),
        _ => {}
    }
}

#[test]
fn the_checker_understands_every_word_of_the_schemas() {
    for kind in SchemaKind::ALL {
        let mut names = Vec::new();
        keywords(schema::of(kind), &mut names);
        names.retain(|name| !shape::KEYWORDS.contains(&name.as_str()));
        assert_eq!(names, [""; 0], "{kind:?}");
    }
}

#[test]
fn every_form_that_a_schema_names_is_checked() {
    fn formats(schema: &Json, all: &mut Vec<String>) {
        match schema {
            Json::Object(map) => {
                all.extend(map.get("format").and_then(Json::as_str).map(str::to_owned));
                map.values().for_each(|one| formats(one, all));
            }
            Json::Array(list) => list.iter().for_each(|one| formats(one, all)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    SchemaKind::ALL.iter().for_each(|kind| formats(schema::of(*kind), &mut all));
    assert!(all.len() > 10);
    for format in all {
        let of_numbers = format.starts_with("uint") || format.starts_with("int");
        assert!(of_numbers || super::forms::check(&format, "").is_some(), "{format}");
    }
}

/// Text that looks like a tenant file, more or less.
fn nearly() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let key = prop::sample::select(vec![
        "source",
        "file",
        "ldap",
        "path",
        "url",
        "password",
        "target",
        "base_url",
        "token",
        "rate",
        "scope",
        "groups",
        "users",
        "match",
        "guard",
        "removals_per_day",
        "override_profile",
        "read",
        "x",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "-1",
        "1.5",
        "true",
        "'x'",
        "\"10%\"",
        "[]",
        "[1, 'x', {}]",
        "{}",
        "{ file = 'x' }",
        "{ env = '' }",
        "2026-01-01",
        "\"\"\"\nä",
        "'",
        "99999999999999999999",
        "0x1F",
        "[[",
        "\"\\u12\"",
        "{ match = 'GET /Users', rate = '1/s' }",
    ]);
    let line = prop_oneof![
        (key.clone(), key.clone()).prop_map(|(a, b)| format!("[{a}.{b}]")),
        key.clone().prop_map(|a| format!("[[{a}]]")),
        (key.clone(), value.clone()).prop_map(|(a, v)| format!("{a} = {v}")),
        (key.clone(), key, value).prop_map(|(a, b, v)| format!("{a}.{b} = {v}")),
        "\\PC{0,20}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic_or_pass_in_silence(text in nearly()) {
        let (file, found) = read(&text);
        proptest::prop_assert!(file.is_some() != found.iter().any(Diagnostic::is_error));
        render(&found, true);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(text in ".{0,200}") {
        render(&read(&text).1, true);
    }
}

/// A file of the tree, beside the sources.
fn in_the_tree(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The keys of every table that a schema describes, those of a profile apart.
fn keys(schema: &Json) -> Vec<String> {
    let of_profiles = schema::of(SchemaKind::Profile)["$defs"].as_object().unwrap();
    let own = schema["$defs"].as_object().into_iter().flatten().filter(|(name, _)| {
        !of_profiles.contains_key(*name) && !matches!(name.as_str(), "Profile" | "SecretRef" | "GroupPattern")
    });
    let tables = own.map(|(_, table)| table).chain([schema]);
    tables.filter_map(|table| table["properties"].as_object()).flat_map(|keys| keys.keys().cloned()).collect()
}

#[test]
fn the_sample_files_are_right_and_show_every_key() {
    for (path, kind) in
        [("config/rosterd.toml", SchemaKind::Config), ("config/tenants/example.toml", SchemaKind::Tenant)]
    {
        let source = load::read_text(&in_the_tree(path)).unwrap();
        let mut found = Vec::new();
        let document = Document::parse(&source, &mut found);
        match kind {
            SchemaKind::Config => drop(load::global(&document, &mut found)),
            _ => drop(load::tenant(&document, &mut found)),
        }
        assert_eq!(render(&found, false), "");
        // The example for contributors is compiled into tests only.
        for key in keys(schema::of(kind)).into_iter().filter(|key| key != "toy") {
            assert!(source.text().lines().any(|line| shows(line, &key)), "{path} does not show `{key}`");
        }
    }
}

/// Whether a line, commented out or not, is `key = …` or the header of a table that the key names.
fn shows(line: &str, key: &str) -> bool {
    let line = line.trim_start_matches("# ");
    match line.strip_prefix('[').and_then(|header| header.split_once(']')) {
        Some((header, _)) => header.split('.').any(|part| part == key),
        None => line.split('=').next().is_some_and(|name| name.trim() == key),
    }
}

#[test]
fn the_commented_keys_of_the_sample_are_right_too() {
    let text = std::fs::read_to_string(in_the_tree("config/tenants/example.toml")).unwrap();
    let (_, one_source) = text.split_once("[source.ldap]").unwrap();
    // The other directories are left out: only one is possible.
    let (ldap, others) = one_source.split_once("# [source.jumpcloud]").unwrap();
    let (_, rest) = others.split_once("# [source.file]").unwrap();
    // Of the ways to log in too.
    let (with_token, other_ways) = rest.split_once("# [target.basic]").unwrap();
    let (_, rest) = other_ways.split_once("# [target.override_profile]").unwrap();
    let one_source = format!("{ldap}{with_token}# [target.override_profile]{rest}");
    let live: String = one_source
        .lines()
        // What excludes what is written is not possible beside it.
        .filter(|line| !["# path", "# delimiter", "# start_tls", "# allow_"].iter().any(|no| line.starts_with(no)))
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with('[')).unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n");
    // A table that was commented out ends the table it stands in; what follows belongs to it.
    assert_eq!(shown(&format!("[source.ldap]{live}")), "");
}
