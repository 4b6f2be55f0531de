//! The status page as a person sees it: a real browser, a laptop and a phone, light and dark.
//!
//! With `ROSTERD_WRITE_PICTURES=1` the pictures in `docs/` are made anew.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::TOKEN;
use crate::daemon::until;
use crate::support::browser::{Browser, CHROMIUM, Screen};
use crate::support::http::send;
use crate::support::process::free_port;
use crate::support::rig;
use crate::support::rosterd::{Rosterd, Running};

pub(crate) const LAPTOP: Screen = Screen { name: "laptop", width: 1280, height: 800, mobile: false, dark: false };
pub(crate) const PHONE: Screen = Screen { name: "phone", width: 390, height: 844, mobile: true, dark: false };

/// The largest picture that is kept.
const PICTURE_BYTES: usize = 200 << 10;

fn screens() -> [Screen; 5] {
    let small = Screen { name: "small phone", width: 320, height: 568, ..PHONE };
    [
        LAPTOP,
        PHONE,
        small,
        Screen { name: "laptop-dark", dark: true, ..LAPTOP },
        Screen { name: "phone-dark", dark: true, ..PHONE },
    ]
}

/// Several tenants of one daemon, each with an app of its own.
struct Company {
    rosterd: Rosterd,
    apps: Vec<Running>,
    daemon: Option<Running>,
    page: String,
}

impl Company {
    fn new() -> Self {
        let rosterd = Rosterd::new();
        let port = free_port();
        rosterd.file("rosterd.toml", &format!("state_dir = \"state\"\n[status]\nlisten = \"127.0.0.1:{port}\"\n"));
        rosterd.secret("app.token", TOKEN);
        Self { rosterd, apps: Vec::new(), daemon: None, page: format!("http://127.0.0.1:{port}") }
    }

    fn tenant(&mut self, name: &str, schedule: &str, directory: &Value) {
        let app = self.rosterd.spawn(&["sandbox", "--token", TOKEN, "--format", "json"]);
        until("the app is there", || app.stdout().contains("base_url"));
        let base_url =
            serde_json::from_str::<Value>(app.stdout().trim()).unwrap()["base_url"].as_str().unwrap().to_owned();
        self.apps.push(app);
        self.file(name, schedule, &base_url);
        self.directory(name, directory);
    }

    fn file(&self, name: &str, schedule: &str, base_url: &str) {
        self.rosterd.tenant(
            name,
            &format!(
                "schedule = \"{schedule}\"\n[source.file]\npath = \"../{name}.json\"\n[target]\nbase_url = \"{base_url}\"\n\
                 token = {{ file = \"../app.token\" }}\nrate = \"1000/s\"\nallow_http_loopback = true\n"
            ),
        );
    }

    fn directory(&self, name: &str, document: &Value) {
        let new = self.rosterd.file(&format!("{name}.json.new"), &document.to_string());
        std::fs::rename(new, self.rosterd.path().join(format!("{name}.json"))).unwrap();
    }

    fn run(&mut self) {
        self.daemon = Some(self.rosterd.spawn(&["run"]));
        until("the page is there", || std::net::TcpStream::connect(&self.page["http://".len()..]).is_ok());
    }

    fn status(&self) -> Value {
        send("GET", &format!("{}/status", self.page), "", None).json()
    }

    /// Waits until a tenant's last run that did anything did this much.
    fn until(&self, tenant: &str, what: &str, is: impl Fn(&Value) -> bool) {
        until(&format!("{tenant}: {what}"), || {
            self.status()["tenants"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["tenant"] == tenant && is(one)))
        });
    }

    /// Asks the daemon for a run and waits for it.
    fn sync(&self, tenant: &str) {
        self.rosterd.run(&["sync", tenant, "--format", "json"]);
    }

    fn stop(mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.signal("TERM");
            daemon.wait(Duration::from_secs(60)).expect_code(0);
        }
    }
}

const GIVEN: [&str; 12] =
    ["Ada", "Ben", "Chloé", "Dmitri", "Elif", "Farah", "Grete", "Hiro", "Inés", "Jamal", "Kaia", "Liam"];
const FAMILY: [&str; 11] =
    ["Okafor", "Lindqvist", "Rossi", "Tanaka", "Novák", "Yılmaz", "Haddad", "Schmidt", "García", "Walker", "Nguyen"];

