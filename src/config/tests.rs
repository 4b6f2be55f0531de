//! Whole files: what is right is read, what is wrong is shown, all of it, in its place.

use super::diagnostic::{Diagnostic, render};
use super::document::{Document, SourceText};
use super::load;
use super::tenant::TenantFile;

fn read(text: &str) -> (Option<TenantFile>, Vec<Diagnostic>) {
    let source = SourceText::new("tenants/acme.toml", text);
    let mut found = Vec::new();
    let document = Document::parse(&source, &mut found);
    let file = load::tenant(&document, &mut found);
    load::sort(&mut found);
    (file, found)
}

fn shown(text: &str) -> String {
    render(&read(text).1, false)
}

const FIVE: &str = r#"shedule = "*/10 * * * *"
time_zone = "Europe/Pariss"

[source.file]
path = "people.json"

[target]
base_url = "http://app.example.com/scim/v2"
token = "s3cr3t"
in_flight = "four"

[users]
on_deleted = "remove"
"#;

#[test]
fn show() {
    println!("{}", shown(FIVE));
    for t in [
        "",
        "[source.file]\n[source.ldap]\nurl='ldap://x'\n[target]\n",
        "[target\nbase_url = 3\n",
        "[source.file]\npath='x'\n[target]\nbase_url = \n tokn = 3\n[users]\non_deleted='x'\n",
        "source.file = 3\ntarget = { base_url = 'https://x/Users', rate = [{match='x y z', rate='1/d'}, 3], in_flight=65, token={}, override_profile={read={pagin='auto', paging='automatic'}, transport={extra_headers={Authorization='x'}}}}\n[scope]\ngroups=[]\n[users]\nmatch=['a b', 3]\ndelete_after='30'\n[users.attributes]\nx = 3\ny={from='', pus='x'}\n[guard]\nremovals_per_day=1.5\ngroup_removals=5\nsource_shrink='10%, at leest 3'",
    ] {
        println!("=======\n{t}\n-------\n{}", shown(t));
    }
    panic!();
}
