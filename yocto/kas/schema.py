#!/usr/bin/env python3
"""Holds kas files to kas's own schema: schema.py <file> ... (run by `make yocto-check`)."""
import sys

import jsonschema
import yaml
from kas.configschema import CONFIGSCHEMA

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        jsonschema.validate(yaml.safe_load(file), CONFIGSCHEMA)