/// So many people, the first `members` of them in a group.
fn people(n: usize, members: usize) -> Value {
    let plain = |name: &str| -> String {
        let folded = name.chars().map(|c| match c {
            'é' => 'e',
            'á' | 'í' => {
                if c == 'á' {
                    'a'
                } else {
                    'i'
                }
            }
            'ı' => 'i',
            c => c,
        });
        folded.filter(char::is_ascii).collect::<String>().to_lowercase()
    };
    let user = |at: usize| {
        let (given, family) = (GIVEN[at % GIVEN.len()], FAMILY[(at / 3) % FAMILY.len()]);
        let mail = format!(
            "{}.{}{}@acme.test",
            plain(given),
            plain(family),
            if at < 33 { String::new() } else { at.to_string() }
        );
        json!({"id": format!("u{at}"), "userName": mail, "email": mail, "givenName": given, "familyName": family, "displayName": format!("{given} {family}")})
    };
    let users: Vec<Value> = (0..n).map(user).collect();
    let ids: Vec<String> = (0..members).map(|at| format!("u{at}")).collect();
    json!({"users": users, "groups": [{"id": "g1", "name": "All staff", "members": ids}]})
}

/// A company in which most things go well and some need somebody.
fn company() -> Company {
    let mut company = Company::new();
    company.tenant("analytics", "every 1h", &people(48, 40));
    company.tenant("design", "every 1h", &people(31, 31));
    company.tenant("helpdesk", "every 1h", &people(90, 26));
    company.tenant("wiki", "every 1h", &people(36, 36));
    company.rosterd.tenant("crm", "schedule = \"every 15m\"\ntimezone = \"Europe/Berlin\"\n");
    company.run();
    for tenant in ["analytics", "design", "helpdesk", "wiki"] {
        company.until(tenant, "the first sync", |one| !one["status"].is_null());
    }
    // A history: small changes each day, quiet runs between.
    for members in [41, 41, 39, 42, 44, 44, 43, 46, 46, 47, 45, 48, 48] {
        company.directory("analytics", &people(48, members));
        company.sync("analytics");
    }
    for members in [31, 30, 30, 31, 31, 29, 29, 31, 31] {
        company.directory("design", &people(31, members));
        company.sync("design");
    }
    // Too many leavers at once; an app that is gone; one that somebody paused.
    company.directory("analytics", &people(48, 34));
    company.sync("analytics");
    company.file("wiki", "every 1h", "http://127.0.0.1:9/scim/v2");
    company.directory("wiki", &people(36, 35));
    company.rosterd.run(&["reload"]);
    company.sync("wiki");
    company
        .rosterd
        .run(&["pause", "helpdesk", "--reason", "the app moves to another region until Monday"])
        .expect_code(0);
    company.sync("helpdesk");
    company.until("analytics", "held", |one| one["state"] == "held");
    company.until("wiki", "not in step", |one| {
        one["state"] == "failing" || one["state"] == "partial" || one["state"] == "held"
    });
    company
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Looks at a page on every kind of screen: nothing sticks out, nobody complains, nothing comes from elsewhere.
#[track_caller]
fn looks_right(browser: &mut Browser, company: &Company, path: &str, name: Option<&str>) {
    let page = company.page.as_str();
    for screen in screens() {
        let visit = browser.visit(&format!("{page}{path}"), screen);
        assert_eq!(visit.complaints, Vec::<String>::new(), "{path} on a {}", screen.name);
        assert!(visit.overflow <= 0, "{path} on a {} is {} pixels too wide", screen.name, visit.overflow);
        assert_eq!(visit.scripts, 0, "{path}");
        assert!(visit.asked.iter().all(|url| url.starts_with(page)), "{:?}", visit.asked);
        assert!(visit.asked.iter().any(|url| url.ends_with("/style.css")), "{:?}", visit.asked);
        let background = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        let expected = if screen.dark { "rgb(18, 22, 29)" } else { "rgb(246, 247, 249)" };
        assert_eq!(background, expected, "the style sheet is in force");
        let kept = [LAPTOP.name, PHONE.name, "laptop-dark"].contains(&screen.name);
        let Some(name) = name.filter(|_| kept) else { continue };
        as_installed(browser, company.rosterd.path());
        let picture = browser.picture();
        assert!(picture.len() < PICTURE_BYTES, "{name} on a {}: {} bytes", screen.name, picture.len());
        let path = docs().join(format!("status-{name}-{}.png", screen.name));
        if std::env::var_os("ROSTERD_WRITE_PICTURES").is_some_and(|value| value == "1") {
            std::fs::write(&path, picture).unwrap();
        }
        assert!(path.exists(), "{} is missing: ROSTERD_WRITE_PICTURES=1 makes it", path.display());
    }
}

/// Pictures show the paths of an installation, not those of a test.
fn as_installed(browser: &mut Browser, folder: &Path) {
    let folder = json!(folder);
    browser.evaluate(&format!(
        "(() => {{ const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); let node;
            while (node = walker.nextNode()) {{
                node.data = node.data.replace(' --config ' + {folder} + '/rosterd.toml', '').replaceAll({folder} + '/', '/etc/rosterd/');
            }} }})()"
    ));
}

