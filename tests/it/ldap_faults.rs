//! The LDAP source against a server that misbehaves, and against habits of Active Directory that Samba does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rosterd::clock::SystemClock;
use rosterd::config::directory::ldap::LdapTable;
use rosterd::model::SourceId;
use rosterd::progress::Silent;
use rosterd::source::ldap::LdapSource;
use rosterd::source::{Incomplete, Presence, Snapshot, SnapshotGroup, Source as _, SourceError, take_snapshot};

use crate::support::scripted_ldap::{Request, Say, Search, done, entry, serve};

fn source(url: &str, preset: &str) -> LdapSource {
    let text = format!(
        "url = '{url}'\nallow_plain_loopback = true\npreset = '{preset}'\nbind_dn = 'cn=reader'\n\
         password = {{ env = 'UNUSED' }}\nbase = 'dc=x'\ntimeout_secs = 2\npage_size = 10"
    );
    let table: LdapTable = toml::from_str(&text).unwrap();
    LdapSource::from_table(&table, "password".to_owned().into(), &[], Arc::new(SystemClock)).unwrap()
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Reads from a server that binds everybody and answers searches as it is told.
fn read(preset: &str, mut answer: impl FnMut(&Search) -> Vec<Say> + Send + 'static) -> Result<Snapshot, SourceError> {
    let url = serve(move |request| match request {
        Request::Bind => vec![Say::Bound(0)],
        // The server does not say which product it is.
        Request::Search(search) if search.base.is_empty() => vec![Say::Done(0, None)],
        Request::Search(search) => answer(search),
    });
    run(take_snapshot(&source(&url, preset), &[], &Silent))
}

fn is_for_people(search: &Search) -> bool {
    search.asks("givenName")
}

fn person(number: usize) -> Say {
    let (dn, id) = (format!("uid=u{number},dc=x"), format!("id-{number}"));
    entry(&dn, &[("entryUUID", &id), ("uid", &format!("u{number}"))])
}

fn page(people: std::ops::Range<usize>, cookie: &str) -> Vec<Say> {
    people.map(person).chain([Say::Done(0, Some(cookie.into()))]).collect()
}

#[test]
fn s16_pages_that_repeat_without_end_are_an_error() {
    let circle = read("openldap", |search| match search.cookie.as_deref() {
        Some(b"two") => page(10..20, "one"),
        _ => page(0..10, "two"),
    });
    assert!(matches!(&circle, Err(SourceError::Malformed(why)) if why.contains("repeat")), "{circle:?}");
    let empty = read("openldap", |_| page(0..0, "more"));
    assert!(matches!(&empty, Err(SourceError::Malformed(why)) if why.contains("repeat")), "{empty:?}");
    // A circle of empty pages is noticed soon; a server that gives one cookie all the time is read to its end.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let circle = read("openldap", move |_| {
        page(0..0, if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { "one" } else { "two" })
    });
    assert!(matches!(&circle, Err(SourceError::Malformed(why)) if why.contains("repeat")), "{circle:?}");
    assert!(asked.load(Ordering::Relaxed) < 20, "{asked:?}");
    let mut next = 0;
    let constant = read("openldap", move |search| match search.asks("givenName") {
        true if next < 300 => {
            next += 10;
            page(next - 10..next, if next < 300 { "same" } else { "" })
        }
        _ => page(0..0, ""),
    });
    assert_eq!(constant.unwrap().counts().users, 300);
}

#[test]
fn some_empty_pages_are_no_fault() {
    let mut empty = 5;
    let snapshot = read("openldap", move |search| {
        if !is_for_people(search) {
            return vec![done()];
        }
        empty -= 1;
        if empty > 0 { page(0..0, "more") } else { page(0..3, "") }
    });
    assert_eq!(snapshot.unwrap().counts().users, 3);
}

