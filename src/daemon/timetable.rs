//! When a tenant is due. In: its schedule, its zone, its name, when it last ran. Out: an instant.
//!
//! Pure. Zones and both clock changes are croner's and jiff's business; a run that was missed while nobody was there is made up
//! for once, however many were missed.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::forms::Schedule;
use crate::tenancy::Tenant;

/// How often a tenant runs whose file does not say.
const USUAL: &str = "every 30m";

/// Tenants with the same schedule start within so long of each other, not all at once.
const SPREAD: SignedDuration = SignedDuration::from_secs(30);

/// A tenant's schedule, with its place among the others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Timetable {
    schedule: Schedule,
    zone: TimeZone,
    /// The same for a tenant each time: its runs keep their distance.
    offset: SignedDuration,
}

impl Timetable {
    pub(super) fn of(tenant: &Tenant) -> Self {
        let zone = tenant.file.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.time_zone().clone());
        Self::new(tenant.file.schedule.clone(), zone, tenant.name.as_str())
    }

    /// Of the comparison with the app, for a tenant whose file says when.
    pub(super) fn of_drift(tenant: &Tenant, schedule: Schedule) -> Self {
        let zone = tenant.file.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.time_zone().clone());
        Self::new(Some(schedule), zone, tenant.name.as_str())
    }

    fn new(schedule: Option<Schedule>, zone: TimeZone, name: &str) -> Self {
        let schedule = schedule.unwrap_or_else(usual);
        let spread = match schedule.every() {
            Some(period) => SPREAD.min(SignedDuration::try_from(period.duration()).unwrap_or(SPREAD) / 2),
            None => SPREAD,
        };
        let share = (xxh3_64(name.as_bytes()) % 1000) as i32;
        Self { schedule, zone, offset: spread * share / 1000 }
    }

    /// When it is due after a run that ended then.
    pub(super) fn after(&self, ended: Timestamp) -> Timestamp {
        let next = self.schedule.next_after(&ended.to_zoned(self.zone.clone()));
        let next = next.map_or(Timestamp::MAX, |next| next.timestamp());
        // An `every` counts from the end of a run, which is spread already.
        match self.schedule.every() {
            Some(_) => next,
            None => next.checked_add(self.offset).unwrap_or(next),
        }
    }

    /// When it is due for the first time in this process. `last` is when an earlier one last ran it.
    pub(super) fn first(&self, last: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let soon = now.checked_add(self.offset).unwrap_or(now);
        match last {
            // A clock that was set back must not keep a tenant waiting for years.
            Some(last) if last <= now => self.after(last).max(soon),
            _ => soon,
        }
    }

    /// When it is tried again after a failure: no sooner than after this pause, and no more often than its schedule says.
    pub(super) fn after_failure(&self, ended: Timestamp, pause: SignedDuration) -> Timestamp {
        let again = ended.checked_add(pause + self.offset).unwrap_or(Timestamp::MAX);
        again.max(self.after(ended))
    }
}

/// When a tenant's turn of the week last came. Tenants are spread over the week by their names; each keeps its time.
pub(super) fn last_turn_of_week(name: &str, now: Timestamp) -> Timestamp {
    const WEEK: i64 = 7 * 24 * 3600;
    let offset = (xxh3_64(name.as_bytes()) % WEEK as u64) as i64;
    let turn = (now.as_second() - offset).div_euclid(WEEK) * WEEK + offset;
    Timestamp::from_second(turn).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn usual() -> Schedule {
    match USUAL.parse() {
        Ok(schedule) => schedule,
        Err(_) => unreachable!("a constant that a test reads"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn table(schedule: &str, zone: &str, name: &str) -> Timetable {
        Timetable::new(Some(schedule.parse().unwrap()), TimeZone::get(zone).unwrap(), name)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_usual_schedule_is_one() {
        let table = Timetable::new(None, TimeZone::UTC, "acme");
        assert_eq!(table.after(at("2026-01-01T00:00:00Z")), at("2026-01-01T00:30:00Z"));
    }

    #[test]
    fn a_tenant_keeps_its_distance_and_counts_in_its_zone() {
        let names: Vec<String> = (0..200).map(|n| format!("tenant-{n}")).collect();
        let ended = at("2026-03-29T00:10:00Z");
        let starts: Vec<_> = names.iter().map(|name| table("30 2 * * *", "Europe/Berlin", name).after(ended)).collect();
        // 02:30 does not exist on this day in Berlin; it runs at 03:00, which is 01:00 UTC.
        let gap_over = at("2026-03-29T01:00:00Z");
        assert!(starts.iter().all(|start| (gap_over..gap_over + SPREAD).contains(start)), "{starts:?}");
        let mut different = starts.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 150, "spread over the half minute: {}", different.len());
        assert_eq!(
            starts,
            names.iter().map(|name| table("30 2 * * *", "Europe/Berlin", name).after(ended)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn ma4_each_tenant_has_its_own_turn_of_the_week_and_keeps_it() {
        let week = SignedDuration::from_hours(7 * 24);
        let now = at("2026-11-30T12:00:00Z");
        let mut turns: Vec<Timestamp> = (0..200).map(|n| last_turn_of_week(&format!("tenant-{n}"), now)).collect();
        assert!(turns.iter().all(|turn| (now - week..=now).contains(turn)), "{turns:?}");
        let next = last_turn_of_week("tenant-0", now + week);
        assert_eq!(next, turns[0] + week);
        turns.sort();
        let widest = turns.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap();
        assert!(widest < SignedDuration::from_hours(12), "spread over the whole week: {widest}");
    }

    #[test]
    fn i1_missed_runs_are_made_up_for_once() {
        let table = table("*/10 * * * *", "UTC", "acme");
        let now = at("2026-01-05T12:03:00Z");
        let first = table.first(Some(at("2026-01-01T00:00:00Z")), now);
        assert!((now..now + SPREAD).contains(&first), "at once, not four hundred times: {first}");
        assert!(table.after(first) >= at("2026-01-05T12:10:00Z"));
        let recent = table.first(Some(at("2026-01-05T12:00:30Z")), now);
        assert!(recent >= at("2026-01-05T12:10:00Z"), "it ran a moment ago: {recent}");
        let never = table.first(None, now);
        assert!((now..now + SPREAD).contains(&never));
    }

    #[test]
    fn i1_a_clock_that_was_set_back_keeps_nobody_waiting() {
        let table = table("every 10m", "UTC", "acme");
        let now = at("2026-01-05T12:00:00Z");
        assert!(table.first(Some(at("2031-01-01T00:00:00Z")), now) < now + SPREAD);
    }

    #[test]
    fn i7_a_failure_is_tried_after_its_pause_and_not_more_often_than_the_schedule_says() {
        let table = table("every 1m", "UTC", "acme");
        let ended = at("2026-01-05T12:00:00Z");
        let hour = SignedDuration::from_hours(1);
        assert!((ended + hour..ended + hour + SPREAD).contains(&table.after_failure(ended, hour)));
        let daily = Timetable::new(Some("0 3 * * *".parse().unwrap()), TimeZone::UTC, "acme");
        assert!(daily.after_failure(ended, hour) >= at("2026-01-06T03:00:00Z"), "not more often than its schedule");
    }
}
