import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import pg from 'pg'

/** The pool of pg or of mysql2 with its defaults but for the size; see ../pools.ts for what it is told and answers. */

const told = (name: string) => process.env[`POOL_${name}`] ?? ''
const size = Number(told('SIZE'))
const login = {
  host: told('HOST'),
  port: Number(told('PORT')),
  user: told('USERNAME'),
  password: told('PASSWORD'),
  database: told('DATABASE'),
  ssl: { ca: readFileSync(told('CA_FILE'), 'utf8') },
}

let [opened, queries, failed, answered] = [0, 0, 0, 0]
let first = ''
let running = true

const fail = ({ message }: Error) => {
  failed++
  first ||= message.replaceAll('\n', ' ')
}

/** Asks over a connection, and keeps it for a moment, so that all of the pool are in use. */
async function hold(connection: { query(text: string): Promise<unknown>; release(): void }): Promise<void> {
  try {
    await connection.query('select n from of_the_app')
    await sleep(20)
  } finally {
    connection.release()
  }
}

function open(): { ask(): Promise<void>; end(): Promise<void> } {
  if (process.argv[2] === 'pg') {
    const pool = new pg.Pool({ ...login, max: size })
    // A session that is cut shows as one that is opened again.
    pool.on('error', () => {})
    pool.on('connect', client => {
      opened++
      client.on('error', () => {})
    })
    return { ask: () => pool.connect().then(hold), end: () => pool.end() }
  }
  const pool = mysql.createPool({ ...login, connectionLimit: size })
  pool.on('connection', () => opened++)
  return { ask: () => pool.getConnection().then(hold), end: () => pool.end() }
}

const pool = open()
async function use(): Promise<void> {
  while (running) {
    queries++
    await pool.ask().then(() => answered++, fail)
  }
}
const users = Array.from({ length: size }, use)
while (!answered || opened < size) await sleep(10)
console.log('ready')
process.stdin.resume().on('end', async () => {
  running = false
  await Promise.all(users)
  console.log(queries, failed, opened, first)
  await pool.end()
})
