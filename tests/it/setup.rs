//! `rosterd setup` at a real terminal: what is asked, tried, written and left behind, also when it is interrupted.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::{Desk, TOKEN, company};
use crate::support::directory::{Directory, Group, Kind, Member, Person};
use crate::support::rig;
use crate::support::rosterd::Rosterd;
use crate::support::slapd::{Options, READER_DN, READER_PASSWORD, Slapd, Tls};
use crate::support::terminal::Terminal;

const BINARY: &str = env!("CARGO_BIN_EXE_rosterd");

/// A person's folders: the home folder, and one for temporary files.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where the configuration will be. It is named, so that the tests do the same as any user.
    fn config(&self) -> PathBuf {
        self.path().join("own")
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// A shell command at a terminal, with this person's environment.
    fn terminal(&self, command: &str) -> Terminal {
        let (home, temporary, config) = (self.path(), self.temporary(), self.config().join("rosterd.toml"));
        let place = |path: &Path| path.to_str().unwrap().to_owned();
        let variables = [("HOME", place(&home)), ("TMPDIR", place(&temporary)), ("ROSTERD_CONFIG", place(&config))];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Terminal::start(command, &home, &variables)
    }

    fn setup(&self) -> Terminal {
        self.terminal(&format!("{BINARY} setup"))
    }

    fn rosterd(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(BINARY);
        command.args(arguments).env_clear().env("ROSTERD_CONFIG", self.config().join("rosterd.toml"));
        let output = command.current_dir(self.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    #[track_caller]
    fn has_nothing(&self) {
        assert_eq!(names(&self.path()), Vec::<String>::new(), "something was written");
        assert_eq!(names(&self.temporary()), Vec::<String>::new(), "typed secrets were left behind");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    found.push((name, fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

/// The first answers, up to the app's profile, with the desk's file as the directory.
fn directory_of_a_file(terminal: &mut Terminal, people: &str) {
    terminal.answers("name: ", "acme");
    terminal.answers("directory: ", "file");
    terminal.answers("path [", people);
    terminal.answers("app [scim]: ", "");
}

#[test]
fn o2_a_file_and_an_app_are_set_up_and_the_printed_commands_do_the_same() {
    let desk = Desk::new();
    let home = Home::new();
    let people = home.path().join("people.json");
    fs::write(&people, company().to_string()).unwrap();

    let mut terminal = home.setup();
    terminal.answers("name: ", "Not A Name");
    terminal.answers("is not a tenant's name", "acme");
    let shown = terminal.answers("directory: ", "1");
    assert!(shown.contains("1 file       A JSON document or a folder of CSV files."), "{shown}");
    assert!(shown.contains("ldap       OpenLDAP, 389 Directory Server, Active Directory."), "{shown}");
    // A file that is not there, and then the right one, relative to the working folder.
    terminal.answers("path [", "nowhere.json");
    terminal.answers("next [again]: ", "");
    terminal.answers("path [nowhere.json]: ", "people.json");
    terminal.expect("The directory works:");
    let shown = terminal.answers("app [scim]: ", "");
    assert!(shown.contains("heap       Heap") && shown.contains("scim       SCIM 2.0"), "{shown}");
    terminal.answers("base_url: ", &desk.base_url);
    terminal.answers("token (not shown): ", "wrong-token-000001");
    terminal.answers("over plain HTTP to it (y/n) [y]: ", "");
    let shown = terminal.answers("next [again]: ", "again");
    assert!(shown.contains("401"), "the app's own word: {shown}");
    terminal.answers(&format!("base_url [{}]: ", desk.base_url), "");
    terminal.answers("token (not shown; Enter keeps the one that was tried): ", TOKEN);
    terminal.answers("over plain HTTP to it (y/n) [y]: ", "y");
    terminal.expect("The app works:");
    let shown = terminal.answers("groups [all that the directory assigns]: ", "9");
    assert!(shown.contains("1 Empty  0 members") && shown.contains("2 Staff  3 members"), "{shown}");
    terminal.expect("There is no group with the number 9.");
    terminal.answers("groups [all that the directory assigns]: ", "2");
    let shown = terminal.answers("Is that who should have an account (y/n) [y]: ", "");
    assert!(shown.contains("3 users in scope, through 1 group or directly"), "{shown}");
    assert_eq!(names(&home.path()), ["people.json"], "nothing is written before the last question");
    terminal.answers("Write them (y/n) [y]: ", "");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(TOKEN) && !shown.contains("wrong-token"), "a secret is shown: {shown}");
    for part in ["ok acme", "create account (3)", "Nothing was sent to the app.", " sync acme ", " run  "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(desk.user_names(), Vec::<String>::new(), "nothing is sent to the app");
    assert_eq!(names(&home.temporary()), Vec::<String>::new());

    // The files: those of `init`, but for what was answered.
    let config = home.config();
    assert_eq!((mode(&config.join("secrets")), mode(&config.join("secrets/acme"))), (0o700, 0o600));
    let tenant = fs::read_to_string(config.join("tenants/acme.toml")).unwrap();
    let other = Home::new();
    assert_eq!(other.rosterd(&["init", "acme"]).0, Some(0));
    let by_init = fs::read_to_string(other.config().join("tenants/acme.toml")).unwrap();
    let edited = by_init
        .replacen("\"../people.json\"", &format!("\"{}\"", people.display()), 1)
        .replacen("# groups = [{ name = \"Staff *\" }]", "groups = [{ name = \"Staff\" }]", 1)
        .replacen("\"https://app.example.org/scim/v2\"", &format!("\"{}\"", desk.base_url), 1)
        .replacen("# allow_http_loopback = true", "allow_http_loopback = true", 1);
    assert_eq!(tenant, edited);

    // The same by the commands that were printed.
    let written = files(&config);
    fs::remove_dir_all(&config).unwrap();
    let begin = shown.find("mkdir -p").expect("the commands");
    let script = &shown[begin..begin + shown[begin..].find("\nrosterd --config").unwrap()];
    assert!(script.contains("mkdir -m 700 "), "{script}");
    let ran = Command::new("bash")
        .args(["-euc", &format!("umask 022\n{script}")])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", Path::new(BINARY).parent().unwrap().display()))
        .env("HOME", home.path())
        .stdin(std::process::Stdio::from(fs::File::open(desk.rosterd.secret("typed", &format!("{TOKEN}\n"))).unwrap()))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{script}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(files(&config), written);

    let (code, shown) = home.rosterd(&["sync", "acme"]);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(desk.user_names(), ["ann", "bob", "cid"]);
}

/// Four people, and two groups.
fn ldap_company() -> Directory {
    let group = |cn: &str, uids: &[&str]| Group {
        cn: cn.to_owned(),
        kind: Kind::GroupOfNames,
        members: uids.iter().map(|uid| Member::Person((*uid).to_owned())).collect(),
    };
    let person = |uid: &str| Person { uid: uid.to_owned(), mail: format!("{uid}@example.com"), ..Person::generate(0) };
    Directory {
        people: ["ann", "bob", "eve", "dan"].map(person).into(),
        groups: vec![group("App Users", &["ann", "bob"]), group("Sales", &["dan"])],
    }
}

#[test]
fn o2_an_ldap_server_with_a_private_authority_and_a_real_app_are_set_up() {
    let Some(rig) = rig::require_all(&["slapd", "scim2-server"]) else { return };
    let slapd = Slapd::start_with(&rig, &ldap_company(), Options { tls: Tls::Good, ..Options::default() });
    let app = rig.scim2_server();
    let home = Home::new();
    let mut terminal = home.setup();
    terminal.answers("name: ", "acme");
    terminal.answers("directory: ", "ldap");
    let shown = terminal.answers("product: ", "openldap");
    assert!(shown.contains("2 389ds      389 Directory Server"), "{shown}");
    // An address where nothing answers, and a misspelt base.
    let shown = terminal.answers("url: ", "ldaps://127.0.0.1:1");
    assert!(shown.contains("For example: ldaps://ldap.example.org"), "{shown}");
    terminal.answers("bind_dn: ", READER_DN);
    terminal.answers("password (not shown): ", READER_PASSWORD);
    terminal.answers("base: ", "dc=nowhere,dc=org");
    let shown = terminal.answers("next [again]: ", "");
    assert!(shown.contains("the directory did not answer: Connection refused"), "{shown}");
    terminal.answers("url [ldaps://127.0.0.1:1]: ", &slapd.tls_url());
    terminal.answers(&format!("bind_dn [{READER_DN}]: "), "");
    terminal.answers("password (not shown; Enter keeps", "");
    terminal.answers("base [dc=nowhere,dc=org]: ", "");
    let shown = terminal.answers("next [again]: ", "set");
    assert!(shown.contains("certificate") && shown.contains("ca_file"), "{shown}");
    terminal.answers("key = value: ", "not toml");
    terminal.answers("key = value: ", &format!("ca_file = \"{}\"", slapd.ca_file().display()));
    let shown = terminal.answers("next [again]: ", "1");
    assert!(shown.contains("dc=nowhere,dc=org") && !shown.contains("certificate"), "the base is named: {shown}");
    terminal.answers("url [", "");
    terminal.answers("bind_dn [", "");
    terminal.answers("password (not shown; Enter keeps", "");
    terminal.answers("base [", "dc=example,dc=org");
    let shown = terminal.answers("app [scim]: ", "scim");
    assert!(shown.contains("The directory works:") && shown.contains("2 groups"), "{shown}");
    terminal.answers("base_url: ", &app.base_url);
    terminal.answers("token (not shown): ", &app.token);
    terminal.answers("over plain HTTP to it (y/n) [y]: ", "");
    let shown = terminal.answers("groups: ", "");
    assert!(shown.contains("The app works:") && shown.contains("1 App Users  2 members"), "{shown}");
    terminal.answers("groups: ", "App Usrs");
    let shown = terminal.answers("Is that who should have an account (y/n) [y]: ", "n");
    assert!(shown.contains("the nearest name is \"App Users\""), "{shown}");
    terminal.answers("groups: ", "1");
    let shown = terminal.answers("Is that who should have an account (y/n) [y]: ", "y");
    assert!(shown.contains("2 users in scope, through 1 group or directly"), "{shown}");
    terminal.answers("Write them (y/n) [y]: ", "y");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("create account (2)") && shown.contains("App Users"), "{shown}");
    assert!(!shown.contains(READER_PASSWORD) && !shown.contains(&app.token), "{shown}");
    let tenant = fs::read_to_string(home.config().join("tenants/acme.toml")).unwrap();
    assert!(tenant.contains("password = { file = \"../secrets/ldap\" }     # chmod 600"), "{tenant}");
    assert!(tenant.contains("groups = [{ name = \"App Users\" }]"), "{tenant}");
    let (code, shown) = home.rosterd(&["check", "acme"]);
    assert_eq!(code, Some(0), "{shown}");

    // A second tenant of the same directory uses the secret that is there, and replaces no file.
    let before = files(&home.config());
    let mut terminal = home.terminal(&format!("{BINARY} setup acme"));
    terminal.answers("is there already. Replace it at the end (y/n) [n]: ", "");
    terminal.answers("name: ", "second");
    terminal.answers("directory: ", "ldap");
    terminal.answers("product: ", "1");
    terminal.answers("url: ", &slapd.tls_url());
    terminal.answers("bind_dn: ", READER_DN);
    let shown = terminal.answers("Use the secret in it (y/n) [y]: ", "n");
    assert!(shown.contains("secrets/ldap is there already."), "{shown}");
    terminal.answers("password (not shown): ", READER_PASSWORD);
    let shown = terminal.answers("base: ", "dc=example,dc=org");
    assert!(shown.contains("secrets/ldap-second"), "another file: {shown}");
    terminal.answers("next [again]: ", "quit");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("setup was ended; nothing was written"), "{shown}");
    assert_eq!(files(&home.config()), before);
}

#[test]
fn an_interruption_at_a_secret_restores_the_echo_and_leaves_nothing_behind() {
    let home = Home::new();
    let data = tempfile::tempdir().unwrap();
    let people = data.path().join("people.json");
    fs::write(&people, company().to_string()).unwrap();
    let mut terminal = home.terminal(&format!("trap : INT; {BINARY} setup; echo \"code $?\"; stty -a"));
    directory_of_a_file(&mut terminal, people.to_str().unwrap());
    terminal.answers("base_url: ", "https://127.0.0.1:1");
    terminal.answers("token (not shown): ", "typed-token-0001");
    // The trial fails; what was typed for it is in a folder that only this user can read.
    terminal.expect("next [again]: ");
    let scratch = home.temporary().join(names(&home.temporary()).first().expect("a folder for the trial"));
    let secret = scratch.join("target.token");
    assert_eq!((mode(&scratch), mode(&secret)), (0o700, 0o600));
    terminal.types("again");
    terminal.answers("base_url [", "");
    terminal.expect("token (not shown; Enter keeps");
    terminal.presses("half-a-token\x03");
    let (_, shown) = terminal.end();
    assert!(shown.contains("interrupted; nothing was written") && shown.contains("code 1"), "{shown}");
    assert!(!shown.contains("half-a-token") && !shown.contains("typed-token"), "{shown}");
    let settings = shown.rsplit("code 1").next().unwrap();
    assert!(settings.contains(" echo ") && !settings.contains(" -echo "), "{settings}");
    home.has_nothing();
}

#[test]
fn the_end_of_the_input_and_a_closed_terminal_leave_nothing_behind() {
    let home = Home::new();
    let data = tempfile::tempdir().unwrap();
    let people = data.path().join("people.json");
    fs::write(&people, company().to_string()).unwrap();
    let mut terminal = home.setup();
    directory_of_a_file(&mut terminal, people.to_str().unwrap());
    terminal.expect("base_url: ");
    terminal.presses("\x04");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("setup was ended; nothing was written"), "{shown}");
    home.has_nothing();

    let mut terminal = home.setup();
    directory_of_a_file(&mut terminal, people.to_str().unwrap());
    terminal.answers("base_url: ", "https://127.0.0.1:1");
    terminal.answers("token (not shown): ", "typed-token-0001");
    terminal.expect("next [again]: ");
    assert_eq!(names(&home.temporary()).len(), 1);
    terminal.closes();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !names(&home.temporary()).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    home.has_nothing();
}

#[test]
fn an_existing_tenant_is_replaced_only_after_a_yes_and_answers_may_be_kept_although_they_do_not_work() {
    let home = Home::new();
    assert_eq!(home.rosterd(&["init", "acme"]).0, Some(0));
    let people = home.config().join("people.json");
    fs::write(&people, company().to_string()).unwrap();
    let before = files(&home.config());
    let mut terminal = home.terminal(&format!("{BINARY} setup acme"));
    terminal.answers("Replace it at the end (y/n) [n]: ", "y");
    terminal.answers("directory: ", "file");
    // The template's own answer stays as the template has it.
    terminal.answers(&format!("path [{}]: ", people.display()), "");
    terminal.answers("app [scim]: ", "2");
    terminal.answers("base_url: ", "https://127.0.0.1:1");
    terminal.answers("token (not shown): ", "typed-token-0001");
    terminal.answers("next [again]: ", "keep");
    terminal.answers("groups [all that the directory assigns]: ", "");
    terminal.answers("Is that who should have an account (y/n) [y]: ", "y");
    let shown = terminal.expect("Write them (y/n) [y]: ");
    assert!(shown.contains("replaced") && shown.contains("new      "), "{shown}");
    assert_eq!(files(&home.config()), before, "not before the last answer");
    terminal.types("y");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(1), "there is no plan: {shown}");
    assert!(shown.contains("a side did not work when it was tried") && shown.contains(" doctor acme"), "{shown}");
    let tenant = fs::read_to_string(home.config().join("tenants/acme.toml")).unwrap();
    assert!(tenant.contains("path = \"../people.json\"") && tenant.contains("\"https://127.0.0.1:1\""), "{tenant}");
    assert_eq!(mode(&home.config().join("secrets/acme")), 0o600);
}

#[test]
fn a_secret_that_root_types_belongs_to_the_user_of_the_service() {
    const SERVICE: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        return rig::skip("only root can give a file away");
    }
    let home = Home::new();
    // The service's user has to reach what is its own.
    for folder in [home.folder.path().to_owned(), home.path()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(home.rosterd(&["init", "other"]).0, Some(0));
    let state = home.config().join("state");
    fs::create_dir_all(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(SERVICE), None).unwrap();
    let people = home.path().join("people.json");
    fs::write(&people, company().to_string()).unwrap();
    let mut terminal = home.setup();
    directory_of_a_file(&mut terminal, people.to_str().unwrap());
    terminal.answers("base_url: ", "https://127.0.0.1:1");
    terminal.answers("token (not shown): ", "typed-token-0001");
    terminal.answers("next [again]: ", "keep");
    terminal.answers("groups [all that the directory assigns]: ", "");
    terminal.answers("Is that who should have an account (y/n) [y]: ", "");
    terminal.answers("Write them (y/n) [y]: ", "");
    let (_, shown) = terminal.end();
    let secret = home.config().join("secrets/acme");
    assert!(shown.contains(&format!("chown {SERVICE} {}", secret.display())) && shown.contains("ok acme"), "{shown}");
    let about = fs::metadata(&secret).unwrap();
    assert_eq!((about.uid(), about.permissions().mode() & 0o777), (SERVICE, 0o600), "{shown}");
}

#[test]
fn without_a_terminal_setup_names_the_command_for_scripts() {
    let rosterd = Rosterd::new();
    for arguments in [&["setup"][..], &["setup", "acme", "--format", "json"]] {
        let run = rosterd.run(arguments);
        run.expect_code(78);
        assert!(run.stderr.contains("rosterd init TENANT --source NAME --app NAME"), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was written"), "{}", run.stderr);
    }
    let run = rosterd.run(&["setup", "Not A Name"]);
    run.expect_code(78);
    assert_eq!(names(&rosterd.path().join("tenants")), Vec::<String>::new());
}
