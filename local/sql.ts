import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

/**
 * The superuser of the PostgreSQL that `npm run local` started, as a line of libpq's password file. It is there while
 * the run is.
 */
export const PASSWORD_FILE = '.local/pgpass'

/** That line. Neither a host nor a password of ours has a colon. */
export const formatPasswordLine = (host: string, port: number, user: string, password: string) =>
  `${host}:${port}:*:${user}:${password}\n`

/** The rows that statements give to the superuser of the run in `folder`, those of the last one that gives some. */
export async function queryLocalDatabase(statements: string, folder: string): Promise<object[]> {
  const read = (path: string) => readFileSync(join(folder, path), 'utf8').trim()
  const [host, port, , user, password] = read(PASSWORD_FILE).split(':')
  const ssl = { ca: read('.local/ca.pem') }
  const client = new pg.Client({ host, port: Number(port), user, password, ssl, database: 'postgres' })
  await client.connect()
  try {
    const results = [await client.query(statements)].flat()
    return results.findLast(({ fields }) => fields.length)?.rows ?? []
  } finally {
    await client.end()
  }
}

if (import.meta.main) {
  const [statement] = process.argv.slice(2)
  if (statement) {
    try {
      console.table(await queryLocalDatabase(statement, join(import.meta.dirname, '..')))
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      console.error(code === 'ENOENT' ? 'Nothing runs here: npm run local starts it.' : message)
      process.exitCode = 1
    }
  } else {
    console.error('Usage: npm run local:sql -- "select usename from pg_user"')
    process.exitCode = 2
  }
}
