use super::*;

/// Every character of the list in the review, and ends of ranges.
const UNSEEN: &str = "\u{0}\u{7}\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180c}\u{180d}\u{180e}\u{180f}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{2065}\u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\u{206f}\u{2800}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{fffb}\u{1bca0}\u{1d173}\u{1d17a}\u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}";

#[test]
fn sec11_every_unseen_character_is_spelt_out_and_marked() {
    for c in UNSEEN.chars() {
        let name = format!("adm{c}in@acme.test");
        let spelt = c.escape_unicode().to_string();
        assert_eq!(shown(&name), format!("adm{spelt}in@acme.test"));
        assert_eq!(named(&name), format!("adm{spelt}in@acme.test {INVISIBLE}"));
        assert!(unfit_as_name(&name).is_some(), "{spelt}");
    }
}

#[test]
fn sec11_names_of_the_world_are_shown_as_they_are() {
    for name in [
        "Jürgen Öz",
        "李 Wei",
        "山田　太郎",
        "ひらがな漢字カタカナ",
        "김철수 金",
        "Ольга Иванова",
        "ольга@acme.test",
        "زهرا",
        "e\u{301}",
        "Ann \u{663}",
    ] {
        assert_eq!(named(name), name);
        assert_eq!(unfit_as_name(name), None, "{name}");
    }
}

#[test]
fn mm2_a_group_name_may_have_what_shapes_its_letters_and_nothing_else_unseen() {
    for name in [
        "Staff",
        " Staff ",
        "\u{2764}\u{fe0f} Care",
        "\u{1f469}\u{1f3fd}\u{200d}\u{1f4bb} Devs",
        "1\u{fe0f}\u{20e3}",
        "\u{645}\u{6cc}\u{200c}\u{62e}",
    ] {
        assert_eq!(unfit_as_group_name(name), None, "{name:?}");
    }
    for name in [
        "Sta\u{200b}ff",
        "\u{200d}Staff",
        "S\u{200d}taff",
        "Staff\u{fe0f}",
        "Sta\u{ad}ff",
        "\u{202e}ffatS",
        "\u{2764}\u{200b}",
        "Staff\u{e0041}",
    ] {
        assert!(unfit_as_group_name(name).is_some(), "{name:?}");
    }
}

#[test]
fn sec11_one_word_of_two_scripts_is_marked() {
    for name in ["\u{430}dmin@acme.test", "adm\u{456}n", "p\u{430}ypal", "ann.\u{39f}z", "x\u{5d0}", "\u{410}CME admin"]
    {
        assert_eq!(named(name), format!("{name} {MIXED}"));
    }
}

#[test]
fn sec10_no_id_can_begin_a_line() {
    assert_eq!(shown("u1\n<0>x\r\u{2028}y\u{1b}]0;t\u{7}"), "u1\\u{a}<0>x\\u{d}\\u{2028}y\\u{1b}]0;t\\u{7}");
    assert!(
        unfit_as_id("u1\n<0>").is_some() && unfit_as_id("u1\u{9b}").is_some() && unfit_as_id("u1\u{2028}").is_some()
    );
    assert_eq!(unfit_as_id("cn=Ann Lee,ou=Öffentlich"), None);
    assert_eq!(shown_lines("a\nb\u{1b}c"), "a\nb\\u{1b}c");
}

#[test]
fn sec12_an_address_is_shown_without_its_secrets() {
    for (text, seen) in [
        ("https://app.example.com/scim", "https://app.example.com/scim"),
        ("https://svc:PASSWORD@app.example.com/scim", "https://***@app.example.com/scim"),
        ("https://svc:PASS/WO@RD@app.example.com/scim", "https://***@app.example.com/scim"),
        ("https://app.example.com/scim?access_token=PASSWORD", "https://app.example.com/scim?***"),
        ("https://app.example.com/#PASSWORD", "https://app.example.com/#***"),
        ("https://PASSWORD@h?a=PASSWORD#b", "https://***@h?***"),
        ("ldaps://cn=reader:PASSWORD@dc1", "ldaps://***@dc1"),
        ("svc:PASSWORD@host", "***@host"),
        ("https:svc:PASSWORD@host", "***@host"),
        ("https://svc:PASSWORD?@host", "https://***@host"),
    ] {
        assert_eq!(address(text), seen);
    }
}

#[test]
fn sec12_a_secret_in_the_place_of_a_path_is_not_shown() {
    for path in [
        "/run/secrets/heap-token",
        "../app.token",
        "/etc/rosterd/MyCompanyProdToken2024.key",
        "tenants/acme-2026-01.token",
        "/tmp/.tmpAb3XyZ/token",
    ] {
        assert_eq!(place(path), path);
    }
    for secret in [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
        "ghp_abcdefghij0123456789",
        "qX7bR2mK9pLw4Tz8Vn3cD6",
        "0123456789abcdef0123456789abcdef",
        "S3CRETword",
    ] {
        assert_eq!(place(&format!("/etc/rosterd/{secret}")), "/etc/rosterd/***");
    }
}
