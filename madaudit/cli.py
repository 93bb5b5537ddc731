"""The command line: verb to `commands/<verb>.py`, loaded when the verb is used."""

from __future__ import annotations

import difflib
import importlib
import os

import click

from madaudit import __version__

# Verb to the line that --help shows for it; loading the commands to ask them would be slow.
_VERBS = {
    "bank": "Build or enlarge a bank of known images for the detector `neighbours`.",
    "calibrate": "Calibrate graded detectors on samples whose label is known.",
    "check": "Check a store against a policy's rules.",
    "check-plugin": "Check a plug-in, yours or ours, against its family's contract.",
    "completion": "Print what makes a shell complete madaudit's commands and flags.",
    "demo": "Make demonstration shards and run everything on them.",
    "detectability": "Measure what share of image watermarks survives resizing, JPEG and crops.",
    "detectors": "List the detectors: what each needs, and what it was verified on.",
    "diff": "Compare two stores, and tell changes from chance.",
    "doctor": "Say what is installed, what is missing, and what that means.",
    "duplicates": "Find copies of one another among the samples of a store.",
    "estimate": "Estimate the effective real fraction p from a store.",
    "explain": "Show every row of a key, with its evidence in words.",
    "filter": "Keep what a policy, a cut or a predicate leaves: lists or clean shards.",
    "index": "Build the index that the hooks of training pipelines map.",
    "label": "Draw samples for people to label on one offline page, and read the labels back.",
    "merge": "Make one store of several that were scanned with the same options.",
    "report": "Write the audit report: one offline HTML file and its JSON twin.",
    "risk": "Tell what the synthetic share does to models trained on it.",
    "scan": "Scan shards or folders of images into a store.",
    "simulate": "Predict what a self-consuming loop does to models.",
    "verify": "Check that a store is whole and fits its inputs.",
    "weights": "List or fetch the weights of encoders.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"madaudit.commands.{cmd_name.replace('-', '_')}")
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"madaudit.commands.{cmd_name}.command is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        # Words that are no flags and no verbs; flags in the verb's place are click's to refuse.
        if name not in _VERBS and not name.startswith("-"):
            near = difflib.get_close_matches(name, sorted(_VERBS), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"no command {name!r} (known: {', '.join(sorted(_VERBS))}){hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, _VERBS[verb]) for verb in sorted(_VERBS)])


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="madaudit")
@click.pass_context
def main(context: click.Context) -> None:
    """Audit a training set for synthetic contamination.

    \b
    First steps:
      madaudit demo                          everything, on shards it makes itself
      madaudit scan shards/ -o store         which samples are marked as synthetic
      madaudit estimate store                what that says about the real fraction p
      madaudit report store                  one HTML file to read and to show

    \b
    For all commands:
      --json                                 one JSON object on stdout, the rest on stderr
      --config madaudit.toml                 flags' values from a file, a section a command
      NO_COLOR=1                             no colours; there are none outside a terminal

    Exit codes: 0 done; 1 a bug; 2 a wrong request; 3 a policy broken; 4 incomplete.
    """
    # no-color.org: whatever its value, unless empty.
    if os.environ.get("NO_COLOR"):
        context.color = False
