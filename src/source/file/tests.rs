use super::*;
use crate::progress::Silent;
use crate::source::{Incomplete, Snapshot, take_snapshot};

async fn read(path: &Path) -> Result<Snapshot, SourceError> {
    take_snapshot(&FileSource::new(path.to_owned(), b','), &[], &Silent).await
}

async fn read_text(text: &str) -> Result<Snapshot, SourceError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    std::fs::write(&path, text).unwrap();
    read(&path).await
}

const TWO: &str = r#"{
  "users": [
    {"id": "u1", "userName": "ann", "email": "ann@example.com"},
    {"id": "u2", "userName": "bob", "active": false}
  ],
  "groups": [{"id": "g1", "name": "Staff", "members": ["u1", "u2", "nobody", "g2"]}, {"id": "g2", "name": "Sub"}]
}"#;

#[tokio::test]
async fn reads_people_groups_nested_groups_and_dangling_members() {
    let snapshot = read_text(TWO).await.unwrap();
    assert_eq!((snapshot.counts().users, snapshot.counts().groups, snapshot.counts().memberships), (2, 2, 2));
    let bob = snapshot.find_user("u2").unwrap();
    assert_eq!(snapshot.standing(bob), LifecycleStatus::Suspended);
    assert_eq!(snapshot.record(snapshot.find_user("u1").unwrap())["email"], "ann@example.com");
    let staff = snapshot.group(snapshot.find_group("g1").unwrap()).unwrap();
    assert_eq!(staff.subgroups, [snapshot.find_group("g2").unwrap()]);
    assert_eq!(snapshot.dangling().0, 1);
}

#[tokio::test]
async fn i12_a_document_is_another_one_with_any_byte_of_it() {
    let groups_first = r#"{"groups":[{"id":"g","name":"G","members":["u"]}],"users":[{"id":"u"}]}"#;
    for text in [TWO, groups_first] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.json");
        std::fs::write(&path, text).unwrap();
        let source = FileSource::new(path.clone(), b',');
        let mark = take_snapshot(&source, &[], &Silent).await.unwrap().mark().unwrap().clone();
        assert_eq!(source.still(&mark).await.as_ref(), Some(&mark));
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] ^= 1;
            std::fs::write(&path, &other).unwrap();
            assert_eq!(source.still(&mark).await, None, "byte {at}");
            std::fs::write(&path, &text.as_bytes()[..at]).unwrap();
            assert_eq!(source.still(&mark).await, None, "cut at {at}");
        }
        std::fs::write(&path, text).unwrap();
        assert!(source.still(&mark).await.is_some());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(source.still(&mark).await, None);
    }
}

#[tokio::test]
async fn i12_a_document_written_anew_that_says_the_same_is_still_that() {
    const PEOPLE: &str = r#"{"id":"a","name":"\"A\"","list":[1,{"deep":null}]}, {"id":"b", "active":false}"#;
    const GROUPS: &str = r#"{"id":"g","name":"G","members":["a","b"]}, {"id":"h","name":"H"}"#;
    let texts = [
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{GROUPS}]}}"),
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{GROUPS}]}}\n"),
        format!("{{\n \"users\": [\n{PEOPLE}\n],\r\n\t\"groups\": [ {GROUPS} ] }}"),
        format!("{{\"exported\":\"2026-11-22\",\"groups\":[{GROUPS}],\"users\":[{PEOPLE}],\"n\":[[]]}}"),
        format!("\u{feff}{{\"users\":[{}],\"groups\":[{GROUPS}]}}", PEOPLE.replace("}, {", "},{")),
    ];
    let others = [
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{GROUPS}, {{\"id\":\"i\",\"name\":\"I\"}}]}}"),
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{}]}}", GROUPS.replace("\"a\",", "")),
        format!("{{\"users\":[{}],\"groups\":[{GROUPS}]}}", PEOPLE.replace("false", "true")),
        format!("{{\"users\":[{PEOPLE}],\"groups\":[]}}"),
        format!("{{\"users\":[{PEOPLE}]}}"),
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{GROUPS}],\"users\":[{PEOPLE}]}}"),
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{GROUPS}]}} 7"),
        format!("{{\"users\":[{PEOPLE}],\"groups\":[{GROUPS}]"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    let source = FileSource::new(path.clone(), b',');
    for before in &texts {
        std::fs::write(&path, before).unwrap();
        let mark = take_snapshot(&source, &[], &Silent).await.unwrap().mark().unwrap().clone();
        for after in &texts {
            std::fs::write(&path, after).unwrap();
            let now = take_snapshot(&source, &[], &Silent).await.unwrap().mark().unwrap().clone();
            assert_eq!(source.still(&mark).await, Some(now), "{before}\n{after}");
        }
        for other in &others {
            std::fs::write(&path, other).unwrap();
            assert_eq!(source.still(&mark).await, None, "{other}");
        }
    }
}

