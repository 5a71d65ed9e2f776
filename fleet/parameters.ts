import {
  GetParameterCommand,
  ListTagsForResourceCommand,
  paginateDescribeParameters,
  paginateGetParameterHistory,
  type SSMClient,
} from '@aws-sdk/client-ssm'
import { callAws } from '../rotation/callAws.ts'
import {
  LOCK_NAME,
  lockNameOf,
  PENDING_PATH,
  pendingPathOf,
  tokenOf,
} from '../rotation/stores/parameterNames.ts'
import { type Tags, tagsIn } from '../rotation/tags.ts'
import { isToken } from './token.ts'

export { pendingPathOf }

/** As many names as DescribeParameters takes in one filter. */
const NAMES_PER_FILTER = 50

/**
 * When the newest version of each of these parameters was made; one that does not exist is left out.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function findModificationDates(ssm: SSMClient, names: string[]): Promise<Map<string, Date>> {
  const found = new Map<string, Date>()
  for (let start = 0; start < names.length; start += NAMES_PER_FILTER) {
    const filter = { Key: 'Name', Option: 'Equals', Values: names.slice(start, start + NAMES_PER_FILTER) }
    const pages = paginateDescribeParameters(
      { client: ssm, pageSize: NAMES_PER_FILTER },
      { ParameterFilters: [filter] },
    )
    for (const { Parameters = [] } of await callAws('Parameter Store', () => Array.fromAsync(pages)))
      for (const { Name, LastModifiedDate } of Parameters)
        if (Name && LastModifiedDate) found.set(Name, LastModifiedDate)
  }
  return found
}

/** The tags of a parameter that exists. @throws NotPermitted, Throttled, StoreFailed */
export async function fetchParameterTags(ssm: SSMClient, name: string): Promise<Tags> {
  const command = new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: name })
  return tagsIn((await callAws('Parameter Store', () => ssm.send(command))).TagList)
}

/**
 * The tokens of the rotations that may still run of a parameter: the one that has its lock, and those that made its two
 * newest versions, as they may be in their grace time. A version that was written by hand has none.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function findRunningTokens(ssm: SSMClient, name: string): Promise<string[]> {
  const pages = paginateGetParameterHistory({ client: ssm, pageSize: 50 }, { Name: name })
  const [found, pending] = await Promise.all([
    callAws('Parameter Store', () => Array.fromAsync(pages)),
    fetchLockToken(ssm, name),
  ])
  const versions = found.flatMap(({ Parameters = [] }) => Parameters)
  return [...new Set([...(pending ? [pending] : []), ...versions.slice(-2).map(tokenOf)])]
}

async function fetchLockToken(ssm: SSMClient, name: string): Promise<string | undefined> {
  const command = new GetParameterCommand({ Name: lockNameOf(name) })
  const found = await callAws('Parameter Store', () => ssm.send(command), {
    ParameterNotFound: () => undefined,
  })
  return found?.Parameter?.Value
}

/** The token of what is pending of one parameter, if anything is. No value is read. */
export const findPendingToken = async (ssm: SSMClient, name: string): Promise<string | undefined> =>
  (await findPendingTokens(ssm, name)).get(pendingPathOf(name))

/**
 * The tokens of all that is pending of parameters, by that path: of `name` alone, if one is given. No value is read. What a
 * rotation has discarded is kept for a while: pending is what was written after the lock that is there.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function findPendingTokens(ssm: SSMClient, name?: string): Promise<Map<string, string>> {
  const path = name === undefined ? PENDING_PATH : pendingPathOf(name)
  const filter = { Key: 'Path', Option: 'Recursive', Values: [path] }
  const pages = paginateDescribeParameters(
    { client: ssm, pageSize: NAMES_PER_FILTER },
    { ParameterFilters: [filter] },
  )
  const all = (await callAws('Parameter Store', () => Array.fromAsync(pages))).flatMap(
    ({ Parameters = [] }) => Parameters,
  )
  const times = new Map(
    all.map(({ Name = '', LastModifiedDate }) => [Name, LastModifiedDate?.getTime() ?? 0]),
  )
  const found = new Map<string, string>()
  for (const { Name = '' } of all) {
    const [, above = '', token = ''] = /^(.+)\/([^/]+)$/.exec(Name) ?? []
    const since = times.get(`${above}/${LOCK_NAME}`)
    if (isToken(token) && since !== undefined && (times.get(Name) ?? 0) >= since) found.set(above, token)
  }
  return found
}
