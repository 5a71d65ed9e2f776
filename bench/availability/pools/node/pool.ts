import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'

// The pool of pg or mysql2, with its defaults but for the size. PoolLibrary in ../../pools.ts says what it reads and prints.

const setting = (name: string) => process.env[`POOL_${name}`] ?? ''
const size = Number(setting('SIZE'))
const login = {
  host: setting('HOST'),
  port: Number(setting('PORT')),
  user: setting('USERNAME'),
  password: setting('PASSWORD'),
  database: setting('DATABASE'),
  ssl: { ca: readFileSync(setting('CA_FILE'), 'utf8') },
}

let [opened, queries, failed, answered] = [0, 0, 0, 0]
let firstError = ''
let isRunning = true

const fail = ({ message }: Error) => {
  failed++
  firstError ||= message.replaceAll('\n', ' ')
}

/** Queries over a connection, and holds the connection for a moment, so that all connections of the pool are in use. */
async function queryAndHold(connection: {
  query(text: string): Promise<unknown>
  release(): void
}): Promise<void> {
  try {
    await connection.query('select n from of_the_app')
    await sleep(20)
  } finally {
    connection.release()
  }
}

/** Opens the pool. `query` makes a query over one of its connections. */
function open(): { query(): Promise<void>; end(): Promise<void> } {
  if (process.argv[2] === 'pg') {
    const pool = new pg.Pool({ ...login, max: size })
    // Without a listener, an error of an idle connection would end this process. The loss shows in `opened`, when the pool opens
    // another connection.
    pool.on('error', () => {})
    pool.on('connect', client => {
      opened++
      client.on('error', () => {})
    })
    return { query: () => pool.connect().then(queryAndHold), end: () => pool.end() }
  }
  const pool = mysql.createPool({ ...login, connectionLimit: size })
  pool.on('connection', () => opened++)
  return { query: () => pool.getConnection().then(queryAndHold), end: () => pool.end() }
}

const pool = open()
async function queryUntilStopped(): Promise<void> {
  while (isRunning) {
    queries++
    await pool.query().then(() => answered++, fail)
  }
}
const queryLoops = Array.from({ length: size }, queryUntilStopped)
while (!answered || opened < size) await sleep(10)
console.log('ready')
process.stdin.resume().on('end', async () => {
  isRunning = false
  await Promise.all(queryLoops)
  console.log(queries, failed, opened, firstError)
  await pool.end()
})
