"""`madaudit completion`: what makes a shell complete commands and flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import OptionError

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class Completion:
    """A script for a shell to read at its start."""

    shell: str
    script: str

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def completion(shell: str) -> Completion:
    """The script that completes madaudit's commands and flags.

    Args:
        shell: "bash" (4.4 or newer), "zsh" or "fish".

    Raises:
        OptionError: another shell.
    """
    from click.shell_completion import BashComplete, get_completion_class

    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise OptionError(f"no completion for {shell!r}; allowed: {', '.join(SHELLS)}")
    words = found(click.Command("madaudit"), {}, "madaudit", "_MADAUDIT_COMPLETE")
    if isinstance(words, BashComplete):
        # click's own `source` runs bash to learn its version; what reads this is the user's.
        return Completion(shell, words.source_template % words.source_vars())
    return Completion(shell, words.source())


@click.command("completion", no_args_is_help=True)
@click.argument("shell", type=click.Choice(SHELLS))
@common_options
@guarded
def command(shell: str, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Print what makes a shell complete madaudit's commands and flags.

    \b
      madaudit completion bash >> ~/.bashrc
      madaudit completion zsh >> ~/.zshrc
      madaudit completion fish > ~/.config/fish/completions/madaudit.fish
    """
    result = completion(shell)
    if as_json:
        print_json(result.to_dict())
    else:
        click.echo(result.script)
    return 0