#[test]
fn s2_a_page_that_does_not_say_whether_it_is_the_last_is_an_error() {
    let error = read("openldap", |_| (0..3).map(person).chain([Say::Done(0, None)]).collect()).unwrap_err();
    assert!(matches!(error, SourceError::Malformed(_)), "{error:?}");
}

#[test]
fn s2_a_limit_that_strikes_on_a_later_page_cuts_the_reading() {
    for code in [3, 4, 11] {
        let error = read("openldap", move |search| match search.cookie.as_deref() {
            Some(b"two") => vec![person(10), Say::Done(code, Some(Vec::new()))],
            _ => page(0..10, "two"),
        });
        let cut = matches!(error, Err(SourceError::Incomplete(Incomplete::Cut { received: 11, .. })));
        assert!(cut, "result {code}: {error:?}");
    }
}

#[test]
fn s5_the_same_entry_on_two_pages_is_one_and_two_readings_of_it_are_an_error() {
    let shifted = |other: Say| {
        read("openldap", move |search| match (is_for_people(search), search.cookie.as_deref()) {
            (false, _) => vec![done()],
            (true, Some(b"two")) => vec![other.clone(), person(10), done()],
            (true, _) => page(0..10, "two"),
        })
    };
    assert_eq!(shifted(person(9)).unwrap().counts().users, 11);
    let renamed = entry("uid=renamed,dc=x", &[("entryUUID", "id-9"), ("uid", "renamed")]);
    let error = shifted(renamed).unwrap_err();
    assert!(matches!(&error, SourceError::Incomplete(Incomplete::Twice { id }) if id == "id-9"), "{error:?}");
}

#[test]
fn s8_answers_that_break_the_protocol_are_errors_and_nothing_worse() {
    let broken: [Vec<Say>; 6] = [
        vec![Say::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Say::HangUp],
        vec![Say::Broken(0x64, vec![]), done()],
        vec![Say::Broken(0x64, b"\x04\x02\xff\xfe\x30\x00".to_vec()), done()],
        vec![Say::Broken(0x65, vec![])],
        vec![Say::Broken(0x7f, vec![1, 2, 3])],
        vec![person(1), Say::HangUp],
    ];
    for answer in broken {
        let error = read("openldap", {
            let answer = answer.clone();
            move |_| answer.clone()
        });
        let kind = matches!(error, Err(SourceError::Malformed(_) | SourceError::Unreachable(_)));
        assert!(kind, "{answer:?}: {error:?}");
    }
    for bound in [Say::Broken(0x61, vec![]), Say::Broken(0x61, vec![0x0a, 0x01]), Say::HangUp] {
        let answer = bound.clone();
        let url = serve(move |_| vec![answer.clone()]);
        let error = run(take_snapshot(&source(&url, "openldap"), &[], &Silent));
        let kind = matches!(error, Err(SourceError::Malformed(_) | SourceError::Unreachable(_)));
        assert!(kind, "{bound:?}: {error:?}");
    }
}

#[test]
fn a_server_that_falls_silent_in_the_middle_is_given_up_after_the_time_limit() {
    let before = Instant::now();
    let error = read("openldap", |_| vec![person(1), Say::Hold]).unwrap_err();
    assert!(matches!(&error, SourceError::Unreachable(why) if why.contains("timeout_secs")), "{error:?}");
    assert!(before.elapsed().as_secs() < 20);
}

#[test]
fn a_required_member_that_is_hidden_leaves_the_group_unread() {
    let snapshot = read("openldap", |search| {
        if is_for_people(search) {
            return page(0..2, "");
        }
        let group = |cn: &str, more: &[(&str, &str)]| {
            let dn = format!("cn={cn},dc=x");
            entry(&dn, &[&[("entryUUID", cn), ("cn", cn)], more].concat())
        };
        vec![
            group("hidden", &[("objectClass", "groupOfNames")]),
            group("shown", &[("objectClass", "groupOfNames"), ("member", "uid=u1,dc=x")]),
            group("empty", &[("objectClass", "posixGroup")]),
            done(),
        ]
    })
    .unwrap();
    assert!(group(&snapshot, "hidden").unread.is_some(), "s9: rights that were lost look like an empty group");
    assert_eq!((group(&snapshot, "shown").members.len(), group(&snapshot, "shown").unread.as_deref()), (1, None));
    assert_eq!(group(&snapshot, "empty").unread, None);
}

