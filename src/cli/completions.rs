//! `botgate completions SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, EXIT_CODES, Exit, print};

/// Print a script that completes botgate's commands in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  botgate completions bash > ~/.local/share/bash-completion/completions/botgate
  botgate completions zsh > ~/.zfunc/_botgate
  botgate completions fish > ~/.config/fish/completions/botgate.fish

{EXIT_CODES}"))]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Exit {
    print::out(&script(args.shell));
    Exit::Done
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "botgate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = script(shell);
            assert!(script.contains("drain") && script.contains("completions"), "{shell}");
        }
    }
}
