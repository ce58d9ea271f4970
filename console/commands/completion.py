"""``doit tabcompletion``: a script that completes commands, stages, tasks, options, keys and their values.

doit's own scripts complete only commands and tasks, and its zsh script breaks at a quote in a purpose. This script
contains all names except those of subtasks, for which it calls doit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from doit.cmd_base import DoitCmdBase
from doit.cmd_completion import opt_shell

from config.request import FLAGS
from config.schema import config_schema, known_keys, schema_property
from tasks.stage_names import STAGES

_FILES = "@files"
_TAKES_FILE = ("config", "junit", "report", "kit_cache", "dodoFile", "outfile", "cwdPath", "dep_file", "output")
# The first words that these commands take.
_WORDS = {
    "checkpoint": ("show", "clear"),
    "config": ("show", "check", "migrate"),
    "verify": (_FILES,),
    "diff": (_FILES,),
}


class TabCompletionCommand(DoitCmdBase):  # type: ignore[misc]
    """doit command (plugin category COMMAND) that replaces doit's ``tabcompletion``."""

    name = "tabcompletion"
    doc_purpose = "print a completion script for bash or zsh"
    doc_usage = ""
    doc_description = "In bash: source <(doit tabcompletion). For zsh: write it to a file _doit in a folder of fpath."
    cmd_options = (opt_shell,)
    execute_tasks: ClassVar[bool] = False

    def __init__(self, cmds: Any = None, **kwargs: Any) -> None:
        """Create the commands, to read their options."""
        super().__init__(cmds=cmds, **kwargs)
        self._commands: dict[str, Any] = {
            name: command(cmds=cmds, **kwargs) if command is not type(self) else self
            for name, command in sorted((cmds.to_dict() if cmds else {}).items())
        }

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        """Print the script."""
        del pos_args
        script = script_for(str(opt_values["shell"]), {name: one.get_options() for name, one in self._commands.items()})
        self.outstream.write(script)
        return 0


def script_for(shell: str, options: Mapping[str, Iterable[Any]]) -> str:
    """Return the script.

    Args:
        shell: ``bash`` or ``zsh``.
        options: The options of each command.
    """
    choices = _choices_of_keys()
    words = dict(_WORDS)
    cases = []
    for command, found in options.items():
        listed = []
        for option in found:
            if option.long:
                listed.append(f"--{option.long}" + ("" if option.type is bool else "="))
                if getattr(option, "inverse", ""):
                    listed.append(f"--{option.inverse}")
                values: tuple[str, ...] = (
                    (_FILES,) if option.name in _TAKES_FILE else tuple(name for name, _ in _pairs(option) if name)
                )
                if values:
                    choices.setdefault(option.long.replace("-", "_"), values)
        cases.append(f"        {command}) printf '%s\\n' {' '.join(listed)};;")
    keys = [f"{key}=" for key in (*FLAGS, *(name for _, name in known_keys() if name != "sources"))]
    listed_values = [
        f"        {'|'.join(names)}) printf '%s\\n' {' '.join(found)};;" for found, names in _grouped(choices)
    ]
    body = _SHARED
    for mark, text in (
        ("COMMANDS", " ".join(options)),
        ("STAGES", " ".join(STAGES)),
        ("KEYS", " ".join(dict.fromkeys(keys))),
        ("OPTIONS", "\n".join(cases)),
        ("VALUES", "\n".join(listed_values)),
        ("WORDS", "\n".join(f"        {name}) printf '%s\\n' {' '.join(found)};;" for name, found in words.items())),
    ):
        body = body.replace(f"@{mark}@", text)
    return {"bash": _BASH_HEAD, "zsh": _ZSH_HEAD}[shell] + body + {"bash": _BASH, "zsh": _ZSH}[shell]


def _pairs(option: Any) -> Iterable[tuple[str, str]]:
    choices = option.choices or ()
    return choices.items() if isinstance(choices, Mapping) else choices


def _choices_of_keys() -> dict[str, tuple[str, ...]]:
    """Return the values of flags and configuration keys that can be listed, by flag, key and full key."""
    found: dict[str, tuple[str, ...]] = {name: ("1", "0") for name, kind in FLAGS.items() if kind == "bool"}
    found |= {"start": STAGES, "end": STAGES, "config": (_FILES,), "kit_cache": (_FILES,), "report": (_FILES,)}
    found |= {"junit": (_FILES,)}
    for section, key in known_keys():
        rule = schema_property(config_schema(), section, key)
        if rule.get("type") == "boolean":
            values: tuple[str, ...] = ("true", "false")
        elif "enum" in rule:
            values = tuple(value for value in rule["enum"] if value)
        elif key in ("work_dir", "target_dir", "log_file"):
            values = (_FILES,)
        else:
            continue
        found[key] = found[f"{section}.{key}"] = values
    return found


