//! Asking a person whether they mean it. In: what they have to type. Out: whether they did.

use std::io::{BufRead, IsTerminal};

use super::screen::{STRONG, Screen, paint};

/// Whether somebody is there to be asked.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a word to be typed, where a person can be asked; the process that asked for the command does it, if the daemon carries it out.
pub(super) fn asked(screen: &Screen, word: &str, what_happens: &str) -> std::io::Result<bool> {
    match &screen.caller {
        Some(caller) => Ok(caller.can_ask() && caller.confirm(word, what_happens)?),
        None => Ok(can_ask() && typed(screen, word, what_happens)?),
    }
}

/// Asks for a word to be typed; anything else means no.
pub(super) fn typed(screen: &Screen, word: &str, what_happens: &str) -> std::io::Result<bool> {
    screen.note(format!("{what_happens} Type {} to go on:", paint(STRONG, word)));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == word)
}
