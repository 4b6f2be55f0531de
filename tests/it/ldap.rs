//! The LDAP source against a real slapd: what is read, what is refused, what is said of single ids.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rosterd::clock::SystemClock;
use rosterd::config::directory::ldap::LdapTable;
use rosterd::mapping::{KnownAttributes, Mapping, default_rules};
use rosterd::model::{LifecycleStatus, SourceId};
use rosterd::progress::{Progress, Silent};
use rosterd::source::ldap::{LdapSource, record_names};
use rosterd::source::{Incomplete, Presence, Snapshot, Source as _, SourceError, take_snapshot};

use crate::support::directory::{DUMMY_MEMBER, Directory, Group, Kind, Member, group_dn, person_dn, uid};
use crate::support::rig;
use crate::support::slapd::{LIMITED_DN, Options, READER_DN, READER_PASSWORD, SIZE_LIMIT, Slapd, Tls};

/// A source at `url` with more keys of `[source.ldap]`.
fn source(url: &str, more: &str) -> LdapSource {
    source_as(READER_DN, READER_PASSWORD, url, more).unwrap()
}

fn source_as(dn: &str, password: &str, url: &str, more: &str) -> Result<LdapSource, SourceError> {
    let table = table(url, dn, more);
    let read_by_mappings = ["mail_all".to_owned(), "manager".to_owned(), "id".to_owned()];
    LdapSource::from_table(&table, password.to_owned().into(), &read_by_mappings, Arc::new(SystemClock))
}

fn table(url: &str, dn: &str, more: &str) -> LdapTable {
    let text = format!(
        "url = '{url}'\nallow_plain_loopback = true\nbind_dn = '{dn}'\npassword = {{ env = 'UNUSED' }}\n\
         base = 'dc=example,dc=org'\n{more}"
    );
    toml::from_str(&text).unwrap()
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

fn read(source: &LdapSource) -> Result<Snapshot, SourceError> {
    run(take_snapshot(source, &[], &Silent))
}

/// Who is directly in a group, by uid.
fn members(snapshot: &Snapshot, name: &str) -> BTreeSet<String> {
    group(snapshot, name).members.iter().map(|user| text(snapshot, *user, "uid")).collect()
}

fn group<'a>(snapshot: &'a Snapshot, name: &str) -> &'a rosterd::source::SnapshotGroup {
    let groups = || snapshot.groups().filter_map(|ix| snapshot.group(ix));
    groups().find(|row| row.name.as_ref() == name).unwrap_or_else(|| panic!("no group {name}"))
}

fn text(snapshot: &Snapshot, user: rosterd::source::UserIx, name: &str) -> String {
    snapshot.record(user)[name].as_str().unwrap().to_owned()
}

fn id_of(slapd: &Slapd, dn: &str) -> SourceId {
    let (rdn, _) = dn.split_once(',').unwrap();
    let found = slapd.search(&format!("({rdn})"), &["entryUUID"]);
    SourceId::new(found.first().unwrap_or_else(|| panic!("no {dn}")).first("entryUUID"))
}

fn uids(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(uid).collect()
}

#[test]
fn everybody_and_every_group_is_read_over_many_pages() {
    let Some(rig) = rig::require("slapd") else { return };
    let directory = Directory::generate(2000, 100, 10_000);
    let slapd = Slapd::start(&rig, &directory);
    let snapshot = read(&source(&slapd.url(), "page_size = 150")).unwrap();

    assert_eq!((snapshot.counts().users, snapshot.counts().groups), (2000, 100));
    assert_eq!(snapshot.counts().memberships, 10_000);
    let expected = slapd.entry_uuids();
    let found: std::collections::BTreeMap<_, _> =
        snapshot.users().map(|user| (text(&snapshot, user, "uid"), snapshot.id(user).to_owned())).collect();
    assert_eq!(found, expected);
    for group in &directory.groups {
        assert_eq!(members(&snapshot, &group.cn), directory.members_of(&group.cn), "{}", group.cn);
    }
    let (dangling, examples) = snapshot.dangling();
    assert_eq!((dangling, examples[0].as_ref()), (100, DUMMY_MEMBER), "the dummies lead nowhere");
}

