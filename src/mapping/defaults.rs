//! The rules of a tenant that writes none: `userName`, the names and the work e-mail, per directory (J15).

use std::collections::BTreeMap;

use super::direct::Direct;
use super::engine::STRICT;
use super::expression::Program;
use super::known::{KnownAttributes, NameVerdict};
use crate::config::tenant::{AttributeRule, Push};
use crate::model::Path;

/// Where a directory usually keeps a value: those of its usual rules that copy an attribute.
pub fn copied_by_default(usual: &[(&str, &str)]) -> Vec<(Path, String)> {
    let copied = |(key, from): &(&str, &str)| {
        let path = Path::parse(key).ok()?;
        Direct::parse(from).map(|direct| (path, direct.name().to_owned()))
    };
    usual.iter().filter_map(copied).collect()
}

/// The usual rules of a directory of which these attributes are known.
///
/// A rule none of whose attributes exists is left out: otherwise a file without `displayName` would empty that attribute of
/// every account it adopts. What the operator wrote is never left out.
pub fn default_rules(usual: &[(&str, &str)], known: &KnownAttributes) -> BTreeMap<String, AttributeRule> {
    usual
        .iter()
        .filter(|(key, from)| *key == "userName" || reads_any(from, known))
        .map(|(key, from)| ((*key).to_owned(), AttributeRule { from: (*from).to_owned(), push: Push::Always }))
        .collect()
}

fn reads_any(from: &str, known: &KnownAttributes) -> bool {
    Program::compile(from, &STRICT, &KnownAttributes::open(Vec::<String>::new()))
        .is_ok_and(|compiled| compiled.program.reads().any(|name| known.judge(name) == NameVerdict::Fine))
}
