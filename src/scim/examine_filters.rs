//! What an app does with filters, for `doctor`. It takes a user name that the app has, and gives a finding: one filter that matches, one
//! that does not. It reads only.

use super::client::{App, Endpoint, ScimRequest};
use super::filter;
use super::json;
use super::list::ListPage;
use super::{CallError, FailureClass};
use crate::config::profile::LookUp;
use crate::model::{Finding, fold};

const CHECK: &str = "filters";

/// What one filter was answered with.
enum FilterSupport {
    /// So many accounts, and whether one of them has the name that was asked for.
    Accounts(usize, bool),
    Failed(CallError),
}

impl App {
    /// Asks for an account that is there, if one is known, and for one that can't be there.
    pub(super) async fn filters(&self, there: Option<&str>) -> Finding {
        if self.profile.read.look_up == LookUp::List {
            return Finding::ok(CHECK, "not used: the profile looks accounts up by the list (read.look_up)");
        }
        let absent = format!("rosterd-check-{}", uuid::Uuid::now_v7().simple());
        let miss = self.one_filter(&absent).await;
        let hit = match there.filter(|name| filter::is_plain(name)) {
            Some(name) => Some(self.one_filter(name).await),
            None => None,
        };
        let (mut seen, mut remedy) = (Vec::new(), None);
        let list = "set read.look_up = \"list\" under [target.override_profile]";
        match miss {
            FilterSupport::Accounts(0, _) => seen.push("a filter that matches no account shows none".to_owned()),
            FilterSupport::Accounts(shown, _) => {
                seen.push(format!("a filter that matches no account shows {shown}: filters are ignored"));
                remedy = Some(list);
            }
            FilterSupport::Failed(error) if error.class == FailureClass::NotFound => {
                seen.push(format!("a filter that matches no account is answered with {}", error.message));
                let is_known = self.profile.read.no_match_404;
                remedy = (!is_known).then_some("set read.no_match_404 = true under [target.override_profile]");
            }
            FilterSupport::Failed(error) => {
                seen.push(format!("a filter that matches no account fails: {error}"));
                remedy = Some(list);
            }
        }
        match hit {
            None => seen.push("none that matches was tried: the app shows no account to ask for".to_owned()),
            Some(FilterSupport::Accounts(_, true)) => seen.push("one that matches shows its account".to_owned()),
            Some(FilterSupport::Accounts(shown, false)) => {
                seen.push(format!("one for a user name from the list shows {shown} accounts, and not that one"));
                remedy = Some(list);
            }
            Some(FilterSupport::Failed(error)) => {
                seen.push(format!("one for a user name from the list fails: {error}"));
                remedy = Some(list);
            }
        }
        let seen = seen.join("; ");
        match remedy {
            None => Finding::ok(CHECK, seen),
            Some(remedy) if self.profile.read.look_up == LookUp::Filter => Finding::wrong(CHECK, seen, remedy),
            Some(remedy) => Finding::warning(CHECK, seen, remedy),
        }
    }

    async fn one_filter(&self, name: &str) -> FilterSupport {
        let mut call = ScimRequest::get(Endpoint::Users);
        call.query.push(("filter", filter::equals("userName", name)));
        let page = match self.once(&call).await {
            Ok(answer) => {
                let asked = super::error::RequestKind { method: crate::http::Method::Get, path: "/Users" };
                let mut body = answer.body.unwrap_or_default();
                ListPage::read(&mut body).map_err(|what| asked.not_scim(answer.status, &what))
            }
            Err(error) => Err(error),
        };
        match page {
            Ok(page) => {
                let has = |user| json::text(user, "userName").is_some_and(|given| fold(&given) == fold(name));
                FilterSupport::Accounts(page.resources.len(), page.resources.iter().any(has))
            }
            Err(error) => FilterSupport::Failed(error),
        }
    }
}
