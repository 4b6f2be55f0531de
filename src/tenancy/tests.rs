//! Whole configurations: a folder with `rosterd.toml`, tenants and what they name.

use std::path::PathBuf;

use super::*;
use crate::config::diagnostic::render;
use crate::config::document::SourceText;
use crate::model::GroupMatch;

/// A configuration in a folder that is gone when this is dropped.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tenants")).unwrap();
        let site = Self { folder };
        site.write("rosterd.toml", "state_dir = 'state'\n");
        site.write(
            "tenants/people.json",
            r#"{"users":[{"id":"1","userName":"ann","email":"ann@a.test","title":"x"}]}"#,
        );
        site
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.path().join(path), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("rosterd.toml")
    }

    fn tenant(&self, name: &str, text: &str) {
        self.write(&format!("tenants/{name}.toml"), text);
    }

    fn load(&self) -> Loaded {
        load(&self.config(), &[]).unwrap_or_else(|found| panic!("{}", render(&found, false)))
    }

    /// The one tenant of the text.
    fn ready(&self, text: &str) -> Tenant {
        self.tenant("acme", text);
        self.load().tenants.pop().unwrap()
    }

    /// What is said of a tenant text, with paths as the operator would see them.
    fn said(&self, text: &str) -> String {
        self.tenant("acme", text);
        self.shown(&load(&self.config(), &[]).map_or_else(|found| found, |loaded| loaded.warnings))
    }

    fn shown(&self, found: &[Diagnostic]) -> String {
        render(found, false).replace(&format!("{}/", self.folder.path().display()), "")
    }
}

const TARGET: &str =
    "[target]\nbase_url = 'https://app.acme-x.test/scim/v2'\ntoken = { env = 'ROSTERD_TEST_UNSET_TOKEN' }\n";

fn with_file(more: &str) -> String {
    format!("[source.file]\npath = 'people.json'\n{TARGET}{more}")
}

#[test]
fn a_tenant_of_a_few_lines_is_ready_with_defaults() {
    let site = Site::new();
    let tenant = site.ready(&with_file(""));
    let loaded = site.load();
    assert_eq!(site.shown(&loaded.warnings), "");
    assert_eq!(tenant.profile.name, "SCIM 2.0");
    let mapped: Vec<_> = tenant.mapping.paths().map(|path| path.as_str()).collect();
    assert_eq!(mapped, ["emails[type eq \"work\"].value", "userName"], "only what the file has");
    let path = tenant.file.source.file.unwrap().path;
    assert_eq!(path, site.folder.path().join("tenants/people.json"), "relative to the tenant's file");
    assert_eq!(
        loaded.stores.to_string(),
        site.folder.path().join("state").display().to_string(),
        "relative to rosterd.toml"
    );
}

