//! LDAP searches that do not look everywhere: references to other servers, and aliases (MP5). With the real binary against slapd, and with a
//! server that says what Active Directory says.

use serde_json::Value;

use crate::cli::{Desk, TOKEN};
use crate::support::directory::{Directory, person_dn, uid};
use crate::support::rig;
use crate::support::scripted_ldap::{Request, Say, Search, done, serve};
use crate::support::slapd::{READER_DN, READER_PASSWORD, Slapd};

/// A sandbox as the app, and a tenant that reads from `url`.
pub(crate) fn desk(url: &str, preset: &str, base: &str, more: &str) -> Desk {
    let desk = Desk::new();
    tenant(&desk, url, preset, base, more);
    desk
}

/// Writes the tenant file again.
pub(crate) fn tenant(desk: &Desk, url: &str, preset: &str, base: &str, more: &str) {
    let password = desk.rosterd.secret("ldap.secret", READER_PASSWORD);
    let scope = if more.contains("[scope]") { "" } else { "[scope]\ngroups = [{ name = '*' }]\n" };
    let file = format!(
        "[source.ldap]\nurl = '{url}'\nallow_plain_loopback = true\nloopback_port_may_change = true\npreset = '{preset}'\n\
         bind_dn = '{READER_DN}'\npassword = {{ file = '{}' }}\nbase = '{base}'\npage_size = 500\n{more}\n\
         {scope}[target]\nbase_url = '{}'\ntoken = {{ file = '../app.token' }}\nrate = '1000/s'\nallow_http_loopback = true\n",
        password.display(),
        desk.proxy.base_url,
    );
    desk.rosterd.tenant("acme", &file);
    assert!(!TOKEN.is_empty());
}

/// How many accounts of the app are active.
pub(crate) fn active(desk: &Desk) -> usize {
    let all = desk.app("/Users?count=200");
    all["Resources"].as_array().unwrap().iter().filter(|user| user["active"] == true).count()
}

/// What `doctor` says of the reading.
fn doctor(desk: &Desk, code: i32) -> Value {
    let all = desk.rosterd.run(&["doctor", "acme", "--format", "json"]).expect_code(code).json();
    let found = all[0]["findings"].as_array().unwrap();
    found.iter().find(|one| one["check"] == "reading").unwrap_or_else(|| panic!("{found:#?}")).clone()
}

/// Takes an entry's place: what another server keeps.
fn referral(slapd: &Slapd, dn: &str, rdn: &str) {
    slapd.add(&format!(
        "dn: {dn}\nobjectClass: referral\nobjectClass: extensibleObject\n{rdn}\nref: ldap://other.example.org/{dn}\n"
    ));
}

#[test]
fn mp5_people_who_move_behind_a_referral_stay_and_the_place_is_named() {
    let Some(rig) = rig::require("slapd") else { return };
    let company = Directory::generate(12, 2, 12);
    let slapd = Slapd::start(&rig, &company);
    let desk = desk(&slapd.url(), "openldap", "dc=example,dc=org", "");
    desk.sync(0);
    assert_eq!(active(&desk), 12);

    // A person of the tree is kept by another server from now on.
    slapd.delete(&person_dn(&uid(3)));
    referral(&slapd, &person_dn(&uid(3)), &format!("uid: {}", uid(3)));
    let refused = desk.rosterd.run(&["sync", "acme"]);
    let said = &refused.expect_code(1).stderr;
    for part in [
        "ldap://other.example.org/uid=u00003,ou=people,dc=example,dc=org",
        "11 users",
        "1 place",
        "no user is taken for absent",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(active(&desk), 12, "nobody is deactivated");
    let reading = doctor(&desk, 1);
    assert_eq!(reading["verdict"], "wrong", "{reading:#}");
    assert!(reading["detail"].as_str().unwrap().contains("ldap://other.example.org/"), "{reading:#}");
    assert!(reading["remedy"].as_str().unwrap().contains("expected_references"), "{reading:#}");

    // The operator knows the place: it is read as if it were not there, and the usual rules for absences hold.
    let listed = format!("expected_references = ['{}']", person_dn(&uid(3)));
    tenant(&desk, &slapd.url(), "openldap", "dc=example,dc=org", &listed);
    assert_ne!(doctor(&desk, 0)["verdict"], "wrong");
    desk.rosterd.run(&["sync", "acme"]);
    assert_eq!(active(&desk), 11);
}

#[test]
fn mp5_a_referral_among_the_groups_and_one_as_the_base_are_no_reading_either() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(4, 2, 4));
    let more = "user_base = 'ou=people,dc=example,dc=org'\ngroup_base = 'ou=groups,dc=example,dc=org'";
    let desk = desk(&slapd.url(), "openldap", "dc=example,dc=org", more);
    desk.sync(0);
    referral(&slapd, "cn=moved,ou=groups,dc=example,dc=org", "cn: moved");
    let said = desk.rosterd.run(&["sync", "acme"]).expect_code(1).stderr.clone();
    assert!(said.contains("2 groups") && said.contains("other.example.org/cn=moved"), "{said}");

    referral(&slapd, "ou=far,dc=example,dc=org", "ou: far");
    tenant(&desk, &slapd.url(), "openldap", "ou=far,dc=example,dc=org", "");
    let said = desk.rosterd.run(&["sync", "acme"]).expect_code(1).stderr.clone();
    assert!(said.contains("is not kept by this server") && said.contains("ldap://other.example.org"), "{said}");
    assert_eq!(active(&desk), 4);
}

