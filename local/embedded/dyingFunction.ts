import pg from 'pg'
import { type FunctionName, loadHandler } from './embedded.ts'

// node dyingFunction.ts <function> <attempt> <event>
// Runs a function in this process, which kills itself while the function works: at attempt 1 as soon as the database has the new
// password, at a later attempt after the first query.

const [, , functionName = '', attempt = '', event = ''] = process.argv
const query = pg.Client.prototype.query as unknown as (text: string) => Promise<unknown>

/** Stands for the query method of the PostgreSQL client. */
async function queryAndDie(this: pg.Client, text: string) {
  const result = await query.call(this, text)
  if (attempt !== '1' || text.includes(' password ')) process.kill(process.pid, 'SIGKILL')
  return result
}

pg.Client.prototype.query = queryAndDie as unknown as typeof pg.Client.prototype.query
const run = await loadHandler(functionName as FunctionName)
await run(JSON.parse(event))
