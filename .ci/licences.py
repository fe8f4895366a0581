#!/usr/bin/env python3
"""Fails when a dependency's licence is not in deny.toml's list; `cargo deny check` says the same and more where it is installed."""
import re, subprocess, sys, tomllib

with open("deny.toml", "rb") as file:
    licences = tomllib.load(file)["licenses"]
allowed = set(licences["allow"])
clarified = {entry["crate"]: entry["expression"] for entry in licences.get("clarify", [])}
tree = subprocess.check_output(["cargo", "tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}|{l}"], text=True)


def accepted(expression):
    """An SPDX expression with AND, OR, WITH and brackets, or the old form with slashes."""
    words = re.findall(r"\(|\)|AND|OR|[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.+-]+)?", expression.replace("/", " OR "))
    python = " ".join({"AND": "and", "OR": "or", "(": "(", ")": ")"}.get(w, str(w in allowed)) for w in words)
    return eval(python)  # only True, False, and, or and brackets can be left


packages = sorted(set(line.removesuffix(" (*)") for line in tree.splitlines() if line))
bad = [p for p in packages if not accepted(p.split("|")[1] or clarified.get(p.split(" ")[0], "none"))]
for package in bad:
    print(f"{package}: this licence is not allowed by deny.toml", file=sys.stderr)
print(f"{len(packages)} packages, {len(bad)} with a licence that is not allowed")
sys.exit(bool(bad))
