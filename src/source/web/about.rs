//! What is known of a directory behind HTTP before it is asked: data for `init`, `check`, `doctor` and the engine. It must not depend on a product.

use jiff::SignedDuration;

use crate::http::HttpResponse;
use crate::model::StatusSign;
use crate::source::kind::DirectoryProduct;

/// What a refusal means where its status alone does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The address asked too fast, and is blocked for a while.
    TooFast,
    /// The credential belongs to several organisations, and the question names none.
    NoOrganisation,
}

/// What is known of a directory before it is asked.
#[derive(Debug)]
pub struct DirectoryInfo {
    /// The key of its table, which is its name for `init`, with what `init` writes.
    pub init: DirectoryProduct,
    /// The product, for messages.
    pub product: &'static str,
    /// The attributes of a user and of a group, separated by spaces.
    pub names: [&'static str; 2],
    /// What says whether a user is suspended, where the evidence is kept ([`crate::source::Reading::saw_sign`]); at most eight.
    pub signs: &'static [StatusSign],
    /// Reads from a refusal what its status alone does not say. Each directory's folder knows its vendor's words.
    pub meaning: fn(&HttpResponse) -> Option<Meaning>,
    /// Whether a 403 to a question that was answered before means "too fast" and not "no right": some block an address so.
    pub forgive_403: bool,
    /// Whether every group counts as assigned where neither an application nor the scope names any.
    pub assigns_all: bool,
    /// Whether the exact spelling of an application's name wins over other cases.
    pub minds_case: bool,
    /// What an address that answers 404 to a list should be: `is the base URL right`.
    pub address: &'static str,
    /// How far before the last look the change feed is read again, and how long it keeps events.
    pub feed: [SignedDuration; 2],
    /// The attributes without which nobody can be made.
    pub required: &'static [&'static str],
    /// The attributes by which a user is found before one is made.
    pub found_by: &'static [&'static str],
    /// Whether a filter that shows others was not heeded.
    pub filters_exactly: bool,
    /// What the directory answers, in small letters, where a new user exists already and the status does not say so.
    pub taken: &'static [&'static str],
    /// Its words in findings.
    pub words: Words,
}

/// How findings of `doctor` call things, and what to do about them.
#[derive(Debug)]
pub struct Words {
    /// The credential, and how to renew it.
    pub credential: [&'static str; 2],
    /// Users and groups, as far as they are visible.
    pub rights: [&'static str; 2],
    /// A missing right, and how it is given.
    pub grant: [&'static str; 2],
    /// Whether the server answers, and where to look if not.
    pub reachable: [&'static str; 2],
    /// What to correct where settings do not fit.
    pub settings: &'static str,
    /// How the application is given to groups.
    pub bind: &'static str,
    /// How the vendor's own provisioning shows that it is on, and how it is stopped; `{app}` stands for the application.
    pub provisioning: [&'static str; 2],
    /// The change feed, and what to do without it; nothing is said of a feed without a name.
    pub feed: [&'static str; 2],
}

impl DirectoryInfo {
    /// A directory of which nothing particular is known: no change feed, no choices, users can't be made.
    pub const fn new(name: &'static str, product: &'static str) -> Self {
        Self {
            init: DirectoryProduct::new(name),
            product,
            names: ["", ""],
            signs: &[],
            meaning: |_| None,
            forgive_403: false,
            assigns_all: false,
            minds_case: false,
            address: "is the base URL right",
            feed: [SignedDuration::from_mins(10), SignedDuration::from_hours(365 * 24)],
            required: &[],
            found_by: &[],
            filters_exactly: false,
            taken: &[],
            words: Words::PLAIN,
        }
    }
}

impl Words {
    /// Words that fit anywhere.
    pub const PLAIN: Self = Self {
        credential: ["credential", "make a new one and put it into the secret file"],
        rights: ["users", "groups"],
        grant: ["rights", "give the credential the right to read users, groups and applications"],
        reachable: ["reachable", "check the address and the network"],
        settings: "check the address in the directory's table",
        bind: "give the application to a group",
        provisioning: ["the directory's own provisioning for {app} is on", "stop it in the directory's console"],
        feed: ["", ""],
    };
}
