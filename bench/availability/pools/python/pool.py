"""SQLAlchemy's or psycopg's pool with its defaults but for the size. PoolLibrary in ../../pools.ts says what it reads and prints."""

import os
import sys
import threading
import time


def setting(name):
    return os.environ["POOL_" + name]


size = int(setting("SIZE"))
opened = queries = failed = 0
answered = set()
first_error = ""
running = True
lock = threading.Lock()


def count_connection(*_):
    global opened
    with lock:
        opened += 1


def sqlalchemy():
    from sqlalchemy import URL, create_engine, event, text

    is_postgres = setting("ENGINE") == "postgres"
    trust = {"sslmode": "verify-full", "sslrootcert": setting("CA_FILE")} if is_postgres else {"ssl": {"ca": setting("CA_FILE")}}
    login = (setting("USERNAME"), setting("PASSWORD"), setting("HOST"), int(setting("PORT")), setting("DATABASE"))
    url = URL.create("postgresql+psycopg" if is_postgres else "mysql+pymysql", *login)
    engine = create_engine(url, pool_size=size, max_overflow=0, connect_args=trust)
    event.listen(engine, "connect", count_connection)

    def query():
        with engine.connect() as connection:
            connection.execute(text("select n from of_the_app")).all()
            time.sleep(0.02)

    return query


def psycopg():
    from psycopg_pool import ConnectionPool

    login = dict(user=setting("USERNAME"), password=setting("PASSWORD"), host=setting("HOST"), port=setting("PORT"))
    more = dict(dbname=setting("DATABASE"), sslmode="verify-full", sslrootcert=setting("CA_FILE"))
    pool = ConnectionPool(kwargs=login | more, min_size=size, max_size=size, configure=count_connection, open=True)
    pool.wait()

    def query():
        with pool.connection() as connection:
            connection.execute("select n from of_the_app").fetchall()
            time.sleep(0.02)

    return query


def query_until_stopped(query):
    global queries, failed, first_error
    while running:
        with lock:
            queries += 1
        try:
            query()
            answered.add(threading.get_ident())
        except Exception as error:
            with lock:
                failed += 1
                first_error = first_error or str(error).replace("\n", " ")


query = {"sqlalchemy": sqlalchemy, "psycopg": psycopg}[sys.argv[1]]()
users = [threading.Thread(target=query_until_stopped, args=(query,)) for _ in range(size)]
for user in users:
    user.start()
while len(answered) < size or opened < size:
    time.sleep(0.01)
print("ready", flush=True)
sys.stdin.read()
running = False
for user in users:
    user.join()
print(queries, failed, opened, first_error, flush=True)
os._exit(0)
