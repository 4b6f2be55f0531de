//! Servers that others wrote, held to the same list of expectations as the simulated app and the embedded one. Where one of them does not
//! meet an expectation, that is written down here: a change on either side is noticed.

use rosterd::config::profile::Profile;
use rosterd::http::pace::Pacer;
use rosterd::http::{Login, Secret};
use rosterd::scim::conformance::{Expectation, UnmetReason, examine};
use rosterd::scim::{App, AppSettings};

use crate::support::rig;
use crate::support::servers::{Kind, ScimServer};

fn tried(kind: Kind) -> Option<Vec<(Expectation, Result<(), UnmetReason>)>> {
    let rig = rig::require(kind.name())?;
    let server = ScimServer::start(&rig, kind);
    let mut profile = Profile::default();
    profile.transport.discovery = false;
    (profile.pace.backoff_base_ms, profile.pace.backoff_cap_ms) = (1, 50);
    let settings = AppSettings {
        pacer: Pacer::new(&[], profile.pace.in_flight),
        profile,
        base_url: server.base_url.clone(),
        login: Login::key("Authorization", "Bearer {token}", &Secret::new(&server.token).unwrap()),
        identity: None,
        ca_pem: None,
        network: Default::default(),
        allow_http_loopback: true,
        seed: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Some(runtime.block_on(async {
        let app = App::new(settings).unwrap_or_else(|why| panic!("{why}"));
        examine(&app, "c").await
    }))
}

fn breaks_only(kind: Kind, known: &[Expectation]) {
    let Some(results) = tried(kind) else { return };
    let broken: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).collect();
    let which: Vec<Expectation> = broken.iter().map(|(expectation, _)| *expectation).collect();
    assert_eq!(which, known, "{broken:#?}");
}

#[test]
fn scim2_server_does_what_rosterd_relies_on_but_for_what_is_known() {
    breaks_only(Kind::Scim2Server, &[Expectation::DeletedLeavesGroups, Expectation::GroupNamesAreUnique]);
}

#[test]
fn better_auth_does_what_rosterd_relies_on_but_for_what_is_known() {
    breaks_only(Kind::BetterAuth, &[]);
}

#[test]
fn scimmy_does_what_rosterd_relies_on_but_for_what_is_known() {
    breaks_only(Kind::Scimmy, &[Expectation::DeletedLeavesGroups, Expectation::AddingTwiceIsOnce]);
}