#[tokio::test]
async fn groups_may_stand_before_users() {
    let text = r#"{"groups":[{"id":"g","name":"G","members":["u"]}],"users":[{"id":"u"}]}"#;
    assert_eq!(read_text(text).await.unwrap().counts().memberships, 1);
}

#[tokio::test]
async fn i2_a_file_cut_anywhere_is_refused_as_a_whole() {
    for cut in 0..TWO.len() {
        assert!(read_text(&TWO[..cut]).await.is_err(), "cut after {cut} bytes");
    }
}

#[tokio::test]
async fn a_fault_is_shown_with_its_line_and_column() {
    for (text, place) in [
        ("{\"users\": [\n  {\"id\": \"a\"},\n  {\"id\": 7}\n]}", ":3:"),
        ("{\"users\": [\n  {\"id\": \"a\"},\n  {\"id\": \"a\"}\n]}", ":3:3: the id \"a\" appears twice"),
        ("{\"users\": [{\"id\": \"a\", \"active\": \"no\"}]}", ":1:"),
        ("{\"users\": [{\"id\": \"a\", \"id\": \"b\"}]}", "duplicate field"),
        ("{\"users\": [{\"name\": \"a\"}]}", "missing field `id`"),
        ("{\"groups\": []}", "missing field `users`"),
        ("{\"groups\":[\n{\"name\":\"g\"}],\n\"users\":[{\"id\":\"u\"}]}", ":2:"),
    ] {
        let error = read_text(text).await.unwrap_err().to_string();
        assert!(error.contains(place), "{text}: {error}");
    }
}