#[test]
fn silence_beside_a_reference_to_another_server_is_not_gone() {
    let ask = |preset: &str, reference: Option<&'static str>| {
        let url = serve(move |request| match request {
            Request::Bind => vec![Say::Bound(0)],
            Request::Search(search) if search.cookie.is_some() => vec![seen(), done()],
            Request::Search(_) => {
                let named = reference.into_iter().map(|address| Say::Reference(address.to_owned()));
                named.chain([Say::Done(0, None)]).collect()
            }
        });
        let id = SourceId::new("00000000-0000-0000-0000-000000000001");
        run(source(&url, preset).ask_users(&[id])).unwrap()
    };
    assert_eq!(ask("openldap", None), [Presence::Gone]);
    for preset in ["openldap", "ad"] {
        assert_eq!(ask(preset, Some("ldap://elsewhere/dc=sub,dc=x")), [Presence::Unknown], "{preset}: mp5");
    }
    let own = ask("ad", Some("ldap://x/CN=Configuration,DC=x"));
    assert_eq!(own, [Presence::Gone], "Active Directory names its own partitions in every answer");
}

/// A person that both presets take for one.
fn seen() -> Say {
    let values = vec![("entryUUID".to_owned(), vec![b"id".to_vec()]), ("objectGUID".to_owned(), vec![vec![7; 16]])];
    Say::Entry("cn=seen,dc=x".to_owned(), values)
}

/// A person of Active Directory whose primary group is 513.
fn ad_person(number: u8) -> Say {
    let text = |value: &str| vec![value.as_bytes().to_vec()];
    let attributes = vec![
        ("objectGUID".to_owned(), vec![vec![number; 16]]),
        ("objectSid".to_owned(), vec![sid(1000 + u32::from(number))]),
        ("sAMAccountName".to_owned(), text(&format!("u{number}"))),
        ("userAccountControl".to_owned(), text("512")),
        ("primaryGroupID".to_owned(), text("513")),
    ];
    Say::Entry(format!("CN=User {number},DC=x"), attributes)
}

fn sid(relative_id: u32) -> Vec<u8> {
    let subs = [21_u32, 1, 2, 3, relative_id];
    [&[1, 5, 0, 0, 0, 0, 0, 5][..], &subs.map(u32::to_le_bytes).concat()].concat()
}

/// A group of Active Directory with these further attributes.
fn ad_group(cn: &str, relative_id: u32, more: Vec<(String, Vec<Vec<u8>>)>) -> Say {
    let own = vec![
        ("objectGUID".to_owned(), vec![[&[0; 15][..], &relative_id.to_le_bytes()[..1]].concat()]),
        ("objectSid".to_owned(), vec![sid(relative_id)]),
        ("cn".to_owned(), vec![cn.as_bytes().to_vec()]),
    ];
    Say::Entry(format!("CN={cn},DC=x"), [own, more].concat())
}

fn group<'a>(snapshot: &'a Snapshot, name: &str) -> &'a SnapshotGroup {
    let mut groups = snapshot.groups().filter_map(|ix| snapshot.group(ix));
    groups.find(|row| row.name.as_ref() == name).unwrap_or_else(|| panic!("no group {name}"))
}

/// Two values of a long list from a position on, as Active Directory gives them.
fn piece(list: &[String], low: usize) -> (String, Vec<Vec<u8>>) {
    let values: Vec<_> = list.iter().skip(low).take(2).map(|dn| dn.as_bytes().to_vec()).collect();
    let last = low + values.len() >= list.len();
    let high = if last { "*".to_owned() } else { (low + values.len() - 1).to_string() };
    (format!("member;range={low}-{high}"), values)
}