#[test]
fn expressions_are_checked_in_the_same_go_as_everything_else() {
    let site = Site::new();
    let text = with_file(
        "in_flight = 'four'\n[scope]\nusers = 'titel == '\n[groups]\ndisplayName = 'name |'\n[users.attributes]\nuserName = \"email\"\n\"user name\" = \"email\"\n\"emails.werk.x\" = \"email\"\ndisplayName = { from = \"title ~ \\\"é\\\" ~ | upper\" }\n",
    );
    insta::assert_snapshot!(site.said(&text), @r#"
        tenants/acme.toml:6:13: error: `in_flight` takes a whole number, this is a text
          |
        6 | in_flight = 'four'
          |             ^^^^^^
          |
          = hint: a number has no quotes: `4`

        tenants/acme.toml:8:16: error: unexpected end of input, expected expression
          |
        8 | users = 'titel == '
          |                ^^
          |
          = hint: write an attribute's name, or an expression such as `firstname ~ " " ~ lastname`

        tenants/acme.toml:10:21: error: unexpected end of input, expected identifier
           |
        10 | displayName = 'name |'
           |                     ^
           |
           = hint: write an attribute's name, or an expression such as `firstname ~ " " ~ lastname`

        tenants/acme.toml:13:1: error: "user name" is not a SCIM attribute path: an attribute's name begins with a letter and has only letters, digits, `_` and `-`
           |
        13 | "user name" = "email"
           | ^^^^^^^^^^^
           |
           = hint: such as `userName`, `name.givenName` or `emails.work`

        tenants/acme.toml:15:41: error: unexpected `|`
           |
        15 | displayName = { from = "title ~ \"é\" ~ | upper" }
           |                                         ^
           |
           = hint: write an attribute's name, or an expression such as `firstname ~ " " ~ lastname`
        "#);
}

#[test]
fn a_name_that_nobody_has_is_a_warning_with_the_nearest() {
    let site = Site::new();
    insta::assert_snapshot!(site.said(&with_file("[users.attributes]\nuserName = 'userName'\ntitle = 'titel'\n")), @r#"
        tenants/acme.toml:8:10: warning: no record seen so far has an attribute `titel`
          |
        8 | title = 'titel'
          |          ^^^^^
          |
          = hint: did you mean `title`?
        "#);
    assert_eq!(site.load().tenants.len(), 1, "a warning does not stop it");
}

#[test]
fn one_broken_tenant_disturbs_no_other() {
    let site = Site::new();
    site.tenant("good", &with_file(""));
    site.tenant("bad", "nonsense");
    site.tenant("Bad-Name", &with_file(""));
    site.write("tenants/.good.toml.swp", "x");
    site.write("tenants/.hidden.toml", "x");
    site.write("tenants/good.toml~", "x");
    let usable = load_usable(&site.config(), &[], None).unwrap();
    let names: Vec<_> = usable.loaded.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    assert_eq!((usable.broken.len(), usable.broken[0].name.as_str()), (1, "bad"));
    assert!(usable.broken[0].found.iter().all(|one| one.file.ends_with("bad.toml")));

    let strict = site.shown(&load(&site.config(), &[]).unwrap_err());
    assert!(strict.contains("tenants/Bad-Name.toml: error: this file's name can't be a tenant's name"), "{strict}");
    assert!(strict.contains("tenants/bad.toml:1:"), "{strict}");
    // Named tenants are looked at alone: another one's mistakes are not their business.
    assert!(load(&site.config(), &["good".to_owned()]).is_ok());
    assert!(super::names(&site.config(), &["bad".to_owned()]).is_ok(), "a name is known before its file is read");
}

#[test]
fn a_tenant_that_does_not_exist_is_answered_with_the_nearest() {
    let site = Site::new();
    site.tenant("acme-heap", &with_file(""));
    let found = load(&site.config(), &["acme-hepa".to_owned()]).unwrap_err();
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `acme-heap`?"));
}

#[test]
fn without_a_configuration_the_way_to_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let report = check(&folder.path().join("rosterd.toml"), &[], None);
    assert!(report.diagnostics[0].hint.as_ref().unwrap().contains("rosterd init TENANT"));
    assert!(!report.is_good());
    std::fs::write(folder.path().join("rosterd.toml"), "").unwrap();
    let report = check(&folder.path().join("rosterd.toml"), &[], None);
    assert!(report.diagnostics[0].message.contains("the folder with the tenant files can't be read"));
}

#[test]
fn the_profile_is_found_by_name_or_path_and_overridden() {
    let site = Site::new();
    site.write("own.toml", "name = 'Own'\n[read]\npage_size = 7\n");
    let text = with_file("profile = '../own.toml'\n[target.override_profile.users]\nop_case = 'pascal'\n");
    let profile = site.ready(&text).profile;
    assert_eq!((profile.name.as_str(), profile.read.page_size), ("Own", 7));
    assert_eq!(profile.users.op_case, crate::config::profile::OpCase::Pascal);

    insta::assert_snapshot!(site.said(&with_file("profile = 'heep'\n")), @r#"
        tenants/acme.toml:6:11: error: there is no profile "heep"
          |
        6 | profile = 'heep'
          |           ^^^^^^
          |
          = hint: did you mean `heap`? a profile file of your own is named by its path
        "#);
    assert!(site.said(&with_file("profile = './none.toml'\n")).contains("there is no such file"));
    site.write("own.toml", "nam = 'Own'\n");
    let shown = site.said(&with_file("profile = '../own.toml'\n"));
    assert!(shown.contains("own.toml:1:1: error: there is no key `nam`"), "{shown}");
    assert!(load(&site.config(), &[]).is_err());
}

#[test]
fn what_the_app_can_not_do_is_told_before_it_is_tried() {
    let site = Site::new();
    let over = |over: &str, more: &str| with_file(&format!("[target.override_profile.{over}\n{more}"));
    let attributes = "[users.attributes]\nuserName = 'userName'\ntitle = 'title'\n";
    for (text, part) in [
        (
            over("users]\ndelete_effect = 'unsupported'", "[users]\non_deleted = 'delete'"),
            "acme.toml:9:14: error: SCIM 2.0 offers no way to delete",
        ),
        (
            over("users]\ndelete_effect = 'irreversible'", "[users]\non_deleted = 'delete'"),
            "acme.toml:9:14: warning: a user who is deleted",
        ),
        (
            over("attributes.displayName]\nrequired = true", attributes),
            "error: SCIM 2.0 refuses an account without `displayName`",
        ),
        (over("attributes.title]\nsupported = false", attributes), "warning: SCIM 2.0 does not know `title`"),
        (
            with_file(&format!("[users]\nmatch = ['displayName']\n{attributes}")),
            "error: users are matched by `displayName`",
        ),
        (
            with_file(&format!("[users]\nmatch = ['userName', 'displayName']\n{attributes}")),
            "warning: users are matched by",
        ),
        (with_file("[guard]\nremovals_per_day = 'none'\n"), "warning: all users could lose access in one run"),
        (
            with_file("[groups]\nmanage = true\n[target.override_profile.groups]\nsupport = 'off'"),
            "warning: SCIM 2.0 has no groups that could be managed",
        ),
    ] {
        let shown = site.said(&text);
        assert!(shown.contains(part), "{text}\n->\n{shown}");
    }
    for good in [
        over(
            "attributes]\nemails.required = true\nexternalId.required = true",
            "[users.attributes]\nuserName = 'userName'\n'emails.work' = 'email'",
        ),
        over(
            "attributes.name]\nrequired = true",
            "[users.attributes]\nuserName = 'userName'\n'name.givenName' = 'title'",
        ),
    ] {
        assert_eq!(site.said(&good), "");
    }
}

#[test]
fn i6_check_looks_whether_secrets_can_be_used() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let target =
        "[target]\nbase_url = 'https://app.acme-x.test/scim'\ntoken = { file = '../token' }\nca_file = 'ca.pem'\n";
    site.tenant("acme", &format!("[source.file]\npath = 'nobody.json'\n{target}"));
    let shown = site.shown(&check(&site.config(), &[], None).diagnostics);
    assert!(shown.contains("acme.toml:2:8: warning: "), "the directory file may come later: {shown}");
    assert!(shown.contains("acme.toml:5:18: error: the secret file token does not exist"), "{shown}");
    assert!(shown.contains("acme.toml:6:11: error: tenants/ca.pem can't be read"), "{shown}");

    site.write("token", "s3cr3t");
    site.write("tenants/ca.pem", "-----BEGIN CERTIFICATE-----\n");
    std::fs::set_permissions(site.folder.path().join("token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = check(&site.config(), &[], None);
    let shown = site.shown(&report.diagnostics);
    assert!(
        shown.contains("others can read or change it (mode 644)") && shown.contains("= hint: chmod 600 "),
        "{shown}"
    );
    assert!(!shown.contains("s3cr3t"));
    assert_eq!((report.errors(), report.tenants[0].errors), (1, 1));

    std::fs::set_permissions(site.folder.path().join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(check(&site.config(), &[], None).is_good());
}

#[test]
fn a_report_counts_for_people_and_programs() {
    let site = Site::new();
    site.tenant("good", &with_file(""));
    site.tenant("bad", &with_file("[scope]\ngroups = []\nprotect = ['']\n"));
    let report = check(&site.config(), &[], None);
    assert_eq!(
        (report.errors(), report.warnings()),
        (2, 2),
        "the token is not set in this process, and both have one app"
    );
    let stand: Vec<_> = report.tenants.iter().map(|one| (one.name.as_str(), one.errors, one.warnings)).collect();
    assert_eq!(stand, [("bad", 2, 0), ("good", 0, 2)]);
    let json = report.json();
    assert_eq!((&json["ok"], &json["errors"], &json["tenants"][0]["errors"]), (&false.into(), &2.into(), &2.into()));
    let first = &json["diagnostics"][0];
    assert_eq!((&first["line"], &first["column"], &first["level"]), (&7.into(), &10.into(), &"error".into()));
    assert!(first["file"].as_str().unwrap().ends_with("tenants/bad.toml"));
}

#[test]
fn mp7_two_tenants_of_one_app_are_told_of_each_other() {
    let site = Site::new();
    let with = |url: &str| {
        format!("[source.file]\npath = 'people.json'\n[target]\nbase_url = '{url}'\ntoken = {{ env = 'T' }}\n")
    };
    site.tenant("one", &with("https://app.acme-x.test/scim"));
    site.tenant("two", &with("https://APP.acme-x.test:443/scim/"));
    site.tenant("other", &with("https://app.acme-x.test/scim/v2"));
    for only in [&[][..], &["one".to_owned()]] {
        let shown = site.shown(&check(&site.config(), only, None).diagnostics);
        assert!(shown.contains("one.toml:4:12: warning: `two` has this `base_url` too"), "{shown}");
        assert!(!shown.contains("other.toml:4:12"), "{shown}");
        let loaded = load(&site.config(), only).unwrap();
        let one = loaded.tenants.iter().find(|tenant| tenant.name.as_str() == "one").unwrap();
        assert_eq!(one.same_app.iter().map(ToString::to_string).collect::<Vec<_>>(), ["two"]);
    }
}

#[test]
fn approval_of_adoptions_is_a_word_or_a_flag() {
    use crate::config::tenant::AdoptApproval::{AfterFirst, Always, Never};
    let site = Site::new();
    for (written, meant) in [
        ("", AfterFirst),
        ("[approval]\ndelete = true\n", AfterFirst),
        ("[approval]\nadopt = true\n", Always),
        ("[approval]\nadopt = false\n", Never),
        ("[approval]\nadopt = 'never'\n", Never),
        ("[approval]\nadopt = 'after_first'\n", AfterFirst),
        ("[approval]\nadopt = 'always'\n", Always),
    ] {
        assert_eq!(site.ready(&with_file(written)).file.approval.adopt, meant, "{written}");
    }
    site.tenant("acme", &with_file("[approval]\nadopt = 'after_frist'\n"));
    let shown = site.shown(&check(&site.config(), &[], None).diagnostics);
    assert!(shown.contains("did you mean `after_first`?"), "{shown}");
}

#[test]
fn a_filter_and_groups_are_compiled() {
    let site = Site::new();
    let tenant =
        site.ready(&with_file("[scope]\nusers = 'title == \"R\"'\ngroups = [{ name = 'Heap *' }, { id = '7' }]\n"));
    assert_eq!(tenant.groups, Some(vec![GroupMatch::Name("Heap *".to_owned()), GroupMatch::Id("7".to_owned())]));
    let person = |title: &str| serde_json::Map::from_iter([("title".to_owned(), title.into())]);
    let filter = tenant.filter.unwrap();
    assert!(filter.accepts(&person("R")).unwrap() && !filter.accepts(&person("S")).unwrap());
}

proptest::proptest! {
    #[test]
    fn no_tenant_text_panics_or_is_refused_in_silence(more in "(\\[users.attributes\\]\n)?([a-z.\"' =~|{}\\[\\]()-]{0,40}\n){0,4}") {
        let source = SourceText::new("t.toml", with_file(&more));
        let mut found = Vec::new();
        let tenant = super::ready::make(&TenantName::parse("t").unwrap(), source, &super::Floor::default(), &mut found);
        proptest::prop_assert_eq!(tenant.is_some(), !found.iter().any(Diagnostic::is_error));
        render(&found, true);
    }
}

/// The words of a text that begin with `YOUR-`.
fn placeholders_of(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.filter(|word| word.starts_with("YOUR-")).map(str::to_owned).collect()
}

#[test]
fn what_init_writes_passes_check_once_the_secrets_are_there() {
    use std::os::unix::fs::PermissionsExt;
    for source in crate::source::kind::products().chain(["ldap"]) {
        for app in crate::config::profiles::names() {
            let folder = tempfile::tempdir().unwrap();
            let config = folder.path().join("etc/rosterd.toml");
            let plan =
                InitPlan { tenant: TenantName::parse("acme").unwrap(), source: source.to_owned(), app: app.to_owned() };
            let made = init(&config, &plan).unwrap();
            let etc = folder.path().join("etc");
            let path = etc.join("tenants/acme.toml");
            assert_eq!(made.written, [config.clone(), etc.join("tenant.schema.json"), path.clone()]);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("#:schema ../tenant.schema.json\n"), "{text}");

            let secrets = etc.join("secrets");
            assert_eq!(made.secrets_folder.as_ref(), Some(&secrets));
            assert_eq!(secrets.metadata().unwrap().permissions().mode() & 0o777, 0o700);
            for name in ["acme", "ldap"].into_iter().chain(crate::source::kind::products()) {
                std::fs::write(secrets.join(name), "s3cr3t").unwrap();
                std::fs::set_permissions(secrets.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            std::fs::write(folder.path().join("etc/people.json"), r#"{"users":[]}"#).unwrap();
            // What is still to be filled in is reported at the lines that `init` names, and nothing else is.
            let unfilled = check(&config, &[], None).diagnostics;
            let lines: Vec<usize> = made.to_edit.iter().map(|(line, _)| *line).collect();
            for one in &unfilled {
                let line: usize = one.location().split(':').nth(1).unwrap().parse().unwrap();
                assert!(lines.contains(&line), "{source} {app} {lines:?}: {one:?}");
                assert!(one.message.contains("placeholder") || one.message.contains("RFC 2606"), "{one:?}");
            }
            let placeholder = placeholders_of(&text);
            let filled = placeholder.iter().fold(text, |text, word| text.replace(word.as_str(), "acme"));
            std::fs::write(&path, filled.replace("example.org", "corp.test").replace("example.com", "corp.test"))
                .unwrap();
            assert_eq!(render(&check(&config, &[], None).diagnostics, false), "", "{source} {app}");

            // A second time nothing is written, and what is there stays.
            std::fs::write(&path, "mine").unwrap();
            assert!(init(&config, &plan).unwrap_err().message.contains("exists already"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        }
    }
}

#[test]
fn init_writes_nothing_at_all_where_a_tenant_file_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    std::fs::write(folder.path().join("tenants/acme.toml"), "mine").unwrap();
    let config = folder.path().join("rosterd.toml");
    let plan = |source: &str, app: &str| InitPlan {
        tenant: TenantName::parse("acme").unwrap(),
        source: source.to_owned(),
        app: app.to_owned(),
    };
    assert!(init(&config, &plan("file", "scim")).is_err());
    assert!(init(&config, &plan("fiel", "scim")).is_err() && init(&config, &plan("file", "../scim")).is_err());
    assert!(!config.exists());
}

#[test]
fn o2_o3_j7_the_file_shows_what_the_vendors_choose_otherwise() {
    let write = |source: &str, on_unassigned: Option<crate::config::tenant::DeprovisioningAction>| {
        let folder = tempfile::tempdir().unwrap();
        let plan =
            InitPlan { tenant: TenantName::parse("acme").unwrap(), source: source.to_owned(), app: "heap".to_owned() };
        let made = super::init_with(&folder.path().join("rosterd.toml"), &plan, &super::InitChoices { on_unassigned })
            .unwrap();
        let keys: Vec<&str> = super::differences(&plan.source, &plan.app).iter().map(|one| one.key).collect();
        (std::fs::read_to_string(made.written.last().unwrap()).unwrap(), keys)
    };
    let (onelogin, keys) = write("onelogin", None);
    assert_eq!(keys, ["users.on_unassigned", "groups.manage"]);
    assert!(onelogin.contains("\non_unassigned = \"deactivate\"\n"), "{onelogin}");
    for said in ["write on_unassigned = \"delete\"", "write manage = false", "Heap's guide recommends delete"] {
        assert!(onelogin.lines().any(|line| line.starts_with('#') && line.contains(said)), "{said}: {onelogin}");
    }
    let (deletes, _) = write("onelogin", Some(crate::config::tenant::DeprovisioningAction::Delete));
    assert!(deletes.contains("\non_unassigned = \"delete\"\n"), "{deletes}");
    assert!(
        deletes.contains("[groups]") && deletes.contains("\non_unassigned = \"leave\"\n"),
        "the groups' key is another"
    );
    let (jumpcloud, keys) = write("jumpcloud", None);
    assert_eq!(keys, ["groups.manage"]);
    assert!(jumpcloud.contains("# In JumpCloud's console, managing groups is a box to tick."), "{jumpcloud}");
    let (file, keys) = write("file", None);
    assert!(keys.is_empty() && !file.contains("# on_unassigned:") && !file.contains("# manage:"), "{file}");
}

#[test]
fn o6_parameters_of_an_application_need_an_application() {
    let text = "[source.onelogin]\nsubdomain = 'acme'\nclient_id = 'x'\nclient_secret = { env = 'X' }\nAPPLICATION\n[scope]\ngroups = [{ name = 'Heap *' }]\n\
                [target]\nbase_url = 'https://x.test/scim'\ntoken = { env = 'X' }\n\
                [users.attributes]\nuserName = 'email'\nrole = { from = 'app_parameters.heap_role', push = 'on_source_change' }\n";
    let found = |application: &str| {
        let mut found = Vec::new();
        let source = SourceText::new("t.toml", text.replace("APPLICATION", application));
        drop(super::ready::make(&TenantName::parse("t").unwrap(), source, &super::Floor::default(), &mut found));
        render(&found, false)
    };
    assert!(found("").contains("`app_parameters` are those of an application, and none is named"), "{}", found(""));
    assert!(!found("application = 'Heap'").contains("app_parameters"), "{}", found("application = 'Heap'"));
}

#[test]
fn j6_o7_what_init_writes_for_heap_holds_addresses_and_leaves_roles_to_heap() {
    let plan = |source: &str| InitPlan {
        tenant: TenantName::parse("acme-heap").unwrap(),
        source: source.to_owned(),
        app: "heap".to_owned(),
    };
    let app = crate::config::profiles::shipped("heap").unwrap().tenant_template().unwrap();
    for (source, user_name) in
        [("file", "email"), ("openldap", "mail"), ("ad", "mail"), ("jumpcloud", "email"), ("onelogin", "email")]
    {
        let text = super::template::template(&plan(source), crate::source::kind::of_product(source).unwrap(), &app);
        assert!(text.contains(&format!("userName = \"{user_name}\"\n")), "{source}: {text}");
        for line in [
            "base_url = \"https://heapanalytics.com/scim/v2/YOUR-TENANT\"",
            "on_immutable_change = \"hold\"",
            "push = \"on_source_change\"",
            "create_empty = false",
            "on_deleted = \"delete\"",
        ] {
            assert!(text.contains(line), "{source}: {line}: {text}");
        }
    }
    let jumpcloud =
        super::template::template(&plan("jumpcloud"), crate::source::kind::of_product("jumpcloud").unwrap(), &app);
    assert!(
        jumpcloud.contains("\nrole = { from = \"attributes.heapRole\", push = \"on_source_change\" }"),
        "{jumpcloud}"
    );
}

/// A mistake in the directory's table hides none in the expressions.
#[test]
fn every_mistake_of_a_file_is_told_at_once_also_beside_one_in_the_directorys_table() {
    for (table, mapping) in [
        ("[source.jumpcloud]\nregionn = 'eu'\napi_key = { env = 'K' }\n", "userName = 'usernam'"),
        (
            "[source.onelogin]\nsubdomainn = 'acme'\nclient_id = 'x'\nclient_secret = { env = 'K' }\n",
            "userName = 'usernam'",
        ),
    ] {
        let text =
            format!("{table}[target]\nbase_url = 'https://app.example.org/scim'\n[users.attributes]\n{mapping}\n");
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("rosterd.toml");
        std::fs::create_dir(folder.path().join("tenants")).unwrap();
        std::fs::write(&config, "state_dir = 'state'\n").unwrap();
        std::fs::write(folder.path().join("tenants/acme.toml"), text).unwrap();
        let told = render(&check(&config, &[], None).diagnostics, false);
        assert!(told.contains("there is no key `") && told.contains("usernam"), "{table}: {told}");
    }
}

#[test]
fn values_to_be_filled_in_and_files_of_another_format_are_reported() {
    let site = Site::new();
    let said = |path: &str, host: &str| {
        site.said(&with_file("").replace("app.acme-x.test/scim/v2", &format!("{host}/{path}")))
    };
    let placeholder = said("YOUR-APP/v2", "app.acme.test");
    assert!(placeholder.contains("acme.toml:4:12: error: `YOUR-APP` is a placeholder"), "{placeholder}");
    let example = said("v2", "app.example.com");
    assert!(example.contains("acme.toml:4:12: warning: this host is reserved for examples (RFC 2606)"), "{example}");
    site.write("tenants/beta.yaml", "x: 1");
    let other = said("v2", "app.acme.test");
    assert!(other.contains("tenants/beta.yaml: warning: this file is ignored: tenant files end in `.toml`"), "{other}");
    assert_eq!(names(&site.config(), &[]).unwrap().len(), 1, "a warning keeps no tenant from its run");
}

#[test]
fn old_keys_of_attributes_are_read_from_a_tenants_overrides_and_replace_the_profiles_whole_list() {
    let site = Site::new();
    let name = |name: &str| crate::model::Path::parse(name).unwrap();
    site.write("own.toml", "[users]\nimmutable = ['userName', 'emails']\nunsupported = ['locale']\n");
    let old = with_file("profile = '../own.toml'\n[target.override_profile.users]\nimmutable = ['title']\n");
    let shown = site.said(&old);
    for told in [
        "acme.toml:8:1: warning: `users.immutable` is an old key, and read for one more release",
        "write `mutability = \"immutable\"` under `[target.override_profile.attributes.\"title\"]`",
        "own.toml:2:1: warning: `users.immutable` is an old key",
        "own.toml:3:1: warning: `users.unsupported` is an old key",
    ] {
        assert!(shown.contains(told), "{told}\n->\n{shown}");
    }
    let attributes = site.ready(&old).profile.attributes;
    let fixed = ["userName", "emails", "title"].map(|path| attributes.is_immutable(&name(path)));
    assert_eq!(fixed, [false, false, true], "the tenant's list is the whole list");
    assert!(attributes.is_never_sent(&name("locale")), "another list stays");

    let new =
        with_file("profile = '../own.toml'\n[target.override_profile.attributes.title]\nmutability = 'immutable'\n");
    let attributes = site.ready(&new).profile.attributes;
    assert!(["userName", "title"].iter().all(|path| attributes.is_immutable(&name(path))), "a table is laid over");
}

#[test]
fn what_a_tenant_and_its_profile_say_of_an_attribute_together_is_checked_where_the_tenant_says_it() {
    let site = Site::new();
    site.write("own.toml", "[attributes.title]\nrequired = true\n");
    let over = |text: &str| with_file(&format!("profile = '../own.toml'\n[target.override_profile.{text}\n"));
    for (text, told) in [
        (
            over("attributes.title]\nsupported = false"),
            "acme.toml:8:13: error: `title` has `supported = false`, so it is never sent, and `required = true`",
        ),
        (
            over("attributes.dispalyName]\nrequired = true"),
            "acme.toml:7:37: error: SCIM has no attribute `dispalyName`",
        ),
        (
            over("attributes.emails]\nmutability = 'immutabel'"),
            "acme.toml:8:14: error: `mutability` can't be \"immutabel\"",
        ),
        (
            over("attributes.emails]\nreturned = 'never'\n[target.override_profile.users]\nimmutable = ['emails']"),
            "acme.toml:10:14: error: `emails` is set by the old key `users.immutable` and by `[attributes.\"emails\"]`",
        ),
    ] {
        let shown = site.said(&text);
        assert!(shown.contains(told), "{text}\n->\n{shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{shown}");
    }
}

#[test]
fn init_that_fails_on_the_way_leaves_no_tenant_and_goes_on_when_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rosterd.toml");
    let plan =
        InitPlan { tenant: TenantName::parse("acme").unwrap(), source: "file".to_owned(), app: "scim".to_owned() };
    std::fs::write(folder.path().join("secrets"), "a file in the place of the folder").unwrap();
    let refused = init(&config, &plan).unwrap_err();
    assert!(refused.message.contains("the folder for secrets can't be made"), "{refused:?}");
    assert!(!folder.path().join("tenants/acme.toml").exists() && !config.exists());
    std::fs::remove_file(folder.path().join("secrets")).unwrap();
    assert!(init(&config, &plan).unwrap().written.last().unwrap().ends_with("tenants/acme.toml"));
}

const LDAP: &str = "[source.ldap]\nurl = 'ldaps://ldap.corp.test'\nbind_dn = 'cn=reader'\nbase = 'dc=corp'\npassword = { env = 'K' }\n";

#[test]
fn a_directory_that_assigns_no_groups_needs_a_scope_before_the_first_sync() {
    let site = Site::new();
    let users = "[users.attributes]\nuserName = 'uid'\n";
    let said = |scope: &str| site.said(&format!("{LDAP}{scope}{TARGET}{users}"));
    for nobody in ["", "[scope]\nnested = true\n"] {
        let found = said(nobody);
        assert!(found.contains("error: nothing says who belongs to the app"), "{nobody}: {found}");
        assert!(found.contains("tenants/acme.toml:") && found.contains("{ name = \"App *\" }"), "{found}");
    }
    for somebody in ["[scope]\ngroups = [{ name = '*' }]\n", "[scope]\nusers = 'uid is defined'\nall_users = true\n"] {
        assert!(!said(somebody).contains("nothing says who belongs"), "{somebody}");
    }
    assert!(!site.said(&with_file("")).contains("nothing says"), "a file says which groups are assigned");
}

#[test]
fn a_misspelt_scim_attribute_is_an_error_and_one_of_the_apps_own_is_none() {
    let site = Site::new();
    let said =
        |attributes: &str| site.said(&with_file(&format!("[users.attributes]\nuserName = 'userName'\n{attributes}\n")));
    for (written, meant) in
        [("dispalyName = 'title'", "displayName"), ("titel = 'title'", "title"), ("nickNmae = 'title'", "nickName")]
    {
        let found = said(written);
        assert!(
            found.contains("error: SCIM has no attribute") && found.contains(&format!("did you mean `{meant}`?")),
            "{found}"
        );
    }
    for fine in ["role = 'title'", "heapRole = 'title'", "'urn:acme:x:dispalyName' = 'title'"] {
        assert!(!said(fine).contains("did you mean"), "{fine}: {}", said(fine));
    }
    let own = "dispalyName = 'title'\n[target.override_profile.attributes.'dispalyName']\npath = 'dispalyName'";
    assert!(!said(own).contains("did you mean"), "the profile knows it: {}", said(own));
}

#[test]
fn a_test_that_select_names_is_checked_before_any_user_is() {
    let site = Site::new();
    let said = |filter: &str| {
        site.said(&with_file(&format!(
            "[users.attributes]\nuserName = '''userName'''\ntitle = '''title | {filter} | one'''\n"
        )))
    };
    for filter in [
        r#"select("endingwth", "x")"#,
        r#"reject("endingwth", "x")"#,
        r#"selectattr("type", "endingwth", "x")"#,
        r#"rejectattr("type", "endingwth")"#,
    ] {
        let found = said(filter);
        assert!(
            found.contains("there is no test `endingwth`") && found.contains("did you mean `endingwith`?"),
            "{filter}: {found}"
        );
    }
    for filter in [r#"select("endingwith", "x")"#, "select", r#"selectattr("type")"#, r#"map("nothing of ours")"#] {
        assert!(!said(filter).contains("there is no test"), "{filter}: {}", said(filter));
    }
}

#[test]
fn i6_a_folder_of_secrets_that_others_can_write_is_an_error_before_there_is_a_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let secrets = site.folder.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o777)).unwrap();
    let text = with_file("").replace("{ env = 'ROSTERD_TEST_UNSET_TOKEN' }", "{ file = '../secrets/acme' }");
    let found = site.said(&text);
    assert!(found.contains("error: the secret file") && found.contains("chmod go-w"), "{found}");
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!site.said(&text).contains("chmod go-w"));
}
