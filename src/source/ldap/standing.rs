//! Whether a person may have accounts. In: an entry and the product's habits. Out: a [`Standing`]. Pure.
//!
//! | preset | suspended when |
//! |---|---|
//! | `openldap` | `pwdAccountLockedTime` is `000001010000Z`, the permanent lock; a lock with a time heals by itself |
//! | `389ds` | `nsAccountLock` is `true` |
//! | `ad` | bit 2 of `userAccountControl` is set, or `accountExpires` has passed |
//!
//! All of these are operational or may be hidden: they are always asked for by name.

use jiff::Timestamp;

use super::entry::LdapEntry;
use crate::config::directory::ldap::LdapPreset;
use crate::model::{LifecycleStatus, StatusSign};
use crate::source::SourceError;

/// `ADS_UF_ACCOUNTDISABLE`.
const ACCOUNT_DISABLE: i64 = 0x2;

/// Seconds from 1601-01-01 to 1970-01-01.
const FILETIME_TO_UNIX_SECONDS: i64 = 11_644_473_600;

/// Steps of a FILETIME in one second.
const FILETIME_STEPS: i64 = 10_000_000;

/// The password policy's lock that no time lifts (draft-behera-ldap-password-policy §5.3.3).
const LOCKED_FOR_GOOD: &str = "000001010000Z";

/// The attributes that [`standing`] looks at.
pub(super) fn attributes(preset: LdapPreset) -> &'static [&'static str] {
    match preset {
        LdapPreset::OpenLdap => &["pwdAccountLockedTime"],
        LdapPreset::Ds389 => &["nsAccountLock"],
        LdapPreset::ActiveDirectory => &["userAccountControl", "accountExpires", "sAMAccountName"],
    }
}

/// The signs that [`standing`] judges by. What only tells accounts from contacts is none.
pub(super) fn signs(preset: LdapPreset) -> &'static [&'static str] {
    match preset {
        LdapPreset::OpenLdap => &["pwdAccountLockedTime"],
        LdapPreset::Ds389 => &["nsAccountLock"],
        LdapPreset::ActiveDirectory => &["userAccountControl", "accountExpires"],
    }
}

/// Adds the signs that an entry shows, whatever they say, each once. A sign that no entry shows any more is no evidence that everybody is active:
/// a credential that lost the right to read it sees the same.
pub(super) fn note_signs(preset: LdapPreset, entry: &LdapEntry, seen: &mut Vec<StatusSign>) {
    for name in signs(preset) {
        if !entry.values(name).is_empty() && !seen.iter().any(|sign| sign.as_str() == *name) {
            seen.push(StatusSign::of(name));
        }
    }
}

/// What the directory says of a person's account.
///
/// # Errors
/// When the attributes hold what they can't hold, or when an account of Active Directory does not show its control bits:
/// every account has them, so the credential may not read them, and a disabled person would look like an active one.
pub(super) fn standing(preset: LdapPreset, entry: &LdapEntry, now: Timestamp) -> Result<LifecycleStatus, SourceError> {
    let suspended = match preset {
        LdapPreset::OpenLdap => entry.text("pwdAccountLockedTime").is_some_and(|time| time == LOCKED_FOR_GOOD),
        LdapPreset::Ds389 => entry.text("nsAccountLock").is_some_and(|lock| lock.eq_ignore_ascii_case("true")),
        LdapPreset::ActiveDirectory => disabled_in_ad(entry)? || expired_in_ad(entry, now)?,
    };
    Ok(if suspended { LifecycleStatus::Suspended } else { LifecycleStatus::Active })
}

fn disabled_in_ad(entry: &LdapEntry) -> Result<bool, SourceError> {
    match number(entry, "userAccountControl")? {
        Some(bits) => Ok(bits & ACCOUNT_DISABLE != 0),
        None if entry.text("sAMAccountName").is_some() => Err(SourceError::Forbidden(format!(
            "`userAccountControl` of {}: without it a disabled account looks like an active one",
            entry.dn
        ))),
        // Contacts and the like are no accounts and have no bits.
        None => Ok(false),
    }
}