#[test]
fn a_record_holds_what_mappings_read() {
    let Some(rig) = rig::require("slapd") else { return };
    let directory = Directory::generate(3, 0, 0);
    let slapd = Slapd::start(&rig, &directory);
    slapd.modify(&format!(
        "dn: {ann}\nchangetype: modify\nadd: mail\nmail: second@example.org\n-\nadd: manager\nmanager: UID={boss} , OU=People,\
         DC=Example,DC=Org\n-\nadd: jpegPhoto\njpegPhoto:: /9g=\n",
        ann = person_dn(&uid(1)),
        boss = uid(0),
    ));
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nadd: manager\nmanager: cn=gone,dc=example,dc=org\n",
        person_dn(&uid(2))
    ));
    let snapshot = read(&source(&slapd.url(), "attributes = ['jpegPhoto', 'employeenumber']")).unwrap();
    let record = |number| {
        let id = slapd.entry_uuids()[&uid(number)].clone();
        (snapshot.record(snapshot.find_user(&id).unwrap()), id)
    };
    let (boss, boss_id) = record(0);
    assert_eq!(boss["mail_all"], serde_json::json!([boss["mail"]]));
    assert!(!boss.contains_key("manager"));
    let (ann, id) = record(1);
    assert_eq!(ann["id"], id.as_str());
    assert_eq!(ann["dn"], person_dn(&uid(1)).as_str());
    assert_eq!(ann["mail"], "second@example.org", "mm3: the smallest, whatever the order");
    assert_eq!(ann["mail_all"], serde_json::json!(["u00001@example.org", "second@example.org"]));
    assert_eq!(ann["manager"], boss_id.as_str(), "the manager's id, however the name is written");
    assert_eq!(ann["jpegPhoto"], "/9g=");
    assert_eq!((&ann["employeenumber"], &ann["employeeNumber"]), (&"10001".into(), &"10001".into()));
    assert!(!ann.contains_key("userPassword") && !ann.contains_key("objectClass"));
    let (stray, _) = record(2);
    assert_eq!(stray["manager_dn"], "cn=gone,dc=example,dc=org");
    assert!(!stray.contains_key("manager"), "nobody is invented");
}

#[test]
fn the_default_mapping_fits_the_records_whatever_attributes_are_added() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(1, 0, 0));
    slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: mail\nmail: other@example.org\n", person_dn(&uid(0))));
    let more = "attributes = ['roomNumber']";
    let names = record_names(&table(&slapd.url(), READER_DN, more)).unwrap();
    let known = KnownAttributes::open(names.people);
    let mapping = Mapping::compile(
        &default_rules(rosterd::source::kind::default_mapping("openldap"), &known),
        &known,
        &serde_json::Map::new(),
    )
    .unwrap();
    assert!(mapping.warnings().is_empty(), "{:?}", mapping.warnings());
    let snapshot = read(&source(&slapd.url(), more)).unwrap();
    let record = snapshot.record(snapshot.users().next().unwrap());
    let mapped = mapping.apply(&record).unwrap();
    let sent: Vec<_> =
        mapped.values.iter().map(|(path, value)| format!("{path}={}", value.as_str().unwrap())).collect();
    assert_eq!(
        sent,
        [
            "displayName=Ada Lovelace 0",
            "emails[type eq \"work\"].value=other@example.org",
            "name.familyName=Lovelace 0",
            "name.givenName=Ada",
            "userName=u00000"
        ]
    );
}