#[test]
fn mp5_an_alias_that_leads_out_of_the_base_is_a_hole_and_one_that_stays_inside_is_not() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(4, 1, 4));
    let desk = desk(&slapd.url(), "openldap", "dc=example,dc=org", "user_base = 'ou=people,dc=example,dc=org'");
    desk.sync(0);
    let alias = |name: &str, target: &str| {
        slapd.add(&format!(
            "dn: ou={name},ou=people,dc=example,dc=org\nobjectClass: alias\nobjectClass: extensibleObject\nou: {name}\n\
             aliasedObjectName: {target}\n"
        ));
    };
    alias("inside", &person_dn(&uid(1)));
    desk.sync(0);
    alias("sales", "ou=sales,dc=example,dc=org");
    let said = desk.rosterd.run(&["sync", "acme"]).expect_code(1).stderr.clone();
    assert!(said.contains("the alias ou=sales,ou=people,dc=example,dc=org of ou=sales,dc=example,dc=org"), "{said}");
    assert_eq!(active(&desk), 4);
}

/// What a domain controller answers about three people and one group, with these references after each list.
fn domain(references: &'static [&'static str]) -> String {
    let values = |value: &[u8]| vec![value.to_vec()];
    let person = move |number: u8| {
        let sid = [&[1, 5, 0, 0, 0, 0, 0, 5][..], &[21_u32, 1, 2, 3, 1000].map(u32::to_le_bytes).concat()].concat();
        let attributes = [
            ("objectGUID", values(&[number; 16])),
            ("objectSid", values(&sid)),
            ("sAMAccountName", values(format!("u{number}").as_bytes())),
            ("userPrincipalName", values(format!("u{number}@acme.test").as_bytes())),
            ("userAccountControl", values(b"512")),
        ];
        let attributes = attributes.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        Say::Entry(format!("CN=u{number},DC=acme,DC=test"), attributes)
    };
    let group = move || {
        let members = (1..4).map(|number| format!("CN=u{number},DC=acme,DC=test").into_bytes()).collect();
        let attributes = [("objectGUID", values(&[9; 16])), ("cn", values(b"all")), ("member", members)];
        let attributes = attributes.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        Say::Entry("CN=all,DC=acme,DC=test".to_owned(), attributes)
    };
    let answer = move |search: &Search| -> Vec<Say> {
        let named = references.iter().map(|address| Say::Reference((*address).to_owned()));
        match (search.base.is_empty(), search.asks("member"), search.asks("userAccountControl")) {
            (true, ..) => vec![Say::Done(0, None)],
            (_, _, true) if search.cookie.is_some() => (1..4).map(person).chain(named).chain([done()]).collect(),
            (_, true, _) => [group()].into_iter().chain(named).chain([done()]).collect(),
            _ => vec![person(1), done()],
        }
    };
    serve(move |request| match request {
        Request::Bind => vec![Say::Bound(0)],
        Request::Search(search) => answer(search),
    })
}

