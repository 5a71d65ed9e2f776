import { parseEnvironment } from './environment.ts'
import { startCallEvent } from './event.ts'
import { Executions } from './executions.ts'
import { functionHandler } from './handler.ts'
import { requestHandler } from './requestHandler.ts'

const executions = new Executions(parseEnvironment(process.env).executions, { requestHandler })

/**
 * Starts a rotation under a token that its caller knows, so that it begins once, however often it is asked for.
 * What Parameter Store's own events ask for is looked at first: they are for every parameter of the account, and may
 * come late.
 */
export const handler = functionHandler(
  'startRotation',
  startCallEvent,
  ({ store, id, token }) => ({ store, id, token }),
  async ({ at, until, ...input }) => {
    const reason = until && new Date() >= until ? 'its window has closed' : at && (await whyNot(input.id, at))
    if (reason) return { ...input, outcome: 'skipped', reason }
    const started = await executions.start({ token: input.token, number: 1 }, input)
    if (started) return { ...input, outcome: 'started' }
    return { ...input, outcome: 'skipped', reason: 'this token was tried already; the next try comes later' }
  },
)

/** Why a parameter is not to rotate although an event of the time `at` says so. Only events need what is loaded. */
async function whyNot(id: string, at: Date): Promise<string | undefined> {
  const [{ SSMClient }, { changesOf, tagsOf }] = await Promise.all([
    import('@aws-sdk/client-ssm'),
    import('../fleet/parameters.ts'),
  ])
  const ssm = new SSMClient({ requestHandler })
  const changed = (await changesOf(ssm, [id])).get(id)
  if (!changed) return 'there is no such parameter any more'
  if ((await tagsOf(ssm, id))['keyturn:managed'] !== 'true') return 'it lacks the tag keyturn:managed=true'
  return changed > at ? 'it has changed since then' : undefined
}
