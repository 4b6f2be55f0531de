//! What a person has to say before the file of `init` is right. In: the text of that file. Out: questions, in the order of its keys.
//!
//! Nothing here names a directory or its keys: which keys are asked for stands in the template, their explanation is the comment above each of them
//! or, without one, the description in the schema of the file, and so are the values that a key can have.

use serde_json::Value;

use super::edit::{BEFORE_COMMENT, key_of};
use super::template;
use crate::config::schema::{self, SchemaKind};
use crate::source::kind::{self, DirectoryKind};

/// One key that a person gives a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The table, such as `source.file`.
    pub table: String,
    /// The key.
    pub key: String,
    /// What it means; may be empty.
    pub help: String,
    /// How it is answered.
    pub answer: AnswerKind,
}

/// How a question is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerKind {
    /// A text. The template's value is an example, never a default: it may be the address of another company.
    Text {
        /// What the template has.
        example: String,
    },
    /// A path.
    Path {
        /// What the template has, as it is written there.
        default: String,
    },
    /// One of several values, each with its description.
    OneOf {
        /// What the template has.
        default: String,
        /// What it can be.
        values: Vec<(String, String)>,
    },
    /// A secret, in a file of its own.
    Secret {
        /// The file, as the template names it.
        file: String,
    },
}

/// A kind of directory, and what tells its products apart.
pub struct DirectoryChoice {
    /// The name of its table.
    pub table: &'static str,
    /// What it is.
    pub title: String,
    /// Its products as `init --source` names them, each with its description.
    pub products: Vec<(&'static str, String)>,
}

/// The directories there are.
pub fn directories() -> Vec<DirectoryChoice> {
    let schema = TenantSchema::read();
    let choice = |kind: &&'static dyn DirectoryKind| {
        let table = kind.table();
        let title = text_of(&schema.kind(table)["description"]);
        let described = |product: &&'static str| {
            let all = schema.enumerations(table).into_iter().flatten();
            let found = all.into_iter().find(|(value, _)| value == *product).map(|(_, description)| description);
            found.unwrap_or_else(|| title.clone())
        };
        let products = kind.products().iter().map(|product| product.name);
        let products = products.map(|name| (name, described(&name))).collect();
        DirectoryChoice { table, title, products }
    };
    kind::KINDS.iter().map(choice).collect()
}

/// The questions about the table of the directory: every key of the template but the one that makes it that product.
pub(super) fn about_directory(text: &str, product: &str) -> Vec<Question> {
    let schema = TenantSchema::read();
    let Some(kind) = kind::KINDS.iter().find(|kind| kind.products().iter().any(|own| own.name == product)) else {
        return Vec::new();
    };
    let table = format!("source.{}", kind.table());
    let keys = keys_of(text, &table).into_iter().filter(|key| key.value.as_str() != Some(product));
    keys.map(|key| schema.question(kind.table(), &table, key)).collect()
}

/// The questions about the table of the app: the keys that are no answer yet in the template.
pub(super) fn about_app(text: &str) -> Vec<Question> {
    let schema = TenantSchema::read();
    let open = template::to_edit(text);
    let is_open = |key: &TemplateKey| {
        let mut own = open.iter().filter(|(line, _)| *line == key.line);
        own.next().is_some()
    };
    keys_of(text, "target").into_iter().filter(is_open).map(|key| schema.question("", "target", key)).collect()
}

/// A key of the template.
struct TemplateKey {
    line: usize,
    key: String,
    value: Value,
    comment: String,
}

/// The keys of a table that are written and no comment.
fn keys_of(text: &str, table: &str) -> Vec<TemplateKey> {
    let header = format!("[{table}]");
    let (mut found, mut comment) = (Vec::new(), String::new());
    let lines = text.lines().enumerate().skip_while(|(_, line)| *line != header).skip(1);
    for (at, line) in lines.take_while(|(_, line)| !line.starts_with('[')) {
        match line.strip_prefix("# ") {
            // A comment before a key that is switched off is about that one.
            Some(shown) if key_of(shown).is_some() => comment.clear(),
            Some(words) => comment = [comment.trim(), words].join(" ").trim().to_owned(),
            None => {
                let comment = std::mem::take(&mut comment);
                let parsed =
                    toml::from_str::<serde_json::Map<String, Value>>(line.split(BEFORE_COMMENT).next().unwrap_or(line));
                let entry = parsed.ok().and_then(|parsed| parsed.into_iter().next());
                found.extend(entry.map(|(key, value)| TemplateKey { line: at + 1, key, value, comment }));
            }
        }
    }
    found
}

