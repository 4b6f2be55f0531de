//! What a person has answered so far, and the files that follow from it. In: answers. Out: a [`Draft`], to be tried or to be written.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::failure::CommandFailure;
use super::terminal::Terminal;
use crate::config::diagnostic::Diagnostic;
use crate::files::modes;
use crate::files::replace::replace;
use crate::store::Stores;
use crate::tenancy::{AnswerKind, Draft, InitChoices, InitPlan, Question, Tenant, TypedSecret};

/// All answers.
pub(super) struct SetupAnswers {
    config: PathBuf,
    pub(super) plan: InitPlan,
    pub(super) choices: InitChoices,
    values: Vec<Value>,
    secrets: Vec<SecretAnswer>,
}

/// The value of a key, as TOML.
struct Value {
    table: String,
    key: String,
    toml: String,
    /// As it was typed.
    typed: String,
}

/// Where the secret of a key is.
struct SecretAnswer {
    table: String,
    key: String,
    /// The file, as the tenant file names it.
    named: String,
    path: PathBuf,
    /// `None` for a file that is there already.
    text: Option<Zeroizing<String>>,
}

impl SetupAnswers {
    pub(super) fn new(config: &Path, plan: InitPlan) -> Self {
        let (choices, values, secrets) = (InitChoices::default(), Vec::new(), Vec::new());
        Self { config: config.to_owned(), plan, choices, values, secrets }
    }

    /// The files as `init` writes them, before any answer.
    pub(super) fn template(&self) -> Result<Draft, Box<Diagnostic>> {
        Draft::new(&self.config, &self.plan, &self.choices)
    }

    /// The files that will be written.
    pub(super) fn draft(&self) -> Result<Draft, Box<Diagnostic>> {
        let mut draft = self.template()?;
        for value in &self.values {
            draft.set(&value.table, &value.key, &value.toml);
        }
        for secret in &self.secrets {
            draft.set(&secret.table, &secret.key, &file(&secret.named));
        }
        Ok(draft)
    }

    /// The tenant that the files would make, with the typed secrets in a folder for the trial, and with further keys.
    pub(super) fn trial(
        &self,
        terminal: &Terminal,
        more: &[(&str, &str, &str)],
    ) -> Result<Result<(Tenant, Stores), Vec<Diagnostic>>, CommandFailure> {
        let scratch = terminal.scratch()?;
        let mut draft = match self.draft() {
            Ok(draft) => draft,
            Err(error) => return Ok(Err(vec![*error])),
        };
        for (table, key, value) in more {
            draft.set(table, key, value);
        }
        for secret in &self.secrets {
            let Some(text) = &secret.text else { continue };
            let path = scratch.join(format!("{}.{}", secret.table, secret.key));
            replace(&path, modes::PRIVATE, text.as_bytes())?;
            draft.set(&secret.table, &secret.key, &file(&path.display().to_string()));
        }
        // A state of its own, in which nothing is: what an earlier tenant of this name did has no part in a trial.
        let stores = Stores::on_disk(scratch.join("state"));
        Ok(draft.tenant(&stores).map(|tenant| (tenant, stores)))
    }

    /// The secrets that have to be written.
    pub(super) fn typed_secrets(&self) -> Vec<TypedSecret> {
        let typed = self.secrets.iter().filter_map(|secret| Some((secret.path.clone(), secret.text.clone()?)));
        typed.map(|(path, text)| TypedSecret { path, text }).collect()
    }

    /// Sets a key; an earlier answer is forgotten.
    pub(super) fn set(&mut self, table: &str, key: &str, toml: String, typed: String) {
        self.unset(table, key);
        self.values.push(Value { table: table.to_owned(), key: key.to_owned(), toml, typed });
    }

    /// Leaves a key as the template has it.
    pub(super) fn unset(&mut self, table: &str, key: &str) {
        self.values.retain(|value| value.table != table || value.key != key);
    }

    /// What was typed for a key.
    pub(super) fn typed(&self, table: &str, key: &str) -> Option<&str> {
        let found = self.values.iter().find(|value| value.table == table && value.key == key);
        found.map(|value| value.typed.as_str())
    }

