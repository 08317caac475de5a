#!/usr/bin/env python3
"""Writes shapes.json: names, types and limits of the ECS requests that documents carry, from botocore's API model.

Run it with a current botocore (`pip install -U botocore`) when AWS adds fields:
    python3 src/config/make_shapes.py > src/config/shapes.json
"""
import gzip
import json
import os

import botocore

REQUESTS = {"TaskDefinition": "RegisterTaskDefinitionRequest", "Service": "CreateServiceRequest"}
REPLIES = {"TaskDefinition": "TaskDefinition", "Service": "Service"}

path = os.path.join(os.path.dirname(botocore.__file__), "data/ecs/2014-11-13/service-2.json.gz")
with gzip.open(path) as file:
    model = json.load(file)["shapes"]

found = {}


def shape(name):
    if name in found:
        return
    old = model[name]
    new = found[name] = {"type": "json" if old.get("document") else old["type"]}
    for key in ("required", "enum", "min", "max", "sensitive"):
        if key in old and old[key] is not False and old[key] != []:
            new[key] = old[key]
    if old["type"] == "structure" and not old.get("document"):
        new["members"] = {field: member["shape"] for field, member in old["members"].items()}
        for member in new["members"].values():
            shape(member)
    elif old["type"] == "list":
        new["member"] = old["member"]["shape"]
        shape(new["member"])
    elif old["type"] == "map":
        new["member"] = old["value"]["shape"]
        shape(new["member"])


for request in REQUESTS.values():
    shape(request)

read_only = {
    kind: sorted(set(model[REPLIES[kind]]["members"]) - set(found[request]["members"]))
    for kind, request in REQUESTS.items()
}

# One shape a line, so that a change of the API is a readable change of this file.
print("{")
print(f' "from": "botocore {botocore.__version__}, ecs 2014-11-13",')
print(f' "roots": {json.dumps(REQUESTS)},')
print(f' "readOnly": {json.dumps(read_only)},')
print(' "shapes": {')
print(",\n".join(f'  "{name}": {json.dumps(found[name])}' for name in sorted(found)))
print(" }")
print("}")
