import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

/**
 * Path of the file that says how the superuser logs in to the PostgreSQL of `npm run local`, while that runs. It is one line in the
 * format of libpq's password file: https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
export const PASSWORD_FILE = '.local/pgpass'

/** The line of PASSWORD_FILE. A colon would have to be escaped, but no host or password here has one. */
export const formatPasswordLine = (host: string, port: number, user: string, password: string) =>
  `${host}:${port}:*:${user}:${password}\n`

/**
 * Runs statements as the superuser of the PostgreSQL of `npm run local`.
 * @param folder the project's folder
 * @returns the rows of the last statement that returns any
 */
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