#[test]
fn groups_of_every_kind_nested_and_in_a_circle() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut directory = Directory::generate(10, 0, 0);
    let mut add = |cn: &str, kind, members: Vec<Member>| {
        directory.groups.push(Group { cn: cn.to_owned(), kind, members });
    };
    let person = |number| Member::Person(uid(number));
    add("names", Kind::GroupOfNames, vec![person(0), Member::Group("unique".to_owned())]);
    add("unique", Kind::GroupOfUniqueNames, vec![person(1), Member::Group("circle".to_owned())]);
    add("circle", Kind::GroupOfNames, vec![Member::Group("names".to_owned())]);
    add("self", Kind::GroupOfNames, vec![Member::Group("self".to_owned()), person(2)]);
    add("posix", Kind::PosixGroup, vec![person(3), person(4)]);
    add("nobody", Kind::PosixGroup, vec![]);
    add(
        "written",
        Kind::GroupOfNames,
        vec![
            Member::Dn("UID = U00005 , OU=PEOPLE, DC=EXAMPLE,DC=ORG".to_owned()),
            Member::Dn("uid=\\75\\300\\300\\36,ou=people,dc=example,dc=org".to_owned()),
        ],
    );
    let slapd = Slapd::start(&rig, &directory);
    slapd.modify(&format!(
        "dn: {}\nchangetype: modify\nadd: uniqueMember\nuniqueMember: {}#'0101'B\n",
        group_dn("unique"),
        person_dn(&uid(7))
    ));
    slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: memberUid\nmemberUid: stranger\n", group_dn("posix")));
    let snapshot = read(&source(&slapd.url(), "")).unwrap();

    assert_eq!(members(&snapshot, "names"), uids([0]));
    assert_eq!(members(&snapshot, "unique"), uids([1, 7]));
    assert_eq!(members(&snapshot, "circle"), uids([]));
    assert_eq!(members(&snapshot, "self"), uids([2]));
    assert_eq!(members(&snapshot, "posix"), uids([3, 4]));
    assert_eq!(members(&snapshot, "nobody"), uids([]));
    assert_eq!(members(&snapshot, "written"), uids([5, 6]));
    let subs = |name: &str| -> Vec<_> {
        let subs = group(&snapshot, name).subgroups.iter();
        subs.map(|sub| snapshot.group(*sub).unwrap().name.to_string()).collect()
    };
    assert_eq!(subs("names"), ["unique"]);
    assert_eq!(subs("unique"), ["circle"]);
    assert_eq!(subs("circle"), ["names"]);
    assert_eq!(subs("self"), ["self"]);
    let (dangling, examples) = snapshot.dangling();
    assert_eq!((dangling, examples[0].as_ref()), (1, "stranger"));
    assert!(snapshot.groups().all(|ix| snapshot.group(ix).unwrap().unread.is_none()));
    let record: serde_json::Value = serde_json::from_str(&group(&snapshot, "posix").record).unwrap();
    assert_eq!((&record["cn"], &record["dn"]), (&"posix".into(), &group_dn("posix").into()));
    assert!(record.get("memberUid").is_none());
}

#[test]
fn a_uid_that_two_people_have_leaves_its_groups_unread() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut directory = Directory::generate(3, 0, 0);
    directory.groups.push(Group {
        cn: "posix".to_owned(),
        kind: Kind::PosixGroup,
        members: vec![Member::Person(uid(1))],
    });
    directory.groups.push(Group {
        cn: "other".to_owned(),
        kind: Kind::PosixGroup,
        members: vec![Member::Person(uid(0))],
    });
    let slapd = Slapd::start(&rig, &directory);
    slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: uid\nuid: {}\n", person_dn(&uid(2)), uid(1)));
    let snapshot = read(&source(&slapd.url(), "")).unwrap();
    assert!(group(&snapshot, "posix").unread.as_deref().unwrap().contains("several users"));
    assert_eq!((members(&snapshot, "other"), group(&snapshot, "other").unread.as_deref()), (uids([0]), None));
}

#[test]
fn people_locked_for_good_are_suspended_and_so_is_whom_the_filter_names() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut directory = Directory::generate(4, 0, 0);
    directory.people[1].locked = true;
    directory.people[2].title = "Left".to_owned();
    let slapd = Slapd::start(&rig, &directory);
    let standings = |more: &str| {
        let snapshot = read(&source(&slapd.url(), more)).unwrap();
        let standing =
            |number: usize| snapshot.standing(snapshot.find_user(&slapd.entry_uuids()[&uid(number)]).unwrap());
        (0..4).map(standing).collect::<Vec<_>>()
    };
    use LifecycleStatus::{Active, Suspended};
    assert_eq!(standings(""), [Active, Suspended, Active, Active]);
    assert_eq!(standings("suspended_filter = '(title=left)'"), [Active, Suspended, Suspended, Active]);

    let source = source(&slapd.url(), "suspended_filter = '(title=left)'");
    let ids: Vec<_> = (0..4).map(|number| id_of(&slapd, &person_dn(&uid(number)))).collect();
    let answers = run(source.ask_users(&ids)).unwrap();
    assert_eq!(answers, [Presence::Present, Presence::Suspended, Presence::Suspended, Presence::Present]);
}

#[test]
fn a_renamed_person_keeps_id_and_memberships() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(5, 1, 5));
    let id = id_of(&slapd, &person_dn(&uid(3)));
    slapd.rename(&person_dn(&uid(3)), "uid=renamed");
    let snapshot = read(&source(&slapd.url(), "")).unwrap();
    let user = snapshot.find_user(id.as_str()).unwrap();
    assert_eq!(text(&snapshot, user, "uid"), "renamed");
    assert!(members(&snapshot, "group-0000").contains("renamed"));
}

