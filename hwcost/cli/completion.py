"""`hwcost completion`: Tab completes commands, flags, and names of parts."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Example:
      eval "$(hwcost completion bash)"                                # in ~/.bashrc
      hwcost completion fish > ~/.config/fish/completions/hwcost.fish
    """
    root = click.get_current_context().find_root().command
    script = get_completion_class(shell)
    assert script is not None  # click has these three
    click.echo(script(root, {}, "hwcost", "_HWCOST_COMPLETE").source())
