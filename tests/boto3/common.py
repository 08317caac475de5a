"""Clients of a simulator, and what is asked of their answers."""

import json
import sys
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
REGION = "eu-central-1"
# One attempt: a retry would hide an answer that is wrong.
CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=20)


def client(service):
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id="simulator",
        aws_secret_access_key="simulator",
        config=CONFIG,
    )


ecs, elb, cloudwatch, sts = (client(name) for name in ("ecs", "elbv2", "cloudwatch", "sts"))


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def same(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, not {wanted!r}")


def has(answer, *fields):
    """The fields that real AWS always sends."""
    for field in fields:
        check(field in answer, f"no {field} in {sorted(answer)}")


def fails(code, call, **arguments):
    """The call must be refused with this error code, and with a message."""
    try:
        call(**arguments)
    except ClientError as error:
        same(error.response["Error"]["Code"], code, f"error code of {error.operation_name}")
        check(error.response["Error"].get("Message"), f"{error.operation_name}: {code} without a message")
        return
    raise AssertionError(f"{call.__name__} was to fail with {code}")


def eventually(what, condition, limit=30):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {limit} s: {what}")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


AWSVPC = {"awsvpcConfiguration": {"subnets": ["subnet-0a"], "securityGroups": ["sg-0"]}}