#[test]
fn what_is_deleted_is_gone_and_what_moved_out_of_the_filter_is_not() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(120, 2, 10));
    let mut ids: Vec<_> = (0..120).map(|number| id_of(&slapd, &person_dn(&uid(number)))).collect();
    slapd.delete(&person_dn(&uid(1)));
    slapd.delete(&person_dn(&uid(118)));
    ids.push(SourceId::new("not)(an*id"));
    let source = source(&slapd.url(), "user_filter = '(uid=u0000*)'");
    let answers = run(source.ask_users(&ids)).unwrap();
    for (number, answer) in answers.iter().enumerate() {
        let gone = matches!(number, 1 | 118);
        // The last one is no UUID: entryUUID can't match it, and the server says so by finding nobody.
        let expected = if gone || number == 120 { Presence::Gone } else { Presence::Present };
        assert_eq!(*answer, expected, "{number}");
    }

    let groups: Vec<_> = (0..2).map(|number| id_of(&slapd, &group_dn(&format!("group-{number:04}")))).collect();
    slapd.delete(&group_dn("group-0001"));
    assert_eq!(run(source.ask_groups(&groups)).unwrap(), [Presence::Present, Presence::Gone]);
}

#[test]
fn an_id_that_the_directory_writes_otherwise_today_is_not_gone() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(2, 0, 0));
    let source = source(&slapd.url(), "id_attribute = 'uid'");
    let ids = ["U00000", "u0000  1", "u00009"].map(SourceId::new);
    slapd.modify(&format!("dn: {}\nchangetype: modify\nadd: uid\nuid: twice\n", person_dn(&uid(1))));
    let doubtful = run(source.ask_users(&["u00001", "twice"].map(SourceId::new))).unwrap();
    assert_eq!(doubtful, [Presence::Unknown; 2], "two values are no id");
    assert_eq!(run(source.ask_users(&ids)).unwrap(), [Presence::Present, Presence::Gone, Presence::Gone]);
}

#[test]
fn silence_is_not_gone_when_the_credential_sees_no_ids() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(3, 0, 0));
    let nobody = [SourceId::new("00000000-0000-0000-0000-000000000000")];
    let sees = source(&slapd.url(), "");
    assert_eq!(run(sees.ask_users(&nobody)).unwrap(), [Presence::Gone]);
    let blind = source(&slapd.url(), "user_filter = '(uid=none)'");
    assert_eq!(run(blind.ask_users(&nobody)).unwrap(), [Presence::Unknown]);
    let elsewhere = source(&slapd.url(), "user_base = 'ou=none,dc=example,dc=org'");
    assert_eq!(run(elsewhere.ask_users(&nobody)).unwrap(), [Presence::Unknown]);
}

#[test]
fn s2_a_size_limit_makes_the_reading_incomplete_paged_or_not() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(SIZE_LIMIT * 2, 1, 5));
    for page_size in [30, 5000] {
        let source = source_as(LIMITED_DN, READER_PASSWORD, &slapd.url(), &format!("page_size = {page_size}")).unwrap();
        let error = read(&source).unwrap_err();
        let SourceError::Incomplete(Incomplete::Cut { received, why, .. }) = &error else { panic!("{error}") };
        assert_eq!(*received, SIZE_LIMIT as u64);
        assert!(why.contains("size limit") && why.contains(LIMITED_DN), "{why}");
    }
}

#[test]
fn a_wrong_password_is_refused_in_one_clear_sentence() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(1, 0, 0));
    let wrong = source_as(READER_DN, "wrong-password-in-test", &slapd.url(), "").unwrap();
    let error = read(&wrong).unwrap_err();
    assert!(matches!(error, SourceError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains(READER_DN) && !error.to_string().contains("wrong-password-in-test"));
    assert!(matches!(run(wrong.ask_users(&[])).unwrap_err(), SourceError::Refused(_)));
    assert!(!format!("{wrong:?}").contains("wrong-password-in-test"), "i6: it is in no debug output");
    let empty = source_as(READER_DN, "", &slapd.url(), "");
    assert!(matches!(empty, Err(SourceError::Settings(_))), "a bind without password is a bind as nobody");
}

#[test]
fn a_base_that_does_not_exist_and_a_directory_without_people_are_errors() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(1, 0, 0));
    let error = |more: &str| read(&source(&slapd.url(), more)).unwrap_err();
    assert!(matches!(error("user_base = 'ou=none,dc=example,dc=org'"), SourceError::Settings(_)));
    assert!(matches!(error("group_base = 'ou=none,dc=example,dc=org'"), SourceError::Settings(_)));
    assert!(matches!(error("user_base = 'people'"), SourceError::Settings(_)));
    assert!(matches!(error("user_base = 'ou=groups,dc=example,dc=org'"), SourceError::Incomplete(Incomplete::Nobody)));
    let hidden = error("id_attribute = 'departmentNumber'");
    assert!(matches!(&hidden, SourceError::Forbidden(why) if why.contains(&person_dn(&uid(0)))), "{hidden}");
}