/// Reads seven people and one group whose list comes in pieces; `list` gives it as it is at each question.
fn read_long_list(mut list: impl FnMut(usize) -> Vec<String> + Send + 'static) -> Snapshot {
    let mut asked = 0;
    read("ad", move |search| {
        if is_for_people(search) {
            return (1..8).map(ad_person).chain([done()]).collect();
        }
        let list = list(asked);
        asked += 1;
        if search.cookie.is_some() {
            let empty = ("member".to_owned(), vec![]);
            return vec![
                ad_group("long", 600, vec![empty, piece(&list, 0)]),
                ad_group("Domain Users", 513, vec![]),
                done(),
            ];
        }
        assert!(search.base_only && search.base == "CN=long,DC=x", "{search:?}");
        let low =
            search.attributes[0].strip_prefix("member;range=").and_then(|range| range.strip_suffix("-*")).unwrap();
        vec![ad_group("long", 600, vec![piece(&list, low.parse().unwrap())]), Say::Done(0, None)]
    })
    .unwrap()
}

fn all_seven() -> Vec<String> {
    (1..8).map(|number| format!("CN=User {number},DC=x")).collect()
}

#[test]
fn a_member_list_in_pieces_is_read_whole_and_the_primary_group_has_its_members() {
    let snapshot = read_long_list(|_| all_seven());
    let row = group(&snapshot, "long");
    assert_eq!((row.members.len(), row.unread.as_deref(), snapshot.dangling().0), (7, None, 0));
    assert_eq!(group(&snapshot, "Domain Users").members.len(), 7);
}

#[test]
fn s5_a_member_list_that_changes_while_it_is_read_is_begun_again() {
    let snapshot = read_long_list(|asked| if asked < 4 { all_seven() } else { all_seven().split_off(1) });
    let row = group(&snapshot, "long");
    assert_eq!((row.members.len(), row.unread.as_deref()), (6, None), "everybody but the one taken out");
}

#[test]
fn s5_a_member_list_that_never_stands_still_leaves_the_group_unread() {
    let snapshot = read_long_list(|asked| {
        let mut list = all_seven();
        list.rotate_left(asked % 7);
        list
    });
    assert!(group(&snapshot, "long").unread.as_deref().unwrap().contains("changed"));
}

/// One group that the server refuses to show stops nobody else: it is unread, with the server's words and the group's name.
#[test]
fn o4_a_group_whose_long_list_is_refused_is_unread_and_the_reading_goes_on() {
    for (code, word) in [(50, "Rights"), (80, "other"), (32, "noSuchObject")] {
        let snapshot = read("ad", move |search| {
            if is_for_people(search) {
                return (1..8).map(ad_person).chain([done()]).collect();
            }
            if search.cookie.is_some() {
                let (empty, list) = (("member".to_owned(), vec![]), all_seven());
                return vec![
                    ad_group("long", 600, vec![empty, piece(&list, 0)]),
                    ad_group("Domain Users", 513, vec![]),
                    done(),
                ];
            }
            vec![Say::Done(code, None)]
        });
        let snapshot = snapshot.unwrap_or_else(|error| panic!("{code}: {error}"));
        let why = group(&snapshot, "long").unread.as_deref().unwrap_or_default().to_owned();
        assert!(why.to_lowercase().contains(&word.to_lowercase()), "{code}: {why}");
        assert_eq!((group(&snapshot, "Domain Users").members.len(), snapshot.counts().users), (7, 7));
    }
    // A connection that breaks says nothing of the group.
    let broken = read("ad", |search| {
        if is_for_people(search) {
            return (1..8).map(ad_person).chain([done()]).collect();
        }
        match search.cookie {
            Some(_) => vec![ad_group("long", 600, vec![piece(&all_seven(), 0)]), done()],
            None => vec![Say::HangUp],
        }
    });
    assert!(broken.is_err(), "{broken:?}");
}

