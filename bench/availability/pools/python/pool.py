"""SQLAlchemy's pool or psycopg's, with its defaults but for the size; see ../pools.ts for what it is told and answers."""

import os
import sys
import threading
import time


def told(name):
    return os.environ["POOL_" + name]


size = int(told("SIZE"))
opened = queries = failed = 0
answered = set()
first = ""
running = True
lock = threading.Lock()


def count_connection(*_):
    global opened
    with lock:
        opened += 1


def sqlalchemy():
    from sqlalchemy import URL, create_engine, event, text

    postgres = told("ENGINE") == "postgres"
    trust = {"sslmode": "verify-full", "sslrootcert": told("CA_FILE")} if postgres else {"ssl": {"ca": told("CA_FILE")}}
    login = (told("USERNAME"), told("PASSWORD"), told("HOST"), int(told("PORT")), told("DATABASE"))
    url = URL.create("postgresql+psycopg" if postgres else "mysql+pymysql", *login)
    engine = create_engine(url, pool_size=size, max_overflow=0, connect_args=trust)
    event.listen(engine, "connect", count_connection)

    def ask():
        with engine.connect() as connection:
            connection.execute(text("select n from of_the_app")).all()
            time.sleep(0.02)

    return ask


def psycopg():
    from psycopg_pool import ConnectionPool

    login = dict(user=told("USERNAME"), password=told("PASSWORD"), host=told("HOST"), port=told("PORT"))
    more = dict(dbname=told("DATABASE"), sslmode="verify-full", sslrootcert=told("CA_FILE"))
    pool = ConnectionPool(kwargs=login | more, min_size=size, max_size=size, configure=count_connection, open=True)
    pool.wait()

    def ask():
        with pool.connection() as connection:
            connection.execute("select n from of_the_app").fetchall()
            time.sleep(0.02)

    return ask


def use(ask):
    global queries, failed, first
    while running:
        with lock:
            queries += 1
        try:
            ask()
            answered.add(threading.get_ident())
        except Exception as error:
            with lock:
                failed += 1
                first = first or str(error).replace("\n", " ")


ask = {"sqlalchemy": sqlalchemy, "psycopg": psycopg}[sys.argv[1]]()
users = [threading.Thread(target=use, args=(ask,)) for _ in range(size)]
for user in users:
    user.start()
while len(answered) < size or opened < size:
    time.sleep(0.01)
print("ready", flush=True)
sys.stdin.read()
running = False
for user in users:
    user.join()
print(queries, failed, opened, first, flush=True)
os._exit(0)
