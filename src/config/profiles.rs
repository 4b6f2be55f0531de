//! The folders of apps: those that come with rosterd, inside the binary, and the operator's own. It takes a name or a path and returns the texts of
//! the folder: the profile, what `init` writes, how the app behaves as a sandbox, and notes.
//!
//! A new app is one folder in `config/profiles/`; nothing here names one. A profile alone, in a single file, is read as well.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;

use super::attributes::{AttributeSettings, AttributeTables, fault_of};
use super::diagnostic::Diagnostic;
use super::document::{Document, SourceText};
use super::load;
use super::old_keys::{self, Replaced};
use super::profile::{Profile, ProfileOverrides};

/// The names of the shipped folders, with the texts of their files.
const SHIPPED: &[(&str, [Option<&str>; 4])] = &include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// The folder of one app.
#[derive(Debug, Clone)]
pub struct AppFolder {
    /// How it is named in `target.profile`: a shipped name, or a path.
    pub name: String,
    /// Where the profile stands, for messages.
    place: String,
    profile: Cow<'static, str>,
    tenant: Option<Cow<'static, str>>,
    habits: Option<Cow<'static, str>>,
    notes: Option<Cow<'static, str>>,
}

/// What `rosterd init` writes for an app: `tenant.toml` of its folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantTemplate {
    /// The address, with a placeholder where each customer has another.
    pub base_url: String,
    /// Whether the user name is the directory's e-mail address.
    #[serde(default)]
    pub address_as_user_name: bool,
    /// Directories whose own guide for the app has the user name as it is in the directory.
    #[serde(default)]
    pub user_name_as_in_directory: Vec<String>,
    /// The table `[users]`, up to the first line of `[users.attributes]`.
    pub users: String,
    /// The table `[groups]`.
    pub groups: String,
    /// The last lines of `[users.attributes]`, by directory; `default` for all others.
    #[serde(default)]
    pub attributes: std::collections::BTreeMap<String, String>,
}

impl TenantTemplate {
    /// The last lines of `[users.attributes]` for a directory.
    pub fn attributes_for(&self, directory: &str) -> Option<&str> {
        self.attributes.get(directory).or_else(|| self.attributes.get("default")).map(String::as_str)
    }
}

/// A shipped folder.
pub fn shipped(name: &str) -> Option<AppFolder> {
    let (name, [profile, tenant, habits, notes]) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
    let text = |text: &Option<&'static str>| text.map(Cow::Borrowed);
    Some(AppFolder {
        name: (*name).to_owned(),
        place: format!("config/profiles/{name}/profile.toml"),
        profile: text(profile)?,
        tenant: text(tenant),
        habits: text(habits),
        notes: text(notes),
    })
}

/// The names of the shipped folders.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// Whether a name is a path, and not that of a shipped folder.
pub fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "toml")
}

impl AppFolder {
    /// The operator's own folder, or profile in a single file.
    ///
    /// # Errors
    /// When a file can't be read, or others could have changed it.
    pub fn at(path: &Path) -> Result<Self, Box<Diagnostic>> {
        let is_folder = path.is_dir();
        let profile = if is_folder { path.join("profile.toml") } else { path.to_owned() };
        let beside = |file: &str| match path.join(file) {
            beside if is_folder && beside.exists() => {
                load::read_text(&beside).map(|text| Some(text.text().to_owned().into()))
            }
            _ => Ok(None),
        };
        let text = load::read_text(&profile)?;
        Ok(Self {
            name: path.display().to_string(),
            place: profile.display().to_string(),
            profile: text.text().to_owned().into(),
            tenant: beside("tenant.toml")?,
            habits: beside("habits.toml")?,
            notes: beside("notes.md")?,
        })
    }

    /// A shipped folder by its name, or the operator's own by its path.
    ///
    /// # Errors
    /// When there is none, with what there is.
    pub fn named(name: &str) -> Result<Self, Box<Diagnostic>> {
        match shipped(name) {
            Some(folder) => Ok(folder),
            None if is_path(name) => Self::at(Path::new(name)),
            None => {
                let known: Vec<&str> = names().collect();
                let hint = format!("it is one of {}, or the path of a folder of your own", known.join(", "));
                Err(Box::new(Diagnostic::of_file(Path::new(name), format!("there is no profile {name:?}"), hint)))
            }
        }
    }

    /// The profile's text and where it stands.
    pub fn profile(&self) -> SourceText {
        SourceText::new(self.place.as_str(), &*self.profile)
    }

    /// What the app is called.
    pub fn title(&self) -> String {
        let table: Option<toml::Table> = toml::from_str(&self.profile).ok();
        let name = table.as_ref().and_then(|table| table.get("name")).and_then(toml::Value::as_str);
        name.unwrap_or(&self.name).to_owned()
    }

    /// What `init` writes for this app. A folder without a `tenant.toml` has that of the plain standard.
    ///
    /// # Errors
    /// When the file is not what it should be.
    pub fn tenant_template(&self) -> Result<TenantTemplate, Box<Diagnostic>> {
        match &self.tenant {
            Some(text) => self.parse("tenant.toml", text),
            None => match shipped("scim") {
                Some(standard) if self.name != standard.name => standard.tenant_template(),
                _ => self.parse("tenant.toml", ""),
            },
        }
    }

    /// `habits.toml`, read as the sandbox wants it.
    ///
    /// # Errors
    /// When the file is not what it should be.
    pub fn habits<T: serde::de::DeserializeOwned>(&self) -> Result<T, Box<Diagnostic>> {
        self.parse("habits.toml", self.habits.as_deref().unwrap_or_default())
    }

