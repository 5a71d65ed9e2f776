import pg from 'pg'
import { type FunctionName, loadHandler } from './embedded.ts'

/**
 * Runs one function in a process that is killed while it works: as soon as the database has a new password or, if it
 * has one already, at the first answer. `node dyingFunction.ts <function> <attempt> <event>`
 */
const [, , file = '', attempt = '', event = ''] = process.argv
const query = pg.Client.prototype.query as unknown as (text: string) => Promise<unknown>
async function queryAndDie(this: pg.Client, text: string) {
  const result = await query.call(this, text)
  if (attempt !== '1' || text.includes(' password ')) process.kill(process.pid, 'SIGKILL')
  return result
}
pg.Client.prototype.query = queryAndDie as unknown as typeof pg.Client.prototype.query
const run = await loadHandler(file as FunctionName)
await run(JSON.parse(event))
