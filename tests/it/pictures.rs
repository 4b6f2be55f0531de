//! The pictures of the documentation that a program makes: a plan on a terminal, from a real run.

use std::path::Path;

use anstyle::{Color, RgbColor};
use anstyle_svg::Term;
use serde_json::json;

use crate::cli::{Desk, person};
use crate::guides::SHOWN_ID;

/// Dark, so that the picture looks the same on a light page and on a dark one.
const BACKGROUND: Color = Color::Rgb(RgbColor(0x12, 0x16, 0x1d));
const FOREGROUND: Color = Color::Rgb(RgbColor(0xe6, 0xea, 0xf0));
/// What the crate writes into the style sheet of a picture, and what is written instead.
const BRIGHTER: [(&str, &str); 4] = [
    (".fg-green { fill: #00AA00 }", ".fg-green { fill: #4CC26B }"),
    (".fg-red { fill: #AA0000 }", ".fg-red { fill: #F2776F }"),
    (".fg-yellow { fill: #AA5500 }", ".fg-yellow { fill: #E0B04A }"),
    (".dimmed { opacity: 0.4; }", ".dimmed { opacity: 0.7; }"),
];
/// For those who hear the picture.
const LABEL: &str = "A plan on a terminal: one account is deactivated, one created, one updated, each with its reason.";

/// What a terminal shows of a plan, with its colors: a user who leaves, a new one, and one with a new name.
fn plan() -> String {
    let desk = Desk::new();
    desk.sync(0);
    let mut renamed = person("p1", "ann");
    renamed["displayName"] = json!("Ann Lee");
    desk.directory(&json!({
        "users": [renamed, person("p2", "bob"), person("p3", "cid"), person("p5", "eve")],
        "groups": [{"id": "g1", "name": "Staff", "members": ["p1", "p2", "p5"]}, {"id": "g2", "name": "Empty", "members": []}],
    }));
    let run = desk.rosterd.run(&["plan", "acme", "--color", "always"]);
    let shown = &run.expect_code(0).stdout;
    let mut words = shown.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    let id = words.find(|word| uuid::Uuid::parse_str(word).is_ok()).expect("the plan's id");
    format!("$ rosterd plan acme\n{}", shown.replace(id, SHOWN_ID))
}

/// A terminal with this text, as a picture that can be scaled and has a label.
fn picture(text: &str) -> String {
    let svg = Term::new().bg_color(BACKGROUND).fg_color(FOREGROUND).render_svg(text.trim_end());
    // The crate's own colors are VGA's, which can hardly be read on a dark ground.
    let svg = BRIGHTER.iter().fold(svg, |svg, (own, bright)| {
        assert!(svg.contains(own), "{own}: {svg}");
        svg.replace(own, bright)
    });
    let size = |name: &str| {
        let (_, after) = svg.split_once(&format!("{name}=\"")).expect("a size");
        after.split_once("px\"").expect("in pixels").0.to_owned()
    };
    let head =
        format!("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{LABEL}\" ", size("width"), size("height"));
    svg.replacen("<svg ", &head, 1)
}

#[test]
fn the_picture_of_a_plan_shows_what_a_run_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.svg");
    let made = picture(&plan());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    for part in ["deactivate account", "not in any group in scope", "eve", "Ann Lee", "read-only"] {
        assert!(made.contains(part), "{part}: {made}");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/plan.svg differs; UPDATE_DOCS=1 cargo test --test it pictures makes it:\n{made}");
}
