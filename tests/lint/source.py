"""What the checks of C share: the files of the tree, and C text without its comments and strings."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A comment, a string or a character constant; what it held becomes blanks, so that offsets and lines stay.
OPAQUE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.S)


def tracked_files(root=ROOT):
    """Paths relative to root: what git knows and what it would take, less what is deleted. Outside a clone, all but build/."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        names = sorted(name for name in set(listed.stdout.split("\0")) if name)
    else:
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
        names = [name for name in names if not name.startswith(("build/", ".git/", ".run"))]
    return [name for name in names if (root / name).is_file()]


def blanked(text, keep_strings=False):
    """The same text with comments, and the insides of strings, replaced by blanks."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token if keep_strings else token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
    return OPAQUE.sub(blank, text)


def comment_lines(text):
    """How many lines hold (part of) a comment."""
    lines = set()
    for match in OPAQUE.finditer(text):
        if match.group(0)[0] == "/":
            first = text.count("\n", 0, match.start())
            lines.update(range(first, first + match.group(0).count("\n") + 1))
    return len(lines)


def functions(text):
    """(name, line, length) of every function defined in a C text; length in lines from the brace to the brace."""
    found, signature, opened = [], 0, 0
    lines = blanked(text).split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            opened = number
        elif line.startswith("}"):
            if opened and signature:
                name = re.findall(r"(\w+)\s*\(", " ".join(lines[signature - 1:opened - 1]))
                name = [word for word in name if word not in ("PRINTF_LIKE", "__attribute__")]
                found.append((name[0] if name else "?", signature, number - opened))
            opened = signature = 0
        elif not opened and re.match(r"[A-Za-z_].*\(", line) and not line.rstrip().endswith(";"):
            signature = number
    return found
