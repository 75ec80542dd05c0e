#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes dongbo.proto of the annexes of proto/PROTOCOL.md, and dongbo_pb2.py of that, which the clients import.

    schema.py PROTOCOL.md DIRECTORY
"""
import pathlib
import re
import subprocess
import sys


def proto(document, package):
    """The annexes, joined into one file: they are one package, and name each other's messages."""
    annexes = re.findall(r"^## Annex [^\n]*\n.*?^```proto\n(.*?)^```$", document, flags=re.S | re.M)
    if not annexes:
        raise ValueError("no annexes in this file")
    return f'syntax = "proto3";\npackage {package};\n\n' + "\n".join(annexes)


def generate(document, directory, package="dongbo"):
    """The package's name does not travel; a program that has other code made of this schema needs another one."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    text = proto(pathlib.Path(document).read_text(encoding="utf-8"), package)
    (directory / "dongbo.proto").write_text(text, encoding="utf-8")
    subprocess.run(["protoc", f"--proto_path={directory}", f"--python_out={directory}", "dongbo.proto"], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    generate(*sys.argv[1:])
