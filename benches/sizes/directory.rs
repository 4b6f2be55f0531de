//! Made-up directories of any size. In: a size and a place. Out: the same JSON document every time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How large a directory is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) people: u64,
    pub(crate) groups: u64,
    pub(crate) memberships: u64,
}

const GIVEN: [&str; 8] = ["Ada", "Grace", "Zoë", "Edsger", "Barbara", "Tony", "Katherine", "Alan"];
const FAMILY: [&str; 8] = ["Lovelace", "Hopper", "Müller", "Dijkstra", "Liskov", "Hoare", "Johnson", "Turing"];
const DEPARTMENTS: [&str; 5] = ["Research", "Sales", "Finance", "Operations", "People & Culture"];

/// An odd number that 5 does not divide: multiples of it visit every person of a round number of people once.
const STRIDE: u64 = 7_368_787;

/// Writes the directory. In the `changed` hundredth of the people everybody has another title.
pub(crate) fn write(path: &Path, size: Size, changed: bool) -> io::Result<()> {
    assert!(size.people.is_multiple_of(10) && size.people < STRIDE, "members must be distinct");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(b"{\"users\":[\n")?;
    for n in 0..size.people {
        let comma = if n == 0 { "" } else { ",\n" };
        let (given, family) = (GIVEN[pick(n, 8)], FAMILY[pick(n + 1, 8)]);
        let login = format!("{}.{}{n}", ascii(given), ascii(family));
        // Without groups people belong because they are assigned one by one.
        let assigned = if size.groups == 0 { ",\"assigned\":true" } else { "" };
        let title = if changed && n % 100 == 0 { "Principal Engineer" } else { "Staff Engineer" };
        write!(
            out,
            "{comma}{{\"id\":\"{}\",\"userName\":\"{login}\",\"email\":\"{login}@example.com\",\"givenName\":\"{given}\",\
             \"familyName\":\"{family}\",\"displayName\":\"{given} {family}\",\"department\":\"{}\",\"title\":\"{title}\",\
             \"active\":true{assigned}}}",
            id(1, n),
            DEPARTMENTS[pick(n + 2, 5)]
        )?;
    }
    out.write_all(b"\n],\"groups\":[\n")?;
    let mut from = 0;
    for g in 0..size.groups {
        let comma = if g == 0 { "" } else { ",\n" };
        write!(out, "{comma}{{\"id\":\"{}\",\"name\":\"Team {g}\",\"members\":[", id(2, g))?;
        for at in 0..members_of(size, g) {
            let member = (from + at) * STRIDE % size.people;
            write!(out, "{}\"{}\"", if at == 0 { "" } else { "," }, id(1, member))?;
        }
        from += members_of(size, g);
        out.write_all(b"]}")?;
    }
    out.write_all(b"\n]}\n")?;
    out.flush()
}

/// A tenth of all memberships is in the first group, as in a company that has an "everybody"; the rest is spread evenly.
pub(crate) fn members_of(size: Size, group: u64) -> u64 {
    let everybody = size.memberships / 10;
    if group == 0 {
        return everybody;
    }
    let (rest, others) = (size.memberships - everybody, size.groups - 1);
    rest / others + u64::from(group <= rest % others)
}

/// A UUID that looks random and is the same every time.
pub(crate) fn id(kind: u64, n: u64) -> String {
    let (a, b) = (mix(kind << 40 | n), mix(kind << 40 | n | 1 << 60));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 48 & 0x3fff | 0x8000,
        b & 0xffff_ffff_ffff
    )
}

fn pick(n: u64, of: usize) -> usize {
    (mix(n) % of as u64) as usize
}

fn ascii(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

/// One step of SplitMix64.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
