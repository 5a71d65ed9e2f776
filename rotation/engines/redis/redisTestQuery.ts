import { awaitTestQuery, writingTestQueryError } from '../testQuery.ts'
import { listOrEmpty, type RedisWire } from './redisWire.ts'

/** Where COMMAND INFO has what it tells of the commands within one, such as XINFO STREAM. */
const SUBCOMMANDS_INDEX = 9
/** Where each has its flags. */
const FLAGS_INDEX = 2

/**
 * Runs a test query; unless it may write, only a command that reads.
 * @throws TestFailed
 */
export async function runTestQuery(
  wire: RedisWire,
  query: string,
  { where, mayWrite }: { where: string; mayWrite: boolean },
): Promise<void> {
  const words = [...query.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  )
  if (!mayWrite) await requireReadOnlyCommand(wire, words, where)
  await awaitTestQuery(wire.send(words))
}

/** @throws TestFailed unless the server itself says that the command only reads */
async function requireReadOnlyCommand(
  wire: RedisWire,
  [name = '', subcommand]: string[],
  where: string,
): Promise<void> {
  const told = await awaitTestQuery(wire.send(['COMMAND', 'INFO', name]))
  const [info] = listOrEmpty(told)
  // It does not know the command, and will say so.
  if (info === null) return
  const isMeant = (one: unknown) =>
    `${listOrEmpty(one)[0]}`.toLowerCase() === `${name}|${subcommand}`.toLowerCase()
  const meant = listOrEmpty(listOrEmpty(info)[SUBCOMMANDS_INDEX]).find(isMeant) ?? info
  const flags = listOrEmpty(meant)[FLAGS_INDEX]
  if (!listOrEmpty(flags).includes('readonly')) throw writingTestQueryError(where)
}
