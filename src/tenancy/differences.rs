//! Choices of a new tenant file that the vendors' own guides make differently, or leave to a box in a console. In: the directory and the app. Out:
//! each key with its shipped value, the vendor's choice and the reason, for `rosterd init` and for the comments of the file.

use crate::source::choices::Choice;
use crate::source::kind;

/// A key about which there is something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettingKey {
    /// `users.on_unassigned`
    OnUnassigned,
    /// `groups.manage`
    ManageGroups,
}

impl SettingKey {
    fn name(self) -> &'static str {
        match self {
            Self::OnUnassigned => "users.on_unassigned",
            Self::ManageGroups => "groups.manage",
        }
    }
}

/// All choices about a directory and an app, in the order of the file.
pub fn differences(source: &str, app: &str) -> Vec<Choice> {
    [SettingKey::OnUnassigned, SettingKey::ManageGroups].into_iter().filter_map(|key| of(source, app, key)).collect()
}

fn of(source: &str, app: &str, key: SettingKey) -> Option<Choice> {
    kind::choices(source, app).find(|choice| choice.key == key.name())
}

/// The comment above the key in the file; empty where there is nothing to say.
pub(super) fn comment(source: &str, app: &str, key: SettingKey) -> String {
    const WIDTH: usize = 130;
    let Some(difference) = of(source, app, key) else { return String::new() };
    let mut text = String::from("#");
    let mut used = 1;
    for word in difference.reason.split_whitespace() {
        if used + 1 + word.len() > WIDTH {
            text.push_str("\n#");
            used = 1;
        }
        text.push(' ');
        text.push_str(word);
        used += 1 + word.len();
    }
    text.push('\n');
    text
}
