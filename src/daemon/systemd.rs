//! What systemd is told (sd_notify(3)). In: what the daemon does. Out: datagrams to `$NOTIFY_SOCKET`, if there is one.
//!
//! The watchdog is fed by the daemon's own loop, after it has looked at all tenants: a loop that hangs lets it starve.

use std::time::Duration;

use sd_notify::NotifyState;

/// How long a drain may take before systemd has to be asked for more.
const MORE_TIME: Duration = Duration::from_secs(30);

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "could not notify systemd");
    }
}

/// The files are read and the tenants are on their schedules.
pub(super) fn ready(line: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(line)]);
}

/// The loop went round.
pub(super) fn alive(line: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(line)]);
}

/// The files are read again; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "could not notify systemd of the reload"),
    }
}

/// No run begins any more.
pub(super) fn stopping(line: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(line)]);
}

/// Calls are still under way.
pub(super) fn draining(line: &str) {
    let micros = u32::try_from(MORE_TIME.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros), NotifyState::Watchdog, NotifyState::Status(line)]);
}
