"""Prints a policy's values as JSON, for the floors: `python -m benchmarks.values POLICY`."""

import json
import sys
from pathlib import Path

import yaml

json.dump(yaml.load(Path(sys.argv[1]).read_bytes(), Loader=yaml.CSafeLoader), sys.stdout)
