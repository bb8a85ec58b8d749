"""From the arguments of the process to its exit status.

Rules of the room:

- Every failure ends here, as one line on stderr and a status. With `--json` the line is
  `{"error": {"code", "message", "hint", "exit_status"}}`.
- What is no `NomError` and no wrong usage is a fault of this program, and says so. With
  NOM_DEBUG set it shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from nom_negotiate.cli.app import App, debugging
from nom_negotiate.cli.commands import nom
from nom_negotiate.cli.output import ReaderGone
from nom_negotiate.errors import InputError, NomError

EXIT_DONE: Final = 0
EXIT_FAULT: Final = 1
EXIT_USAGE: Final = InputError.exit_status
EXIT_INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as a shell reports it."""
EXIT_NO_READER: Final = 141
"""128 and the number of SIGPIPE."""


def run(arguments: Sequence[str]) -> int:
    """Run `nom` and return its exit status. Reports failures; raises none."""
    app = App()
    try:
        app.out.prepare()
        status = nom.main(args=list(arguments), prog_name="nom", standalone_mode=False, obj=app)
        app.out.flush()
        return status if isinstance(status, int) else EXIT_DONE
    except ReaderGone:
        return EXIT_NO_READER
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception as error:
        # The outermost edge: there is nobody left who could handle it.
        app.out.as_json = app.out.as_json or _asks_for_json(arguments)
        return _report(app, error)


def _report(app: App, error: Exception) -> int:
    if isinstance(error, OSError):
        from nom_negotiate.store.files.errnos import store_error

        # The store and the output report their own. Whatever else the disk has to say comes
        # out the same way.
        error = store_error(error, "read or write")
    if isinstance(error, NomError):
        app.out.error(error.code, error.message, error.hint, error.exit_status)
        return error.exit_status
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        app.out.help(error.format_message())
        return EXIT_USAGE
    if isinstance(error, click.ClickException):
        app.out.error("usage", *_usage(error), EXIT_USAGE)
        return EXIT_USAGE
    if debugging():
        import traceback

        traceback.print_exception(error)
    app.out.error(
        "fault",
        f"a fault of this program: {type(error).__name__}: {error}",
        "run it again with NOM_DEBUG=1 and report what it shows",
        EXIT_FAULT,
    )
    return EXIT_FAULT


def _usage(error: click.ClickException) -> tuple[str, str]:
    message = error.format_message().rstrip(".")
    # click's sentences begin with a capital; ours follow "nom: ".
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    path = "nom" if context is None else context.command_path
    return message, f"see `{path} --help`"


def _asks_for_json(arguments: Sequence[str]) -> bool:
    # Wrong usage can end the parsing before it has come to --json.
    options = list(arguments)
    if "--" in options:
        options = options[: options.index("--")]
    return "--json" in options
