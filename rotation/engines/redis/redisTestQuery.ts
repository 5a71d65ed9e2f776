import { mayOnlyRead, tested } from '../testQuery.ts'
import { listed, type RedisWire } from './redisWire.ts'

/** Where COMMAND INFO has what it tells of the commands within one, such as XINFO STREAM. */
const SUBCOMMANDS = 9
/** Where each has its flags. */
const FLAGS = 2

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
  if (!mayWrite) await requireReading(wire, words, where)
  await tested(wire.send(words))
}

/** @throws TestFailed unless the server itself says that the command only reads */
async function requireReading(
  wire: RedisWire,
  [name = '', subcommand]: string[],
  where: string,
): Promise<void> {
  const told = await tested(wire.send(['COMMAND', 'INFO', name]))
  const [info] = listed(told)
  // It does not know the command, and will say so.
  if (info === null) return
  const isMeant = (one: unknown) =>
    `${listed(one)[0]}`.toLowerCase() === `${name}|${subcommand}`.toLowerCase()
  const meant = listed(listed(info)[SUBCOMMANDS]).find(isMeant) ?? info
  const flags = listed(meant)[FLAGS]
  if (!listed(flags).includes('readonly')) throw mayOnlyRead(where)
}