/// The schema of a tenant file.
struct TenantSchema(Value);

impl TenantSchema {
    fn read() -> Self {
        Self(serde_json::from_str(&schema::text(SchemaKind::Tenant)).unwrap_or_default())
    }

    /// The definition behind a reference, also where it may be left out.
    fn behind<'a>(&'a self, node: &'a Value) -> &'a Value {
        let named = |node: &'a Value| node["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        let inner = node["anyOf"].as_array().and_then(|all| all.iter().find_map(named));
        named(node).or(inner).map_or(node, |name| &self.0["$defs"][name])
    }

    fn kind(&self, table: &str) -> &Value {
        &self.0["$defs"]["SourceTables"]["properties"][table]
    }

    /// The description of a key and the values that it can have; of `[target]`, if no directory is named.
    fn key(&self, table: &str, key: &str) -> &Value {
        let of = if table.is_empty() { &self.0["$defs"]["TargetTable"] } else { self.behind(self.kind(table)) };
        &of["properties"][key]
    }

    fn values(&self, node: &Value) -> Option<Vec<(String, String)>> {
        let all = self.behind(node)["oneOf"].as_array()?;
        all.iter().map(|one| Some((one["const"].as_str()?.to_owned(), text_of(&one["description"])))).collect()
    }

    /// The values of every key of a directory that can have only some.
    fn enumerations(&self, table: &str) -> Vec<Vec<(String, String)>> {
        let keys = self.behind(self.kind(table))["properties"].as_object();
        keys.into_iter().flatten().filter_map(|(_, node)| self.values(node)).collect()
    }

    fn question(&self, directory: &str, table: &str, key: TemplateKey) -> Question {
        let node = self.key(directory, &key.key);
        let help = match key.comment.is_empty() {
            true => text_of(&node["description"]),
            false => key.comment,
        };
        let text = key.value.as_str().unwrap_or_default().to_owned();
        let answer = match (key.value["file"].as_str(), self.values(node)) {
            (Some(file), _) => AnswerKind::Secret { file: file.to_owned() },
            (None, Some(values)) => AnswerKind::OneOf { default: text, values },
            (None, None) if text.starts_with("../") => AnswerKind::Path { default: text },
            (None, None) => AnswerKind::Text { example: text },
        };
        Question { table: table.to_owned(), key: key.key, help, answer }
    }
}

/// A text in one line.
fn text_of(node: &Value) -> String {
    node.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_of_the_list_has_a_title_and_its_products_are_told_apart() {
        let all = directories();
        assert_eq!(all.len(), kind::KINDS.len());
        for choice in &all {
            assert!(choice.title.ends_with('.'), "{}: {:?}", choice.table, choice.title);
            let mut words: Vec<&String> = choice.products.iter().map(|(_, words)| words).collect();
            words.dedup();
            assert_eq!(words.len(), choice.products.len(), "{}", choice.table);
        }
    }

    #[test]
    fn what_is_asked_comes_from_the_template_and_the_schema() {
        let text = "[source.toy]\n# where it is\nbase_url = \"https://toy.example.org\"\n# off = 1\ntoken = { file = \"../secrets/toy\" }     # chmod 600\n\
                    kind = \"toy\"\npath = \"../x.json\"\n\n[scope]\ny = 1\n";
        let asked = about_directory(text, "toy");
        let keys: Vec<&str> = asked.iter().map(|question| question.key.as_str()).collect();
        assert_eq!(keys, ["base_url", "token", "path"], "what makes it the product is no question");
        assert_eq!(asked[0].help, "where it is");
        assert_eq!(asked[0].answer, AnswerKind::Text { example: "https://toy.example.org".to_owned() });
        assert_eq!(asked[1].answer, AnswerKind::Secret { file: "../secrets/toy".to_owned() });
        assert_eq!(asked[2].answer, AnswerKind::Path { default: "../x.json".to_owned() });
        let app = about_app(
            "[target]\nprofile = \"scim\"\nbase_url = \"https://app.example.org\"\ntoken = { file = \"../secrets/a\" }\nrate = \"1/s\"\n",
        );
        let keys: Vec<&str> = app.iter().map(|question| question.key.as_str()).collect();
        assert_eq!(keys, ["base_url", "token"]);
        assert!(app.iter().all(|question| !question.help.is_empty()), "{app:?}");
    }
}
