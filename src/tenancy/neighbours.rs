//! Tenants that are connected to one app. In: tenants, and the folder with all tenant files. Out: for each, who else is there.
//!
//! Two tenants with one `base_url` may have one app between them: then each could adopt the other's accounts. The files of tenants
//! that were not asked for are read for their address only; what is wrong in them is told elsewhere.

use std::path::Path;
use std::sync::Arc;

use super::{CHECK_LIMIT, Tenant, files};
use crate::bounded;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Document;
use crate::config::forms::AppAddress;
use crate::config::load;
use crate::config::words;
use crate::model::TenantName;

/// Tells each tenant who else is connected to its app. Files that did not answer a moment ago (`hang`) are not read again, and those
/// of tenants that were not asked for only within a time limit: a file that hangs delays no tenant for long.
pub(super) fn introduce(tenants: &mut [Tenant], folder: &Path, hang: &[TenantName]) {
    let mut known: Vec<(TenantName, String)> = tenants
        .iter()
        .filter_map(|tenant| Some((tenant.name.clone(), address(&tenant.file.target.base_url)?)))
        .collect();
    let wanted: Vec<AppAddress> =
        tenants.iter().filter_map(|tenant| tenant.file.target.base_url.parse::<AppAddress>().ok()).collect();
    let hosts: Vec<String> = wanted.iter().filter_map(|address| address.url().host_str().map(str::to_owned)).collect();
    let hosts = Arc::new(hosts);
    let (listed, _) = files::tenants(folder, &[]).unwrap_or_default();
    let is_other = |name: &TenantName| !tenants.iter().any(|tenant| tenant.name == *name) && !hang.contains(name);
    let (names, read): (Vec<TenantName>, Vec<_>) = listed
        .into_iter()
        .filter(|(name, _)| is_other(name))
        .map(|(name, path)| {
            let (hosts, subject) = (Arc::clone(&hosts), format!("the address in {}", path.display()));
            let work: Box<dyn FnOnce() -> Option<String> + Send> = Box::new(move || address_in(&path, &hosts));
            (name, (subject, work))
        })
        .unzip();
    let addresses = bounded::each(CHECK_LIMIT, read).into_iter().map(|read| read.ok().flatten());
    known.extend(names.into_iter().zip(addresses).filter_map(|(name, address)| Some((name, address?))));
    for tenant in tenants {
        let Some(own) = address(&tenant.file.target.base_url) else { continue };
        let same = known.iter().filter(|(name, address)| *name != tenant.name && *address == own);
        tenant.same_app = same.map(|(name, _)| name.clone()).collect();
        tenant.same_app.sort();
    }
}

/// The address without what does not tell one app from another: its spelling.
fn address(base_url: &str) -> Option<String> {
    let address: AppAddress = base_url.parse().ok()?;
    Some(address.url().as_str().trim_end_matches('/').to_owned())
}

/// The address in a file that names one of these hosts.
fn address_in(path: &Path, hosts: &[String]) -> Option<String> {
    let source = load::read_text(path).ok()?;
    let text = source.text().to_lowercase();
    // Reading a file is cheap; to parse thousands for one address is not. What is written with escapes is parsed as well.
    if !text.contains('\\') && !hosts.iter().any(|host| text.contains(host.as_str())) {
        return None;
    }
    let document = Document::parse(&source, &mut Vec::new());
    address(document.text_at(&["target", "base_url"])?)
}

/// That two tenants have one address is worth a word: it may be a copied file.
pub(super) fn check(tenant: &Tenant, document: &Document<'_>, found: &mut Vec<Diagnostic>) {
    if tenant.same_app.is_empty() {
        return;
    }
    let others = words::list(tenant.same_app.iter().map(TenantName::as_str));
    found.push(document.warning(
        &["target", "base_url"],
        format!("{others} has this `base_url` too: two tenants of one app can claim the same accounts"),
        "fine if each has users of its own, or each token its own organisation; an account that one of them has linked is a conflict \
         for the other",
    ));
}
