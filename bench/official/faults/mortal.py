"""
Runs AWS's rotation functions in processes that die at one of their operations: a call to AWS, a login, a statement or a
commit, before or after it took effect. What is dead does nothing more, and the system closes what it had open.

Each line of stdin is a JSON object, and each is answered with a line:

{"name": ..., "source": ...}     A function's text, kept in memory under a name.
{"name": ..., "events": [...], "dies": {"at": 3, "when": "after"}}
                                 Calls it with one event after the other, in a process of its own. Without "dies" it lives.
{"operations": [...], "died": true, "error": null}
                                 The answer: what it did, in order, and the kind of exception that ended it, without its words.
"""

import json
import logging
import os
import sys
import types

import boto3
import botocore.client

DEATH = 86


def main():
    # What a first client takes, before the fork, so that each process is spared it.
    boto3.client("secretsmanager", endpoint_url=os.environ["SECRETS_MANAGER_ENDPOINT"])
    functions = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request["name"]
        if "source" in request:
            functions[name] = loaded(name, request["source"])
            answer = {}
        else:
            answer = run(functions[name].lambda_handler, request["events"], request.get("dies"))
        print(json.dumps(answer), flush=True)


def loaded(name, source):
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    # What it says is of no use here, and may quote a value.
    logging.disable(logging.CRITICAL)
    return module


def run(handler, events, dies):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(live(handler, events, dies, os.fdopen(writing, "w", buffering=1)))
    os.close(writing)
    with os.fdopen(reading) as told:
        lines = [json.loads(line) for line in told]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    error = next((line["error"] for line in lines if "error" in line), None)
    if status not in (0, DEATH):
        error = error or f"ended with {status}"
    operations = [line["operation"] for line in lines if "operation" in line]
    return {"operations": operations, "died": status == DEATH, "error": error}


def live(handler, events, dies, told):
    watch(operations(dies, told))
    try:
        for event in events:
            handler(event, None)
    except Exception as error:
        print(json.dumps({"error": type(error).__name__}), file=told)
    told.close()
    return 0


def operations(dies, told):
    """Wraps what reaches the outside, so that it is told, counted, and deadly where it is to be."""
    count = 0

    def wrapped(name_of, effect):
        def operation(*args, **named):
            nonlocal count
            at, count = count, count + 1
            print(json.dumps({"operation": name_of(*args)}), file=told)
            if dies == {"at": at, "when": "before"}:
                os._exit(DEATH)
            try:
                return effect(*args, **named)
            finally:
                if dies == {"at": at, "when": "after"}:
                    os._exit(DEATH)

        return operation

    return wrapped


def watch(wrapped):
    client = botocore.client.BaseClient
    client._make_api_call = wrapped(lambda _, action, *__: action, client._make_api_call)
    for driver, cursor, connection in drivers():
        driver.connect = wrapped(lambda *_: "login", driver.connect)
        cursor.execute = wrapped(lambda _, statement, *__: statement.split()[0], cursor.execute)
        connection.commit = wrapped(lambda *_: "commit", connection.commit)


def drivers():
    """Of those that a function has loaded."""
    if "pgdb" in sys.modules:
        pgdb = sys.modules["pgdb"]
        yield pgdb, pgdb.Cursor, pgdb.Connection
    if "pymysql" in sys.modules:
        pymysql = sys.modules["pymysql"]
        yield pymysql, pymysql.cursors.Cursor, pymysql.connections.Connection


main()
