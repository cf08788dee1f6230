"""Manual pages, bash completion and docs/commands.md, from the definitions that make ``--help``."""

import argparse
import time

from ringfence import __version__
from ringfence.cli import main as cli

EXITS = (
    ("0", "done"),
    ("1", "a negative answer: something differs, is wrong, or may not pass"),
    ("2", "usage, or bad input"),
    ("3", "the pool, the agent or the switch cannot be reached"),
    ("4", "refused by the pool"),
)


def pages(epoch):
    """The text of each page, by its file's name."""
    top = cli.parser()
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    found = {"ringfence.1": _page(top, date, sorted(_commands(top)))}
    for name, parser in _commands(top).items():
        found["ringfence-{}.1".format(name)] = _page(parser, date, [])
    return found


def reference():
    """All commands on one page, in Markdown."""
    top = cli.parser()
    lines = ["# Commands", "", "Made from the definitions behind `--help`. In front of a command or behind it:", ""]
    lines += _table(top)
    for name, parser in _commands(top).items():
        what = " ".join((parser.description or "").strip().partition(": ")[2].split())
        lines += ["", "## ringfence {}".format(name), "", _sentence(what)]
        lines += ["", *_table(parser)] if _table(parser) else []
        for inner, deeper in _commands(parser).items():
            lines += ["", "### ringfence {} {}".format(name, inner), "", _sentence(_help_of(parser, inner)) + "."]
            lines += ["", *_table(deeper)] if _table(deeper) else []
    lines += ["", "## Exit status", "", "| status | meaning |", "|---|---|"]
    lines += ["| {} | {} |".format(number, meaning) for number, meaning in EXITS]
    return "\n".join(lines) + "\n"


def _sentence(text):
    return text[:1].upper() + text[1:]


def _table(parser):
    """Arguments, but for those that every command takes."""
    everywhere = () if parser.prog == "ringfence" else ("pool", "fingerprint", "output")
    rows = [(head, text) for head, text, dest in _arguments(parser) if dest not in everywhere + ("help", "version")]
    return ["| argument | |", "|---|---|"] + ["| `{}` | {} |".format(head.replace("|", "\\|"), text) for head, text in rows] if rows else []


def completion():
    """A bash script: the words of each command, of its own commands, and their options."""
    top = cli.parser()
    lines = ["# bash completion for ringfence " + __version__, "_ringfence() {", "    local word path words"]
    lines += ["    word=${COMP_WORDS[COMP_CWORD]}", "    path="]
    lines += ['    for words in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do', '        case "$path $words" in']
    places = {}
    for name, parser in _commands(top).items():
        places[" " + name] = parser
        for inner, deeper in _commands(parser).items():
            places[" {} {}".format(name, inner)] = deeper
    lines += ['            "{}") path="{}" ;;'.format(place, place) for place in sorted(places)]
    lines += ["        esac", "    done", '    case "$path" in']
    lines += ['        "") words="{}" ;;'.format(" ".join(_words(top)))]
    lines += ['        "{}") words="{}" ;;'.format(place, " ".join(_words(places[place]))) for place in sorted(places)]
    lines += ["    esac", '    COMPREPLY=($(compgen -W "$words" -- "$word"))', "}", "complete -o default -F _ringfence ringfence"]
    return "\n".join(lines) + "\n"


def _commands(parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _words(parser):
    words = [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    return sorted(_commands(parser)) + words


def _escape(text):
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def _page(parser, date, others):
    name = parser.prog.replace(" ", "-")
    lines = ['.TH "{}" "1" "{}" "ringfence {}" "ringfence"'.format(name.upper(), date, __version__)]
    what = (parser.description or "").strip()
    first = what.partition("\n")[0].partition(": ")[2] or what.partition("\n")[0]
    lines += [".SH NAME", "{} \\- {}".format(_escape(name), _escape(first.rstrip(".")))]
    lines += [".SH SYNOPSIS", ".nf"] + [_escape(parser.format_usage().partition(": ")[2])] + [".fi"]
    if "\n" in what:
        lines += [".SH DESCRIPTION"] + [_escape(part) + "\n.PP" for part in what.split("\n\n")[1:]]
    lines += _options(parser)
    for inner, deeper in _commands(parser).items():
        if others:
            continue
        lines += [".SH {}".format(_escape("{} {}".format(parser.prog, inner)).upper())]
        lines += [".nf", _escape(deeper.format_usage().partition(": ")[2]), ".fi", ".PP"]
        lines += [_escape(deeper.description or _help_of(parser, inner))] + _options(deeper, ".PP")
    if others:
        lines += [".SH COMMANDS"]
        for other in others:
            lines += [".TP", ".BR ringfence\\-{} (1)".format(_escape(other)), _escape(_help_of(parser, other))]
    lines += [".SH EXIT STATUS"]
    for number, meaning in EXITS:
        lines += [".TP", ".B {}".format(number), _escape(meaning)]
    if not others:
        lines += [".SH SEE ALSO", ".BR ringfence (1)"]
    return "\n".join(lines) + "\n"


def _help_of(parser, name):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                if choice.dest == name:
                    return choice.help or ""
    return ""


def _options(parser, heading=".SH OPTIONS"):
    lines = []
    for head, text, _ in _arguments(parser):
        lines += [".TP", ".B {}".format(_escape(head)), _escape(text)]
    return [heading] + lines if lines else []


def _arguments(parser):
    """How each is written, what it is for, and its name in the program."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        metavar = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
        if isinstance(metavar, tuple):
            metavar = " ".join(metavar)
        if action.choices is not None and not action.metavar:
            metavar = "|".join(str(choice) for choice in action.choices)
        head = ", ".join(action.option_strings) or metavar or action.dest
        if action.option_strings and action.nargs != 0 and metavar:
            head += " " + metavar
        yield head, (action.help or "").replace("%%", "%"), action.dest