    /// Asks a question and keeps its answer.
    pub(super) fn ask(
        &mut self,
        terminal: &Terminal,
        draft: &Draft,
        question: &Question,
    ) -> Result<(), CommandFailure> {
        let (table, key) = (&question.table, &question.key);
        let earlier = self.typed(table, key).map(str::to_owned);
        if !question.help.is_empty() {
            terminal.note(format!("\n{}", question.help));
        }
        match &question.answer {
            AnswerKind::Text { example } => {
                if earlier.is_none() && !example.is_empty() {
                    terminal.note(format!("For example: {example}"));
                }
                let text = terminal.ask(key, earlier.as_deref())?;
                self.set(table, key, quoted(&text), text);
            }
            AnswerKind::Path { default } => {
                let suggested = draft.whole(default).display().to_string();
                let text = terminal.ask(key, Some(earlier.as_deref().unwrap_or(&suggested)))?;
                match text == suggested {
                    true => self.unset(table, key),
                    false => self.set(table, key, quoted(&whole(&text)?), text),
                }
            }
            AnswerKind::OneOf { default, values } => {
                for (at, (value, words)) in values.iter().enumerate() {
                    terminal.note(format!("  {} {value:<10} {words}", at + 1));
                }
                let words: Vec<&str> = values.iter().map(|(value, _)| value.as_str()).collect();
                let value = terminal.choose(key, &words, Some(earlier.as_deref().unwrap_or(default)))?;
                self.set(table, key, quoted(&value), value);
            }
            AnswerKind::Secret { file } => self.ask_secret(terminal, draft, question, file)?,
        }
        Ok(())
    }

    fn ask_secret(
        &mut self,
        terminal: &Terminal,
        draft: &Draft,
        question: &Question,
        named: &str,
    ) -> Result<(), CommandFailure> {
        let (table, key) = (&question.table, &question.key);
        let is_own = |secret: &SecretAnswer| secret.table == *table && secret.key == *key;
        let earlier = self.secrets.iter().position(is_own);
        if earlier.is_none() {
            let path = draft.whole(named);
            if path.symlink_metadata().is_ok() {
                terminal.note(format!("{} is there already.", path.display()));
                if terminal.agrees("Use the secret in it", true)? {
                    let (table, key, named) = (table.clone(), key.clone(), named.to_owned());
                    self.secrets.push(SecretAnswer { table, key, named, path, text: None });
                    return Ok(());
                }
            }
        }
        let prompt = match earlier {
            Some(_) => format!("{key} (not shown; Enter keeps the one that was tried): "),
            None => format!("{key} (not shown): "),
        };
        let Some(text) = terminal.secret(&prompt, earlier.is_some())? else { return Ok(()) };
        if let Some(earlier) = earlier {
            self.secrets.remove(earlier);
        }
        let (named, path) = free(draft, named, self.plan.tenant.as_str());
        terminal.note(format!("It will be kept in {}, which only you can read.", path.display()));
        self.secrets.push(SecretAnswer { table: table.clone(), key: key.clone(), named, path, text: Some(text) });
        Ok(())
    }
}

/// A name for a secret's file that no file has yet: another tenant may use the one that is there.
fn free(draft: &Draft, named: &str, tenant: &str) -> (String, PathBuf) {
    let own = if named.ends_with(&format!("/{tenant}")) { named.to_owned() } else { format!("{named}-{tenant}") };
    let numbered = (2..).map(|number| format!("{own}-{number}"));
    let mut names = [named.to_owned(), own.clone()].into_iter().chain(numbered);
    let free = names.find(|name| draft.whole(name).symlink_metadata().is_err()).unwrap_or(own);
    let path = draft.whole(&free);
    (free, path)
}

/// A text as a TOML value.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn file(path: &str) -> String {
    format!("{{ file = {} }}", quoted(path))
}

/// A path that was typed: relative to the working folder, or to the home folder after `~/`.
fn whole(typed: &str) -> Result<String, CommandFailure> {
    let home = typed.strip_prefix("~/").zip(std::env::var_os("HOME"));
    let path = home.map_or_else(|| PathBuf::from(typed), |(rest, home)| Path::new(&home).join(rest));
    let failed = |error: std::io::Error| CommandFailure::failed(format!("finding the working folder: {error}"));
    Ok(std::path::absolute(path).map_err(failed)?.display().to_string())
}