/// A person of slapd's schema with further attributes.
fn named(dn: &str, id: &str, more: &[(&str, &str)]) -> Say {
    entry(dn, &[&[("entryUUID", id)], more].concat())
}

#[test]
fn mp4_members_are_found_however_their_names_are_written_and_the_rest_are_handed_over() {
    let snapshot = read("openldap", |search| {
        if is_for_people(search) {
            return vec![
                named("CN=Ann B. Lee+uid=ann,ou=Stra\u{df}e,dc=x", "1", &[("uid", "ann")]),
                named("uid=bo,ou=people,dc=x", "2", &[("uid", " bo ")]),
                named("uid=new,ou=people,dc=x", "3", &[("uid", "new")]),
                done(),
            ];
        }
        let group = |cn: &str, members: &[(&str, &str)]| {
            let own = [("entryUUID", cn), ("cn", cn), ("objectClass", "groupOfNames")];
            entry(&format!("cn={cn},dc=x"), &[&own, members].concat())
        };
        vec![
            group(
                "written",
                &[
                    ("member", "userid=ANN + 2.5.4.3=ann  b.  LEE , organizationalUnitName=STRASSE;dc=x"),
                    ("member", "uid=#0C02626F,ou=\\50eople,DC=x"),
                    ("memberUid", "bo "),
                ],
            ),
            group("stale", &[("member", "UID=Old, ou=People,dc=x"), ("memberUid", " gone "), ("member", "no name")]),
            done(),
        ]
    })
    .unwrap();
    let ids = |name: &str| -> Vec<String> {
        let members = group(&snapshot, name).members.iter();
        members.map(|user| snapshot.id(*user).to_owned()).collect()
    };
    assert_eq!(ids("written"), ["1", "2", "2"]);
    let hash = rosterd::source::id_hash;
    let dangling: Vec<_> = snapshot.dangling_members().iter().map(|one| (&*one.name, one.hash)).collect();
    let mut expected = [
        ("UID=Old, ou=People,dc=x", hash("uid=old,ou=people,dc=x")),
        ("no name", hash("no name")),
        (" gone ", hash("gone")),
    ];
    let mut found = dangling.clone();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "with the form in which names are compared");
    let known = |name: &str| {
        let owners = snapshot.names().iter().filter(|(_, known)| *known == hash(name));
        owners.map(|(user, _)| snapshot.id(*user).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(known("uid=new,ou=people,dc=x"), ["3"], "what a group may go on calling them after a rename");
    assert_eq!((known("bo"), known("uid=old,ou=people,dc=x")), (vec!["2".to_owned()], Vec::new()));
}

#[test]
fn mp3_the_signs_of_suspension_that_were_seen_are_said_and_hidden_ones_are_not() {
    let signs = |preset: &str, people: Vec<Say>| -> Vec<String> {
        let snapshot = read(preset, move |search| match is_for_people(search) {
            true => people.iter().cloned().chain([done()]).collect(),
            false => vec![done()],
        });
        snapshot.unwrap().signs().iter().map(ToString::to_string).collect()
    };
    let ds389 = |more: &[(&str, &str)]| entry("uid=a,dc=x", &[&[("nsUniqueId", "1")], more].concat());
    assert_eq!(signs("389ds", vec![ds389(&[("nsaccountlock", "false")])]), ["nsAccountLock"], "whatever it says");
    assert!(signs("389ds", vec![ds389(&[])]).is_empty());
    let locked = named("uid=a,dc=x", "1", &[("pwdAccountLockedTime", "20260101000000Z")]);
    assert_eq!(signs("openldap", vec![person(2), locked]), ["pwdAccountLockedTime"]);
    assert_eq!(signs("ad", vec![ad_person(1)]), ["userAccountControl"]);
}
