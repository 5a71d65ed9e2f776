"""
Runs AWS's rotation functions, each rotation in a process of its own that can die at one operation, before or after it took effect.
An operation is a call to AWS, a login, a statement or a commit. When the process dies, the system closes its connections.

Each line of stdin is a request in JSON, and is answered with a line of JSON:

{"name": ..., "source": ...}     Keeps a function's source text in memory under this name. The answer is {}.
{"name": ..., "events": [...], "dies": {"at": 3, "when": "after"}}
                                 Calls the function with each event, in a new process. Without "dies" the process does not die.
{"operations": [...], "died": true, "error": null}
                                 The answer to that: its operations in order, and the class of the exception that ended it.
"""

import json
import logging
import os
import sys
import types

import boto3
import botocore.client

# Exit status of a process that died at the requested operation.
DEATH = 86


def main():
    # The first client loads much, so it is made before the fork rather than in each process.
    boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"])
    functions = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request["name"]
        if "source" in request:
            functions[name] = load(name, request["source"])
            answer = {}
        else:
            answer = run(functions[name].lambda_handler, request["events"], request.get("dies"))
        print(json.dumps(answer), flush=True)


def load(name, source):
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    # The function's log is not needed, and might quote a value.
    logging.disable(logging.CRITICAL)
    return module


def run(handler, events, dies):
    """Calls a handler in a new process. Returns what the process did."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(call_handler(handler, events, dies, os.fdopen(writing, "w", buffering=1)))
    os.close(writing)
    with os.fdopen(reading) as report:
        lines = [json.loads(line) for line in report]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    error = next((line["error"] for line in lines if "error" in line), None)
    if status not in (0, DEATH):
        error = error or f"ended with {status}"
    operations = [line["operation"] for line in lines if "operation" in line]
    return {"operations": operations, "died": status == DEATH, "error": error}


def call_handler(handler, events, dies, report):
    """Calls a handler in this process, and writes its operations and its error as lines of JSON."""
    wrap_clients(make_wrapper(dies, report))
    try:
        for event in events:
            handler(event, None)
    except Exception as error:
        print(json.dumps({"error": type(error).__name__}), file=report)
    report.close()
    return 0


def make_wrapper(dies, report):
    """Returns a function that wraps an operation, so that it is counted and reported, and ends the process where requested."""
    count = 0

    def wrap(name_of, original):
        def operation(*args, **named):
            nonlocal count
            at, count = count, count + 1
            print(json.dumps({"operation": name_of(*args)}), file=report)
            if dies == {"at": at, "when": "before"}:
                os._exit(DEATH)
            try:
                return original(*args, **named)
            finally:
                if dies == {"at": at, "when": "after"}:
                    os._exit(DEATH)

        return operation

    return wrap


def wrap_clients(wrap):
    """Wraps AWS's client and the database drivers."""
    client = botocore.client.BaseClient
    client._make_api_call = wrap(lambda _, action, *__: action, client._make_api_call)
    for driver, cursor, connection in drivers():
        driver.connect = wrap(lambda *_: "login", driver.connect)
        cursor.execute = wrap(lambda _, statement, *__: statement.split()[0], cursor.execute)
        connection.commit = wrap(lambda *_: "commit", connection.commit)


def drivers():
    """The database drivers that a function has loaded."""
    if "pgdb" in sys.modules:
        pgdb = sys.modules["pgdb"]
        yield pgdb, pgdb.Cursor, pgdb.Connection
    if "pymysql" in sys.modules:
        pymysql = sys.modules["pymysql"]
        yield pymysql, pymysql.cursors.Cursor, pymysql.connections.Connection


main()