fn expired_in_ad(entry: &LdapEntry, now: Timestamp) -> Result<bool, SourceError> {
    Ok(match number(entry, "accountExpires")? {
        None | Some(i64::MIN..=0) | Some(i64::MAX) => false,
        Some(expires) => expires <= (now.as_second() + FILETIME_TO_UNIX_SECONDS).saturating_mul(FILETIME_STEPS),
    })
}

fn number(entry: &LdapEntry, name: &str) -> Result<Option<i64>, SourceError> {
    let Some(text) = entry.text(name) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| SourceError::Malformed(format!("`{name}` of {} is {text:?}, no number", entry.dn)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn says(preset: LdapPreset, attributes: &[(&str, &str)]) -> Result<LifecycleStatus, SourceError> {
        let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        standing(preset, &LdapEntry::of("cn=ann,dc=x", attributes), now)
    }

    #[test]
    fn only_the_permanent_lock_suspends_in_openldap() {
        let of = |time: &str| says(LdapPreset::OpenLdap, &[("pwdAccountLockedTime", time)]).unwrap();
        assert_eq!(of("000001010000Z"), LifecycleStatus::Suspended);
        assert_eq!(of("20260630120000Z"), LifecycleStatus::Active);
        assert_eq!(says(LdapPreset::OpenLdap, &[]).unwrap(), LifecycleStatus::Active);
    }

    #[test]
    fn the_account_lock_suspends_in_389_ds() {
        let of = |lock: &str| says(LdapPreset::Ds389, &[("nsaccountlock", lock)]).unwrap();
        assert_eq!(of("true"), LifecycleStatus::Suspended);
        assert_eq!(of("TRUE"), LifecycleStatus::Suspended);
        assert_eq!(of("false"), LifecycleStatus::Active);
        assert_eq!(says(LdapPreset::Ds389, &[]).unwrap(), LifecycleStatus::Active);
    }

    #[test]
    fn the_disable_bit_suspends_in_active_directory() {
        let of = |bits: &str| says(LdapPreset::ActiveDirectory, &[("userAccountControl", bits)]).unwrap();
        assert_eq!(of("512"), LifecycleStatus::Active);
        assert_eq!(of("514"), LifecycleStatus::Suspended);
        assert_eq!(of("546"), LifecycleStatus::Suspended);
        assert_eq!(of("66048"), LifecycleStatus::Active);
        assert_eq!(of("-2147483136"), LifecycleStatus::Active, "the bits are a signed number");
    }

    #[test]
    fn an_account_expires_in_active_directory() {
        let of = |expires: &str| {
            says(LdapPreset::ActiveDirectory, &[("userAccountControl", "512"), ("accountExpires", expires)]).unwrap()
        };
        assert_eq!(of("0"), LifecycleStatus::Active);
        assert_eq!(of("9223372036854775807"), LifecycleStatus::Active);
        assert_eq!(of("134273375999999999"), LifecycleStatus::Suspended, "a step before 2026-07-01");
        assert_eq!(of("134273376000000000"), LifecycleStatus::Suspended, "2026-07-01 itself");
        assert_eq!(of("134273376000000001"), LifecycleStatus::Active);
    }

    #[test]
    fn s9_an_account_whose_bits_are_hidden_is_an_error_and_a_contact_is_not() {
        let hidden = says(LdapPreset::ActiveDirectory, &[("sAMAccountName", "ann")]);
        assert!(matches!(hidden, Err(SourceError::Forbidden(_))), "{hidden:?}");
        assert_eq!(says(LdapPreset::ActiveDirectory, &[("mail", "ann@x")]).unwrap(), LifecycleStatus::Active);
    }

    #[test]
    fn s8_bits_that_are_no_number_are_an_error() {
        let odd = says(LdapPreset::ActiveDirectory, &[("userAccountControl", "0x2")]);
        assert!(matches!(odd, Err(SourceError::Malformed(_))), "{odd:?}");
    }
}
