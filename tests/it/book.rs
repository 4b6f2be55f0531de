//! The documentation as a book, in a real browser: on a laptop and on a phone nothing is cut off and no page scrolls sideways.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::browse::{LAPTOP, PHONE, browser};
use crate::docs::pages;
use crate::support::browser::{Browser, Screen};
use crate::support::rig;

/// What is wider than the screen and can be scrolled neither by itself nor inside of a table or a block of code; and pictures that did not load.
const WRONG: &str = "(() => {
    const wide = document.documentElement.clientWidth + 1;
    const scrolls = node => { for (let at = node; at && at.tagName !== 'MAIN'; at = at.parentElement)
        if (['auto', 'scroll'].includes(getComputedStyle(at).overflowX)) return true; return false; };
    const all = [...document.querySelectorAll('main *')];
    const cut = all.filter(node => node.getBoundingClientRect().right > wide && !scrolls(node));
    const lost = [...document.images].filter(image => !image.complete || image.naturalWidth === 0);
    return cut.slice(0, 3).map(node => 'too wide: ' + node.outerHTML.slice(0, 120)).concat(lost.map(image => 'not loaded: ' + image.src)); })()";

/// The book, made in a folder: its pages.
fn book(mdbook: &Path, folder: &Path) -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let output = Command::new(mdbook).arg("build").arg(docs).arg("--dest-dir").arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("WARN"), "{said}");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|end| end == "html");
    // Not those that mdBook adds: the contents as a frame, everything on one page, and the one for a wrong address.
    let added = |path: &PathBuf| ["toc.html", "print.html", "404.html"].iter().any(|name| path.ends_with(name));
    let mut pages: Vec<PathBuf> = entries.filter(|path| is_page(path) && !added(path)).collect();
    pages.sort();
    pages
}

/// What is wrong with a page on a screen.
fn wrong(browser: &mut Browser, url: &str, screen: Screen) -> Vec<String> {
    let visit = browser.visit(url, screen);
    let mut wrong: Vec<String> = serde_json::from_value(browser.evaluate(WRONG)).expect("a list of texts");
    if visit.overflow > 0 {
        wrong.push(format!("{} pixels wider than the screen", visit.overflow));
    }
    wrong.into_iter().map(|what| format!("{url} on a {}: {what}", screen.name)).collect()
}

#[test]
fn no_page_of_the_book_scrolls_sideways_on_a_laptop_or_a_phone() {
    let Some(rig) = rig::require("mdbook") else { return };
    let Some(mut browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let html = book(&rig.part("mdbook").join("bin/mdbook"), folder.path());
    let written = pages().iter().filter(|page| page.starts_with("docs/") && !page.ends_with("SUMMARY.md")).count();
    // One page is there twice, as the first page of the book.
    assert_eq!(html.len(), written + 1, "{html:?}");
    let mut found = Vec::new();
    for page in &html {
        for screen in [LAPTOP, PHONE] {
            found.extend(wrong(&mut browser, &format!("file://{}", page.display()), screen));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_page_that_is_cut_off_or_lacks_a_picture_is_noticed() {
    let Some(mut browser) = browser() else { return };
    let page = |inside: &str| format!("data:text/html,<style>body{{overflow-x:hidden}}</style><main>{inside}</main>");
    let wide = "<p style='width:2000px'>wide</p>";
    assert_eq!(wrong(&mut browser, &page("<p>text</p>"), PHONE), Vec::<String>::new());
    assert!(json!(wrong(&mut browser, &page(wide), PHONE)).to_string().contains("too wide"));
    let scrolls = format!("<div style='overflow-x:auto;width:100px'>{wide}</div>");
    assert_eq!(wrong(&mut browser, &page(&scrolls), PHONE), Vec::<String>::new());
    let lost = wrong(&mut browser, &page("<img src='data:image/png;base64,AAAA'>"), PHONE);
    assert!(json!(lost).to_string().contains("not loaded"), "{lost:?}");
}