    /// What people should know of the app, in Markdown.
    pub fn notes(&self) -> Option<&str> {
        self.notes.as_deref()
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, file: &str, text: &str) -> Result<T, Box<Diagnostic>> {
        toml::from_str(text).map_err(|error| {
            let place = Path::new(&self.place).with_file_name(file);
            let message = format!("it can't be read: {}", error.message());
            Box::new(Diagnostic::of_file(&place, message, "compare it with the folders in config/profiles"))
        })
    }
}

/// Reads a profile and lays a tenant's overrides over it, key by key; tables are merged, everything else is replaced. `replaced` are the lists of
/// attributes that the overrides replace as a whole.
///
/// Both must be right by themselves: mistakes of the profile file go to `found`.
pub fn read(
    source: &SourceText,
    overrides: &ProfileOverrides,
    replaced: &Replaced,
    found: &mut Vec<Diagnostic>,
) -> Option<Profile> {
    let mut document = Document::parse(source, found);
    let own = old_keys::rewrite(&mut document, &[], found);
    load::profile(&document, found)?;
    let mut table: toml::Table = document.deserialize().map_err(|error| found.push(*error)).ok()?;
    let mut over = overrides.0.clone();
    let written = [table.remove("attributes"), over.remove("attributes")];
    lay_over(&mut table, &over);
    let read = || -> Result<Option<Profile>, toml::de::Error> {
        let [base, over] = written.map(|table| table.map_or(Ok(AttributeTables::new()), toml::Value::try_into));
        let mut attributes = AttributeSettings::default();
        own.forget_in(&mut attributes);
        attributes.lay(base?);
        if attributes_at_odds(&document, &[], &attributes, found) {
            return Ok(None);
        }
        replaced.forget_in(&mut attributes);
        attributes.lay(over?);
        Ok(Some(Profile { attributes, ..table.try_into()? }))
    };
    match read() {
        Ok(profile) => profile,
        Err(error) => {
            let hint = "the profile and the tenant's `override_profile` are right by themselves, but not together";
            found.push(Diagnostic::of_file(
                source.file(),
                format!("the overridden profile can't be read: {error}"),
                hint,
            ));
            None
        }
    }
}

/// Reports the settings of attributes that contradict one another, each at its key below `base`; says whether there are any.
pub(crate) fn attributes_at_odds(
    document: &Document<'_>,
    base: &[&str],
    attributes: &AttributeSettings,
    found: &mut Vec<Diagnostic>,
) -> bool {
    let tables: Vec<&str> = base.iter().copied().chain(["attributes"]).collect();
    let written = document.table_at(&tables);
    let before = found.len();
    for (path, setting) in attributes.iter() {
        let Some(fault) = fault_of(path, setting) else { continue };
        let mut names = written.into_iter().flat_map(|table| table.keys()).map(|key| key.get_ref().as_ref());
        let name = names.find(|name| crate::model::Path::parse(name).is_ok_and(|named| named == *path));
        let at: Vec<&str> = tables.iter().copied().chain([name.unwrap_or(path.as_str()), fault.key]).collect();
        found.push(document.error(&at, fault.message, fault.hint));
    }
    found.len() > before
}

fn lay_over(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => lay_over(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::config::profile::{OpCase, PagingStyle};

    fn with(profile: &str, overrides: &str) -> (Option<Profile>, Vec<Diagnostic>) {
        let mut found = Vec::new();
        let source = SourceText::new("p.toml", profile);
        let read =
            read(&source, &ProfileOverrides(toml::from_str(overrides).unwrap()), &Replaced::default(), &mut found);
        (read, found)
    }

    #[test]
    fn every_shipped_profile_is_right_and_has_a_name() {
        for name in names() {
            let (profile, found) = with(&shipped(name).unwrap().profile, "");
            assert_eq!(found, [], "{name}");
            assert!(!profile.unwrap().name.is_empty(), "{name}");
            let folder = shipped(name).unwrap();
            assert!(folder.tenant_template().unwrap().base_url.starts_with("https://"), "{name}");
            assert!(folder.notes().is_some(), "{name}");
        }
        assert!(shipped("../heap").is_none());
    }

    #[test]
    fn j16_heap_never_changes_a_name_or_address_without_somebody_deciding() {
        let (heap, _) = with(&shipped("heap").unwrap().profile, "");
        let attributes = heap.unwrap().attributes;
        let fixed = |name: &str| attributes.is_immutable(&crate::model::Path::parse(name).unwrap());
        assert_eq!(["userName", "emails.work", "emails", "displayName"].map(fixed), [true, true, true, false]);
    }

    #[test]
    fn a_tenants_overrides_replace_single_knobs() {
        let profile = "[read]\npaging = 'cursor'\npage_size = 50\n[attributes.userName]\nmutability = 'immutable'\nreturned = 'never'";
        let over =
            "[read]\npage_size = 10\n[users]\nop_case = 'pascal'\n[attributes.userName]\nmutability = 'readWrite'";
        let (read, found) = with(profile, over);
        assert_eq!(found, []);
        let read = read.unwrap();
        assert_eq!((read.read.paging, read.read.page_size), (PagingStyle::Cursor, 10));
        let name = crate::model::Path::user_name();
        assert_eq!((read.users.op_case, read.attributes.is_immutable(&name)), (OpCase::Pascal, false));
        assert!(read.attributes.is_unreturned(&name), "a tenant's setting is laid over the profile's, key by key");
    }

    #[test]
    fn a_mistake_in_a_profile_file_is_shown_in_that_file() {
        let (read, found) = with("[read]\npageing = 'cursor'", "");
        assert!(read.is_none());
        assert_eq!(found[0].location(), "p.toml:2:1");
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `paging`?"));
    }
}
