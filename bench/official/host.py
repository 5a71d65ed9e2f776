"""Runs one of AWS's rotation functions as Lambda does. host.ts starts this process and sends it orders.

Each line of stdin is an order in JSON and is answered with a line of JSON. The function's source text comes with the order `load`,
and is never written to a file. An answer contains no secret value and no error message, as both can contain a password.
"""

import json
import logging
import os
import resource
import sys
import time
import types

answers = os.fdopen(os.dup(1), "w")
# What the function prints must not be taken for an answer.
sys.stdout = sys.stderr
# Without a handler Python prints errors. Neither side writes a log while it is measured.
logging.getLogger().addHandler(logging.NullHandler())

function = types.ModuleType("lambda_function")


def load(source):
    exec(compile(source, "lambda_function.py", "exec"), function.__dict__)


def step(event):
    function.lambda_handler(event, None)


def client():
    function.boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"])


def login(value):
    if not function.get_connection(value):
        raise RuntimeError("refused")


def ready():
    pass


orders = {"load": load, "step": step, "client": client, "login": login, "ready": ready}


def most_memory():
    """The peak memory in bytes. getrusage includes what the parent had when it forked, so /proc is read first."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def describe(failure, values):
    """An exception's name and code, and whether its text has one of the values in it."""
    code = getattr(failure, "response", {}).get("Error", {}).get("Code")
    if code is None and failure.args and isinstance(failure.args[0], int):
        code = failure.args[0]
    text = repr(failure) + str(failure)
    return {"name": type(failure).__name__, "code": code, "quotes": any(value in text for value in values)}


for line in sys.stdin:
    order = json.loads(line)
    error = None
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        orders[order["do"]](*order["with"])
    except Exception as failure:
        error = describe(failure, order["values"])
    answer = {
        "wall": (time.perf_counter() - wall) * 1000,
        "cpu": (time.process_time() - cpu) * 1000,
        "memory": most_memory(),
        "error": error,
    }
    print(json.dumps(answer), file=answers, flush=True)
