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

/**
 * How many names one filter of DescribeParameters takes, and how many parameters one page of its answer has.
 * https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html
 */
const NAMES_PER_FILTER = 50

/**
 * When the newest version of each of these parameters was made, by name. A parameter that does not exist is left out.
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

/** The tags of a parameter, which has to exist. @throws NotPermitted, Throttled, StoreFailed */
export async function fetchParameterTags(ssm: SSMClient, name: string): Promise<Tags> {
  const command = new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: name })
  return tagsIn((await callAws('Parameter Store', () => ssm.send(command))).TagList)
}

/**
 * The tokens of the rotations of a parameter that may still run: the one that holds the parameter's lock, and those that made
 * its two newest versions, as they may be in their grace time.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function findRunningTokens(ssm: SSMClient, name: string): Promise<string[]> {
  const pages = paginateGetParameterHistory({ client: ssm, pageSize: 50 }, { Name: name })
  const [history, lockToken] = await Promise.all([
    callAws('Parameter Store', () => Array.fromAsync(pages)),
    fetchLockToken(ssm, name),
  ])
  const versions = history.flatMap(({ Parameters = [] }) => Parameters)
  return [...new Set([...(lockToken ? [lockToken] : []), ...versions.slice(-2).map(tokenOf)])]
}

/** The token of the rotation that holds the lock of a parameter, if one does. */
async function fetchLockToken(ssm: SSMClient, name: string): Promise<string | undefined> {
  const command = new GetParameterCommand({ Name: lockNameOf(name) })
  const found = await callAws('Parameter Store', () => ssm.send(command), {
    ParameterNotFound: () => undefined,
  })
  return found?.Parameter?.Value
}

/**
 * The token of the pending version of one parameter, if it has one. No value is read.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export const findPendingToken = async (ssm: SSMClient, name: string): Promise<string | undefined> =>
  (await findPendingTokens(ssm, name)).get(pendingPathOf(name))

/**
 * The tokens of the pending versions of all parameters, or of the parameter `name` alone, by the path under which the pending
 * versions of a parameter are stored. No value is read. Discarded versions are stored there for a while, too, but a rotation has
 * a lock there as long as its version is pending. It writes its version just before it takes the lock, so the newest version
 * beside a lock is the pending one.
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
  const names = new Set(all.map(({ Name }) => Name))
  const found = new Map<string, string>()
  const oldestFirst = all.toSorted((a, b) => Number(a.LastModifiedDate) - Number(b.LastModifiedDate))
  for (const { Name = '' } of oldestFirst) {
    const [, pendingPath = '', token = ''] = /^(.+)\/([^/]+)$/.exec(Name) ?? []
    if (isToken(token) && names.has(`${pendingPath}/${LOCK_NAME}`)) found.set(pendingPath, token)
  }
  return found
}
