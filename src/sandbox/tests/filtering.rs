use super::*;

/// Three people: Ann with everything, Bob switched off, Carl with nothing but a name; and two groups.
fn world() -> SandboxApp {
    let app = app();
    let ann = made(
        &app,
        ResourceType::User,
        &json!({
            "schemas": [USER, ENTERPRISE],
            "userName": "Ann@Acme.test",
            "externalId": "Ext-1",
            "title": "Boss",
            "name": { "givenName": "Ann", "familyName": "Ähnlich" },
            "emails": [
                { "value": "ann@acme.test", "type": "work", "primary": true },
                { "value": "ann@home.test", "type": "home" },
            ],
            ENTERPRISE: { "department": "R&D", "employeeNumber": "7" },
        }),
    );
    let bob =
        json!({ "externalId": "ext-1", "active": false, "emails": [{ "value": "bob@home.test", "type": "home" }] });
    let bob = made(&app, ResourceType::User, &user("bob@acme.test", bob));
    made(&app, ResourceType::User, &user("carl@acme.test", json!({})));
    made(&app, ResourceType::Group, &group("Admins", &[&ann]));
    made(&app, ResourceType::Group, &group("Everyone", &[&ann, &bob]));
    app
}

fn found(app: &SandboxApp, kind: ResourceType, filter: &str) -> Vec<String> {
    let page = app.list(&[kind], &by_filter(filter).unwrap()).unwrap();
    let names = page["Resources"].as_array().unwrap().iter();
    let names: Vec<String> = names.map(|r| r[kind.naming()].as_str().unwrap().to_owned()).collect();
    assert_eq!(page["totalResults"], names.len());
    names
}

const ANN: &str = "Ann@Acme.test";
const BOB: &str = "bob@acme.test";
const CARL: &str = "carl@acme.test";

