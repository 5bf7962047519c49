#!/usr/bin/env python3
"""Says which glibc a program needs; ends with 1 when that is newer than it may be, or when nothing can be said.

glibc_floor.py <program> <version>
"""
import re
import subprocess
import sys


def number(version):
    return tuple(map(int, version.split(".")))


def main():
    program, floor = sys.argv[1:]
    told = subprocess.run(
        ["readelf", "--wide", "--version-info", program], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    found = set(re.findall(r"Name: GLIBC_([0-9.]+)", told))
    if not found:
        sys.exit(f"{program}: names no version of glibc, so it is no program that this can judge")
    newest = max(found, key=number)
    if number(newest) > number(floor):
        sys.exit(f"{program}: needs glibc {newest}, newer than the floor of {floor}")
    print(f"{program}: needs glibc {newest}; the floor is {floor}")


if __name__ == "__main__":
    main()
