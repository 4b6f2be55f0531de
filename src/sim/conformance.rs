//! The simulated app and the embedded one, held to what rosterd relies on. In: the shared list of expectations. Out: that both meet every one, and
//! that a habit breaks the same one in both.

use std::sync::Arc;

use super::SimApp;
use crate::config::profile::Profile;
use crate::http::pace::Pacer;
use crate::http::{Login, Secret};
use crate::sandbox::{Misbehave, Options, start};
use crate::scim::conformance::{Expectation, UnmetReason, examine};
use crate::scim::{App, AppSettings};

const TOKEN: &str = "a-token-of-the-conformance-suite";

async fn sandboxed(misbehave: Vec<Misbehave>) -> Vec<(Expectation, Result<(), UnmetReason>)> {
    let options = Options { bearer: Some(TOKEN.to_owned()), misbehave, ..Options::default() };
    let running = start(options).await.unwrap();
    let mut profile = Profile::default();
    profile.transport.discovery = false;
    (profile.pace.backoff_base_ms, profile.pace.backoff_cap_ms) = (1, 50);
    let settings = AppSettings {
        pacer: Pacer::new(&[], profile.pace.in_flight),
        profile,
        base_url: running.base_url().to_owned(),
        login: Login::key("Authorization", "Bearer {token}", &Secret::new(TOKEN).unwrap()),
        identity: None,
        ca_pem: None,
        network: Default::default(),
        allow_http_loopback: true,
        seed: 1,
    };
    let app = App::new(settings).unwrap_or_else(|why| panic!("{why}"));
    examine(&app, "c").await
}

async fn simulated(misbehave: &[Misbehave]) -> Vec<(Expectation, Result<(), UnmetReason>)> {
    let app = Arc::new(SimApp::default());
    app.behave(|manners| manners.habits.extend(misbehave));
    examine(&*app, "c").await
}

#[tokio::test]
async fn both_apps_do_everything_that_rosterd_relies_on() {
    for (which, results) in [("simulated", simulated(&[]).await), ("embedded", sandboxed(Vec::new()).await)] {
        let broken: Vec<_> = results.into_iter().filter(|(_, result)| result.is_err()).collect();
        assert!(broken.is_empty(), "{which}: {broken:#?}");
    }
}

/// Habits that both apps have, and the one expectation that each breaks.
const BREAKS: [(Misbehave, Expectation); 3] = [
    (Misbehave::KeepsActive, Expectation::InactiveIsShown),
    (Misbehave::InactiveLeaves, Expectation::InactiveStaysInGroups),
    (Misbehave::StickyMembers, Expectation::RemovalIsExact),
];

#[tokio::test]
async fn a_habit_breaks_the_same_expectation_in_both_apps() {
    for (habit, expectation) in BREAKS {
        for (which, results) in [("simulated", simulated(&[habit]).await), ("embedded", sandboxed(vec![habit]).await)] {
            let broken: Vec<_> = results.into_iter().filter(|(_, result)| result.is_err()).collect();
            let which_broke: Vec<Expectation> = broken.iter().map(|(expectation, _)| *expectation).collect();
            assert_eq!(which_broke, [expectation], "{which}, {habit}: {broken:#?}");
        }
    }
}