#[test]
fn filters_select_what_the_rfc_says() {
    let app = world();
    let table: &[(&str, &[&str])] = &[
        (r#"userName eq "ann@acme.TEST""#, &[ANN]),
        (r#"USERNAME EQ "ann@acme.test""#, &[ANN]),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann@acme.test""#, &[ANN]),
        (r#"userName eq "nobody""#, &[]),
        (r#"externalId eq "Ext-1""#, &[ANN]),
        (r#"externalId eq "ext-1""#, &[BOB]),
        (r#"externalId eq "EXT-1""#, &[]),
        (r#"externalId pr"#, &[ANN, BOB]),
        (r#"not (externalId pr)"#, &[CARL]),
        (r#"externalId eq null"#, &[CARL]),
        (r#"externalId ne null"#, &[ANN, BOB]),
        (r#"userName sw "ANN""#, &[ANN]),
        (r#"userName ew ".test" and active eq true"#, &[ANN, CARL]),
        (r#"active eq false"#, &[BOB]),
        (r#"active ne false"#, &[ANN, CARL]),
        (r#"title co "os""#, &[ANN]),
        (r#"title ne "Boss""#, &[BOB, CARL]),
        (r#"name.familyName eq "ÄHNLICH""#, &[ANN]),
        (r#"name pr"#, &[ANN]),
        (r#"emails co "home""#, &[ANN, BOB]),
        (r#"emails.value eq "ANN@home.test""#, &[ANN]),
        (r#"emails.type eq "work" and emails.value eq "ann@home.test""#, &[ANN]),
        (r#"emails[type eq "work" and value eq "ann@home.test"]"#, &[]),
        (r#"emails[type eq "home" and not (value sw "bob")]"#, &[ANN]),
        (r#"emails[primary eq true]"#, &[ANN]),
        (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "r&d""#, &[ANN]),
        (r#"userName eq "bob@acme.test" or title pr"#, &[ANN, BOB]),
        (r#"(userName eq "bob@acme.test" or title pr) and active eq true"#, &[ANN]),
        (r#"userName eq "ann@acme.test" and externalId eq "ext-1""#, &[]),
        (r#"userName gt "b" and userName lt "c""#, &[BOB]),
        (r#"meta.created ge "2020-01-01T00:00:00Z""#, &[ANN, BOB, CARL]),
        (r#"meta.created lt "2020-01-01T00:00:00+01:00""#, &[]),
        (r#"groups.display eq "admins""#, &[ANN]),
    ];
    for (filter, expected) in table {
        assert_eq!(&found(&app, ResourceType::User, filter), expected, "{filter}");
    }
}

#[test]
fn groups_are_found_by_name_and_by_member() {
    let app = world();
    let ids: Vec<String> = app.read().all(ResourceType::User).iter().map(|user| user.id.to_string()).collect();
    let [ann, bob, carl] = &ids[..] else { panic!("three users") };
    let table: &[(String, &[&str])] = &[
        (r#"displayName eq "ADMINS""#.to_owned(), &["Admins"]),
        (format!(r#"members.value eq "{ann}""#), &["Admins", "Everyone"]),
        (format!(r#"members eq "{ann}""#), &["Admins", "Everyone"]),
        (format!(r#"members[value eq "{bob}"]"#), &["Everyone"]),
        (format!(r#"members[value eq "{bob}" and type eq "Group"]"#), &[]),
        (format!(r#"members[type eq "User" and value ne "{ann}"]"#), &["Everyone"]),
        (format!(r#"displayName eq "admins" and members.value eq "{bob}""#), &[]),
        (format!(r#"not (members.value eq "{bob}")"#), &["Admins"]),
        (format!(r#"members.value eq "{carl}""#), &[]),
        (r#"members.value eq "no id at all""#.to_owned(), &[]),
    ];
    for (filter, expected) in table {
        assert_eq!(&found(&app, ResourceType::Group, filter), expected, "{filter}");
    }
}

#[test]
fn an_index_answers_what_a_scan_answers() {
    let app = world();
    let ann = app.read().all(ResourceType::User)[0].id.to_string();
    let users = [
        format!(r#"id eq "{ann}""#),
        format!(r#"id eq "{}""#, ann.to_uppercase()),
        r#"userName eq "BOB@acme.test""#.to_owned(),
        r#"externalId eq "Ext-1""#.to_owned(),
        r#"displayName eq "Admins""#.to_owned(),
        r#"active eq true and userName eq "ann@acme.test""#.to_owned(),
    ];
    for filter in users {
        // a doubly negated filter has no index to use
        let scanned = found(&app, ResourceType::User, &format!("not (not ({filter}))"));
        assert_eq!(found(&app, ResourceType::User, &filter), scanned, "{filter}");
    }
}

#[test]
fn filters_the_schema_does_not_allow_are_refused() {
    let app = world();
    for filter in [
        "",
        "userName",
        "userName eq",
        r#"userName eq "unclosed"#,
        r#"userName is "ann""#,
        r#"nosuch eq "x""#,
        r#"name.nosuch eq "x""#,
        r#"name eq "Ann""#,
        r#"active eq "true""#,
        "active gt true",
        "userName eq 5",
        "userName eq true",
        "userName gt null",
        r#"meta.created co "2020""#,
        r#"meta.created gt "yesterday""#,
        r#"name[givenName eq "Ann"]"#,
        r#"emails[nosuch eq "x"]"#,
        r#"emails.value[type eq "work"]"#,
        r#"urn:x:User:userName eq "ann""#,
        r#"password eq "secret""#,
    ] {
        let refused = by_filter(filter).and_then(|query| app.list(&[ResourceType::User], &query));
        assert_eq!(refusal(refused), "invalidFilter", "{filter}");
    }
}

#[test]
fn a_hostile_filter_is_refused_and_harms_nothing() {
    let deep = format!("{}title pr{}", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(refusal(by_filter(&deep)), "invalidFilter");
    let wide = vec!["title pr"; 5000].join(" or ");
    assert_eq!(refusal(by_filter(&wide)), "invalidFilter");
}

proptest::proptest! {
    #[test]
    fn no_filter_text_makes_it_panic(text in r#"[a-z."\[\]() ]{0,40}|(userName|emails|name|meta|active)[ .](eq|pr|co|ne) ?["a-z]{0,8}"#) {
        if let Ok(query) = by_filter(&text) {
            let _ = world().list(&[ResourceType::User], &query);
        }
    }
}