pub(crate) fn browser() -> Option<Browser> {
    if Path::new(CHROMIUM).exists() {
        return Some(Browser::start());
    }
    rig::skip("chromium is not installed; run ./test");
    None
}

#[test]
fn the_page_fits_laptops_and_phones_and_the_browser_has_nothing_to_complain_about() {
    let Some(mut browser) = browser() else { return };
    let company = company();
    looks_right(&mut browser, &company, "/", Some("overview"));
    looks_right(&mut browser, &company, "/tenants/analytics", Some("held"));
    looks_right(&mut browser, &company, "/tenants/design", Some("history"));
    for path in ["/tenants/helpdesk", "/tenants/wiki", "/tenants/crm", "/tenants/nobody"] {
        if path == "/tenants/nobody" {
            // The browser reports every page that is not there.
            let visit = browser.visit(&format!("{}{path}", company.page), PHONE);
            assert!(visit.overflow <= 0 && visit.text.contains("No such tenant"), "{visit:?}");
            continue;
        }
        looks_right(&mut browser, &company, path, None);
    }
    let visit = browser.visit(&format!("{}/tenants/crm", company.page), LAPTOP);
    assert!(visit.text.contains("tenants/crm.toml:"), "{}", visit.text);
    company.stop();
}

#[test]
fn names_that_are_markup_or_endless_stay_names_in_a_real_browser() {
    let Some(mut browser) = browser() else { return };
    let mut company = Company::new();
    let mut directory = people(14, 14);
    let hostile = [
        "<script>document.title='gone'</script>",
        "\"><img src=x onerror=\"document.title='gone'\">",
        "</table></section><style>body{display:none}</style>",
        // As long as a name may be.
        &"x".repeat(4 << 10),
        "<iframe src=http://evil.example>",
    ];
    for (at, name) in hostile.iter().enumerate() {
        directory["users"][at + 4]["userName"] = json!(name);
    }
    company.tenant("acme", "every 1h", &directory);
    company.run();
    company.until("acme", "the first sync", |one| one["status"]["linked"]["users"] == 14);
    directory["groups"][0]["members"] = json!(["u0", "u1", "u2"]);
    company.directory("acme", &directory);
    company.sync("acme");
    company.until("acme", "held", |one| one["state"] == "held");
    for path in ["/", "/tenants/acme"] {
        looks_right(&mut browser, &company, path, None);
        assert_ne!(browser.evaluate("document.title"), "gone");
    }
    let visit = browser.visit(&format!("{}/tenants/acme", company.page), LAPTOP);
    for name in hostile.iter().filter(|name| name.len() < 100) {
        assert!(visit.text.contains(name), "{name} is shown as what it is: {}", visit.text);
    }
    assert_eq!(browser.evaluate("document.querySelectorAll('img[src=x], iframe, style').length"), 0);
    company.stop();
}

/// What the tests above look for is seen where it is: a page that is too wide, speaks, and asks elsewhere.
#[test]
fn the_browser_notices_what_it_is_there_to_notice() {
    let Some(mut browser) = browser() else { return };
    let page = "data:text/html,<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src 'unsafe-inline'\">\
                <div style=width:3000px>wide</div><script>console.log('said')</script>";
    let begun = Instant::now();
    let visit = browser.visit(page, PHONE);
    let all = visit.complaints.join("\n");
    assert!(visit.scripts == 1 && all.contains("said") && all.contains("Content Security Policy"), "{visit:?}");
    let wide = browser.visit("data:text/html,<div style=width:3000px>wide</div>", LAPTOP);
    assert!(wide.overflow > 1000, "{wide:?}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}