#[test]
fn tls_from_the_start_and_after_the_start_trust_only_the_authority_given() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd =
        Slapd::start_with(&rig, &Directory::generate(30, 1, 5), Options { tls: Tls::Good, ..Options::default() });
    let ca = format!("ca_file = '{}'", slapd.ca_file().display());
    let start_tls = format!("{ca}\nstart_tls = true");
    assert_eq!(read(&source(&slapd.tls_url(), &ca)).unwrap().counts().users, 30);
    assert_eq!(read(&source(&slapd.url(), &start_tls)).unwrap().counts().users, 30);
    for (url, more) in [(slapd.tls_url(), ""), (slapd.url(), "start_tls = true")] {
        let error = read(&source(&url, more)).unwrap_err();
        assert!(matches!(&error, SourceError::Untrusted(why) if why.contains("the certificate that ")), "{error}");
    }
    assert!(!slapd.log().contains("TLS established tls_ssf=0"));
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let Some(rig) = rig::require("slapd") else { return };
    let options = Options { tls: Tls::WrongHost, ..Options::default() };
    let slapd = Slapd::start_with(&rig, &Directory::generate(1, 0, 0), options);
    let ca = format!("ca_file = '{}'", slapd.ca_file().display());
    for (url, more) in [(slapd.tls_url(), ca.clone()), (slapd.url(), format!("{ca}\nstart_tls = true"))] {
        let error = read(&source(&url, &more)).unwrap_err();
        assert!(matches!(&error, SourceError::Untrusted(why) if why.contains("the certificate that ")), "{error}");
        assert!(
            !slapd.log().contains(&format!("BIND dn=\"{READER_DN}\"")),
            "i6: no password is sent to a server that is not the one"
        );
    }
}

#[test]
fn start_tls_that_the_server_refuses_never_falls_back() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(1, 0, 0));
    let error = read(&source(&slapd.url(), "start_tls = true")).unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
    assert!(!slapd.log().contains(&format!("BIND dn=\"{READER_DN}\"")), "i6: no password without TLS");
}

/// Does something when the first page has come.
struct AfterFirstPage<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Progress for AfterFirstPage<F> {
    fn stage(&self, _: &str, _: Option<u64>) {}

    fn advance(&self, _: u64) {
        if let Some(act) = self.0.lock().unwrap().take() {
            act();
        }
    }
}

#[test]
fn s6_a_server_that_dies_between_pages_makes_no_snapshot() {
    let Some(rig) = rig::require("slapd") else { return };
    let mut slapd = Slapd::start(&rig, &Directory::generate(200, 2, 10));
    let source = source(&slapd.url(), "page_size = 50");
    let kill = AfterFirstPage(Mutex::new(Some(|| slapd.stop())));
    let error = run(take_snapshot(&source, &[], &kill)).unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error:?}");
    assert!(matches!(read(&source).unwrap_err(), SourceError::Unreachable(_)), "nobody listens any more");
}

/// A relay that hangs up after so many bytes from the server.
fn cut_after(bytes: usize, port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut to_server, mut from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        std::io::copy(&mut server.take(bytes as u64), &mut client).unwrap();
        client.shutdown(Shutdown::Both).unwrap();
    });
    url
}

#[test]
fn s8_a_connection_cut_in_the_middle_of_an_answer_makes_no_snapshot() {
    let Some(rig) = rig::require("slapd") else { return };
    let slapd = Slapd::start(&rig, &Directory::generate(200, 2, 10));
    let port = slapd.url().rsplit(':').next().unwrap().parse().unwrap();
    for bytes in [5, 1_000, 30_000] {
        let error = read(&source(&cut_after(bytes, port), "")).unwrap_err();
        assert!(matches!(error, SourceError::Unreachable(_)), "after {bytes} bytes: {error:?}");
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap());
    let before = std::time::Instant::now();
    let error = read(&source(&url, "timeout_secs = 1")).unwrap_err();
    assert!(matches!(&error, SourceError::Unreachable(why) if why.contains("timeout_secs")), "{error}");
    assert!(before.elapsed() < std::time::Duration::from_secs(20));
}