def _grouped(choices: Mapping[str, tuple[str, ...]]) -> list[tuple[tuple[str, ...], list[str]]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, values in choices.items():
        groups.setdefault(values, []).append(name)
    return list(groups.items())


_BASH_HEAD = """\
# Completion of doit for bash, made by: doit tabcompletion
# source <(doit tabcompletion)
"""
_ZSH_HEAD = """\
#compdef doit
# Completion of doit for zsh, made by: doit tabcompletion --shell zsh
"""
# The part for both shells. A line "@files" stands for the names of files.
_SHARED = """
_doit_values() {  # a flag, option or key: its values
    case $1 in
@VALUES@
        extension)
            doit list --quiet --all extension_data 2>/dev/null | sed -n 's/^extension_data:\\([^@ ]*\\) *$/\\1/p';;
    esac
}

_doit_options() {  # a command: its options
    case $1 in
@OPTIONS@
    esac
}

_doit_words() {  # a command: its arguments
    case $1 in
@WORDS@
        run|clean|forget|ignore|info|list|reset-dep|dry-run|strace) printf '%s\\n' @STAGES@;;
        help) printf '%s\\n' @COMMANDS@ @STAGES@;;
    esac
}

_doit_choices() {  # the command or "", the previous word, the current word: its completions, one per line
    local name
    case $3 in
        -*=*|[a-z]*=*)
            name=${3%%=*}
            _doit_values "$(printf '%s' "${name#--}" | tr - _)" | while read -r value; do
                case $value in @*) printf '%s\\n' "$value";; *) printf '%s\\n' "$name=$value";; esac
            done
            return;;
        *:*) doit list --quiet --all "${3%%:*}" 2>/dev/null | sed 's/ *$//'; return;;
    esac
    case $2 in
        --*[!=])
            name=$(_doit_values "$(printf '%s' "${2#--}" | tr - _)")
            if _doit_options "${1:-run}" | grep -qx -e "$2=" && [ -n "$name" ]; then
                printf '%s\\n' "$name"
                return
            fi;;
    esac
    case $3 in
        -*) _doit_options "${1:-run}";;
        *)
            [ -n "$1" ] || printf '%s\\n' @COMMANDS@
            _doit_words "${1:-run}"
            case $1:$3 in *:|checkpoint:*|help:*|config:[a-z]|config:[a-z][a-z]) ;; *) printf '%s\\n' @KEYS@;; esac;;
    esac
}

_doit_command() {  # the previous words: the command among them
    local word
    for word in "$@"; do
        case " @COMMANDS@ " in *" $word "*) printf '%s' "$word"; return;; esac
    done
}
"""
_BASH = """
_doit() {
    # bash splits words at ":" and "=", which doit's words contain. So this splits the line itself.
    local line=${COMP_LINE:0:COMP_POINT} cur before kept reply
    local -a typed=()
    read -ra typed <<<"$line"
    [[ $line == *[[:space:]] ]] && typed+=("")
    cur=${typed[${#typed[@]}-1]}
    before=${typed[${#typed[@]}-2]}
    kept=${cur%"${cur##*[:=]}"}
    COMPREPLY=()
    while IFS= read -r reply; do
        if [[ $reply == @files ]]; then
            COMPREPLY+=($(compgen -f -- "${cur#"$kept"}"))
        elif [[ $reply == "$cur"* ]]; then
            COMPREPLY+=("${reply#"$kept"}")
        fi
    done < <(_doit_choices "$(_doit_command "${typed[@]:1:${#typed[@]}-2}")" "$before" "$cur")
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o filenames -F _doit doit
"""
_ZSH = """
_doit() {
    local cur=${words[CURRENT]} command reply
    local -a replies open
    command=$(_doit_command "${(@)words[2,CURRENT-1]}")
    for reply in ${(f)"$(_doit_choices "$command" "${words[CURRENT-1]}" "$cur")"}; do
        case $reply in
            @files) [[ $cur == *=* ]] && compset -P '*='; _files;;
            *=) open+=("$reply");;
            *) replies+=("$reply");;
        esac
    done
    compadd -Q -a replies
    compadd -Q -S '' -a open
}

_doit "$@"
"""
