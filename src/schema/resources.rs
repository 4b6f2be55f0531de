//! The schemas of the two resources, as data: User, its enterprise extension, Group, and the attributes that every resource has (RFC 7643 §3.1,
//! §4, §8.7.1).

use super::{Attribute, Mutability, Returned, Schema, Type};

/// What every resource has besides its own schema (RFC 7643 §3 and §3.1).
pub const COMMON: &[Attribute] = &[
    Attribute::reference("schemas", "The URNs of the schemas in use.", &["uri"]).multi().required().always(),
    Attribute::string("id", "The identifier that the app gave.").exact().read_only().always().unique(),
    Attribute::string("externalId", "The identifier the client gave.").exact(),
    Attribute::complex("meta", "Data about the resource.", META).read_only(),
];

const META: &[Attribute] = &[
    Attribute::string("resourceType", "The name of the resource type.").exact().read_only(),
    Attribute::new(Type::DateTime, "created", "When the resource was made.").read_only(),
    Attribute::new(Type::DateTime, "lastModified", "When the resource last changed.").read_only(),
    Attribute::reference("location", "The address of the resource.", &["uri"]).read_only(),
    Attribute::string("version", "The revision of the resource.").exact().read_only(),
];

/// The core user (RFC 7643 §4.1).
pub static USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "A user account",
    attributes: &[
        Attribute::string("userName", "The name the user signs in with; unique, whatever its case.")
            .required()
            .unique(),
        Attribute::complex("name", "The parts of the user's name.", NAME),
        Attribute::string("displayName", "The name to show for the user."),
        Attribute::string("nickName", "A casual name."),
        Attribute::reference("profileUrl", "The address of the user's profile.", &["external"]),
        Attribute::string("title", "The user's title, such as Vice President."),
        Attribute::string("userType", "How the user relates to the organization, such as Employee."),
        Attribute::string("preferredLanguage", "The user's preferred languages, as in Accept-Language."),
        Attribute::string("locale", "The user's locale, such as en-US."),
        Attribute::string("timezone", "The user's IANA time zone."),
        Attribute::new(Type::Boolean, "active", "Whether the account may be used."),
        PASSWORD,
        Attribute::complex("emails", "The user's e-mail addresses.", EMAIL).multi(),
        Attribute::complex("phoneNumbers", "The user's telephone numbers.", PHONE).multi(),
        Attribute::complex("ims", "The user's instant messaging addresses.", IM).multi(),
        Attribute::complex("photos", "Addresses of pictures of the user.", PHOTO).multi(),
        Attribute::complex("addresses", "The user's postal addresses.", ADDRESS).multi(),
        Attribute::complex(
            "groups",
            "The groups the user is a direct member of; changed through the group.",
            USER_GROUP,
        )
        .multi()
        .read_only(),
        Attribute::complex("entitlements", "Things the user is entitled to.", PLAIN).multi(),
        Attribute::complex("roles", "The user's roles in the application.", PLAIN).multi(),
        Attribute::complex("x509Certificates", "The user's certificates.", CERTIFICATE).multi(),
    ],
};

const PASSWORD: Attribute = Attribute {
    mutability: Mutability::WriteOnly,
    returned: Returned::Never,
    ..Attribute::string("password", "The user's password, in clear text.")
};

const NAME: &[Attribute] = &[
    Attribute::string("formatted", "The whole name, formatted for display."),
    Attribute::string("familyName", "The family name."),
    Attribute::string("givenName", "The given name."),
    Attribute::string("middleName", "The middle names."),
    Attribute::string("honorificPrefix", "What stands before the name, such as Dr."),
    Attribute::string("honorificSuffix", "What stands after the name, such as III."),
];

const DISPLAY: Attribute = Attribute::string("display", "A name to show for the value.");
const TYPE: Attribute = Attribute::string("type", "What the value is for.");
const PRIMARY: Attribute =
    Attribute::new(Type::Boolean, "primary", "Whether this is the preferred value; true at most once.");

const PLAIN: &[Attribute] = &[Attribute::string("value", "The value."), DISPLAY, TYPE, PRIMARY];
const EMAIL: &[Attribute] =
    &[Attribute::string("value", "The e-mail address."), DISPLAY, TYPE.canonical(&["work", "home", "other"]), PRIMARY];
const PHONE: &[Attribute] = &[
    Attribute::string("value", "The telephone number."),
    DISPLAY,
    TYPE.canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];
const IM: &[Attribute] = &[
    Attribute::string("value", "The instant messaging address."),
    DISPLAY,
    TYPE.canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];
const PHOTO: &[Attribute] = &[
    Attribute::reference("value", "The address of the picture.", &["external"]),
    DISPLAY,
    TYPE.canonical(&["photo", "thumbnail"]),
    PRIMARY,
];
const ADDRESS: &[Attribute] = &[
    Attribute::string("formatted", "The whole address, formatted for display."),
    Attribute::string("streetAddress", "Street, house number, and so on."),
    Attribute::string("locality", "The city."),
    Attribute::string("region", "The state or region."),
    Attribute::string("postalCode", "The postal code."),
    Attribute::string("country", "The ISO 3166-1 alpha-2 country code."),
    TYPE.canonical(&["work", "home", "other"]),
    PRIMARY,
];
const CERTIFICATE: &[Attribute] =
    &[Attribute::new(Type::Binary, "value", "The certificate, DER in base64."), DISPLAY, TYPE, PRIMARY];
const USER_GROUP: &[Attribute] = &[
    Attribute::string("value", "The id of the group.").exact().read_only(),
    Attribute::reference("$ref", "The address of the group.", &["Group"]).read_only(),
    Attribute::string("display", "The displayName of the group.").read_only(),
    Attribute::string("type", "How the user is a member.").read_only().canonical(&["direct"]),
];

/// The enterprise extension of User (RFC 7643 §4.3).
pub static ENTERPRISE: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "What an enterprise knows of a user",
    attributes: &[
        Attribute::string("employeeNumber", "The number the organization gave the user."),
        Attribute::string("costCenter", "The cost center."),
        Attribute::string("organization", "The organization."),
        Attribute::string("division", "The division."),
        Attribute::string("department", "The department."),
        Attribute::complex("manager", "The user's manager.", MANAGER),
    ],
};

const MANAGER: &[Attribute] = &[
    Attribute::string("value", "The id of the manager's account.").exact(),
    Attribute::reference("$ref", "The address of the manager's account.", &["User"]),
    Attribute::string("displayName", "The manager's displayName.").read_only(),
];

/// The core group (RFC 7643 §4.2).
pub static GROUP: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "A group of users and groups",
    attributes: &[
        Attribute::string("displayName", "The name of the group.").required(),
        Attribute::complex("members", "The members of the group.", MEMBER).multi(),
    ],
};

const MEMBER: &[Attribute] = &[
    Attribute::string("value", "The id of the member.").exact().immutable(),
    Attribute::reference("$ref", "The address of the member.", &["User", "Group"]).immutable(),
    Attribute::string("type", "What the member is.").immutable().canonical(&["User", "Group"]),
];