#[test]
fn mp5_active_directorys_own_partitions_are_no_hole_and_a_child_domain_is() {
    const OWN: &[&str] = &[
        "ldap://ForestDnsZones.acme.test/DC=ForestDnsZones,DC=acme,DC=test",
        "ldap://DomainDnsZones.acme.test/DC=DomainDnsZones,DC=acme,DC=test",
        "ldap://acme.test/CN=Configuration,DC=acme,DC=test",
    ];
    const CHILD: &[&str] = &[OWN[0], OWN[1], OWN[2], "ldap://emea.acme.test/DC=emea,DC=acme,DC=test"];
    let desk = desk(&domain(OWN), "ad", "DC=acme,DC=test", "");
    desk.sync(0);
    assert_eq!(active(&desk), 3);
    tenant(&desk, &domain(CHILD), "ad", "DC=acme,DC=test", "");
    let said = desk.rosterd.run(&["sync", "acme"]).expect_code(1).stderr.clone();
    assert!(said.contains("DC=emea,DC=acme,DC=test") && said.contains("1 place"), "{said}");
    tenant(&desk, &domain(CHILD), "ad", "DC=acme,DC=test", "expected_references = ['dc=emea, dc=acme, dc=test']");
    desk.sync(0);
}

#[test]
fn mm3_an_account_is_not_renamed_when_a_replica_sends_the_values_in_another_order() {
    let replica = |cn: &'static str, uids: &'static [&'static str], mails: &'static [&'static str]| {
        serve(move |request| {
            let Request::Search(search) = request else { return vec![Say::Bound(0)] };
            if search.base.is_empty() || search.asks("member") {
                return vec![done()];
            }
            let values = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>();
            let attributes = [
                ("entryUUID", values(&["id-1"])),
                ("uid", values(uids)),
                ("cn", values(&[cn])),
                ("mail", values(mails)),
            ];
            let attributes = attributes.map(|(name, values)| (name.to_owned(), values)).to_vec();
            vec![Say::Entry(format!("cn={cn},dc=x"), attributes), done()]
        })
    };
    let first = replica("Ann", &["ann", "lee"], &["b@acme.test", "a@acme.test"]);
    let everybody = "\n[scope]\nusers = 'id is defined'\nall_users = true\n";
    let desk = desk(&first, "openldap", "dc=x", everybody);
    desk.sync(0);
    let before = desk.app("/Users");
    for url in [
        replica("Ann", &["lee", "ann"], &["a@acme.test", "b@acme.test"]),
        replica("Ann", &["0aa", "lee", "ann"], &["0@acme.test", "b@acme.test", "a@acme.test"]),
    ] {
        tenant(&desk, &url, "openldap", "dc=x", everybody);
        desk.sync(0);
        assert_eq!(desk.app("/Users")["Resources"], before["Resources"], "{url}");
    }
}

#[test]
fn mp3_a_preset_for_another_product_is_said_by_doctor_and_by_sync() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(3, 1, 3));
    let more = "id_attribute = 'entryUUID'";
    let desk = desk(&slapd.url(), "389ds", "dc=example,dc=org", more);
    let all = desk.rosterd.run(&["doctor", "acme", "--format", "json"]).expect_code(0).json();
    let found = all[0]["findings"].as_array().unwrap().iter().find(|one| one["check"] == "preset").unwrap().clone();
    assert_eq!(found["verdict"], "warning", "{found:#}");
    assert!(found["detail"].as_str().unwrap().contains("OpenLDAP"), "{found:#}");
    assert!(found["remedy"].as_str().unwrap().contains("preset = \"openldap\""), "{found:#}");
    let warned = |more: &str, preset: &str| {
        tenant(&desk, &slapd.url(), preset, "dc=example,dc=org", more);
        desk.rosterd.run(&["sync", "acme"]).stderr.matches("says that it is OpenLDAP").count()
    };
    assert_eq!(warned(more, "389ds"), 1);
    assert_eq!(
        warned("id_attribute = 'entryUUID'\nsuspended_filter = '(title=left)'", "389ds"),
        0,
        "the operator said by what"
    );
    assert_eq!(warned("", "openldap"), 0);
}
