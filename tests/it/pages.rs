//! `rosterd completions` and `rosterd man`: complete, and such that a shell and `man` take them.

use std::process::{Command, Stdio};

use crate::support::rosterd::Rosterd;

fn commands() -> Vec<String> {
    rosterd::cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn every_command_is_completed_in_every_shell() {
    let rosterd = Rosterd::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = rosterd.run(&["completions", shell]).expect_code(0).stdout.clone();
        for command in commands() {
            assert!(text.contains(&command), "{shell} does not know {command}");
        }
        assert!(text.contains("yes-i-mean"), "{shell} knows options");
    }
    rosterd.run(&["completions", "tcsh"]).expect_code(78);
}

#[test]
fn bash_takes_its_completions() {
    let rosterd = Rosterd::new();
    let text = rosterd.run(&["completions", "bash"]).expect_code(0).stdout.clone();
    let path = rosterd.file("completions.bash", &text);
    let script =
        "source \"$1\"; COMP_WORDS=(rosterd doc); COMP_CWORD=1; _rosterd rosterd doc rosterd; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(&path).stdin(Stdio::null()).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((out.trim(), errors.trim()), ("doctor", ""));
}

#[test]
fn every_command_has_a_manual_page() {
    let rosterd = Rosterd::new();
    let page = rosterd.run(&["man"]).expect_code(0).stdout.clone();
    assert!(page.contains(".TH rosterd 1") && page.contains("rosterd\\-sync"), "{page}");
    let folder = rosterd.path().join("man1");
    rosterd.run(&["man", "--out", "man1"]).expect_code(0);
    for command in commands() {
        let text = std::fs::read_to_string(folder.join(format!("rosterd-{command}.1"))).unwrap();
        assert!(text.contains(&format!(".TH rosterd-{command} 1")) && text.contains(".SH SYNOPSIS"), "{text}");
    }
    assert_eq!(
        std::fs::read_to_string(folder.join("rosterd-journal-verify.1")).unwrap(),
        rosterd.run(&["man", "journal", "verify"]).expect_code(0).stdout
    );
    rosterd.run(&["man", "fly"]).expect_code(78);
}