#[tokio::test]
async fn i2_nobody_and_a_missing_sentinel_are_incomplete() {
    let error = read_text(r#"{"users": []}"#).await.unwrap_err();
    assert!(matches!(error, SourceError::Incomplete(Incomplete::Nobody)), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    std::fs::write(&path, TWO).unwrap();
    let source = FileSource::new(path, b',');
    for visible in ["g1", "staff", "u1", "ANN", "ann@example.com"] {
        take_snapshot(&source, &[visible.to_owned()], &Silent).await.unwrap();
    }
    let error = take_snapshot(&source, &["it-admins".to_owned()], &Silent).await.unwrap_err();
    assert!(matches!(error, SourceError::Incomplete(Incomplete::Sentinel(_))), "{error}");
}

#[tokio::test]
async fn a_file_can_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    std::fs::write(&path, TWO).unwrap();
    let source = FileSource::new(path, b',');
    let answers = source.ask_users(&["u1".into(), "u2".into(), "u9".into()]).await.unwrap();
    assert_eq!(answers, [Presence::Present, Presence::Suspended, Presence::Gone]);
    assert_eq!(source.ask_groups(&["g2".into(), "g9".into()]).await.unwrap(), [Presence::Present, Presence::Gone]);
}

fn csv_folder(users: &str, groups: &str, members: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("users.csv", users), ("groups.csv", groups), ("members.csv", members)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn a_csv_folder_reads_like_the_document() {
    let folder = csv_folder(
        "\u{feff}id,userName,active,title\nu1,ann,,\"Head, of all\"\nu2,bob,no,\n",
        "id,name,assigned\ng1,Staff,\ng2,Others,false\n",
        "group_id,user_id\ng1,u1\ng1,u2\n",
    );
    let snapshot = read(folder.path()).await.unwrap();
    let ann = snapshot.find_user("u1").unwrap();
    assert_eq!(snapshot.record(ann)["title"], "Head, of all");
    let bob = snapshot.find_user("u2").unwrap();
    assert_eq!(snapshot.standing(bob), LifecycleStatus::Suspended);
    assert!(snapshot.record(bob).get("title").is_none(), "an empty cell is no value");
    assert!(!snapshot.group(snapshot.find_group("g2").unwrap()).unwrap().assigned);
}

#[tokio::test]
async fn a_faulty_csv_folder_is_refused_with_the_row() {
    for (users, groups, members, part) in [
        ("id,id\nu1,x\n", "id,name\n", "group_id,user_id\n", "appears twice in the header"),
        ("id,a\nu1\n", "id,name\n", "group_id,user_id\n", "users.csv:2: this row has 1 cells"),
        ("name\nx\n", "id,name\n", "group_id,user_id\n", "no column \"id\""),
        ("id\nu1\nu1\n", "id,name\n", "group_id,user_id\n", "users.csv:3: the id \"u1\" appears twice"),
        ("id\nu1\n", "id,name\ng1,G\n", "group_id,user_id\ng2,u1\n", "members.csv:2: there is no group \"g2\""),
        ("id,active\nu1,maybe\n", "id,name\n", "group_id,user_id\n", "users.csv:2: active is \"maybe\""),
    ] {
        let error = read(csv_folder(users, groups, members).path()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn sec30_a_key_that_appears_twice_is_refused_with_its_place() {
    for (twice, place) in [
        (r#"{"id":"u","userName":"ann","userName":"bob"}"#, ":1:"),
        (r#"{"id":"u","userName":"ann","active":true,"active":true}"#, ":1:"),
        (r#"{"id":"u","id":"v"}"#, ":1:"),
        (r#"{"id":"u","name":{"first":"a","first":"b"}}"#, ":1:"),
        (r#"{"id":"u","list":[{"a":1,"a":2}]}"#, ":1:"),
        ("{\"id\":\"u\",\n\"userName\":\"ann\",\n\"user\\u004eame\":\"bob\"}", ":3:"),
    ] {
        let error = read_text(&format!("{{\"users\":[{twice}]}}")).await.unwrap_err().to_string();
        assert!(error.contains("twice") || error.contains("duplicate field"), "{twice}: {error}");
        assert!(error.contains(place), "{twice}: {error}");
    }
    let group = r#"{"users":[{"id":"u"}],"groups":[{"id":"g","name":"G","mail":"a","mail":"b","members":["u"]}]}"#;
    let error = read_text(group).await.unwrap_err().to_string();
    assert!(error.contains("\"mail\" appears twice"), "{error}");
    let keys: Vec<String> = (0..100).map(|at| format!("\"k{at}\":\"v\"")).collect();
    let many = format!("{{\"users\":[{{\"id\":\"u\",{}}}]}}", keys.join(","));
    read_text(&many).await.expect("many keys, each once");
    let error = read_text(&many.replace("\"k99\"", "\"k5\"")).await.unwrap_err().to_string();
    assert!(error.contains("\"k5\" appears twice"), "{error}");
}

#[tokio::test]
async fn sec31_an_id_of_absurd_length_is_refused() {
    let document = |length: usize| format!("{{\"users\":[{{\"id\":\"{}\"}}]}}", "a".repeat(length));
    read_text(&document(4096)).await.unwrap();
    let error = read_text(&document(4097)).await.unwrap_err().to_string();
    assert!(error.contains("4097 bytes") && error.len() < 500, "{error}");
}

#[tokio::test]
async fn mp4_ids_are_compared_without_blanks_and_an_unknown_one_is_told_with_its_line() {
    let folder = csv_folder(
        "id,userName\nu1,ann\n\" u3\",cleo\n",
        "id,name\ng1,Staff\n",
        "group_id,user_id\ng1,u1\n\"g1 \",\"u3 \"\ng1,u9\n",
    );
    let snapshot = read(folder.path()).await.unwrap();
    assert_eq!(snapshot.group(snapshot.find_group("g1").unwrap()).unwrap().members.len(), 2);
    assert!(snapshot.find_user("u3").is_some());
    let [dangling] = snapshot.dangling_members() else { panic!("{:?}", snapshot.dangling_members()) };
    assert_eq!((&*dangling.name, dangling.place.as_deref()), ("u9", Some("members.csv:4")));
    let snapshot = read_text(
        "{\"groups\":[{\"id\":\"g\",\"name\":\"G\",\"members\":[\" u1 \",\n\"u9\"]}],\n\"users\":[{\"id\":\"u1\"}]}",
    )
    .await
    .unwrap();
    let [dangling] = snapshot.dangling_members() else { panic!("{:?}", snapshot.dangling_members()) };
    assert_eq!(&*dangling.name, "u9");
    assert!(dangling.place.as_deref().unwrap().ends_with(":2"), "{:?}", dangling.place);
}

#[tokio::test]
async fn mp3_columns_and_keys_that_decide_are_known_in_any_case() {
    let folder = csv_folder(
        "ID,UserName,ACTIVE \nu1,ann,yes\nu2,bob,no\n",
        "Id,Name,Assigned\ng1,Staff,no\n",
        "Group_ID,USER_ID\ng1,u1\n",
    );
    let snapshot = read(folder.path()).await.unwrap();
    let bob = snapshot.find_user("u2").unwrap();
    assert_eq!(snapshot.standing(bob), LifecycleStatus::Suspended);
    assert_eq!(snapshot.record(bob)["userName"], "bob");
    assert!(!snapshot.group(snapshot.find_group("g1").unwrap()).unwrap().assigned);
    assert_eq!(snapshot.signs().iter().map(ToString::to_string).collect::<Vec<_>>(), ["active"]);
    let snapshot = read_text(
        "{\"Users\":[{\"ID\":\"u1\",\"Active\":true},{\"id\":\"u2\",\"ACTIVE\":false}],\
         \"Groups\":[{\"id\":\"g\",\"Name\":\"G\",\"Members\":[\"u1\"],\"Assigned\":false}]}",
    )
    .await
    .unwrap();
    assert_eq!(snapshot.standing(snapshot.find_user("u2").unwrap()), LifecycleStatus::Suspended);
    assert_eq!(snapshot.record(snapshot.find_user("u2").unwrap())["active"], false);
    let group = snapshot.group(snapshot.find_group("g").unwrap()).unwrap();
    assert_eq!((&*group.name, group.members.len(), group.assigned), ("G", 1, false));
}

#[tokio::test]
async fn mp3_a_near_miss_of_what_decides_is_refused() {
    for header in ["id,Activ", "id,is_active", "id,isActive", "id,asigned", "id,active,Active", "id,ID"] {
        let cells = header.split(',').map(|_| "1").collect::<Vec<_>>().join(",");
        let users = format!("{header}\n{cells}\n");
        let error = read(csv_folder(&users, "id,name\n", "group_id,user_id\n").path()).await.unwrap_err().to_string();
        assert!(error.contains("users.csv:1:"), "{header}: {error}");
    }
    let members = csv_folder("id\nu1\n", "id,name\ng1,G\n", "group_id,userid\ng1,u1\n");
    let error = read(members.path()).await.unwrap_err().to_string();
    assert!(error.contains("members.csv:1:") && error.contains("user_id"), "{error}");
    for user in [
        r#"{"id":"u","Activ":false}"#,
        r#"{"id":"u","is_active":false}"#,
        r#"{"id":"u","active":true,"Active":false}"#,
        r#"{"id":"u","active ":true,"active":false}"#,
    ] {
        let error = read_text(&format!("{{\"users\":[{user}]}}")).await.unwrap_err().to_string();
        assert!(error.contains("active"), "{user}: {error}");
    }
    read_text(r#"{"users":[{"id":"u","is_active":"x","active":false,"activity":"high"}]}"#).await.unwrap();
}

#[tokio::test]
async fn mp6_a_malformed_csv_file_is_refused_with_the_line_of_its_quote() {
    let rows: String = (0..1000).map(|at| format!("u{at},\"Name {at}\"\n")).collect();
    let torn = rows.replacen("\"Name 7\"", "\"Name 7", 1);
    for (users, part) in [
        (format!("id,displayName\n{torn}"), "users.csv:9: text follows the closing quote"),
        (format!("id,displayName\n{rows}u1000,\"open\n"), "users.csv:1002: the quote that opens"),
        (format!("id,displayName\n{rows}u10"), "users.csv:1002: this row has 1 cells"),
        ("id,active\nu1,no\nu2,".to_owned(), "users.csv:3: the file ends where \"active\" would be"),
        (format!("id,displayName\n{rows}u1000,o\"p\n"), "users.csv:1002: a quote is inside"),
        (format!("id,displayName\n{rows}u1000,a,b\n"), "users.csv:1002: this row has 3 cells"),
    ] {
        let error = read(csv_folder(&users, "id,name\n", "group_id,user_id\n").path()).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn mp6_the_line_break_at_the_end_of_a_csv_file_is_optional() {
    for (users, count) in [
        ("id,displayName\nu1,Ann\nu2,Bob", 2),
        ("id,title\nu1,", 1),
        ("id,active\r\nu1,no\r", 1),
        ("id,active\nu1,no", 1),
    ] {
        let folder = csv_folder(users, "id,name\ng1,G", "group_id,user_id\ng1,u1");
        let snapshot = read(folder.path()).await.unwrap();
        let members = snapshot.group(snapshot.find_group("g1").unwrap()).unwrap().members.len();
        assert_eq!((snapshot.user_count(), members), (count, 1), "{users:?}");
    }
}

#[tokio::test]
async fn mm4_one_odd_entry_of_a_file_stops_nobody_and_many_are_refused() {
    let users = |odd: usize| {
        let all =
            (0..20).map(|at| format!("{{\"id\":\"u{at}\",\"active\":{}}}", if at < odd { "null" } else { "true" }));
        format!("{{\"users\":[{}],\"groups\":[{{\"id\":\"g\",\"members\":[]}}]}}", all.collect::<Vec<_>>().join(","))
    };
    let snapshot = read_text(&users(3)).await.unwrap();
    assert_eq!(snapshot.odd().len(), 3);
    assert_eq!(&*snapshot.group(snapshot.find_group("g").unwrap()).unwrap().name, "");
    let error = read_text(&users(4)).await.unwrap_err().to_string();
    assert!(error.contains("4 of 20 users are malformed") && error.contains("\"u0\""), "{error}");
}
