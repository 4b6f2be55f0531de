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
    assert_eq!(snapshot.standing(bob), Standing::Suspended);
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
        ("{\"users\": [\n  {\"id\": \"a\"},\n  {\"id\": \"a\"}\n]}", ":3:3: the id \"a\" stands twice"),
        ("{\"users\": [{\"id\": \"a\", \"active\": \"no\"}]}", ":1:"),
        ("{\"users\": [{\"id\": \"a\", \"id\": \"b\"}]}", "duplicate field"),
        ("{\"users\": [{\"name\": \"a\"}]}", "missing field `id`"),
        ("{\"groups\": []}", "missing field `users`"),
        ("{\"groups\":[\n{\"id\":\"g\"}],\n\"users\":[{\"id\":\"u\"}]}", ":2:"),
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
    assert_eq!(snapshot.standing(bob), Standing::Suspended);
    assert!(snapshot.record(bob).get("title").is_none(), "an empty cell is no value");
    assert!(!snapshot.group(snapshot.find_group("g2").unwrap()).unwrap().assigned);
}

#[tokio::test]
async fn a_faulty_csv_folder_is_refused_with_the_row() {
    for (users, groups, members, part) in [
        ("id,id\nu1,x\n", "id,name\n", "group_id,user_id\n", "stands twice in the header"),
        ("id,a\nu1\n", "id,name\n", "group_id,user_id\n", "users.csv:2: this row has 1 cells"),
        ("name\nx\n", "id,name\n", "group_id,user_id\n", "no column \"id\""),
        ("id\nu1\nu1\n", "id,name\n", "group_id,user_id\n", "users.csv:3: the id \"u1\" stands twice"),
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
