//! The schemas of the two resources this server keeps, as data: User, its enterprise extension, Group, and the attributes
//! every resource has (RFC 7643 §3.1, §4, §8.7.1). The schemas of the discovery resources stand in `catalog_meta`.

use super::schema::{Attr, Schema, Type};

/// What every resource has besides its own schema (RFC 7643 §3 and §3.1).
pub(super) const COMMON: &[Attr] = &[
    Attr::reference("schemas", "The URNs of the schemas in use.", &["uri"]).multi().required().always(),
    Attr::string("id", "The identifier this server gave.").exact().read_only().always().unique(),
    Attr::string("externalId", "The identifier the client gave.").exact(),
    Attr::complex("meta", "Data about the resource.", META).read_only(),
];

const META: &[Attr] = &[
    Attr::string("resourceType", "The name of the resource type.").exact().read_only(),
    Attr::new(Type::DateTime, "created", "When the resource was made.").read_only(),
    Attr::new(Type::DateTime, "lastModified", "When the resource last changed.").read_only(),
    Attr::reference("location", "The address of the resource.", &["uri"]).read_only(),
    Attr::string("version", "The revision of the resource.").exact().read_only(),
];

/// The core user (RFC 7643 §4.1), without `password`: this server takes none.
pub(super) static USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "A user account",
    attrs: &[
        Attr::string("userName", "The name the user signs in with; unique, whatever its case.").required().unique(),
        Attr::complex("name", "The parts of the user's name.", NAME),
        Attr::string("displayName", "The name to show for the user."),
        Attr::string("nickName", "A casual name."),
        Attr::reference("profileUrl", "The address of the user's profile.", &["external"]),
        Attr::string("title", "The user's title, such as Vice President."),
        Attr::string("userType", "How the user relates to the organization, such as Employee."),
        Attr::string("preferredLanguage", "The user's preferred languages, as in Accept-Language."),
        Attr::string("locale", "The user's locale, such as en-US."),
        Attr::string("timezone", "The user's IANA time zone."),
        Attr::new(Type::Boolean, "active", "Whether the account may be used."),
        Attr::complex("emails", "The user's e-mail addresses.", EMAIL).multi(),
        Attr::complex("phoneNumbers", "The user's telephone numbers.", PHONE).multi(),
        Attr::complex("ims", "The user's instant messaging addresses.", IM).multi(),
        Attr::complex("photos", "Addresses of pictures of the user.", PHOTO).multi(),
        Attr::complex("addresses", "The user's postal addresses.", ADDRESS).multi(),
        Attr::complex("groups", "The groups the user is a direct member of; changed through the group.", USER_GROUP)
            .multi()
            .read_only(),
        Attr::complex("entitlements", "Things the user is entitled to.", PLAIN).multi(),
        Attr::complex("roles", "The user's roles in the application.", PLAIN).multi(),
        Attr::complex("x509Certificates", "The user's certificates.", CERTIFICATE).multi(),
    ],
};

const NAME: &[Attr] = &[
    Attr::string("formatted", "The whole name, formatted for display."),
    Attr::string("familyName", "The family name."),
    Attr::string("givenName", "The given name."),
    Attr::string("middleName", "The middle names."),
    Attr::string("honorificPrefix", "What stands before the name, such as Dr."),
    Attr::string("honorificSuffix", "What stands after the name, such as III."),
];

const DISPLAY: Attr = Attr::string("display", "A name to show for the value.");
const TYPE: Attr = Attr::string("type", "What the value is for.");
const PRIMARY: Attr = Attr::new(Type::Boolean, "primary", "Whether this is the preferred value; true at most once.");

const PLAIN: &[Attr] = &[Attr::string("value", "The value."), DISPLAY, TYPE, PRIMARY];
const EMAIL: &[Attr] =
    &[Attr::string("value", "The e-mail address."), DISPLAY, TYPE.canonical(&["work", "home", "other"]), PRIMARY];
const PHONE: &[Attr] = &[
    Attr::string("value", "The telephone number."),
    DISPLAY,
    TYPE.canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];
const IM: &[Attr] = &[
    Attr::string("value", "The instant messaging address."),
    DISPLAY,
    TYPE.canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];
const PHOTO: &[Attr] = &[
    Attr::reference("value", "The address of the picture.", &["external"]),
    DISPLAY,
    TYPE.canonical(&["photo", "thumbnail"]),
    PRIMARY,
];
const ADDRESS: &[Attr] = &[
    Attr::string("formatted", "The whole address, formatted for display."),
    Attr::string("streetAddress", "Street, house number, and so on."),
    Attr::string("locality", "The city."),
    Attr::string("region", "The state or region."),
    Attr::string("postalCode", "The postal code."),
    Attr::string("country", "The ISO 3166-1 alpha-2 country code."),
    TYPE.canonical(&["work", "home", "other"]),
    PRIMARY,
];
const CERTIFICATE: &[Attr] =
    &[Attr::new(Type::Binary, "value", "The certificate, DER in base64."), DISPLAY, TYPE, PRIMARY];
const USER_GROUP: &[Attr] = &[
    Attr::string("value", "The id of the group.").exact().read_only(),
    Attr::reference("$ref", "The address of the group.", &["Group"]).read_only(),
    Attr::string("display", "The displayName of the group.").read_only(),
    Attr::string("type", "How the user is a member.").read_only().canonical(&["direct"]),
];

/// The enterprise extension of User (RFC 7643 §4.3).
pub(super) static ENTERPRISE: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "What an enterprise knows of a user",
    attrs: &[
        Attr::string("employeeNumber", "The number the organization gave the user."),
        Attr::string("costCenter", "The cost center."),
        Attr::string("organization", "The organization."),
        Attr::string("division", "The division."),
        Attr::string("department", "The department."),
        Attr::complex("manager", "The user's manager.", MANAGER),
    ],
};

const MANAGER: &[Attr] = &[
    Attr::string("value", "The id of the manager's account.").exact(),
    Attr::reference("$ref", "The address of the manager's account.", &["User"]),
    Attr::string("displayName", "The manager's displayName.").read_only(),
];

/// The core group (RFC 7643 §4.2).
pub(super) static GROUP: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "A group of users and groups",
    attrs: &[
        Attr::string("displayName", "The name of the group.").required(),
        Attr::complex("members", "The members of the group.", MEMBER).multi(),
    ],
};

const MEMBER: &[Attr] = &[
    Attr::string("value", "The id of the member.").exact().immutable(),
    Attr::reference("$ref", "The address of the member.", &["User", "Group"]).immutable(),
    Attr::string("type", "What the member is.").immutable().canonical(&["User", "Group"]),
];
