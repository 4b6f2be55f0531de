use super::super::Obstacle;
use super::*;

#[test]
fn w1_a_reason_is_kept_as_its_code_and_comes_back_from_it() {
    let of = SourceId::new("u1");
    for (reason, text) in [
        (Reason::RecordChanged, "record_changed"),
        (Reason::Belongs(MembershipCause::Direct), "belongs \"direct\""),
        (Reason::Belongs(MembershipCause::MemberOf("Staff \"a\"".into())), r#"belongs {"member_of":"Staff \"a\""}"#),
        (Reason::HasAnotherAccount { of }, r#"has_another_account {"of":"u1"}"#),
        (Reason::Text("as we said".into()), "as we said"),
    ] {
        assert_eq!((reason.encoded().as_str(), Reason::decode(text)), (text, reason));
    }
    let refused = Obstacle::Text("409 uniqueness {\"a\"}".into());
    assert_eq!(Obstacle::decode(&refused.encoded()), refused);
}

#[test]
fn i8_a_name_is_put_out_of_every_payload_and_the_rest_stays() {
    let put_out = |text: &mut String| *text = text.replace("acme", "*").replace("Ann \"A\" Lee", "*");
    let (user, account) = (SourceId::new("u9"), AppId::new("7"));
    let tenant = crate::model::TenantName::parse("acme").unwrap();
    let linked = crate::model::Elsewhere::Linked { account, tenant, user };
    let Some(Obstacle::Text(left)) = Obstacle::LinkedElsewhere(linked).with_texts(put_out) else {
        panic!("a tenant's name is no free text")
    };
    assert!(left.contains("linked by the tenant *") && !left.contains("acme"), "{left}");
    let holder = Obstacle::NameNotFree { holder: "Ann \"A\" Lee".into() };
    let inside = Obstacle::AfterThirdName { why: Box::new(holder), end: crate::model::NameEnd::Old };
    let left = inside.with_texts(put_out).unwrap();
    assert!(matches!(&left, Obstacle::AfterThirdName { .. }) && !left.to_string().contains("Ann"), "{left}");
    assert_eq!(inside.code(), "name_not_free");
    let why = Box::new(Reason::Record);
    assert_eq!(Reason::Remarked { why, remark: Remark::BlanksAtAnEnd }.code(), "record");
}

#[test]
fn i8_the_names_beside_an_id_are_known_as_theirs() {
    let of = |name: &str, id: &str| Obstacle::AccountOfAnother {
        account: AppId::new("7"),
        by: "userName".into(),
        of: SourceId::new(id),
        name: name.into(),
    };
    let theirs = |id: &str| id == "u9";
    assert_eq!(of("bo.private", "u9").names_beside(&theirs), ["bo.private"]);
    assert_eq!(of("bo.private", "u8").names_beside(&theirs), [""; 0]);
    let record = crate::model::ObjectRef::User(SourceId::new("u9"));
    let whose = crate::model::ObjectOwner::Record { record: record.clone(), name: Some("bo".into()) };
    let object = crate::model::ObjectRef::User(SourceId::new("u1"));
    let another = Obstacle::AnsweredWithAnother { object, name: "ann".into(), whose };
    assert_eq!(another.names_beside(&theirs), ["bo"]);
    let inside = Obstacle::AfterThirdName { why: Box::new(of("bo", "u9")), end: crate::model::NameEnd::Old };
    assert_eq!(inside.names_beside(&theirs), ["bo"]);
}

#[test]
fn w1_what_an_app_refused_is_a_code_with_its_words_beside_it() {
    use crate::model::{GroupRefusal, ObjectOwner, ObjectRef};
    let refused = |answer: &str| Obstacle::MembersRefused { answer: answer.into(), names: vec!["ann".into()] };
    let more = Obstacle::AndMore { first: Box::new(refused("PATCH /Groups/7: 400")), more: 2 };
    assert_eq!(more.code(), "members_refused", "the code is that of the first one");
    let why = GroupRefusal::WithoutMembersToo { said: "403".into() };
    let group = Obstacle::GroupRefused { answer: "POST /Groups: 400".into(), why };
    let record = ObjectRef::User(SourceId::new("u9"));
    let (object, whose) =
        (ObjectRef::User(SourceId::new("u1")), ObjectOwner::Record { record, name: Some("bo".into()) });
    let over = Obstacle::NoFurtherCreates { object, name: "ann".into(), whose };
    assert_eq!(over.names_beside(&|id| id == "u9"), ["bo"]);
    for (obstacle, sentence) in [
        (more, "PATCH /Groups/7: 400 (ann); and 2 more"),
        (group, "POST /Groups: 400; the group was refused without members, too (403)"),
        (
            Obstacle::GroupNowGone { answer: "404".into() },
            "404; the group is gone from the app, the next run creates it again",
        ),
        (Obstacle::Unmapped { why: "userName is empty".into() }, "userName is empty"),
    ] {
        assert_eq!(obstacle.to_string(), sentence);
        assert_eq!(Obstacle::decode(&obstacle.encoded()), obstacle);
    }
}

#[test]
fn i8_a_code_of_another_version_is_no_word_of_the_app() {
    assert_eq!(Obstacle::known(r#"of_the_future {"x":1}"#), None);
    assert_eq!(Obstacle::known("not_linked"), Some(Obstacle::NotLinked));
}

#[test]
fn w5_sentences_of_earlier_versions_are_read_into_codes_once() {
    for (sentence, reason) in [
        ("the directory's record changed", Reason::RecordChanged),
        ("no group in scope holds this person", Reason::Unassigned),
        ("members in the directory", Reason::Members),
        ("set aside", Reason::SetAside),
        ("the directory says this group is gone; it stays in the app as it is", Reason::GroupGone { stays: true }),
        ("member of Staff of A", Reason::Belongs(MembershipCause::MemberOf("Staff of A".into()))),
        ("every person is in scope", Reason::Belongs(MembershipCause::Everybody)),
        ("takes back run 01a2", Reason::Reverts { run: RunId::new("01a2") }),
    ] {
        assert_eq!(Reason::decode(sentence), reason, "{sentence}");
    }
    for odd in ["member of A; the app has this account already, matched by userName", "member of A (again)", "x 5", ""]
    {
        assert_eq!(Reason::decode(odd), Reason::Text(odd.into()));
    }
    assert_eq!(Obstacle::decode("not tried: the run was stopped"), Obstacle::Stopped);
    let earlier = "not done: more would lose access than the guard let pass";
    assert_eq!(Obstacle::decode(earlier), Obstacle::MoreThanCleared);
}

#[test]
fn w1_a_word_is_put_out_of_a_payload_and_not_out_of_a_code() {
    let put_out = |text: &mut String| *text = text.replace("member", "*");
    let reason = Reason::Belongs(MembershipCause::MemberOf("members".into()));
    assert_eq!(reason.with_texts(put_out), Some(Reason::Belongs(MembershipCause::MemberOf("*s".into()))));
    assert_eq!(Reason::Members.with_texts(put_out), None);
}
