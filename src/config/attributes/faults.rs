//! What is wrong with a table `[attributes."…"]`: a name that no attribute has, and settings that contradict one another.

use super::{AttributeSetting, ROLE, ValueShape};
use crate::config::{forms, words};
use crate::model::{ENTERPRISE, Path};
use crate::schema::{self, Attribute, Misspelt, Mutability, ResourceType, Returned};

/// Reads the name of an attribute. One that SCIM does not define is taken as it is, if its setting says where it stands (`is_placed`), or if it
/// resembles no known one.
///
/// # Errors
/// Says what is wrong with the name, and which one is nearest.
pub fn path_of(written: &str, is_placed: bool) -> Result<Path, Misspelt> {
    let fault = |message: String, hint: String| Err(Misspelt { message, hint });
    let path = Path::parse(written).or_else(|error| {
        fault(
            format!("{written:?} is not a SCIM attribute: {}", error.why),
            "such as `userName`, `name.givenName`, `emails.work`".to_owned(),
        )
    })?;
    let parts = path.parts();
    let name = parts.attribute;
    if let Some(found) = schema::in_user(parts.urn, name, parts.sub.is_some() || parts.element_type.is_some())? {
        part_of(written, found.attribute, parts.sub)?;
        return Ok(path);
    }
    let near = |known: &mut dyn Iterator<Item = &'static str>| forms::nearest(name, known);
    match parts.urn {
        Some(ENTERPRISE) => {
            let known = || schema::ENTERPRISE.attributes.iter().map(|known| known.name);
            let hint = match near(&mut known()) {
                Some(near) => format!("did you mean `enterprise.{near}`?"),
                None => format!("it has {}", words::list(known())),
            };
            fault(format!("the enterprise extension has no attribute `{name}`"), hint)
        }
        Some(urn) if urn.to_ascii_lowercase().starts_with("urn:ietf:params:scim:") => fault(
            format!("SCIM has no schema {urn} for users"),
            format!(
                "an attribute of the enterprise extension is written `enterprise.{name}`; one of the app's own has the app's URN"
            ),
        ),
        Some(_) => Ok(path),
        None if ResourceType::Group.find(None, name).is_some() => fault(
            format!("`{name}` is an attribute of groups, and these settings are of users"),
            "what an app does with members is set in `[groups]`, and whether it shows them by `read.members_readable`"
                .to_owned(),
        ),
        None if is_placed || name == ROLE => Ok(path),
        None => {
            let users = schema::COMMON.iter().chain(schema::USER.attributes).map(|known| known.name);
            match near(&mut users.chain([ROLE])) {
                Some(near) => fault(
                    format!("SCIM has no attribute `{name}`"),
                    format!(
                        "did you mean `{near}`? `path = \"{name}\"` says where the app has an attribute of its own"
                    ),
                ),
                None => Ok(path),
            }
        }
    }
}

/// Whether an attribute has a sub-attribute.
fn part_of(written: &str, attribute: &Attribute, sub: Option<&str>) -> Result<(), Misspelt> {
    let Some(sub) = sub else { return Ok(()) };
    let known = || attribute.sub_attributes.iter().map(|known| known.name);
    if known().any(|known| known == sub) {
        return Ok(());
    }
    let hint = match forms::nearest(sub, known()) {
        Some(near) => format!("did you mean `{}{near}`?", written.strip_suffix(sub).unwrap_or_default()),
        None => format!("it has {}", words::list(known())),
    };
    Err(Misspelt { message: format!("`{}` has no sub-attribute `{sub}`", attribute.name), hint })
}

/// What can't be so, at which key of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key.
    pub key: &'static str,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write.
    pub hint: String,
}

/// What contradicts itself in the whole setting of an attribute.
pub fn fault_of(path: &Path, setting: &AttributeSetting) -> Option<Fault> {
    let name = path.short();
    let fault = |key: &'static str, message: String, hint: &str| Some(Fault { key, message, hint: hint.to_owned() });
    let parts = path.parts();
    let known = ResourceType::User.find(parts.urn, parts.attribute).map(|found| found.attribute);
    let unsent_by = if setting.supported == Some(false) { "supported" } else { "mutability" };
    let words = if setting.supported == Some(false) { "supported = false" } else { "mutability = \"readOnly\"" };
    if parts.urn.is_none() && parts.attribute == "active" {
        let is_fixed = setting.mutability == Some(Mutability::Immutable);
        let key = match setting.push {
            Some(super::PushTime::OnCreate) => Some("push"),
            _ if setting.is_never_sent() => Some(unsent_by),
            _ => is_fixed.then_some("mutability"),
        };
        let hint = "remove it; for an app without `active`, let accounts be deleted: users.on_suspended, on_unassigned and on_deleted = \
                    \"delete\"";
        return key.and_then(|key| {
            fault(key, format!("`{key}` of `active` can't be changed: access ends and begins by it"), hint)
        });
    }
    if *path == Path::user_name() && setting.is_never_sent() {
        let hint = "remove it; a name that can't be changed later has `mutability = \"immutable\"`";
        return fault(unsent_by, format!("`userName` can't have `{words}`: no account is created without it"), hint);
    }
    if setting.is_never_sent() && setting.required == Some(true) {
        let message = format!("`{name}` has `{words}`, so it is never sent, and `required = true`");
        return fault(unsent_by, message, "an app that requires it takes it: remove one of the two");
    }
    if setting.mutability == Some(Mutability::WriteOnly)
        && matches!(setting.returned, Some(Returned::Always | Returned::Default))
    {
        let message = format!("`{name}` is `writeOnly`, and what is returned can be read");
        return fault("returned", message, "write `returned = \"never\"`, or `mutability = \"readWrite\"`");
    }
    if let (Some(known), Some(_)) = (known.filter(|known| !known.is_kept_by_clients()), setting.mutability) {
        let message = format!("`{}` is never sent, whatever its `mutability`: it is the app's own", known.name);
        return fault("mutability", message, "remove the line");
    }
    let place =
        [("path", setting.path.is_some()), ("shape", setting.shape.is_some()), ("type", setting.r#type.is_some())];
    if let (Some(known), Some((key, _))) = (known, place.into_iter().find(|(_, is_set)| *is_set)) {
        let message = format!("`{}` stands where RFC 7643 says, and has no `{key}` of its own", known.name);
        return fault(
            key,
            message,
            "remove the line; `path`, `shape` and `type` are for attributes such as `role`, which SCIM does not define",
        );
    }
    let is_typed = setting.r#type.as_ref().is_some_and(|kind| !kind.is_empty());
    if setting.shape == Some(ValueShape::TypedList) && !is_typed {
        let message = format!("`{name}` is a list of typed values, and no `type` is given");
        return fault("shape", message, "add `type = \"…\"`, or write `shape = \"list\"`");
    }
    None
}
